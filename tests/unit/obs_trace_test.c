#include "obs/trace.h"

#include "test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

/* spec: W3C Trace Context, 3.2.2 and 4.3 (versioning) */
static void reads_what_the_specification_allows(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool is_sampled;
    } good[] = {
        { "00-" TRACE "-" SPAN "-01", true },
        { "00-" TRACE "-" SPAN "-00", false },
        { "00-" TRACE "-" SPAN "-02", false }, /* bits not yet defined are ignored */
        { "00-" TRACE "-" SPAN "-ff", true },
        { "01-" TRACE "-" SPAN "-01", true },
        { "fe-" TRACE "-" SPAN "-01", true },
        { "cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", true },
        { "cc-" TRACE "-" SPAN "-01-", true },
        { "00-00000000000000000000000000000001-0000000000000001-01", true },
    };
    for (size_t i = 0; i < countof(good); i++) {
        struct trace t = { 0 };
        if (!trace_parse(str_of_c(good[i].header), &t))
            fail_msg("refused %s", good[i].header);
        assert_int_equal(t.is_sampled, good[i].is_sampled);
    }
}

/* spec: W3C Trace Context, 3.2.2 */
static void ignores_all_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-0101",
        "cc-" TRACE "-" SPAN "-01.what",
        "cc-" TRACE "-" SPAN "-010",
        "ff-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01-",
        "0x-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00-" TRACE "-" SPAN "-0A",
        "00-" TRACE "-" SPAN "-0g",
        "00-0af7651916cd43dd8448eb211c80319-" SPAN "1-01",
        "00-0af7651916cd43dd8448eb211c80319.-" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        " 00-" TRACE "-" SPAN "-01",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct trace t;
        if (trace_parse(str_of_c(bad[i]), &t))
            fail_msg("took %s", bad[i]);
    }
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    char text[TRACE_TEXT_LEN + 1], hex[TRACE_ID_HEX_LEN + 1];
    struct trace t;
    assert_true(trace_parse(STR("00-" TRACE "-" SPAN "-01"), &t));
    trace_format(&t, text);
    assert_string_equal(text, "00-" TRACE "-" SPAN "-01");
    trace_id_hex(&t, hex);
    assert_string_equal(hex, TRACE);
    assert_true(trace_parse(STR("cc-" TRACE "-" SPAN "-fe-x"), &t));
    trace_format(&t, text);
    assert_string_equal(text, "00-" TRACE "-" SPAN "-00"); /* downgraded to what we know */
}

static void a_child_keeps_the_trace_and_has_a_span_of_its_own(void **state)
{
    (void)state;
    struct trace parent = trace_start();
    assert_false(parent.is_sampled);
    parent.is_sampled = true;
    struct trace child = trace_child(&parent);
    struct trace other = trace_start();
    assert_memory_equal(child.trace_id, parent.trace_id, sizeof child.trace_id);
    assert_memory_not_equal(child.span_id, parent.span_id, sizeof child.span_id);
    assert_true(child.is_sampled);
    assert_memory_not_equal(other.trace_id, parent.trace_id, sizeof other.trace_id);
    char text[TRACE_TEXT_LEN + 1];
    struct trace back;
    trace_format(&other, text);
    assert_true(trace_parse(str_of_c(text), &back));
}

static void request_ids_differ_and_are_valid(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char ids[COUNT][REQUEST_ID_LEN + 1];
    for (int i = 0; i < COUNT; i++) {
        request_id_make(ids[i]);
        assert_int_equal(strlen(ids[i]), REQUEST_ID_LEN);
        assert_true(request_id_is_valid(str_of_c(ids[i])));
        for (int k = 0; k < i; k++)
            assert_true(strcmp(ids[i], ids[k]) != 0);
    }
}

static void takes_over_only_harmless_request_ids(void **state)
{
    (void)state;
    char longest[REQUEST_ID_LEN_MAX + 2];
    memset(longest, 'a', sizeof longest);
    assert_true(request_id_is_valid(str_of(longest, REQUEST_ID_LEN_MAX)));
    assert_false(request_id_is_valid(str_of(longest, REQUEST_ID_LEN_MAX + 1)));
    assert_true(request_id_is_valid(STR("0198c2f0-7a51-7c3e.A_9")));
    static const char *const bad[] = { "", "a b", "a\n", "a\"", "a=b", "ä", "a/b" };
    for (size_t i = 0; i < countof(bad); i++)
        assert_false(request_id_is_valid(str_of_c(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_specification_allows),
        cmocka_unit_test(ignores_all_else),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(a_child_keeps_the_trace_and_has_a_span_of_its_own),
        cmocka_unit_test(request_ids_differ_and_are_valid),
        cmocka_unit_test(takes_over_only_harmless_request_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
