#include "client/session.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

struct place {
    struct arena *arena;
    char folder[64];
    const char *path;
};

static int set_up(void **state)
{
    struct place *p = test_calloc(1, sizeof *p);
    p->arena = arena_create(SIZE_MAX);
    snprintf(p->folder, sizeof p->folder, "/tmp/client_session_test.XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    p->path = arena_printf(p->arena, "%s/config/windlass/sessions.json", p->folder).ptr;
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    (void)unlink(p->path);
    (void)rmdir(arena_printf(p->arena, "%s/config/windlass", p->folder).ptr);
    (void)rmdir(arena_printf(p->arena, "%s/config", p->folder).ptr);
    assert_int_equal(rmdir(p->folder), 0); /* nothing else was left */
    arena_destroy(p->arena);
    test_free(p);
    return 0;
}

static struct str stored(struct place *p, const char *url)
{
    struct str token;
    struct err e;
    if (!session_load(p->arena, p->path, str_of_c(url), &token, &e))
        fail_msg("%s", err_text(&e));
    return token;
}

static void store(struct place *p, const char *url, const char *token)
{
    struct err e;
    if (!session_store(p->path, str_of_c(url), str_of_c(token), &e))
        fail_msg("%s", err_text(&e));
}

static void a_token_is_given_to_its_own_url_alone(void **state)
{
    struct place *p = *state;
    assert_str(stored(p, "http://a"), "");
    store(p, "http://a", "one");
    store(p, "http://b", "two");
    assert_str(stored(p, "http://a"), "one");
    assert_str(stored(p, "http://b"), "two");
    assert_str(stored(p, "http://a:80"), "");
    store(p, "http://a", "three");
    assert_str(stored(p, "http://a"), "three");
    store(p, "http://a", "");
    assert_str(stored(p, "http://a"), "");
    assert_str(stored(p, "http://b"), "two");
}

static void nobody_else_may_read_the_file(void **state)
{
    struct place *p = *state;
    struct stat st;
    struct str token;
    struct err e;
    store(p, "http://a", "one");
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(p->path, 0640), 0);
    assert_false(session_load(p->arena, p->path, STR("http://a"), &token, &e));
    assert_int_equal(e.code, ERR_DENIED);
    assert_non_null(strstr(e.message, "chmod 600"));
    assert_false(session_store(p->path, STR("http://a"), STR("two"), &e));
    assert_int_equal(e.code, ERR_DENIED);
}

static void what_is_no_file_of_sessions_is_left_alone(void **state)
{
    struct place *p = *state;
    struct str token;
    struct err e;
    store(p, "http://a", "one");
    FILE *file = fopen(p->path, "w");
    assert_non_null(file);
    fputs("[1]", file);
    fclose(file);
    assert_false(session_load(p->arena, p->path, STR("http://a"), &token, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(session_store(p->path, STR("http://a"), STR("two"), &e));
    assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_given_to_its_own_url_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_else_may_read_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_of_sessions_is_left_alone, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
