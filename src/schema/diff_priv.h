/* diff_priv: what the files of diff share: the comparison under way and the texts it writes. */
#pragma once
#include "schema/diff.h"

struct differ {
    struct arena *a;
    const struct model *from, *to;
    const struct diff_options *options;
    struct diff diff;
    bool is_in_new; /* what is added now is part of a table or function that is added */
};

void diff_add(struct differ *d, enum diff_kind kind, enum diff_phase phase, const char *verb,
              struct str what, struct str sql);

/* ddl.c: statements */
[[nodiscard]] struct str ddl_column(struct arena *a, const struct model_column *c);
[[nodiscard]] struct str ddl_create_table(struct arena *a, const struct model_table *t);
[[nodiscard]] struct str ddl_create_enum(struct arena *a, const struct model_enum *e);
[[nodiscard]] struct str ddl_create_index(struct arena *a, const struct model_table *t,
                                          const struct schema_index *i);
[[nodiscard]] struct str ddl_drop_index(struct arena *a, const struct schema_index *i);
[[nodiscard]] struct str ddl_add_constraint(struct arena *a, const struct model_table *t,
                                            const struct schema_constraint *c);
[[nodiscard]] struct str ddl_drop_constraint(struct arena *a, const struct model_table *t,
                                             const struct schema_constraint *c);
/* "ALTER TABLE users ALTER COLUMN email SET NOT NULL;" for the action "SET NOT NULL". */
[[nodiscard]] struct str ddl_alter_column(struct arena *a, const struct model_table *t,
                                          const struct model_column *c, struct str action);

/* diff_enum.c, diff_table.c */
void diff_enums(struct differ *d);
void diff_tables(struct differ *d);
