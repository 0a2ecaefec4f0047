#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "schema/catalog.h"
#include "schema/catalog_sql.h"
#include "schema/generate.h"
#include "schema/state_sql.h"
#include "schema_fixture.h"

/* A folder of its own under /tmp, and the pets. */
struct desk {
    struct arena *a;
    char folder[64];
    struct pets pets;
    struct schema_options options;
    struct transcript t;
    const char *url;
};

static void desk_open(struct desk *d)
{
    *d = (struct desk){ .a = arena_create(0),
                        .folder = "/tmp/windlass-generate-XXXXXX",
                        .url = pg_server_database(server) };
    assert_non_null(mkdtemp(d->folder));
    pets_init(&d->pets);
    d->options =
        (struct schema_options){ .set = &d->pets.set, .report = transcript_add, .owner = &d->t };
}

static const char *path_of(struct desk *d, const char *file)
{
    return arena_printf(d->a, "%s/%s", d->folder, file).ptr;
}

static void desk_clear(struct desk *d)
{
    remove_migrations(d->a, d->folder);
    transcript_clear(&d->t);
    arena_destroy(d->a);
}

static struct str content(struct desk *d, const char *file)
{
    enum { SIZE_MAX_HERE = 64 * 1024 };
    char *text = arena_alloc(d->a, SIZE_MAX_HERE);
    int fd = open(path_of(d, file), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, text, SIZE_MAX_HERE);
    close(fd);
    assert_true(len >= 0 && len < SIZE_MAX_HERE);
    return str_of(text, (size_t)len);
}

/* Generates and expects this report. */
static void generates(struct desk *d, const char *name, const char *report)
{
    struct err e = { 0 };
    size_t count;
    buf_reset(&d->t.text);
    if (!generate_migration(str_of_c(d->url), &d->options, str_of_c(name), d->folder, &count, &e))
        fail_msg("%s", err_text(&e));
    assert_str(buf_str(&d->t.text), arena_cstr(d->a, str_of_c(report)));
}

static const char *done(struct desk *d, const char *file)
{
    return arena_printf(d->a, "done %s/%s\n", d->folder, file).ptr;
}

static void the_first_migration_leads_to_the_entities_and_back(void **state)
{
    (void)state;
    scoped(desk_clear) struct desk d;
    desk_open(&d);
    generates(&d, "initial", done(&d, "0001_initial.sql"));
    generates(&d, "again", "");
    struct migration_list list;
    struct err e = { 0 };
    assert_true(migration_load(d.a, d.folder, &list, &e));
    d.options.migrations = &list;
    prepare_with(d.url, SCHEMA_MODE_MIGRATE, &d.options, &d.t);
    assert_str(buf_str(&d.t.text), "done 0001_initial\n");
    assert_string_equal(
        ask_at(d.url, "SELECT count(*) FROM pg_database WHERE datname LIKE 'windlass_scratch%'"),
        "0");
}

static void a_column_has_its_way_back(void **state)
{
    (void)state;
    scoped(desk_clear) struct desk d;
    desk_open(&d);
    generates(&d, "initial", done(&d, "0001_initial.sql"));
    pets_add_nickname(&d.pets);
    generates(&d, "nickname", done(&d, "0002_nickname.sql"));
    assert_str(content(&d, "0002_nickname.sql"),
               "-- nickname: written by `windlass migrate generate`.\n-- :up\n"
               "ALTER TABLE pets ADD COLUMN nickname text DEFAULT 'none'::text NOT NULL;\n"
               "-- :down\n"
               "-- drop column pets.nickname: what is in it is lost\n"
               "ALTER TABLE pets DROP COLUMN nickname;\n");
    generates(&d, "again", "");
}

static void a_new_enum_value_has_a_file_of_its_own_before_its_use(void **state)
{
    (void)state;
    scoped(desk_clear) struct desk d;
    desk_open(&d);
    generates(&d, "initial", done(&d, "0001_initial.sql"));
    d.pets.labels[2] = (struct schema_label){ STR("sleepy"), STR("SLEEPY") };
    d.pets.mood.label_count = 3;
    d.pets.pet_columns[2].default_sql = STR("'sleepy'");
    generates(
        &d, "sleepy",
        arena_printf(d.a, "%s%s", done(&d, "0002_sleepy_values.sql"), done(&d, "0003_sleepy.sql"))
            .ptr);
    assert_str(content(&d, "0002_sleepy_values.sql"),
               "-- sleepy: written by `windlass migrate generate`.\n-- :up\n"
               "ALTER TYPE pet_mood ADD VALUE IF NOT EXISTS 'sleepy' AFTER 'hungry';\n"
               "-- :irreversible PostgreSQL cannot remove an enum value\n");
    assert_str(content(&d, "0003_sleepy.sql"),
               "-- sleepy: written by `windlass migrate generate`.\n-- :up\n"
               "ALTER TABLE pets ALTER COLUMN mood SET DEFAULT 'sleepy'::pet_mood;\n-- :down\n"
               "ALTER TABLE pets ALTER COLUMN mood SET DEFAULT 'calm'::pet_mood;\n");
    generates(&d, "again", "");
}

/* Each was tried forth and back; where that fails, a note comes. */
static void hard_changes_work_forth_and_back(void **state)
{
    (void)state;
    scoped(desk_clear) struct desk d;
    desk_open(&d);
    generates(&d, "initial", done(&d, "0001_initial.sql"));
    d.pets.labels[0] = (struct schema_label){ STR("serene"), STR("SERENE") };
    d.pets.pet_columns[2].default_sql = STR("'hungry'");
    generates(&d, "serene", done(&d, "0002_serene.sql"));
    d.pets.pet_columns[3].type = SCHEMA_TEXT;
    d.pets.tables[0].index_count = 1;
    generates(&d, "text_order", done(&d, "0003_text_order.sql"));
    d.pets.set.table_count = 1;
    generates(&d, "no_visits", done(&d, "0004_no_visits.sql"));
    generates(&d, "again", "");
}

static void what_cannot_be_generated_says_so(void **state)
{
    (void)state;
    scoped(desk_clear) struct desk d;
    desk_open(&d);
    generates(&d, "initial", done(&d, "0001_initial.sql"));
    d.pets.tables[1].partition_by = STR("RANGE (id)");
    struct err e = { 0 };
    size_t count;
    buf_reset(&d.t.text);
    assert_true(
        generate_migration(str_of_c(d.url), &d.options, STR("parts"), d.folder, &count, &e));
    assert_int_equal(count, 1);
    assert_true(transcript_has(&d.t, "note edit it before use: "));
    /* It holds no statement yet, so nobody runs it by mistake. */
    assert_false(
        generate_migration(str_of_c(d.url), &d.options, STR("more"), d.folder, &count, &e));
    assert_string_equal(e.message, "0002_parts.sql:2: no statement below");
    unlink(path_of(&d, "0002_parts.sql"));

    assert_false(
        generate_migration(str_of_c(d.url), &d.options, STR("../x"), d.folder, &count, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(generate_migration(str_of_c(d.url), &d.options, STR("x"), "/nowhere", &count, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* The program's own files and entities, and both ways to make them. */
static void the_programs_migrations_give_exactly_the_entities(void **state)
{
    (void)state;
    scoped(desk_clear) struct desk d;
    desk_open(&d);
    const char *synchronised = pg_server_database(server);
    char digests[2][SHA256_HEX_LEN + 1];
    const char *const urls[] = { d.url, synchronised };
    const enum schema_mode modes[] = { SCHEMA_MODE_MIGRATE, SCHEMA_MODE_SYNCHRONISE };
    for (size_t i = 0; i < 2; i++) {
        prepare(urls[i], modes[i], &schema_public, &d.t);
        scoped(db_conn_destroyp) struct db_conn *conn = open_conn(urls[i]);
        struct model model;
        struct err e = { 0 };
        assert_true(catalog_read(conn, d.a, schema_public.name, schema_public.role, &model, &e));
        model_digest(&model, digests[i]);
    }
    assert_string_equal(digests[0], digests[1]);
    prepare(d.url, SCHEMA_MODE_SYNCHRONISE, &schema_public, &d.t);
    assert_str(buf_str(&d.t.text), "");
}

static void every_statement_can_be_prepared(void **state)
{
    (void)state;
    struct transcript t = { 0 };
    const char *url = pg_server_database(server);
    prepare(url, SCHEMA_MODE_MIGRATE, &schema_public, &t);
    scoped(db_conn_destroyp) struct db_conn *conn = open_conn(url);
    const struct db_statement_list *const lists[] = { &catalog_sql, &state_sql };
    for (size_t i = 0; i < countof(lists); i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            struct err e = { 0 };
            if (!db_conn_check(conn, lists[i]->items[k], &e))
                fail_msg("%s", err_text(&e));
        }
    }
    transcript_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_migration_leads_to_the_entities_and_back),
        cmocka_unit_test(a_column_has_its_way_back),
        cmocka_unit_test(a_new_enum_value_has_a_file_of_its_own_before_its_use),
        cmocka_unit_test(hard_changes_work_forth_and_back),
        cmocka_unit_test(what_cannot_be_generated_says_so),
        cmocka_unit_test(the_programs_migrations_give_exactly_the_entities),
        cmocka_unit_test(every_statement_can_be_prepared),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
