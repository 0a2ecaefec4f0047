#include "cmd/up_cluster_priv.h"

#include "test.h"

static void reads_the_version_that_postgres_tells(void **state)
{
    (void)state;
    assert_int_equal(up_server_version(STR("postgres (PostgreSQL) 15.20 (Debian 15.20-0)\n")), 15);
    assert_int_equal(up_server_version(STR("postgres (PostgreSQL) 18beta1")), 18);
    assert_int_equal(up_server_version(STR("postgres (PostgreSQL) 9.6.24")), 9);
    assert_int_equal(up_server_version(STR("postgres (PostgreSQL) devel")), 0);
    assert_int_equal(up_server_version(STR("postgres (EnterpriseDB) 15.2")), 0);
    assert_int_equal(up_server_version(STR("postgres (PostgreSQL) 99999999999999999999")), 0);
    assert_int_equal(up_server_version(STR("")), 0);
}

static void shared_memory_suits_the_machine(void **state)
{
    (void)state;
    const uint64_t gib = UINT64_C(1) << 30;
    assert_int_equal(up_shared_buffers_mib(0), 32);
    assert_int_equal(up_shared_buffers_mib(gib / 8), 32);
    assert_in_range(up_shared_buffers_mib(gib), 150, 154);
    assert_in_range(up_shared_buffers_mib(4 * gib), 610, 615);
    assert_int_equal(up_shared_buffers_mib(64 * gib), 1024);
}

static void reads_postmaster_pid_as_far_as_it_is_written(void **state)
{
    (void)state;
    static const char whole[] = "4242\n/data/postgres/15\n1795471200\n5432\n/run/windlass\n\n"
                                "  5243201    196613\nready   \n";
    struct up_pidfile file;
    assert_true(up_pidfile_parse(str_of_c(whole), &file));
    assert_int_equal(file.pid, 4242);
    assert_true(str_eq_c(file.data, "/data/postgres/15"));
    assert_true(str_eq_c(file.sockets, "/run/windlass"));
    assert_int_equal(file.state, UP_SERVER_READY);
    assert_true(up_pidfile_parse(STR("7\n/d\n1\n5432\n"), &file)); /* the start has only begun */
    assert_int_equal(file.state, UP_SERVER_UNKNOWN);
    assert_true(up_pidfile_parse(STR("7\n/d\n1\n2\n/r\n\n 3 4\nstarting\n"), &file));
    assert_int_equal(file.state, UP_SERVER_STARTING);
    assert_true(up_pidfile_parse(STR("7\n/d\n1\n2\n/r\n\n 3 4\nstopping\n"), &file));
    assert_int_equal(file.state, UP_SERVER_STOPPING);
}

static void takes_no_other_file_for_postmaster_pid(void **state)
{
    (void)state;
    struct up_pidfile file;
    const char *const texts[] = { "",        "\n",       "7",       "7\n",
                                  "x\n/d\n", "-7\n/d\n", "0\n/d\n", "99999999999\n/d\n" };
    for (size_t i = 0; i < countof(texts); i++)
        assert_false(up_pidfile_parse(str_of_c(texts[i]), &file));
}

static void a_url_escapes_the_socket_folder(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    struct up_cluster c = { .arena = a, .run = "/run/a b&c%d" };
    c.passwords[UP_ROLE_GATEWAY] = STR("secret");
    assert_string_equal(
        up_cluster_url(&c, UP_ROLE_GATEWAY, 0),
        "postgresql://windlass_gateway:secret@/windlass?host=%2Frun%2Fa%20b%26c%25d");
}

static const char *setting(const char *const *args, const char *name)
{
    size_t len = strlen(name);
    for (; *args; args++)
        if (strncmp(*args, name, len) == 0 && (*args)[len] == '=')
            return *args + len + 1;
    return NULL;
}

static void the_server_listens_on_its_socket_alone_and_keeps_user_input_out_of_the_log(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    struct up_cluster c = {
        .arena = a, .programs = "/bin", .data = "/data/15", .run = "/run/w", .connections_max = 26
    };
    const char *const *args = up_cluster_server_args(&c);
    assert_string_equal(args[0], "/bin/postgres");
    assert_string_equal(setting(args, "listen_addresses"), "");
    assert_string_equal(setting(args, "unix_socket_directories"), "/run/w");
    assert_string_equal(setting(args, "max_connections"), "26");
    assert_string_equal(setting(args, "log_error_verbosity"), "terse");
    assert_string_equal(setting(args, "log_min_error_statement"), "panic");
    assert_null(setting(args, "fsync"));
    c.is_for_developers = true;
    assert_string_equal(setting(up_cluster_server_args(&c), "log_min_error_statement"), "error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_version_that_postgres_tells),
        cmocka_unit_test(shared_memory_suits_the_machine),
        cmocka_unit_test(reads_postmaster_pid_as_far_as_it_is_written),
        cmocka_unit_test(takes_no_other_file_for_postmaster_pid),
        cmocka_unit_test(a_url_escapes_the_socket_folder),
        cmocka_unit_test(
            the_server_listens_on_its_socket_alone_and_keeps_user_input_out_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
