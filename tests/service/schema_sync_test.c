#include "schema_fixture.h"

static struct pg_server *server;

static void an_empty_database_gets_all_tables(void **state)
{
    (void)state;
    struct transcript t = { 0 };
    const char *url = pg_server_database(server);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_public, &t);
    assert_true(transcript_has(&t, "done add table users\n"));
    assert_true(transcript_has(&t, "done add index users_email_uq of users\n"));
    assert_string_equal(ask_at(url, "SELECT enum_range(null::task_status)::text"),
                        "{pending,in-progress,completed,failed}");
    assert_string_equal(ask_at(url, "SELECT confdeltype::text FROM pg_constraint "
                                    "WHERE conname = 'chat_messages_user_id_fk'"),
                        "n");
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &schema_public, &t);
    assert_str(buf_str(&t.text), "");
    prepare(url, SCHEMA_MODE_CHECK, &schema_public, &t);
    transcript_clear(&t);
}

static void a_column_is_added_with_its_default(void **state)
{
    (void)state;
    struct transcript t = { 0 };
    struct pets pets;
    const char *url = pg_server_database(server);
    pets_init(&pets);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    run_sql_at(url, "INSERT INTO pets (id, name) VALUES (gen_random_uuid(), 'Rex')");
    pets_add_nickname(&pets);
    prepare(url, SCHEMA_MODE_SYNCHRONISE, &pets.set, &t);
    assert_str(buf_str(&t.text), "done add column pets.nickname\n");
    assert_string_equal(ask_at(url, "SELECT nickname FROM pets"), "none");
    transcript_clear(&t);
}

static int start_server(void **state)
{
    (void)state;
    server = pg_server_start(NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    pg_server_destroy(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_gets_all_tables),
        cmocka_unit_test(a_column_is_added_with_its_default),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
