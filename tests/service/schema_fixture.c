#include "schema_fixture.h"

#include <unistd.h>

struct pg_server *server;

int start_server(void **state)
{
    (void)state;
    server = pg_server_start(NULL);
    return 0;
}

int stop_server(void **state)
{
    (void)state;
    pg_server_destroy(server);
    return 0;
}

static const struct schema_label moods[] = {
    { STR("calm"), STR("CALM") },
    { STR("hungry"), STR("HUNGRY") },
};

static const struct schema_constraint visit_constraints[] = {
    { STR("visits_pkey"), SCHEMA_PRIMARY, STR("PRIMARY KEY (id)") },
    { STR("visits_pet_id_fk"), SCHEMA_FOREIGN,
      STR("FOREIGN KEY (pet_id) REFERENCES pets (id) ON DELETE CASCADE") },
};

void pets_init(struct pets *p)
{
    *p = (struct pets){
        .mood = { STR("pet_mood"), p->labels, countof(moods) },
        .pet_columns = {
            { STR("id"), SCHEMA_UUID, NULL, false, STR("") },
            { STR("name"), SCHEMA_TEXT, NULL, false, STR("") },
            { STR("mood"), SCHEMA_ENUM, &p->mood, false, STR("'calm'") },
            { STR("order"), SCHEMA_INT4, NULL, true, STR("") },
        },
        .pet_constraints = {
            { STR("pets_pkey"), SCHEMA_PRIMARY, STR("PRIMARY KEY (id)") },
            { STR("pets_name_ck"), SCHEMA_CHECK,
              STR("CHECK (char_length(name) BETWEEN 1 AND 20)") },
        },
        .pet_indexes = {
            { STR("pets_name_uq"), true, STR("btree (lower(name))") },
            { STR("pets_hungry_ix"), false, STR("btree (id) WHERE mood = 'hungry'") },
        },
        .visit_columns = {
            { STR("id"), SCHEMA_UUID, NULL, false, STR("") },
            { STR("pet_id"), SCHEMA_UUID, NULL, true, STR("") },
            { STR("at"), SCHEMA_TIMESTAMPTZ, NULL, false, STR("now()") },
        },
    };
    memcpy(p->labels, moods, sizeof moods);
    memcpy(p->visit_constraints, visit_constraints, sizeof visit_constraints);
    p->tables[0] = (struct schema_table){ .name = STR("pets"),
                                          .columns = p->pet_columns,
                                          .column_count = 4,
                                          .constraints = p->pet_constraints,
                                          .constraint_count = 2,
                                          .indexes = p->pet_indexes,
                                          .index_count = 2,
                                          .rights = STR("SELECT, INSERT") };
    p->tables[1] = (struct schema_table){ .name = STR("visits"),
                                          .columns = p->visit_columns,
                                          .column_count = 3,
                                          .constraints = p->visit_constraints,
                                          .constraint_count = 2,
                                          .rights = STR("SELECT") };
    p->set = (struct schema_set){ .name = STR("public"),
                                  .role = STR("pet_reader"),
                                  .enums = &p->mood,
                                  .enum_count = 1,
                                  .tables = p->tables,
                                  .table_count = 2 };
}

void pets_add_nickname(struct pets *p)
{
    p->pet_columns[p->tables[0].column_count++] =
        (struct schema_column){ STR("nickname"), SCHEMA_TEXT, NULL, false, STR("'none'") };
}

void transcript_clear(struct transcript *t)
{
    buf_clear(&t->text);
}

bool transcript_has(const struct transcript *t, const char *words)
{
    return str_find(buf_str(&t->text), str_of_c(words)) >= 0;
}

void transcript_add(enum schema_report kind, struct str text, void *owner)
{
    static const char *const names[] = { "done", "note", "missing", "sql", "wait" };
    struct transcript *t = owner;
    buf_printf(&t->text, "%s %.*s\n", names[kind], STR_FMT(text));
}

void prepare_with(const char *url, enum schema_mode mode, struct schema_options *options,
                  struct transcript *t)
{
    struct err e = { 0 };
    buf_reset(&t->text);
    options->report = transcript_add;
    options->owner = t;
    if (!schema_prepare(str_of_c(url), mode, options, &e))
        fail_msg("%s\n%.*s", err_text(&e), STR_FMT(buf_str(&t->text)));
}

void prepare(const char *url, enum schema_mode mode, const struct schema_set *set,
             struct transcript *t)
{
    struct schema_options options = { .set = set };
    prepare_with(url, mode, &options, t);
}

struct err prepare_refused(const char *url, enum schema_mode mode, const struct schema_set *set,
                           struct transcript *t)
{
    struct err e = { 0 };
    buf_reset(&t->text);
    struct schema_options options = { .set = set, .report = transcript_add, .owner = t };
    if (schema_prepare(str_of_c(url), mode, &options, &e))
        fail_msg("it was not refused: %.*s", STR_FMT(buf_str(&t->text)));
    return e;
}

struct db_conn *open_conn(const char *url)
{
    struct err e = { 0 };
    struct db_conn *conn = NULL;
    if (!db_conn_open(&(struct db_conn_options){ .url = str_of_c(url) }, &conn, &e))
        fail_msg("%s", err_text(&e));
    return conn;
}

void run_sql(struct db_conn *conn, const char *sql)
{
    struct err e = { 0 };
    if (!db_conn_exec(conn, "the test's own", str_of_c(sql), &e))
        fail_msg("%s", err_text(&e));
}

void run_sql_at(const char *url, const char *sql)
{
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(url);
    run_sql(conn, sql);
}

const char *ask_at(const char *url, const char *sql)
{
    static char answer[4096];
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(url);
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    struct err e = { 0 };
    if (!db_conn_query(conn, "the test's own", str_of_c(sql), NULL, &rows, &e))
        fail_msg("%s", err_text(&e));
    assert_int_equal(db_rows_count(rows), 1);
    struct str text = db_rows_text(rows, 0, 0);
    snprintf(answer, sizeof answer, "%.*s", STR_FMT(text));
    return answer;
}

void remove_migrations(struct arena *a, const char *folder)
{
    struct migration_list list;
    struct err e = { 0 };
    if (migration_load(a, folder, &list, &e))
        for (size_t i = 0; i < list.count; i++)
            unlink(arena_printf(a, "%s/%.*s.sql", folder, STR_FMT(list.items[i].name)).ptr);
    rmdir(folder);
}
