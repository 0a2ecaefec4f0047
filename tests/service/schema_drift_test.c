/*
 * What synchronise, migrate and check each do with what the database has and the entities do not,
 * and the other way round. docs/operations.md "Drift" says it in words.
 */
#include <unistd.h>

#include "schema/generate.h"
#include "schema_drifts.h"

/* ── one drift through all of them ── */

struct desk {
    struct arena *a;
    struct pets pets;
    struct schema_options options;
    struct transcript t;
    struct migration_list list;
    char folder[64];
};

static void desk_clear(struct desk *d)
{
    remove_migrations(d->a, d->folder);
    transcript_clear(&d->t);
    arena_destroy(d->a);
}

static void desk_open(struct desk *d)
{
    *d = (struct desk){ .a = arena_create(0), .folder = "/tmp/windlass-drift-XXXXXX" };
    assert_non_null(mkdtemp(d->folder));
    pets_init(&d->pets);
    d->options =
        (struct schema_options){ .set = &d->pets.set, .report = transcript_add, .owner = &d->t };
}

/* What was reported, and "!" and why where it was refused. */
static const char *outcome(struct desk *d, const char *url, enum schema_mode mode)
{
    struct err e = { 0 };
    buf_reset(&d->t.text);
    bool is_done = schema_prepare(str_of_c(url), mode, &d->options, &e);
    if (is_done)
        return arena_cstr(d->a, buf_str(&d->t.text));
    return arena_printf(d->a, "%.*s! %s", STR_FMT(buf_str(&d->t.text)), e.message).ptr;
}

static void generates(struct desk *d, const char *url, const char *name)
{
    struct err e = { 0 };
    size_t count;
    if (!generate_migration(str_of_c(url), &d->options, str_of_c(name), d->folder, &count, &e))
        fail_msg("%s", err_text(&e));
}

/* The statements between :up and :down of the files from the second on. */
static const char *statements(struct desk *d)
{
    struct err e = { 0 };
    struct migration_list list;
    struct str text = STR("");
    if (!migration_load(d->a, d->folder, &list, &e))
        fail_msg("%s", err_text(&e));
    for (size_t i = 1; i < list.count; i++)
        text = arena_printf(d->a, "%.*s%.*s", STR_FMT(text), STR_FMT(str_trim(list.items[i].up)));
    return arena_cstr(d->a, text);
}

static int differs(const struct drift *drift, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) == 0)
        return 0;
    print_message("# %s, %s:\n# got\n%s\n# instead of\n%s\n", drift->name, what, got, want);
    return 1;
}

static int walk(const struct drift *drift)
{
    scoped(desk_clear) struct desk d;
    int wrong = 0;
    desk_open(&d);
    const char *synchronised = pg_server_database(server), *migrated = pg_server_database(server);
    prepare_with(synchronised, SCHEMA_MODE_SYNCHRONISE, &d.options, &d.t);
    generates(&d, migrated, "initial");
    struct err e = { 0 };
    assert_true(migration_load(d.a, d.folder, &d.list, &e));
    d.options.migrations = &d.list;
    prepare_with(migrated, SCHEMA_MODE_MIGRATE, &d.options, &d.t);
    if (drift->sql != NULL) {
        run_sql_at(synchronised, drift->sql);
        run_sql_at(migrated, drift->sql);
    }
    drift->change(&d.pets);
    wrong += differs(drift, "check", outcome(&d, migrated, SCHEMA_MODE_CHECK), drift->check);
    wrong += differs(drift, "migrate", outcome(&d, migrated, SCHEMA_MODE_MIGRATE),
                     drift->migrate ? drift->migrate : drift->check);
    wrong +=
        differs(drift, "sync", outcome(&d, synchronised, SCHEMA_MODE_SYNCHRONISE), drift->sync);
    generates(&d, migrated, "drift");
    wrong += differs(drift, "generate", statements(&d), drift->generated ? drift->generated : "");
    return wrong;
}

static void each_drift_is_treated_as_the_table_says(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < drift_count; i++)
        wrong += walk(&drifts[i]);
    assert_int_equal(wrong, 0);
}

static void so_are_rights_of_a_role_that_is_there(void **state)
{
    int wrong = 0;
    (void)state;
    const char *url = pg_server_database(server);
    run_sql_at(url, "CREATE ROLE pet_reader");
    for (size_t i = 0; i < right_drift_count; i++)
        wrong += walk(&right_drifts[i]);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_drift_is_treated_as_the_table_says),
        cmocka_unit_test(so_are_rights_of_a_role_that_is_there),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
