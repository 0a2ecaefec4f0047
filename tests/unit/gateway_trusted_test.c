#include "gateway/trusted.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/sha256.h"
#include "test.h"

static char path[] = "/tmp/windlass-trusted-XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);
    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

#define OWN "{\"own\": \"{ own }\"}"

static bool load(const char *text, struct trusted **ret, struct err *e)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return trusted_load(path, STR(OWN), ret, e);
}

#define TEXT "query A { me { id } }"

static void expect_both(struct trusted *t)
{
    struct str text = { 0 }, id = { 0 };
    char sha_id[7 + SHA256_HEX_LEN + 1] = "sha256:";
    sha256_hex(STR(TEXT), sha_id + 7);
    assert_int_equal(trusted_count(t), 3);
    assert_true(trusted_has(t, STR("{ own }")));
    assert_true(trusted_find(t, STR("own"), &text));
    assert_true(trusted_find(t, STR("a1"), &text));
    assert_true(str_eq(text, STR(TEXT)));
    assert_true(trusted_find(t, str_of_c(sha_id), &text));
    assert_true(str_eq(text, STR(TEXT)));
    assert_true(trusted_has(t, STR(TEXT)));
    assert_false(trusted_has(t, STR(TEXT " ")));
    assert_false(trusted_find(t, STR("a"), &text));
    assert_false(trusted_find(t, STR(TEXT), &text));
    assert_false(trusted_find(t, STR("sha256:"), &text));
    trusted_at(t, 2, &id, &text);
    assert_true(str_eq(id, STR("b2")) && str_eq(text, STR("{ __typename }")));
}

static void pairs_of_hash_and_text_are_read(void **state)
{
    scoped(trusted_destroyp) struct trusted *t = NULL;
    struct err e;
    (void)state;
    assert_true(load("{\"a1\": \"" TEXT "\", \"b2\": \"{ __typename }\"}", &t, &e));
    expect_both(t);
}

static void an_operation_manifest_is_read(void **state)
{
    scoped(trusted_destroyp) struct trusted *t = NULL;
    struct err e;
    (void)state;
    assert_true(
        load("{\"format\":\"apollo-persisted-query-manifest\",\"version\":1,\"operations\":["
             "{\"id\":\"a1\",\"name\":\"A\",\"type\":\"query\",\"body\":\"" TEXT "\"},"
             "{\"id\":\"b2\",\"name\":\"\",\"type\":\"query\",\"body\":\"{ __typename }\"}]}",
             &t, &e));
    expect_both(t);
}

static void the_same_document_may_be_there_twice(void **state)
{
    scoped(trusted_destroyp) struct trusted *t = NULL;
    struct err e;
    (void)state;
    assert_true(load("{\"a\": \"{ b }\", \"c\": \"{ b }\", \"a\": \"{ b }\"}", &t, &e));
    assert_true(trusted_has(t, STR("{ b }")));
}

#define APOLLO(rest) "{\"format\":\"apollo-persisted-query-manifest\"," rest "}"

static void what_is_no_manifest_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "$" },
        { "{\"a\":}", "line 1" },
        { "[]", "$: must be an object" },
        { "{}", "$: has no document" },
        { "{\"a\":\"{b}\",\"c\":5}", "$[\"c\"]: must be a document's text, not a number" },
        { "{\"a\":\"\"}", "must not be empty" },
        { "{\"a\":\"{b}\",\"a\":\"{c}\"}", "twice" },
        { APOLLO("\"version\":2,\"operations\":[]"), "$.version: must be 1" },
        { APOLLO("\"operations\":[]"), "$.version: must be 1" },
        { APOLLO("\"version\":1,\"operations\":{}"), "$.operations: must be an array" },
        { APOLLO("\"version\":1,\"operations\":[]"), "$: has no document" },
        { APOLLO("\"version\":1,\"operations\":[{\"id\":\"a\"}]"), "must have a body" },
        { APOLLO("\"version\":1,\"operations\":[{\"id\":1,\"body\":\"{a}\"}]"), "must have an id" },
        { "{\"format\":\"x\",\"version\":1,\"operations\":[]}", "$.format: must be apollo" },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct trusted *t = NULL;
        struct err e;
        assert_false(load(cases[i].text, &t, &e));
        assert_int_equal(e.code, ERR_INVALID);
        if (strstr(err_text(&e), cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].text, err_text(&e));
        assert_non_null(strstr(err_text(&e), path));
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct trusted *t = NULL;
    struct err e;
    (void)state;
    assert_false(trusted_load("/no/such/manifest.json", STR(OWN), &t, &e));
    assert_string_equal(e.message, "/no/such/manifest.json: No such file or directory");
    assert_false(trusted_load("/", STR(OWN), &t, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_hash_and_text_are_read),
        cmocka_unit_test(an_operation_manifest_is_read),
        cmocka_unit_test(the_same_document_may_be_there_twice),
        cmocka_unit_test(what_is_no_manifest_is_refused_with_its_place),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
