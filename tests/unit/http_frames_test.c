#include "http/frames.h"

#include "support/websocket_client.h"
#include "test.h"

enum { MESSAGE_MAX = 300 };

/* What is told, as text: "text:…;" "binary:…;" "ping:…;" "pong:…;" "close=1000:…;" "refused=1002".
 */
static void tell(struct buf *out, enum frames_event event, const struct frames_told *told)
{
    static const char *const names[] = { [FRAMES_TEXT] = "text",
                                         [FRAMES_BINARY] = "binary",
                                         [FRAMES_PING] = "ping",
                                         [FRAMES_PONG] = "pong" };
    if (event == FRAMES_REFUSED)
        buf_printf(out, "refused=%u", told->code);
    else if (told->opcode == FRAMES_CLOSE)
        buf_printf(out, "close=%u:%.*s;", told->code, STR_FMT(told->payload));
    else
        buf_printf(out, "%s:%.*s;", names[told->opcode], STR_FMT(told->payload));
}

/* False once it is refused. */
static bool feed(struct frames_reader *f, struct str bytes, struct buf *out)
{
    struct frames_told told;
    enum frames_event event;
    while ((event = frames_read(f, &bytes, &told)) != FRAMES_MORE) {
        tell(out, event, &told);
        if (event == FRAMES_REFUSED)
            return false;
    }
    return true;
}

/* Split at every byte, and in pieces of every size, the same is told; then `wire` is emptied. */
static void reads(struct buf *wire, const char *expected)
{
    scoped(frames_shop_destroyp) struct frames_shop *shop = frames_shop_create();
    struct str stream = buf_str(wire);
    for (size_t piece = 1; piece <= stream.len; piece++) {
        struct frames_reader f;
        struct buf told;
        buf_init(&told, 0);
        frames_reader_init(&f, shop, MESSAGE_MAX);
        for (size_t at = 0; at < stream.len; at += piece)
            if (!feed(&f, str_first(str_from(stream, at), piece), &told))
                break;
        buf_put_char(&told, '\0');
        assert_string_equal(told.ptr, expected);
        frames_reader_clear(&f);
        buf_clear(&told);
    }
    buf_clear(wire);
}

/* spec: RFC 6455, 5.2, 5.6 */
static void reads_messages_in_pieces_of_every_size(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    char long_text[200], expected[256];
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR("hello"));
    put_masked(&wire, FRAME_FIN | FRAMES_BINARY, STR("\xff\xfe"));
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR(""));
    reads(&wire, "text:hello;binary:\xff\xfe;text:;");
    memset(long_text, 'x', sizeof long_text);
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, str_of(long_text, sizeof long_text));
    snprintf(expected, sizeof expected, "text:%.*s;", (int)sizeof long_text, long_text);
    reads(&wire, expected);
}

/* spec: RFC 6455, 5.4 */
static void joins_fragments_with_control_frames_between(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    put_masked(&wire, FRAMES_TEXT, STR("one "));
    put_masked(&wire, FRAME_FIN | FRAMES_PING, STR("are you there"));
    put_masked(&wire, 0, STR("two "));
    put_masked(&wire, 0, STR(""));
    put_masked(&wire, FRAME_FIN | FRAMES_PONG, STR(""));
    put_masked(&wire, FRAME_FIN, STR("three"));
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR("four"));
    reads(&wire, "ping:are you there;pong:;text:one two three;text:four;");
}

static void joins_a_character_that_was_split(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    put_masked(&wire, FRAMES_TEXT, STR("\xe2\x82"));
    put_masked(&wire, FRAME_FIN, STR("\xac"));
    reads(&wire, "text:\xe2\x82\xac;");
}

/* spec: RFC 6455, 5.5.1, 7.4 */
static void reads_closes(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE,
               STR("\x03\xe8"
                   "bye"));
    reads(&wire, "close=1000:bye;");
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, STR(""));
    reads(&wire, "close=1005:;");
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, STR("\x11\x30"));
    reads(&wire, "close=4400:;");
}

static void refuses_bad_closes(void **state)
{
    (void)state;
    static const unsigned codes[] = {
        0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2999, 5000, 65535
    };
    struct buf wire = { 0 };
    for (size_t i = 0; i < countof(codes); i++) {
        char payload[] = { (char)(codes[i] >> 8), (char)codes[i] };
        put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, str_of(payload, sizeof payload));
        reads(&wire, "refused=1002");
    }
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, STR("\x03"));
    reads(&wire, "refused=1002");
    put_masked(&wire, FRAME_FIN | FRAMES_CLOSE, STR("\x03\xe8\xff"));
    reads(&wire, "refused=1007");
}

static void refuses_unmasked_frames(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    put_unmasked(&wire, FRAME_FIN | FRAMES_TEXT, STR("hello"));
    reads(&wire, "refused=1002");
    put_masked(&wire, FRAMES_TEXT, STR("a"));
    put_unmasked(&wire, FRAME_FIN | FRAMES_PING, STR(""));
    reads(&wire, "refused=1002");
}

static void refuses_reserved_bits_and_opcodes(void **state)
{
    (void)state;
    static const unsigned firsts[] = {
        FRAME_FIN | FRAME_RSV1 | FRAMES_TEXT,
        FRAME_FIN | FRAME_RSV2 | FRAMES_TEXT,
        FRAME_FIN | FRAME_RSV3 | FRAMES_PING,
        FRAME_FIN | 3,
        FRAME_FIN | 7,
        FRAME_FIN | 11,
        FRAME_FIN | 15,
    };
    struct buf wire = { 0 };
    for (size_t i = 0; i < countof(firsts); i++) {
        put_masked(&wire, firsts[i], STR("x"));
        reads(&wire, "refused=1002");
    }
}

static void refuses_fragments_out_of_order(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    put_masked(&wire, FRAME_FIN, STR("of what?"));
    reads(&wire, "refused=1002");
    put_masked(&wire, FRAMES_TEXT, STR("one"));
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR("another"));
    reads(&wire, "refused=1002");
    put_masked(&wire, FRAMES_PING, STR("in two"));
    reads(&wire, "refused=1002");
}

static void refuses_long_control_frames_and_long_lengths(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    char payload[126] = { 0 };
    put_masked(&wire, FRAME_FIN | FRAMES_PING, str_of(payload, sizeof payload));
    reads(&wire, "refused=1002");
    buf_put(&wire, "\x81\xfe\x00\x05....hello", 13); /* 5 in two bytes */
    reads(&wire, "refused=1002");
    buf_put(&wire, "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff....x", 15); /* beyond 2^63 */
    reads(&wire, "refused=1002");
}

static void refuses_large_messages(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    char text[MESSAGE_MAX + 1];
    memset(text, 'x', sizeof text);
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, str_of(text, sizeof text));
    reads(&wire, "refused=1009");
    put_masked(&wire, FRAMES_TEXT, str_of(text, MESSAGE_MAX));
    put_masked(&wire, FRAME_FIN, STR("y"));
    reads(&wire, "refused=1009");
    put_frame_head(&wire, FRAME_FIN | FRAMES_TEXT, INT64_MAX, true); /* announced alone */
    buf_put_str(&wire, STR("maskx"));
    reads(&wire, "refused=1009");
}

/* spec: RFC 6455, 8.1 */
static void refuses_text_that_is_not_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = { "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                       "cut \xe2\x82" };
    struct buf wire = { 0 };
    for (size_t i = 0; i < countof(bad); i++) {
        put_masked(&wire, FRAME_FIN | FRAMES_TEXT, str_of_c(bad[i]));
        reads(&wire, "refused=1007");
    }
}

/* An idle socket keeps no state of wslay's, nor bytes of what it has told. */
static void holds_nothing_between_messages(void **state)
{
    (void)state;
    scoped(frames_shop_destroyp) struct frames_shop *shop = frames_shop_create();
    struct frames_reader f;
    struct buf wire = { 0 }, told = { 0 };
    frames_reader_init(&f, shop, MESSAGE_MAX);
    put_masked(&wire, FRAME_FIN | FRAMES_TEXT, STR("hello"));
    for (size_t i = 0; i < wire.len; i++) {
        assert_true(feed(&f, str_of(wire.ptr + i, 1), &told));
        assert_int_equal(f.context != NULL, i + 1 < wire.len);
        assert_int_equal(frames_is_within(&f), i + 1 < wire.len);
    }
    assert_int_equal(f.message.capacity, 0);
    assert_int_equal(f.control.capacity, 0);
    frames_reader_clear(&f);
    buf_clear(&wire);
    buf_clear(&told);
}

static void writes_frames(void **state)
{
    (void)state;
    scoped(frames_shop_destroyp) struct frames_shop *shop = frames_shop_create();
    struct buf out = { 0 }, expected = { 0 };
    static char text[70'000];
    memset(text, 'y', sizeof text);
    const size_t sizes[] = { 0, 1, 125, 126, 65'535, 65'536, sizeof text };
    for (size_t i = 0; i < countof(sizes); i++) {
        frames_write(shop, &out, FRAMES_TEXT, str_of(text, sizes[i]));
        put_unmasked(&expected, FRAME_FIN | FRAMES_TEXT, str_of(text, sizes[i]));
    }
    frames_write_close(shop, &out, 1001, STR("bye"));
    put_unmasked(&expected, FRAME_FIN | FRAMES_CLOSE,
                 STR("\x03\xe9"
                     "bye"));
    frames_write_close(shop, &out, CLOSE_NONE, STR(""));
    put_unmasked(&expected, FRAME_FIN | FRAMES_CLOSE, STR(""));
    assert_int_equal(out.len, expected.len);
    assert_memory_equal(out.ptr, expected.ptr, out.len);
    buf_clear(&out);
    buf_clear(&expected);
}

static void cuts_a_reason_at_a_character(void **state)
{
    (void)state;
    scoped(frames_shop_destroyp) struct frames_shop *shop = frames_shop_create();
    struct buf out = { 0 };
    char reason[200];
    memset(reason, 'r', sizeof reason);
    memcpy(reason + CLOSE_REASON_MAX - 1, "\xe2\x82\xac", 3);
    frames_write_close(shop, &out, 4400, str_of(reason, sizeof reason));
    assert_int_equal(out.len, 2 + 2 + CLOSE_REASON_MAX - 1);
    assert_true(str_is_utf8(str_of(out.ptr + 4, out.len - 4)));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_messages_in_pieces_of_every_size),
        cmocka_unit_test(joins_fragments_with_control_frames_between),
        cmocka_unit_test(joins_a_character_that_was_split),
        cmocka_unit_test(reads_closes),
        cmocka_unit_test(refuses_bad_closes),
        cmocka_unit_test(refuses_unmasked_frames),
        cmocka_unit_test(refuses_reserved_bits_and_opcodes),
        cmocka_unit_test(refuses_fragments_out_of_order),
        cmocka_unit_test(refuses_long_control_frames_and_long_lengths),
        cmocka_unit_test(refuses_large_messages),
        cmocka_unit_test(refuses_text_that_is_not_utf8),
        cmocka_unit_test(holds_nothing_between_messages),
        cmocka_unit_test(writes_frames),
        cmocka_unit_test(cuts_a_reason_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
