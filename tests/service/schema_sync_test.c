#include <inttypes.h>

#include "schema/work_priv.h"
#include "schema_fixture.h"

static void an_empty_database_gets_all_tables(void **state)
{
    (void)state;
    struct transcript t = { 0 };
    const char *url = pg_server_database(server);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_public, &t);
    assert_true(transcript_has(&t, "done add table users\n"));
    assert_false(transcript_has(&t, "users_email_uq")); /* told with its table */
    assert_string_equal(ask_at(url, "SELECT enum_range(null::task_status)::text"),
                        "{pending,in-progress,completed,failed}");
    assert_string_equal(ask_at(url, "SELECT confdeltype::text FROM pg_constraint "
                                    "WHERE conname = 'chat_messages_user_id_fk'"),
                        "n");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_public, &t);
    assert_str(buf_str(&t.text), "");
    prepare(url, SCHEMA_MODE_CHECK, &schema_public, &t);
    assert_str(buf_str(&t.text), "");
    transcript_clear(&t);
}

/* A database with the pets as they start. */
static const char *database_with(struct pets *pets, struct transcript *t)
{
    const char *url = pg_server_database(server);
    *t = (struct transcript){ 0 };
    pets_init(pets);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets->set, t);
    return url;
}

/* Synchronises and expects exactly this report, and that a second time there is nothing to do. */
static void becomes(const char *url, struct pets *pets, struct transcript *t, const char *report)
{
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets->set, t);
    assert_str(buf_str(&t->text), report);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets->set, t);
    assert_str(buf_str(&t->text), "");
    prepare(url, SCHEMA_MODE_CHECK, &pets->set, t);
    assert_str(buf_str(&t->text), "");
    transcript_clear(t);
}

static void a_column_is_added_with_its_default(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "INSERT INTO pets (id, name) VALUES (gen_random_uuid(), 'Rex')");
    pets_add_nickname(&pets);
    becomes(url, &pets, &t, "done add column pets.nickname\n");
    assert_string_equal(ask_at(url, "SELECT nickname FROM pets"), "none");
}

static void an_enum_value_is_added_in_its_place_and_used_at_once(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    pets.labels[2] = pets.labels[1];
    pets.labels[1] = (struct schema_label){ STR("sleepy"), STR("SLEEPY") };
    pets.mood.label_count = 3;
    pets.pet_columns[2].default_sql = STR("'sleepy'");
    pets.pet_indexes[1].sql = STR("btree (id) WHERE mood = 'sleepy'");
    becomes(url, &pets, &t,
            "done add value 'sleepy' of pet_mood\n"
            "done drop the former index pets_hungry_ix of pets\n"
            "done set default of column pets.mood\n"
            "done add index pets_hungry_ix of pets\n");
    assert_string_equal(ask_at(url, "SELECT enum_range(null::pet_mood)::text"),
                        "{calm,sleepy,hungry}");
}

static void an_index_of_ours_goes_and_an_administrators_stays(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "CREATE INDEX pets_order_idx ON pets (\"order\")");
    pets.tables[0].index_count = 1;
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_str(buf_str(&t.text),
               "done drop index pets_hungry_ix of pets\n"
               "note kept index pets_order_idx of pets, which the entities do not have "
               "(--allow-drop drops it)\n");
    assert_string_equal(ask_at(url, "SELECT string_agg(indexname, ' ' ORDER BY indexname) "
                                    "FROM pg_indexes WHERE tablename = 'pets'"),
                        "pets_name_uq pets_order_idx pets_pkey");
    transcript_clear(&t);
}

static void defaults_nulls_checks_and_references_follow(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    pets.pet_columns[1].default_sql = STR("'Nemo'");
    pets.pet_columns[2].default_sql = STR("");
    pets.pet_columns[3].is_nullable = false;
    pets.pet_constraints[1].sql = STR("CHECK (char_length(name) BETWEEN 1 AND 30)");
    pets.visit_columns[2].is_nullable = true;
    pets.visit_constraints[1].sql =
        STR("FOREIGN KEY (pet_id) REFERENCES pets (id) ON DELETE SET NULL");
    becomes(url, &pets, &t,
            "done drop the former foreign key visits_pet_id_fk of visits\n"
            "done drop the former constraint pets_name_ck of pets\n"
            "done set default of column pets.name\n"
            "done drop default of column pets.mood\n"
            "done forbid null in column pets.order\n"
            "done allow null in column visits.at\n"
            "done add constraint pets_name_ck of pets\n"
            "done add foreign key visits_pet_id_fk of visits\n");
}

static void a_wider_type_is_taken(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    pets.pet_columns[3].type = SCHEMA_INT8;
    becomes(url, &pets, &t, "done change type of column pets.order from integer to bigint\n");
}

/* The SQL after the first "sql " up to the end: what the user is told to write. */
static const char *printed_sql(const struct transcript *t, struct arena *a)
{
    ptrdiff_t at = str_find(buf_str(&t->text), STR("sql "));
    assert_true(at >= 0);
    return arena_cstr(a, str_from(buf_str(&t->text), (size_t)at + 4));
}

static void a_changed_type_is_refused_with_the_migration_to_write(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "INSERT INTO pets (id, name, \"order\") VALUES (gen_random_uuid(), 'Rex', 7)");
    pets_add_nickname(&pets);
    pets.pet_columns[3].type = SCHEMA_TEXT;
    struct err e = prepare_refused(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_string_equal(e.message, "1 change of the schema must be written as a migration; "
                                   "nothing was applied");
    assert_str(buf_str(&t.text),
               "missing change type of column pets.order from integer to text\n"
               "sql ALTER TABLE pets ALTER COLUMN \"order\" TYPE text USING \"order\"::text;\n");
    assert_string_equal(ask_at(url, "SELECT count(*) FROM information_schema.columns "
                                    "WHERE column_name = 'nickname'"),
                        "0");
    run_sql_at(url, printed_sql(&t, a));
    becomes(url, &pets, &t, "done add column pets.nickname\n");
    assert_string_equal(ask_at(url, "SELECT \"order\" FROM pets"), "7");
}

static void a_removed_enum_value_is_refused_with_the_migration_to_write(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "INSERT INTO pets (id, name) VALUES (gen_random_uuid(), 'Rex')");
    pets.labels[0] = (struct schema_label){ STR("serene"), STR("SERENE") };
    pets.pet_columns[2].default_sql = STR("'serene'");
    struct err e = prepare_refused(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_true(transcript_has(&t, "missing remove values of pet_mood\n"));
    assert_true(transcript_has(&t, "-- First give rows that hold 'calm' another value.\n"));
    assert_string_equal(ask_at(url, "SELECT enum_range(null::pet_mood)::text"), "{calm,hungry}");

    run_sql_at(url, "UPDATE pets SET mood = 'hungry';"
                    "ALTER TABLE pets ALTER COLUMN mood SET DEFAULT 'hungry'");
    e = prepare_refused(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    run_sql_at(url, printed_sql(&t, a));
    becomes(url, &pets, &t, "done set default of column pets.mood\n");
    assert_string_equal(ask_at(url, "SELECT enum_range(null::pet_mood)::text"), "{serene,hungry}");
}

static void what_is_not_known_is_kept(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "CREATE TABLE owners (id int); ALTER TABLE pets ADD COLUMN chip text NOT NULL");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_true(transcript_has(&t, "note kept table owners, "));
    assert_true(transcript_has(&t, "note kept column pets.chip, "));
    assert_true(transcript_has(
        &t, "done allow null in column pets.chip, which this program does not fill\n"));
    run_sql_at(url, "INSERT INTO pets (id, name) VALUES (gen_random_uuid(), 'Rex')");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_str(buf_str(&t.text), "");

    struct schema_options options = { .set = &pets.set, .allow_drop = true };
    prepare_with(url, SCHEMA_MODE_SYNCHRONISE, &options, &t);
    assert_str(buf_str(&t.text), "done drop column pets.chip\ndone drop table owners\n");
    transcript_clear(&t);
}

static void tables_that_refer_to_each_other_are_dropped_in_order(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    pets.set.table_count = 0;
    pets.set.enum_count = 0;
    struct schema_options options = { .set = &pets.set, .allow_drop = true };
    prepare_with(url, SCHEMA_MODE_SYNCHRONISE, &options, &t);
    assert_str(buf_str(&t.text),
               "done drop table visits\ndone drop table pets\ndone drop type pet_mood\n");
    transcript_clear(&t);
}

static void rows_that_do_not_fit_undo_the_whole(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "INSERT INTO pets (id, name) VALUES (gen_random_uuid(), 'Rex')");
    pets_add_nickname(&pets);
    pets.pet_columns[3].is_nullable = false;
    struct err e = prepare_refused(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.message, "forbid null in column pets.order"));
    assert_str(buf_str(&t.text), "sql ALTER TABLE pets ALTER COLUMN \"order\" SET NOT NULL;\n");
    assert_string_equal(ask_at(url, "SELECT count(*) FROM information_schema.columns "
                                    "WHERE column_name = 'nickname'"),
                        "0");
    transcript_clear(&t);
}

static void the_role_gets_its_rights_and_no_others(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    run_sql_at(url, "CREATE ROLE pet_reader LOGIN; GRANT UPDATE ON visits TO pet_reader");
    becomes(url, &pets, &t,
            "done grant INSERT, SELECT on pets to pet_reader\n"
            "done grant SELECT on visits to pet_reader\n"
            "done revoke UPDATE on visits from pet_reader\n");
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    const char *reader = arena_printf(a, "%s&user=pet_reader", url).ptr;
    prepare(reader, SCHEMA_MODE_CHECK, &pets.set, &t);
    assert_string_equal(ask_at(reader, "SELECT count(*) FROM pets"), "0");

    run_sql_at(url, "REVOKE INSERT ON pets FROM pet_reader");
    struct err e = prepare_refused(reader, SCHEMA_MODE_CHECK, &pets.set, &t);
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_str(buf_str(&t.text), "missing grant INSERT on pets to pet_reader\n");
    transcript_clear(&t);
    run_sql_at(url, "DROP OWNED BY pet_reader; DROP ROLE pet_reader");
}

static void a_schema_of_its_own_with_partitions_and_functions(void **state)
{
    (void)state;
    struct transcript t = { 0 };
    struct pets pets;
    const char *url = pg_server_database(server);
    static const struct schema_function functions[] = {
        { .name = STR("pet_count"),
          .sql = STR("() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET "
                     "search_path = kennel, pg_temp AS 'SELECT count(*) FROM pets'") }
    };
    static const struct schema_function other[] = {
        { .name = STR("pet_count"),
          .sql = STR("() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET "
                     "search_path = kennel, pg_temp AS 'SELECT 7::bigint'") }
    };
    pets_init(&pets);
    pets.set.name = STR("kennel");
    pets.set.functions = functions;
    pets.set.function_count = 1;
    pets.tables[1].partition_by = STR("RANGE (id)");
    pets.tables[0].options = STR("fillfactor=50, autovacuum_vacuum_threshold=5000");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    run_sql_at(url, "CREATE TABLE kennel.visits_1 PARTITION OF kennel.visits DEFAULT");
    assert_string_equal(ask_at(url, "SELECT kennel.pet_count()"), "0");
    becomes(url, &pets, &t, "");

    pets.set.functions = other;
    pets.tables[0].options = STR("fillfactor=60");
    becomes(url, &pets, &t,
            "done reset storage of table pets\ndone set storage of table pets\n"
            "done replace function pet_count\n");
    assert_string_equal(ask_at(url, "SELECT kennel.pet_count()"), "7");
    assert_string_equal(
        ask_at(url, "SELECT reloptions::text FROM pg_class WHERE oid = 'kennel.pets'::regclass"),
        "{fillfactor=60}");
}

/* A function that acts with its owner's rights is nobody's but those who were given it. */
static void the_workers_functions_are_its_roles_alone(void **state)
{
    (void)state;
    struct transcript t = { 0 };
    const char *url = pg_server_database(server);
    run_sql_at(url, "CREATE ROLE windlass_worker; CREATE ROLE passer_by");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_worker, &t);
    static const char asks[] =
        "SELECT count(*) FROM pg_proc p WHERE pronamespace = 'worker'::regnamespace AND "
        "has_function_privilege('%s', p.oid, 'EXECUTE')";
    char sql[256];
    snprintf(sql, sizeof sql, asks, "passer_by");
    assert_string_equal(ask_at(url, sql), "0");
    snprintf(sql, sizeof sql, asks, "windlass_worker");
    assert_string_equal(ask_at(url, sql), "5");
    run_sql_at(url, "GRANT EXECUTE ON FUNCTION worker.day_drop TO PUBLIC; "
                    "REVOKE EXECUTE ON FUNCTION worker.log_make FROM windlass_worker");
    transcript_clear(&t);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_worker, &t);
    assert_str(buf_str(&t.text), "done revoke function day_drop from everybody\n"
                                 "done grant function log_make to windlass_worker\n");
    transcript_clear(&t);
    run_sql_at(url, "SET ROLE windlass_worker; SELECT worker.day_make(20000); "
                    "SELECT worker.log_make(0); SELECT worker.day_drop(20000)");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_windlass, &t);
    transcript_clear(&t);
    assert_string_equal(
        ask_at(url, "SELECT string_agg(rolname || ' ' || prosecdef || ' ' || proconfig::text, '') "
                    "FROM pg_proc p, pg_roles r WHERE pronamespace = 'windlass'::regnamespace AND "
                    "has_function_privilege(r.oid, p.oid, 'EXECUTE') AND NOT rolsuper"),
        "");
    assert_string_equal(
        ask_at(url, "SELECT prosecdef || ' ' || proconfig::text FROM pg_proc WHERE proname = "
                    "'enqueue' AND pronamespace = 'windlass'::regnamespace"),
        "true {\"search_path=pg_catalog, pg_temp\"}");
    run_sql_at(url,
               "DROP OWNED BY windlass_worker; DROP ROLE windlass_worker; DROP ROLE passer_by");
}

struct runner {
    thrd_t thread;
    const char *url;
    const struct schema_set *set;
    struct transcript transcript;
    struct err e;
    bool done;
};

static int run_in_thread(void *owner)
{
    struct runner *r = owner;
    struct schema_options options = { .set = r->set,
                                      .report = transcript_add,
                                      .owner = &r->transcript };
    r->done = schema_prepare(str_of_c(r->url), SCHEMA_MODE_SYNCHRONISE, &options, &r->e);
    return 0;
}

static size_t count_in(struct str text, struct str word)
{
    size_t count = 0;
    for (ptrdiff_t at; (at = str_find(text, word)) >= 0; count++)
        text = str_from(text, (size_t)at + word.len);
    return count;
}

static void programs_at_once_end_well_and_each_change_is_made_once(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    pets.labels[2] = (struct schema_label){ STR("sleepy"), STR("SLEEPY") };
    pets.mood.label_count = 3;
    pets_add_nickname(&pets);
    struct runner runners[4] = { 0 };
    for (size_t i = 0; i < countof(runners); i++) {
        runners[i].url = url;
        runners[i].set = &pets.set;
        assert_int_equal(thrd_create(&runners[i].thread, run_in_thread, &runners[i]), thrd_success);
    }
    size_t columns = 0, values = 0;
    for (size_t i = 0; i < countof(runners); i++) {
        thrd_join(runners[i].thread, NULL);
        if (!runners[i].done)
            fail_msg("%s", err_text(&runners[i].e));
        columns += count_in(buf_str(&runners[i].transcript.text), STR("done add column"));
        values += count_in(buf_str(&runners[i].transcript.text), STR("done add value"));
        transcript_clear(&runners[i].transcript);
    }
    assert_int_equal(columns, 1);
    assert_int_equal(values, 1);
    becomes(url, &pets, &t, "");
}

static void it_tells_that_it_waits_and_gives_up_in_time(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    pets_add_nickname(&pets);
    scoped(db_conn_destroyp) struct db_conn *other = open_conn(url);
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT pg_advisory_lock(%" PRId64 ")", WORK_LOCK_KEY);
    run_sql(other, sql);
    struct err e = { 0 };
    buf_reset(&t.text);
    struct schema_options options = {
        .set = &pets.set, .lock_timeout_ms = 300, .report = transcript_add, .owner = &t
    };
    assert_false(schema_prepare(str_of_c(url), SCHEMA_MODE_SYNCHRONISE, &options, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_str(buf_str(&t.text), "wait another program is changing the schema; waiting for it\n");
    run_sql(other, "SELECT pg_advisory_unlock_all()");
    becomes(url, &pets, &t, "done add column pets.nickname\n");
}

/* Until some backend waits for a lock on a table. */
static void await_blocked(const char *url)
{
    while (strcmp(ask_at(url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
                              "locktype = 'relation'"),
                  "0") == 0)
        thrd_sleep(&(struct timespec){ .tv_nsec = 5'000'000 }, NULL);
}

static void a_server_killed_in_the_middle_leaves_nothing_half(void **state)
{
    (void)state;
    struct transcript t;
    struct pets pets;
    const char *url = database_with(&pets, &t);
    static const struct schema_column toy_columns[] = { { STR("id"), SCHEMA_UUID, NULL, false,
                                                          STR("") } };
    pets.tables[2] =
        (struct schema_table){ .name = STR("toys"), .columns = toy_columns, .column_count = 1 };
    pets.set.table_count = 3;
    pets_add_nickname(&pets);
    /* The new table comes first; then the column has to wait for the reader of pets. */
    scoped(db_conn_destroyp) struct db_conn *reader = open_conn(url);
    run_sql(reader, "BEGIN; SELECT * FROM pets");
    struct runner runner = { .url = url, .set = &pets.set };
    assert_int_equal(thrd_create(&runner.thread, run_in_thread, &runner), thrd_success);
    await_blocked(url);
    pg_server_kill(server);
    thrd_join(runner.thread, NULL);
    assert_false(runner.done);
    assert_int_equal(runner.e.code, ERR_UNAVAILABLE);
    pg_server_launch(server);
    pg_server_wait(server);
    assert_string_equal(ask_at(url, "SELECT to_regclass('toys') IS NULL"), "t");
    transcript_clear(&runner.transcript);
    becomes(url, &pets, &t, "done add table toys\ndone add column pets.nickname\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_gets_all_tables),
        cmocka_unit_test(a_column_is_added_with_its_default),
        cmocka_unit_test(an_enum_value_is_added_in_its_place_and_used_at_once),
        cmocka_unit_test(an_index_of_ours_goes_and_an_administrators_stays),
        cmocka_unit_test(defaults_nulls_checks_and_references_follow),
        cmocka_unit_test(a_wider_type_is_taken),
        cmocka_unit_test(a_changed_type_is_refused_with_the_migration_to_write),
        cmocka_unit_test(a_removed_enum_value_is_refused_with_the_migration_to_write),
        cmocka_unit_test(what_is_not_known_is_kept),
        cmocka_unit_test(tables_that_refer_to_each_other_are_dropped_in_order),
        cmocka_unit_test(rows_that_do_not_fit_undo_the_whole),
        cmocka_unit_test(the_role_gets_its_rights_and_no_others),
        cmocka_unit_test(a_schema_of_its_own_with_partitions_and_functions),
        cmocka_unit_test(the_workers_functions_are_its_roles_alone),
        cmocka_unit_test(programs_at_once_end_well_and_each_change_is_made_once),
        cmocka_unit_test(it_tells_that_it_waits_and_gives_up_in_time),
        cmocka_unit_test(a_server_killed_in_the_middle_leaves_nothing_half),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
