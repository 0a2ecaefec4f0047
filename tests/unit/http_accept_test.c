#include "http/accept.h"

#include "test.h"

static void encodings_are_weighed(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int weight;
    } rows[] = {
        { "gzip", 1000 },
        { "deflate, gzip;q=0.5", 500 },
        { "GZIP ; Q=0.25", 250 },
        { "gzip;q=1.0", 1000 },
        { "gzip;q=0", 0 },
        { "gzip;q=0.000", 0 },
        { "*", 1000 },
        { "*;q=0.1", 100 },
        { "gzip;q=0, *", 0 },
        { "*;q=0, gzip;q=0.8", 800 },
        { "br", -1 },
        { "", -1 },
        { " , ,gzip", 1000 },
        { "xgzip, gzipx", -1 },
        { "gzip;q=2", 0 }, /* a weight that is none: better not */
        { "gzip;q=", 0 },
        { "gzip;q=0.5555", 0 },
        { "gzip;a=\",\";q=0.3", 300 },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        int weight = http_accept_weight(str_of_c(rows[i].list), STR("gzip"));
        if (weight != rows[i].weight)
            fail_msg("\"%s\" gives %d, expected %d", rows[i].list, weight, rows[i].weight);
        assert_int_equal(http_accepts_gzip(str_of_c(rows[i].list)), rows[i].weight > 0);
    }
}

static void media_types_are_negotiated(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        int chosen;
    } rows[] = {
        { "", 0 },
        { "*/*", 0 },
        { "application/json", 1 },
        { "application/graphql-response+json", 0 },
        { "application/graphql-response+json;q=0.5, application/json", 1 },
        { "application/json, */*;q=0.1", 1 },
        { "application/*;q=0.5, text/event-stream", 2 },
        { "application/json;q=0, */*", 0 },
        { "text/*", 2 },
        { "Application/JSON; charset=utf-8", 1 },
        { "image/png", -1 },
        { "*/*;q=0", -1 },
        { "garbage", -1 },
    };
    const struct str offers[] = { STR("application/graphql-response+json"), STR("application/json"),
                                  STR("text/event-stream") };
    for (size_t i = 0; i < countof(rows); i++) {
        int chosen = http_accept_media(str_of_c(rows[i].accept), offers, countof(offers));
        if (chosen != rows[i].chosen)
            fail_msg("\"%s\" chooses %d, expected %d", rows[i].accept, chosen, rows[i].chosen);
    }
}

static void entries_of_a_type_are_found(void **state)
{
    struct str rest = STR("a/b;q=0, A/B; x=\"1,2\" , a/*, */*, a/b;x=3;q=0.1, a/bc");
    struct http_media_type entry;
    struct str value;
    (void)state;
    assert_true(http_accept_next(&rest, STR("a/b"), &entry));
    assert_true(http_media_parameter(&entry, STR("x"), &value));
    assert_str(value, "1,2");
    assert_true(http_accept_next(&rest, STR("a/b"), &entry));
    assert_true(http_media_parameter(&entry, STR("x"), &value));
    assert_str(value, "3");
    assert_false(http_accept_next(&rest, STR("a/b"), &entry));
    rest = (struct str){ 0 };
    assert_false(http_accept_next(&rest, STR("a/b"), &entry));
}

static void content_types_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *essence, *charset; /* NULL: bad, absent */
    } rows[] = {
        { "application/json", "application/json", NULL },
        { " text/plain ; charset=UTF-8 ", "text/plain", "UTF-8" },
        { "a/b;x=\"1;charset=no\"; Charset=\"utf-8\"", "a/b", "utf-8" },
        { "a/b;charset", "a/b", NULL },
        { "a/b;", "a/b", NULL },
        { "", NULL, NULL },
        { "json", NULL, NULL },
        { "a/", NULL, NULL },
        { "/b", NULL, NULL },
        { "a b/c", NULL, NULL },
        { "a/b, c/d", NULL, NULL },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct http_media_type type;
        struct str charset;
        bool is_good = http_media_type_parse(str_of_c(rows[i].text), &type);
        if (is_good != (rows[i].essence != NULL))
            fail_msg("\"%s\" is %s", rows[i].text, is_good ? "taken" : "refused");
        if (!is_good)
            continue;
        assert_str(type.essence, rows[i].essence);
        bool has_charset = http_media_parameter(&type, STR("charset"), &charset);
        assert_int_equal(has_charset, rows[i].charset != NULL);
        if (has_charset)
            assert_str(charset, rows[i].charset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_are_weighed),
        cmocka_unit_test(media_types_are_negotiated),
        cmocka_unit_test(entries_of_a_type_are_found),
        cmocka_unit_test(content_types_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
