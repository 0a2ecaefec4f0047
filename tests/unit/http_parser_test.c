#include "http/parser_priv.h"

#include "support/http_malformed.h"
#include "test.h"

struct reading {
    struct http_limits limits;
    struct parser parser;
    struct buf told; /* "POST /a?q [body] " for each request */
    int refused_status;
};

static void begin(struct reading *t)
{
    *t = (struct reading){ .limits = HTTP_LIMITS_DEFAULT };
    http_parser_init(&t->parser, &t->limits);
    t->parser.request = http_request_create(NULL, t->limits.arena_bytes);
}

static void end(struct reading *t)
{
    http_request_destroy(t->parser.request);
    buf_clear(&t->told);
}

static void got_request(struct reading *t)
{
    struct request *r = t->parser.request;
    buf_printf(&t->told, "%s %.*s?%.*s [%.*s] ", http_method_name(r->pub.method),
               STR_FMT(r->pub.path), STR_FMT(r->pub.query), STR_FMT(r->pub.body));
    http_request_reset(r);
}

static void feed(struct reading *t, struct str bytes)
{
    bool is_head_fresh = false;
    while (!t->refused_status && (bytes.len || is_head_fresh)) {
        enum parser_event event = http_parser_feed(&t->parser, &bytes);
        is_head_fresh = event == PARSER_HEAD;
        if (event == PARSER_COMPLETE)
            got_request(t);
        if (event == PARSER_REFUSED ||
            (is_head_fresh && !http_parser_limit_body(&t->parser, t->limits.body_bytes)))
            t->refused_status = http_refused_status(t->parser.refused);
    }
}

static void expect_refusal(const struct malformed *row, const struct reading *t, size_t cut)
{
    if (t->refused_status != row->status)
        fail_msg("%s, cut at %zu: %d (%s), expected %d", row->name, cut, t->refused_status,
                 t->parser.why ? t->parser.why : "not refused", row->status);
}

static void refuses_malformed_requests_however_they_are_cut(void **state)
{
    (void)state;
    enum { CUTS_MAX = 300 };
    for (size_t i = 0; i < countof(malformed_rows); i++) {
        struct buf bytes;
        malformed_bytes(&malformed_rows[i], &bytes);
        size_t step = max_of(bytes.len / CUTS_MAX, (size_t)1);
        for (size_t cut = 0; cut < bytes.len; cut += step) {
            struct reading t;
            begin(&t);
            feed(&t, str_first(buf_str(&bytes), cut));
            feed(&t, str_from(buf_str(&bytes), cut));
            expect_refusal(&malformed_rows[i], &t, cut);
            end(&t);
        }
        buf_clear(&bytes);
    }
}

static void refuses_malformed_requests_that_come_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(malformed_rows); i++) {
        struct buf bytes;
        struct reading t;
        malformed_bytes(&malformed_rows[i], &bytes);
        begin(&t);
        for (size_t at = 0; at < bytes.len; at++)
            feed(&t, str_of(bytes.ptr + at, 1));
        expect_refusal(&malformed_rows[i], &t, 1);
        end(&t);
        buf_clear(&bytes);
    }
}

static const struct {
    const char *bytes, *told;
} good_rows[] = {
    { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /? [] " },
    { "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /? [] " },
    { "GET /a%20b/%C3%A4?x=%2F HTTP/1.1\r\nhost:a\r\n\r\n", "GET /a b/\xc3\xa4?x=%2F [] " },
    { "GET http://A.example:80/x HTTP/1.1\r\nHost: a.example:80\r\n\r\n", "GET /x? [] " },
    { "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q [] " },
    { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *? [] " },
    { "GET /...//.a HTTP/1.0\r\n\r\n", "GET /...//.a? [] " },
    { "GET / HTTP/1.1\r\nHost: [::1]:8080\r\nE:\r\nF: \t \r\n\r\n", "GET /? [] " },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", "POST /? [abcde] " },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: Identity\r\nContent-Length: 1\r\n\r\na",
      "POST /? [a] " },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /? [] " },
    { "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3\r\nabc\r\n002;x=\"y\"\r\nde\r\n0\r\nT: 1\r\n\r\n",
      "PUT /? [abcde] " },
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
      "DELETE /b HTTP/1.1\r\nHost: a\r\n\r\nHEAD /c HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /? [ab] DELETE /b? [] HEAD /c? [] " },
    /* An upgrade that nobody takes is an ordinary request. */
    { "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
      "Content-Length: 2\r\n\r\nabGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /? [ab] GET /b? [] " },
};

static void reads_requests_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(good_rows); i++) {
        struct str bytes = str_of_c(good_rows[i].bytes);
        for (size_t cut = 0; cut < bytes.len; cut++) {
            struct reading t;
            begin(&t);
            feed(&t, str_first(bytes, cut));
            feed(&t, str_from(bytes, cut));
            if (t.refused_status)
                fail_msg("row %zu, cut at %zu: %s", i, cut, t.parser.why);
            assert_str(buf_str(&t.told), good_rows[i].told);
            assert_false(http_parser_is_within_request(&t.parser));
            end(&t);
        }
    }
}

static void tells_fields_by_any_case_and_without_spaces_around(void **state)
{
    (void)state;
    struct reading t;
    begin(&t);
    struct str bytes = STR("GET / HTTP/1.1\r\nHost: a\r\nX-One:  1 2\t \r\nx-ONE: 3\r\n"
                           "Empty:\r\nLast:\t4\r\n\r\n");
    assert_int_equal(http_parser_feed(&t.parser, &bytes), PARSER_HEAD);
    const struct http_request *r = &t.parser.request->pub;
    assert_str(http_header(r, STR("x-one")), "1 2");
    assert_str(http_header(r, STR("LAST")), "4");
    assert_non_null(http_header(r, STR("empty")).ptr);
    assert_null(http_header(r, STR("absent")).ptr);
    size_t at = 0;
    struct str value;
    assert_true(http_header_next(r, STR("X-ONE"), &at, &value));
    assert_str(value, "1 2");
    assert_true(http_header_next(r, STR("X-ONE"), &at, &value));
    assert_str(value, "3");
    assert_false(http_header_next(r, STR("X-ONE"), &at, &value));
    end(&t);
}

static void a_part_of_a_request_is_known_as_such(void **state)
{
    (void)state;
    struct reading t;
    begin(&t);
    assert_false(http_parser_is_within_request(&t.parser));
    feed(&t, STR("\r\n"));
    assert_true(http_parser_is_within_request(&t.parser));
    feed(&t, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"));
    assert_false(http_parser_is_within_body(&t.parser));
    feed(&t, STR("\r\na"));
    assert_true(http_parser_is_within_body(&t.parser));
    feed(&t, STR("b"));
    assert_false(http_parser_is_within_body(&t.parser));
    assert_false(http_parser_is_within_request(&t.parser));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_requests_however_they_are_cut),
        cmocka_unit_test(refuses_malformed_requests_that_come_byte_by_byte),
        cmocka_unit_test(reads_requests_however_they_are_cut),
        cmocka_unit_test(tells_fields_by_any_case_and_without_spaces_around),
        cmocka_unit_test(a_part_of_a_request_is_known_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
