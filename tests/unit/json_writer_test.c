#include "json/writer.h"

#include <float.h>

#include "base/random.h"
#include "test.h"

static void places_commas_and_colons(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer_to(&b);
    json_begin_object(&w);
    json_key_c(&w, "a");
    json_begin_array(&w);
    json_write_i64(&w, -1);
    json_write_u64(&w, UINT64_MAX);
    json_write_bool(&w, true);
    json_write_null(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_end_array(&w);
    json_key_c(&w, "b");
    json_write_raw(&w, STR("{\"raw\":1}"));
    json_key_c(&w, "c");
    json_write_string(&w, STR("x"));
    json_key_c(&w, "d");
    json_write_double(&w, 2.5);
    json_end_object(&w);
    assert_str(buf_str(&b), "{\"a\":[-1,18446744073709551615,true,null,{},[]],\"b\":{\"raw\":1},"
                            "\"c\":\"x\",\"d\":2.5}");
    assert_int_equal(w.depth, 0);
    buf_clear(&b);
}

/* Every byte that needs an escape, at every place of a word and beside every neighbour. */
static void escapes_exactly_what_must_be(void **state)
{
    (void)state;
    static const char letters[0x80] = { ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't' };
    struct buf b;
    buf_init(&b, 0);
    for (int c = 0; c < 0x80; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[20], expected[32], escape[8];
            memset(text, at % 2 ? '!' : 0x7f, sizeof text); /* beside 0x22 and at the far end */
            text[at] = (char)c;
            if (letters[c])
                snprintf(escape, sizeof escape, "\\%c", letters[c]);
            else if (c < 0x20)
                snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
            else
                snprintf(escape, sizeof escape, "%c", c);
            int len = snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)at, text, escape,
                               (int)(sizeof text - at - 1), text + at + 1);
            buf_reset(&b);
            json_put_string(&b, str_of(text, sizeof text));
            if (!str_eq(buf_str(&b), str_of(expected, (size_t)len)))
                fail_msg("byte %d at %zu: %.*s", c, at, STR_FMT(buf_str(&b)));
        }
    }
    buf_reset(&b);
    json_put_string(&b, STR("Grüße, 世界 🚀"));
    assert_str(buf_str(&b), "\"Grüße, 世界 🚀\"");
    buf_clear(&b);
}

/* True where the value, rounded to one digit less than the text has, is still the same double. */
static bool fewer_digits_do(struct str text, double value)
{
    char shorter[64];
    double back = 0;
    int digits = 0, zeros = 0; /* zeros at either end do not count */
    for (size_t i = 0; i < text.len && text.ptr[i] != 'e'; i++) {
        char c = text.ptr[i];
        if (c >= '1' && c <= '9') {
            digits += zeros + 1;
            zeros = 0;
        } else {
            zeros += c == '0' && digits > 0;
        }
    }
    if (digits < 2)
        return false;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
    return str_to_double(str_of_c(shorter), &back) && back == value;
}

static void writes_the_shortest_double_that_reads_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = { { 0, "0" },
                  { 3, "3" },
                  { -3, "-3" },
                  { 0.1, "0.1" },
                  { 1e21, "1e21" },
                  { 5e-324, "5e-324" },
                  { 1.0 / 3, "0.3333333333333333" },
                  { 9007199254740991, "9007199254740991" },
                  { 1.0 / 0.0, "null" },
                  { -1.0 / 0.0, "null" },
                  { 0.0 / 0.0, "null" } };
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < countof(cases); i++) {
        buf_reset(&b);
        json_put_double(&b, cases[i].value);
        assert_str(buf_str(&b), cases[i].text);
    }
    for (int i = 0; i < 20000; i++) {
        double value, back = 0;
        random_bytes(&value, sizeof value);
        if (!(value <= DBL_MAX && value >= -DBL_MAX))
            continue;
        buf_reset(&b);
        json_put_double(&b, value);
        assert_true(str_to_double(buf_str(&b), &back));
        assert_true(back == value);
        assert_false(fewer_digits_do(buf_str(&b), value));
    }
    buf_reset(&b);
    json_put_double(&b, -0.0);
    assert_str(buf_str(&b), "-0.0");
    buf_clear(&b);
}

static void writes_a_tree_as_it_was_read(void **state)
{
    (void)state;
    static const char text[] = "{\"z\":[1,1.0,1e0,-0,123456789012345678901234567890],\"a\":{\"\":"
                               "\"\\u0001\\\"é\"},\"a\":null,\"t\":[true,false,[],{}]}";
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const struct json_value *v = NULL;
    struct err e;
    struct buf b;
    buf_init(&b, 0);
    assert_true(json_parse(a, str_of_c(text), &v, &e));
    json_put_value(&b, v);
    assert_str(buf_str(&b), text);
    buf_clear(&b);
}

/* What just fits is written, however long the worst case would have been. */
static void fills_a_buffer_to_its_bound(void **state)
{
    (void)state;
    for (size_t len = 0; len < 3000; len += len < 300 ? 1 : 97) {
        char text[3000];
        struct buf b;
        memset(text, 'a', sizeof text);
        if (len > 0)
            text[len / 2] = '"';
        buf_init(&b, len + 2 + (len > 0));
        json_put_string(&b, str_of(text, len));
        assert_false(b.failed);
        assert_int_equal(b.len, len + 2 + (len > 0));
        buf_put_char(&b, ',');
        assert_true(b.failed);
        buf_clear(&b);
    }
}

static void stops_at_the_buffers_bound(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 20; limit++) {
        struct buf b;
        buf_init(&b, limit);
        json_put_string(&b, STR("\x01\x02\x03\x04"));
        assert_true(b.failed);
        assert_true(b.len <= limit);
        buf_clear(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_commas_and_colons),
        cmocka_unit_test(escapes_exactly_what_must_be),
        cmocka_unit_test(writes_the_shortest_double_that_reads_back),
        cmocka_unit_test(writes_a_tree_as_it_was_read),
        cmocka_unit_test(fills_a_buffer_to_its_bound),
        cmocka_unit_test(stops_at_the_buffers_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
