/*
 * model: one PostgreSQL schema as text: types, defaults and expressions in the server's own
 * spelling when it was read from a catalog, in the author's when it was made of the entities. Two
 * models are compared only when the same server has spelled both (see catalog.h).
 */
#pragma once
#include "base/arena.h"
#include "base/sha256.h"
#include "schema/entities.h"

struct model_enum {
    struct str name;
    struct str *labels;
    size_t label_count;
};

struct model_column {
    struct str name;
    struct str type;
    bool is_not_null;
    struct str default_sql; /* empty: none */
};

struct model_table {
    struct str name;
    struct str partition_by; /* empty: not partitioned */
    struct str options;      /* "fillfactor=50, …"; empty: none */
    struct str rights;       /* of the set's role: "INSERT, SELECT", sorted; "*": it is the owner */
    struct model_column *columns;
    size_t column_count;
    struct schema_constraint *constraints;
    size_t constraint_count;
    struct schema_index *indexes;
    size_t index_count;
};

struct model {
    bool role_exists;  /* the set's; false in a model of the entities */
    bool role_may_use; /* the PostgreSQL schema */
    struct model_enum *enums;
    size_t enum_count;
    struct model_table *tables;
    size_t table_count;
    struct schema_function *functions;
    size_t function_count;
};

/* The entities as they are declared; expressions in the author's spelling. */
void model_of_set(struct arena *a, const struct schema_set *set, struct model *ret_model);

/* Brings the tables into the order of the set; those it does not have come last. */
void model_sort(struct model *m, const struct schema_set *set);

[[nodiscard]] const struct model_enum *model_find_enum(const struct model *m, struct str name);
[[nodiscard]] const struct model_table *model_find_table(const struct model *m, struct str name);
[[nodiscard]] const struct schema_function *model_find_function(const struct model *m,
                                                                struct str name);
[[nodiscard]] const struct model_column *model_find_column(const struct model_table *t,
                                                           struct str name);
[[nodiscard]] const struct schema_constraint *model_find_constraint(const struct model_table *t,
                                                                    struct str name);
[[nodiscard]] const struct schema_index *model_find_index(const struct model_table *t,
                                                          struct str name);
/* Whether the enumeration has the label. */
[[nodiscard]] bool model_has_label(const struct model_enum *e, struct str label);

/* A digest of everything in the model, in order. */
void model_digest(const struct model *m, char ret_hex[SHA256_HEX_LEN + 1]);
