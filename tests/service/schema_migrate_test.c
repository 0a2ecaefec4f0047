#include "schema/migrate.h"
#include "schema_fixture.h"

static const char first[] = "-- :up\n"
                            "CREATE TYPE pet_mood AS ENUM ('calm', 'hungry');\n"
                            "CREATE TABLE pets (id uuid NOT NULL, name text NOT NULL,\n"
                            "    mood pet_mood NOT NULL DEFAULT 'calm', \"order\" integer,\n"
                            "    CONSTRAINT pets_pkey PRIMARY KEY (id),\n"
                            "    CONSTRAINT pets_name_ck CHECK (char_length(name) BETWEEN 1 AND "
                            "20));\n"
                            "CREATE TABLE visits (id uuid NOT NULL, pet_id uuid,\n"
                            "    at timestamptz NOT NULL DEFAULT now(),\n"
                            "    CONSTRAINT visits_pkey PRIMARY KEY (id),\n"
                            "    CONSTRAINT visits_pet_id_fk FOREIGN KEY (pet_id) REFERENCES pets\n"
                            "    ON DELETE CASCADE);\n"
                            "CREATE UNIQUE INDEX pets_name_uq ON pets (lower(name));\n"
                            "CREATE INDEX pets_hungry_ix ON pets (id) WHERE mood = 'hungry';\n"
                            "-- :down\n"
                            "DROP TABLE visits; DROP TABLE pets; DROP TYPE pet_mood;\n";

static const char second[] =
    "-- :up\nALTER TABLE pets ADD COLUMN nickname text NOT NULL DEFAULT 'none';\n"
    "-- :down\nALTER TABLE pets DROP COLUMN nickname;\n";

/* Files 0001 and on, and the pets that they lead to. */
struct kennel {
    struct arena *a;
    struct pets pets;
    struct migration_list list;
    struct schema_options options;
    struct transcript t;
    const char *url;
};

static void kennel_files(struct kennel *k, const char *const *texts, size_t count)
{
    struct migration_source sources[8];
    struct err e = { 0 };
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct migration_source){ arena_printf(k->a, "%04zu_step.sql", i + 1),
                                                str_of_c(texts[i]) };
    if (!migration_parse_all(k->a, sources, count, &k->list, &e))
        fail_msg("%s", err_text(&e));
    k->options = (struct schema_options){
        .set = &k->pets.set, .migrations = &k->list, .report = transcript_add, .owner = &k->t
    };
}

static void kennel_open(struct kennel *k, const char *const *texts, size_t count)
{
    *k = (struct kennel){ .a = arena_create(0), .url = pg_server_database(server) };
    pets_init(&k->pets);
    kennel_files(k, texts, count);
}

static void kennel_clear(struct kennel *k)
{
    transcript_clear(&k->t);
    arena_destroy(k->a);
}

static void migrates(struct kennel *k, const char *report)
{
    prepare_with(k->url, SCHEMA_MODE_MIGRATE, &k->options, &k->t);
    assert_str(buf_str(&k->t.text), report);
}

static struct err refuses(struct kennel *k, enum schema_mode mode)
{
    struct err e = { 0 };
    buf_reset(&k->t.text);
    if (schema_prepare(str_of_c(k->url), mode, &k->options, &e))
        fail_msg("it was not refused");
    return e;
}

static const char *applied(struct kennel *k)
{
    return ask_at(k->url, "SELECT coalesce(string_agg(number::text, ' ' ORDER BY number), '') "
                          "FROM windlass_migrations");
}

static void the_files_run_once_in_their_order(void **state)
{
    (void)state;
    const char *const texts[] = { first, second };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 2);
    pets_add_nickname(&k.pets);
    migrates(&k, "done 0001_step\ndone 0002_step\n");
    migrates(&k, "");
    prepare_with(k.url, SCHEMA_MODE_CHECK, &k.options, &k.t);
    assert_str(buf_str(&k.t.text), "");
    prepare_with(k.url, SCHEMA_MODE_SYNCHRONISE, &k.options, &k.t);
    assert_str(buf_str(&k.t.text), "");
}

static void rights_come_after_the_files_and_follow_the_role(void **state)
{
    (void)state;
    const char *const texts[] = { first };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 1);
    migrates(&k, "done 0001_step\n");
    run_sql_at(k.url, "CREATE ROLE pet_reader LOGIN");
    migrates(&k, "done rights of pet_reader on 2 tables\n");
    migrates(&k, "");
    const char *reader = arena_printf(k.a, "%s&user=pet_reader", k.url).ptr;
    assert_string_equal(ask_at(reader, "SELECT count(*) FROM pets"), "0");
    assert_string_equal(ask_at(reader, "SELECT count(*) FROM windlass_migrations"), "1");
    run_sql_at(k.url, "DROP OWNED BY pet_reader; DROP ROLE pet_reader");
}

static void a_migration_that_fails_half_way_leaves_nothing(void **state)
{
    (void)state;
    const char *const texts[] = {
        first, "-- :up\nCREATE TABLE toys (id int);\nSELECT 'ü'; SELECT x FROM nothing;\n"
               "-- :irreversible it is a test\n"
    };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 2);
    struct err e = refuses(&k, SCHEMA_MODE_MIGRATE);
    assert_string_equal(e.message, "0002_step: relation \"nothing\" does not exist");
    assert_non_null(strstr(e.context, "line 3; migration 0002_step, of which nothing was kept"));
    assert_str(buf_str(&k.t.text), "done 0001_step\n");
    assert_string_equal(applied(&k), "1");
    assert_string_equal(ask_at(k.url, "SELECT to_regclass('toys') IS NULL"), "t");
}

static void an_edited_migration_is_refused_by_all(void **state)
{
    (void)state;
    const char *const texts[] = { first };
    const char *const spaced[] = {
        "-- :up  \r\nCREATE TYPE pet_mood AS ENUM ('calm', 'hungry');\r\n-- :down\r\n"
        "DROP TYPE pet_mood;\r\n\r\n"
    };
    const char *const tidy[] = { "-- :up\nCREATE TYPE pet_mood AS ENUM ('calm', 'hungry');\n"
                                 "-- :down\nDROP TYPE pet_mood;" };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 1);
    migrates(&k, "done 0001_step\n");
    kennel_files(&k, tidy, 1);
    struct err e = refuses(&k, SCHEMA_MODE_MIGRATE);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_string_equal(e.message, "0001_step was edited after it was applied: take the edit back "
                                   "and write a new migration");
    assert_false(migrate_revert(str_of_c(k.url), &k.options, 1, &e));
    assert_int_equal(e.code, ERR_CONFLICT);

    /* What an editor does unasked to ends of lines and of the file is no edit. */
    struct migration_list one = k.list;
    kennel_files(&k, spaced, 1);
    assert_string_equal(one.items[0].checksum, k.list.items[0].checksum);
}

static void one_version_behind_is_refused_with_the_way_on(void **state)
{
    (void)state;
    const char *const texts[] = { first, second };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 1);
    migrates(&k, "done 0001_step\n");
    kennel_files(&k, texts, 2);
    pets_add_nickname(&k.pets);
    struct err e = refuses(&k, SCHEMA_MODE_CHECK);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_string_equal(e.message,
                        "the database lacks 1 thing that this program needs: run `windlass migrate "
                        "run`, which starts with 0002_step");
    assert_str(buf_str(&k.t.text), "missing add column pets.nickname\n");
    assert_string_equal(applied(&k), "1");
}

static void a_newer_database_serves_an_older_program(void **state)
{
    (void)state;
    const char *const texts[] = { first, second };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 2);
    pets_add_nickname(&k.pets);
    migrates(&k, "done 0001_step\ndone 0002_step\n");
    run_sql_at(k.url, "ALTER TYPE pet_mood ADD VALUE 'sleepy'");
    kennel_files(&k, texts, 1);
    k.pets.tables[0].column_count--;
    prepare_with(k.url, SCHEMA_MODE_CHECK, &k.options, &k.t);
    assert_str(buf_str(&k.t.text),
               "note the database has values of pet_mood beyond what is needed\n"
               "note the database has column pets.nickname beyond what is needed\n");

    struct migrate_entry *entries;
    size_t count;
    struct err e = { 0 };
    assert_true(migrate_status(str_of_c(k.url), &k.options, k.a, &entries, &count, &e));
    assert_int_equal(count, 2);
    assert_int_equal(entries[0].state, MIGRATE_APPLIED);
    assert_int_equal(entries[1].state, MIGRATE_UNKNOWN);
    assert_str(entries[1].name, "0002_step");
}

static void a_column_that_must_be_given_stops_an_older_program(void **state)
{
    (void)state;
    const char *const texts[] = { first };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 1);
    migrates(&k, "done 0001_step\n");
    run_sql_at(k.url, "ALTER TABLE pets ADD COLUMN chip text NOT NULL");
    struct err e = refuses(&k, SCHEMA_MODE_CHECK);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_true(transcript_has(
        &k.t, "missing allow null in column pets.chip, which this program does not fill\n"));
}

static void drift_is_refused_by_check_and_by_migrate(void **state)
{
    (void)state;
    static const char *const drifts[][2] = {
        { "ALTER TABLE pets DROP COLUMN \"order\"", "missing add column pets.order\n" },
        { "ALTER TABLE visits ALTER COLUMN at DROP DEFAULT",
          "missing set default of column visits.at\n" },
        { "DROP INDEX pets_name_uq", "missing add index pets_name_uq of pets\n" },
        { "ALTER TABLE pets DROP CONSTRAINT pets_name_ck",
          "missing add constraint pets_name_ck of pets\n" },
        { "ALTER TABLE pets ALTER COLUMN name TYPE varchar(20)",
          "missing change type of column pets.name from character varying(20) to text\n" },
        { "DROP TABLE visits", "missing add table visits\n" },
    };
    const char *const texts[] = { first };
    for (size_t i = 0; i < countof(drifts); i++) {
        scoped(kennel_clear) struct kennel k;
        kennel_open(&k, texts, 1);
        migrates(&k, "done 0001_step\n");
        run_sql_at(k.url, drifts[i][0]);
        struct err e = refuses(&k, SCHEMA_MODE_CHECK);
        assert_int_equal(e.code, ERR_CONFLICT);
        assert_true(transcript_has(&k.t, drifts[i][1]));
        e = refuses(&k, SCHEMA_MODE_MIGRATE);
        assert_int_equal(e.code, ERR_CONFLICT);
        assert_true(transcript_has(&k.t, drifts[i][1]));
    }
}

static void a_file_without_transaction_makes_an_index_beside_the_traffic(void **state)
{
    (void)state;
    const char *const texts[] = {
        first, "-- no transaction\n-- :up\n"
               "CREATE INDEX CONCURRENTLY IF NOT EXISTS pets_order_ix ON pets (\"order\");\n"
               "-- :down\nDROP INDEX CONCURRENTLY IF EXISTS pets_order_ix;\n"
    };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 2);
    k.pets.pet_indexes[2] =
        (struct schema_index){ STR("pets_order_ix"), false, STR("btree (\"order\")") };
    k.pets.tables[0].index_count = 3;
    migrates(&k, "done 0001_step\ndone 0002_step\n");
    /* Killed after the statement, before its note: it is run again. */
    run_sql_at(k.url, "DELETE FROM windlass_migrations WHERE number = 2");
    migrates(&k, "done 0002_step\n");
    struct err e = { 0 };
    assert_true(migrate_revert(str_of_c(k.url), &k.options, 1, &e));
    assert_string_equal(ask_at(k.url, "SELECT to_regclass('pets_order_ix') IS NULL"), "t");
}

static void revert_goes_back_step_by_step(void **state)
{
    (void)state;
    const char *const texts[] = { first, second,
                                  "-- :up\nUPDATE pets SET name = lower(name);\n"
                                  "-- :irreversible the capitals are gone\n" };
    scoped(kennel_clear) struct kennel k;
    struct err e = { 0 };
    kennel_open(&k, texts, 3);
    pets_add_nickname(&k.pets);
    migrates(&k, "done 0001_step\ndone 0002_step\ndone 0003_step\n");
    assert_false(migrate_revert(str_of_c(k.url), &k.options, 1, &e));
    assert_string_equal(e.message, "0003_step is irreversible: the capitals are gone");
    run_sql_at(k.url, "DELETE FROM windlass_migrations WHERE number = 3");
    assert_true(migrate_revert(str_of_c(k.url), &k.options, 2, &e));
    assert_string_equal(applied(&k), "");
    assert_string_equal(ask_at(k.url, "SELECT to_regclass('pets') IS NULL"), "t");
    assert_false(migrate_revert(str_of_c(k.url), &k.options, 1, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    migrates(&k, "done 0001_step\ndone 0002_step\ndone 0003_step\n");
}

static void a_synchronised_database_that_agrees_is_adopted(void **state)
{
    (void)state;
    const char *const texts[] = { first, second };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 2);
    prepare_with(k.url, SCHEMA_MODE_SYNCHRONISE, &k.options, &k.t);
    pets_add_nickname(&k.pets);
    struct err e = refuses(&k, SCHEMA_MODE_MIGRATE);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.message, "table pets is there and no migration made it"));
    assert_string_equal(applied(&k), "");
    prepare_with(k.url, SCHEMA_MODE_SYNCHRONISE, &k.options, &k.t);
    migrates(&k, "done noted 0001_step as applied\ndone noted 0002_step as applied\n");
    migrates(&k, "");
}

static void baseline_notes_what_synchronise_did_before(void **state)
{
    (void)state;
    const char *const texts[] = { first, second };
    scoped(kennel_clear) struct kennel k;
    struct err e = { 0 };
    kennel_open(&k, texts, 2);
    pets_add_nickname(&k.pets);
    assert_false(migrate_baseline(str_of_c(k.url), &k.options, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    k.list.count = 1;
    k.pets.tables[0].column_count--;
    migrates(&k, "done 0001_step\n");
    k.list.count = 2;
    k.pets.tables[0].column_count++;
    prepare_with(k.url, SCHEMA_MODE_SYNCHRONISE, &k.options, &k.t);
    e = refuses(&k, SCHEMA_MODE_MIGRATE);
    assert_string_equal(e.message,
                        "0002_step: column \"nickname\" of relation \"pets\" already exists");
    assert_true(migrate_baseline(str_of_c(k.url), &k.options, &e));
    assert_string_equal(applied(&k), "1 2");
    migrates(&k, "");
}

struct runner {
    thrd_t thread;
    struct kennel *kennel;
    struct transcript transcript;
    struct err e;
    bool done;
};

static int run_in_thread(void *owner)
{
    struct runner *r = owner;
    struct schema_options options = r->kennel->options;
    options.owner = &r->transcript;
    r->done = schema_prepare(str_of_c(r->kennel->url), SCHEMA_MODE_MIGRATE, &options, &r->e);
    return 0;
}

static void programs_at_once_run_each_file_once(void **state)
{
    (void)state;
    const char *const texts[] = { first, second };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 2);
    pets_add_nickname(&k.pets);
    struct runner runners[4] = { 0 };
    size_t lines = 0;
    for (size_t i = 0; i < countof(runners); i++) {
        runners[i].kennel = &k;
        assert_int_equal(thrd_create(&runners[i].thread, run_in_thread, &runners[i]), thrd_success);
    }
    for (size_t i = 0; i < countof(runners); i++) {
        thrd_join(runners[i].thread, NULL);
        if (!runners[i].done)
            fail_msg("%s", err_text(&runners[i].e));
        lines += transcript_has(&runners[i].transcript, "done 0001_step\n");
        lines += transcript_has(&runners[i].transcript, "done 0002_step\n");
        transcript_clear(&runners[i].transcript);
    }
    assert_int_equal(lines, 2);
    migrates(&k, "");
}

static void a_server_killed_in_a_migration_leaves_the_version_before(void **state)
{
    (void)state;
    const char *const texts[] = {
        first, "-- :up\nCREATE TABLE toys (id int);\n"
               "ALTER TABLE pets ADD COLUMN nickname text NOT NULL DEFAULT 'none';\n"
               "-- :down\nDROP TABLE toys; ALTER TABLE pets DROP COLUMN nickname;\n"
    };
    scoped(kennel_clear) struct kennel k;
    kennel_open(&k, texts, 1);
    migrates(&k, "done 0001_step\n");
    kennel_files(&k, texts, 2);
    pets_add_nickname(&k.pets);
    scoped(db_conn_destroyp) struct db_conn *reader = open_conn(k.url);
    run_sql(reader, "BEGIN; SELECT * FROM pets");
    struct runner runner = { .kennel = &k };
    assert_int_equal(thrd_create(&runner.thread, run_in_thread, &runner), thrd_success);
    while (strcmp(ask_at(k.url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
                                "locktype = 'relation'"),
                  "0") == 0)
        thrd_sleep(&(struct timespec){ .tv_nsec = 5'000'000 }, NULL);
    pg_server_kill(server);
    thrd_join(runner.thread, NULL);
    assert_false(runner.done);
    assert_int_equal(runner.e.code, ERR_UNAVAILABLE);
    transcript_clear(&runner.transcript);
    pg_server_launch(server);
    pg_server_wait(server);
    assert_string_equal(applied(&k), "1");
    assert_string_equal(ask_at(k.url, "SELECT to_regclass('toys') IS NULL"), "t");
    prepare_with(k.url, SCHEMA_MODE_MIGRATE, &k.options, &k.t);
    assert_true(transcript_has(&k.t, "done 0002_step\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_run_once_in_their_order),
        cmocka_unit_test(rights_come_after_the_files_and_follow_the_role),
        cmocka_unit_test(a_migration_that_fails_half_way_leaves_nothing),
        cmocka_unit_test(an_edited_migration_is_refused_by_all),
        cmocka_unit_test(one_version_behind_is_refused_with_the_way_on),
        cmocka_unit_test(a_newer_database_serves_an_older_program),
        cmocka_unit_test(a_column_that_must_be_given_stops_an_older_program),
        cmocka_unit_test(drift_is_refused_by_check_and_by_migrate),
        cmocka_unit_test(a_file_without_transaction_makes_an_index_beside_the_traffic),
        cmocka_unit_test(revert_goes_back_step_by_step),
        cmocka_unit_test(a_synchronised_database_that_agrees_is_adopted),
        cmocka_unit_test(baseline_notes_what_synchronise_did_before),
        cmocka_unit_test(programs_at_once_run_each_file_once),
        cmocka_unit_test(a_server_killed_in_a_migration_leaves_the_version_before),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
