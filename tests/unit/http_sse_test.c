#include "http/sse.h"

#include "test.h"

struct heard {
    struct buf text; /* "name=data;" each */
    int left;        /* wanted; below 0: all */
};

static bool hear(void *owner, const struct http_sse_event *event)
{
    struct heard *heard = owner;
    buf_printf(&heard->text, "%.*s=%.*s;", STR_FMT(event->name), STR_FMT(event->data));
    return heard->left < 0 || --heard->left > 0;
}

/* The same stream in pieces of every size is the same events. */
static void reads(struct str stream, const char *expected)
{
    for (size_t piece = 1; piece <= stream.len; piece++) {
        struct heard heard = { .left = -1 };
        struct http_sse s;
        struct err e;
        buf_init(&heard.text, 0);
        http_sse_init(&s, 1024, hear, &heard);
        for (size_t at = 0; at < stream.len; at += piece)
            assert_true(http_sse_feed(&s, str_first(str_from(stream, at), piece), &e));
        buf_put_char(&heard.text, '\0');
        assert_string_equal(heard.text.ptr, expected);
        http_sse_clear(&s);
        buf_clear(&heard.text);
    }
}

/* spec: HTML 9.2.6, its own examples among them */
static void reads_events_in_pieces_of_every_size(void **state)
{
    (void)state;
    reads(STR("data: a\n\n"), "message=a;");
    reads(STR("event: done\r\ndata: {}\r\n\r\n"), "done={};");
    reads(STR("data: YHOO\ndata: +2\ndata: 10\n\n"), "message=YHOO\n+2\n10;");
    reads(
        STR(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n"),
        "message=first event;message=second event;");
    reads(STR("data\n\ndata\ndata\n\ndata:"), "message=;message=\n;");
    reads(STR("data:test\n\ndata: test\n\n"), "message=test;message=test;");
    reads(STR("event: a\rdata: x\r\revent: b\r\ndata: y\n\n"), "a=x;b=y;");
    reads(STR("\xef\xbb\xbf"
              "data: marked\n\n"),
          "message=marked;");
    reads(STR("\xef\xbb"
              "data: not a mark\n\ndata: b\n\n"),
          "message=b;");
    reads(STR("event: lost\n\ndata: x\n\n"), "message=x;");
    reads(STR("event: a\nevent: b\ndata: x\nretry: 5\nunknown: y\n\n"), "b=x;");
    reads(STR("data: cut off\n"), "");
}

/* Feeds what comes next; where the stream would go on now. */
static void goes_on_at(struct http_sse *s, struct str stream, const char *expected)
{
    struct err e;
    assert_true(http_sse_feed(s, stream, &e));
    assert_str(http_sse_last_id(s), expected);
}

/* spec: HTML 9.2.6, "last event ID string": it is set where an event ends, not where it begins */
static void the_last_id_is_that_of_what_is_complete(void **state)
{
    struct heard heard = { .left = -1 };
    struct http_sse s;
    (void)state;
    buf_init(&heard.text, 0);
    http_sse_init(&s, 1024, hear, &heard);
    goes_on_at(&s, STR("data: none\n\n"), "");
    goes_on_at(&s, STR("id: 0:5\ndata: a\n"), "");
    goes_on_at(&s, STR("\n"), "0:5");
    goes_on_at(&s, STR("data: b\n\n"), "0:5");
    goes_on_at(&s, STR("id: 0:9\n\n"), "0:9");
    goes_on_at(&s, STR("id: x\0y\ndata: c\n\n"), "0:9");
    goes_on_at(&s, STR("id\ndata: d\n\n"), "");
    http_sse_clear(&s);
    buf_clear(&heard.text);
}

static void an_event_is_bounded(void **state)
{
    static const char *const long_ones[] = { "data: ", "data: 456789\ndata: 9\n", "event: 789" };
    (void)state;
    for (size_t i = 0; i < countof(long_ones); i++) {
        struct heard heard = { .left = -1 };
        struct http_sse s;
        struct err e;
        bool is_good = true;
        http_sse_init(&s, 12, hear, &heard);
        for (int n = 0; n < 3 && is_good; n++)
            is_good = http_sse_feed(&s, str_of_c(long_ones[i]), &e);
        assert_false(is_good);
        assert_int_equal(e.code, ERR_LIMIT);
        http_sse_clear(&s);
    }
}

static void stops_when_no_more_is_wanted(void **state)
{
    struct heard heard = { .left = 1 };
    struct http_sse s;
    struct err e;
    (void)state;
    buf_init(&heard.text, 0);
    http_sse_init(&s, 100, hear, &heard);
    assert_false(http_sse_feed(&s, STR("data: 1\n\ndata: 2\n\n"), &e));
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_true(str_eq_c(buf_str(&heard.text), "message=1;"));
    http_sse_clear(&s);
    buf_clear(&heard.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_events_in_pieces_of_every_size),
        cmocka_unit_test(the_last_id_is_that_of_what_is_complete),
        cmocka_unit_test(an_event_is_bounded),
        cmocka_unit_test(stops_when_no_more_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
