#include "rules/zone.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "rules/zone_cache.h"
#include "test.h"

static struct zone *load(const char *name)
{
    struct zone *zone;
    struct err e;
    if (!zone_load(str_of_c(name), &zone, &e))
        fail_msg("%s: %s", name, err_text(&e));
    return zone;
}

static int64_t second_of(const char *text)
{
    int64_t us;
    if (!clock_parse(str_of_c(text), &us))
        fail_msg("not a time: %s", text);
    return us / CLOCK_S;
}

static int64_t offset(const struct zone *zone, const char *at)
{
    int64_t s = second_of(at);
    return zone_local_s(zone, s) - s;
}

static void offsets_follow_the_file_and_then_its_rule(void **state)
{
    scoped(zone_destroyp) struct zone *berlin = load("Europe/Berlin");
    (void)state;
    assert_int_equal(offset(berlin, "1800-01-01T00:00:00Z"), 53 * 60 + 28); /* local mean time */
    assert_int_equal(offset(berlin, "1945-07-01T00:00:00Z"), 3 * 3'600);    /* double summer */
    assert_int_equal(offset(berlin, "2026-03-29T00:59:59Z"), 3'600);
    assert_int_equal(offset(berlin, "2026-03-29T01:00:00Z"), 7'200);
    assert_int_equal(offset(berlin, "2026-10-25T00:59:59Z"), 7'200);
    assert_int_equal(offset(berlin, "2026-10-25T01:00:00Z"), 3'600);
    assert_int_equal(offset(berlin, "9998-07-01T00:00:00Z"), 7'200);
    assert_int_equal(offset(berlin, "9998-12-01T00:00:00Z"), 3'600);
    assert_str(zone_name(berlin), "Europe/Berlin");
}

static void spans_meet_and_cover_all_time(void **state)
{
    static const char *const names[] = { "Europe/Berlin", "Australia/Lord_Howe",
                                         "Africa/Casablanca", "Asia/Kathmandu",
                                         "America/Sao_Paulo" };
    (void)state;
    for (size_t i = 0; i < countof(names); i++) {
        scoped(zone_destroyp) struct zone *zone = load(names[i]);
        struct zone_span span = zone_span(zone, ZONE_S_MIN);
        assert_true(span.from_s < ZONE_S_MIN);
        while (span.until_s <= second_of("2400-01-01T00:00:00Z")) {
            struct zone_span next = zone_span(zone, span.until_s);
            struct zone_span again = zone_span(zone, span.until_s - 1);
            assert_int_equal(next.from_s, span.until_s);
            assert_true(next.until_s > next.from_s);
            assert_int_equal(again.from_s, span.from_s);
            assert_int_equal(again.offset_s, span.offset_s);
            span = next;
        }
        assert_true(zone_span(zone, INT64_MAX).until_s > ZONE_S_MAX);
        assert_true(zone_span(zone, INT64_MIN).from_s < ZONE_S_MIN);
    }
}

static void utc_needs_no_file(void **state)
{
    const char *before = getenv("TZDIR");
    struct zone *zone = NULL;
    struct err e;
    (void)state;
    assert_int_equal(setenv("TZDIR", "/nowhere", 1), 0);
    assert_true(zone_load(STR("UTC"), &zone, &e));
    assert_int_equal(offset(zone, "2026-07-01T00:00:00Z"), 0);
    assert_str(zone_name(zone), "UTC");
    zone_destroy(zone);
    assert_false(zone_load(STR("Europe/Berlin"), &zone, &e));
    assert_int_equal(e.code, ERR_INVALID);
    if (before != NULL)
        (void)setenv("TZDIR", before, 1);
    else
        (void)unsetenv("TZDIR");
}

static void names_lead_nowhere_else(void **state)
{
    static const char *const names[] = {
        "",
        "/etc/passwd",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "Europe//Berlin",
        "Europe/",
        "Europe",
        "/",
        ".",
        "Europe/Berlin\n",
        "Europe\\Berlin",
        "Mars/Olympus",
        "europe/berlin",
        "zone.tab",
        "localtime",
        "Europe/Berlin/Mitte",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaa"
        "aaaaaaaaaaaaaaaaaaaaaaa",
    };
    (void)state;
    for (size_t i = 0; i < countof(names); i++) {
        struct zone *zone = NULL;
        struct err e;
        if (zone_load(str_of_c(names[i]), &zone, &e))
            fail_msg("\"%s\" was loaded", names[i]);
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.message, "there is no time zone"));
    }
}

/* ── files made here ── */

static void put_be(struct buf *b, uint64_t value, int bytes)
{
    while (bytes-- > 0)
        buf_put_char(b, (char)(value >> (8 * bytes)));
}

static void put_header(struct buf *b, char version, size_t leaps, size_t times, size_t types)
{
    buf_put_c(b, "TZif");
    buf_put_char(b, version);
    for (int i = 0; i < 15; i++)
        buf_put_char(b, '\0');
    put_be(b, 0, 4);
    put_be(b, 0, 4);
    put_be(b, leaps, 4);
    put_be(b, times, 4);
    put_be(b, types, 4);
    put_be(b, 4, 4); /* characters */
}

/* `times` transitions, ten days apart from day 0 on, to hours 1, 2, 1, … */
static void put_block(struct buf *b, char version, size_t leaps, size_t times, int time_bytes)
{
    put_header(b, version, leaps, times, 3);
    for (size_t i = 0; i < times; i++)
        put_be(b, i * 864'000, time_bytes);
    for (size_t i = 0; i < times; i++)
        buf_put_char(b, (char)(1 + i % 2));
    for (uint32_t hours = 0; hours < 3; hours++) {
        put_be(b, hours * 3'600, 4);
        put_be(b, 0, 2);
    }
    buf_put(b, "ABC", 4);
    for (size_t i = 0; i < leaps; i++)
        put_be(b, 0, time_bytes + 4);
}

static bool parse(const struct buf *b, struct zone **ret_zone, struct err *e)
{
    return zone_parse(STR("Test/Zone"), buf_str(b), ret_zone, e);
}

static void all_versions_are_read(void **state)
{
    (void)state;
    for (int number = 1; number <= 4; number++) {
        char version = (char)('0' + number);
        struct buf b;
        struct err e;
        struct zone *zone = NULL;
        buf_init(&b, 0);
        put_block(&b, version == '1' ? '\0' : version, 0, 3, 4);
        if (version > '1') {
            put_block(&b, version, 0, 3, 8);
            buf_put_c(&b, "\nXXX-5\n");
        }
        if (!parse(&b, &zone, &e))
            fail_msg("version %c: %s", version, err_text(&e));
        assert_int_equal(zone_span(zone, -1).offset_s, 0);
        assert_int_equal(zone_span(zone, 0).offset_s, 3'600);
        assert_int_equal(zone_span(zone, 864'000).offset_s, 7'200);
        assert_int_equal(zone_span(zone, 864'000).until_s, 1'728'000);
        assert_int_equal(zone_span(zone, 1'728'000).offset_s, version == '1' ? 3'600 : 5 * 3'600);
        zone_destroy(zone);
        buf_clear(&b);
    }
}

/* Cut anywhere, a file is refused and nothing is read beyond it. */
static void a_file_that_is_cut_off_is_refused(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    put_block(&b, '2', 0, 3, 4);
    put_block(&b, '2', 0, 3, 8);
    buf_put_c(&b, "\nXXX-5\n");
    for (size_t len = 0; len < b.len; len++) {
        struct zone *zone = NULL;
        struct err e;
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 12);
        assert_false(zone_parse(STR("x"), arena_copy(a, str_of(b.ptr, len)), &zone, &e));
        assert_int_equal(e.code, ERR_INVALID);
    }
    buf_clear(&b);
}

static void rejects(size_t leaps, size_t patch_at, char patch, const char *message)
{
    struct buf b;
    struct zone *zone = NULL;
    struct err e;
    buf_init(&b, 0);
    put_block(&b, '\0', leaps, 3, 4);
    if (patch_at > 0)
        b.ptr[patch_at] = patch;
    assert_false(parse(&b, &zone, &e));
    assert_str(str_of_c(e.message), message);
    buf_clear(&b);
}

static void wrong_files_say_what_is_wrong(void **state)
{
    enum { TIMES = 44, TYPES = TIMES + 12, OFFSETS = TYPES + 3 };
    (void)state;
    rejects(1, 0, 0, "it counts leap seconds, which Unix time does not");
    rejects(0, 3, 'x', "it is no TZif file");
    rejects(0, TIMES + 4, '\x80', "its transition 1 is not after the one before");
    rejects(0, TYPES, 3, "it refers to a type of local time that it does not have");
    rejects(0, OFFSETS, 0x7f, "its offset of 2130706432 s is out of range");
    rejects(0, 39, 0, "it has 0 types of local time and 3 transitions");
    rejects(0, 32, 1, "it counts more entries than a file may hold");
}

static struct zone *zone_of_rule(const char *rule, bool *ret_is_read)
{
    struct buf b;
    struct zone *zone = NULL;
    struct err e;
    buf_init(&b, 0);
    put_block(&b, '3', 0, 0, 4);
    put_block(&b, '3', 0, 0, 8);
    buf_printf(&b, "\n%s\n", rule);
    *ret_is_read = parse(&b, &zone, &e);
    buf_clear(&b);
    return zone;
}

static void rules_are_kept_for_ever(void **state)
{
    static const struct {
        const char *rule, *at;
        int64_t offset_s;
    } cases[] = {
        { "CET-1CEST,M3.5.0,M10.5.0/3", "2999-07-01T00:00:00Z", 7'200 },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", -18'000 },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -14'400 },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-11-01T05:59:59Z", -14'400 },
        { "EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", -18'000 },
        { "<+0330>-3:30", "2026-01-01T00:00:00Z", 12'600 },
        { "IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-27T00:00:00Z", 10'800 }, /* Friday at 02:00 */
        { "IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-26T23:59:59Z", 7'200 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3'600 },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7'200 },
        { "XXX0YYY,J60/0,J61/0", "2028-03-01T00:00:00Z", 3'600 }, /* J60 is March 1 */
        { "XXX0YYY,J60/0,J61/0", "2028-02-29T23:59:59Z", 0 },
        { "XXX0YYY,59/0,60/0", "2028-02-29T00:00:00Z", 3'600 }, /* 59 is February 29 */
        { "XXX0YYY,59/0,60/0", "2027-03-01T00:00:00Z", 3'600 },
        { "XXX3EDT4,0/0,J365/23", "2026-01-01T03:00:00Z", -14'400 }, /* all the year */
        { "XXX3EDT4,0/0,J365/23", "2026-06-01T00:00:00Z", -14'400 },
        { "AAA-10BBB,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39'600 }, /* the south */
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        bool is_read;
        scoped(zone_destroyp) struct zone *zone = zone_of_rule(cases[i].rule, &is_read);
        if (!is_read)
            fail_msg("%s was refused", cases[i].rule);
        if (offset(zone, cases[i].at) != cases[i].offset_s)
            fail_msg("%s at %s: %lld", cases[i].rule, cases[i].at,
                     (long long)offset(zone, cases[i].at));
    }
}

static void malformed_rules_are_refused(void **state)
{
    static const char *const rules[] = {
        "CE-1",
        "CET",
        "CET-25",
        "CET-1CEST",
        "CET-1CEST,M3.5",
        "<CET-1",
        "CET-1CEST,M13.1.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1 ",
        "CET-1CEST,J0,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1:60",
        "CET-00001",
    };
    (void)state;
    for (size_t i = 0; i < countof(rules); i++) {
        bool is_read;
        scoped(zone_destroyp) struct zone *zone = zone_of_rule(rules[i], &is_read);
        if (is_read)
            fail_msg("\"%s\" was accepted", rules[i]);
    }
}

static void the_cache_loads_a_zone_once(void **state)
{
    scoped(zone_cache_destroyp) struct zone_cache *cache = zone_cache_create();
    const struct zone *first = NULL, *again = NULL, *other = NULL;
    struct err e;
    (void)state;
    assert_true(zone_cache_get(cache, STR("Europe/Berlin"), &first, &e));
    assert_true(zone_cache_get(cache, STR("UTC"), &other, &e));
    assert_true(zone_cache_get(cache, STR("Europe/Berlin"), &again, &e));
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, other);
    assert_str(zone_name(first), "Europe/Berlin");
    assert_false(zone_cache_get(cache, STR("Mars/Olympus"), &other, &e));
    assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_follow_the_file_and_then_its_rule),
        cmocka_unit_test(spans_meet_and_cover_all_time),
        cmocka_unit_test(utc_needs_no_file),
        cmocka_unit_test(names_lead_nowhere_else),
        cmocka_unit_test(all_versions_are_read),
        cmocka_unit_test(a_file_that_is_cut_off_is_refused),
        cmocka_unit_test(wrong_files_say_what_is_wrong),
        cmocka_unit_test(rules_are_kept_for_ever),
        cmocka_unit_test(malformed_rules_are_refused),
        cmocka_unit_test(the_cache_loads_a_zone_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
