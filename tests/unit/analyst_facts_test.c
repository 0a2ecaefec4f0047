#include "analyst/facts.h"

#include <math.h>

#include "base/buf.h"
#include "test.h"

static const struct json_value *parse(struct arena *a, struct str text)
{
    const struct json_value *v;
    struct err e;
    assert_true(json_parse(a, text, &v, &e));
    return v;
}

static void reads_all_of_the_contract(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    static const char text[] =
        "{\"bucket_s\": 3600, \"from_us\": 0, \"now_us\": 9000000000, \"oldest_pending_s\": 12.5,"
        "\"series\": [{\"type\": \"email\", \"created\": [3, 0, 1], \"completed\": [], \"failed\": "
        "null,"
        "  \"wait_p50_s\": [null, 0.2, 1]}],"
        "\"totals\": [{\"type\": \"email\", \"pending\": 4}],"
        "\"jobs\": [{\"id\": \"1\", \"name\": \"n\", \"status\": \"active\", \"next_run_us\": 5, "
        "\"last_run_us\": null, \"consecutive_failures\": 2}],"
        "\"errors\": [{\"type\": \"email\", \"template\": \"t\", \"count\": 3, \"first_at_us\": "
        "1}]}";
    struct facts f;
    struct err e;
    assert_true(facts_read(a, parse(a, str_of_c(text)), &f, &e));
    assert_int_equal(f.bucket_count, 3);
    assert_true(fabs(f.last_part - 0.5) < 1e-12 && f.oldest_pending_s == 12.5);
    const struct facts_series *s = &f.series[0];
    assert_str(s->type, "email");
    assert_true(s->created[0] == 3 && s->created[2] == 1);
    assert_true(s->completed[1] == 0 && s->failed[2] == 0);
    assert_true(isnan(s->wait_p50_s[0]) && s->wait_p50_s[1] == 0.2 && isnan(s->run_p99_s[0]));
    assert_true(facts_total_of(&f, STR("email"))->pending == 4);
    assert_null(facts_total_of(&f, STR("other")));
    assert_true(f.jobs[0].next_run_us == 5 && f.jobs[0].last_run_us == 0);
    assert_int_equal(f.jobs[0].consecutive_failures, 2);
    assert_true(f.errors[0].count == 3 && f.errors[0].last_at_us == 0);
}

static void an_empty_installation_has_no_series(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct facts f;
    struct err e;
    assert_true(
        facts_read(a, parse(a, STR("{\"bucket_s\":60,\"from_us\":0,\"now_us\":0}")), &f, &e));
    assert_true(f.series_count == 0 && f.bucket_count == 0 && isnan(f.oldest_pending_s));
}

static void refuse(const char *text, enum err_code code, const char *message)
{
    scoped(arena_destroyp) struct arena *a = arena_create(256 << 20);
    struct facts f = { 0 };
    struct err e;
    assert_false(facts_read(a, parse(a, str_of_c(text)), &f, &e));
    assert_int_equal(e.code, code);
    assert_string_equal(e.message, message);
    assert_int_equal(f.bucket_s, 0); /* unchanged */
}

#define FRAME "\"bucket_s\":60,\"from_us\":0,\"now_us\":180000000,"

static void errors_name_their_place(void **state)
{
    (void)state;
    refuse("[]", ERR_INVALID, "facts: is not an object");
    refuse("{}", ERR_INVALID, "facts.bucket_s: is missing");
    refuse("{\"bucket_s\":1.5}", ERR_INVALID,
           "facts.bucket_s: is not a whole number of at least 0");
    refuse("{\"bucket_s\":60,\"from_us\":5,\"now_us\":4}", ERR_INVALID,
           "facts.now_us: is before from_us");
    refuse("{" FRAME "\"series\":[{\"type\":\"a\",\"failed\":[1,null,\"x\"]}]}", ERR_INVALID,
           "facts.series[0].failed[2]: is not a number");
    refuse("{" FRAME "\"series\":[{\"type\":\"a\"},{\"type\":\"b\",\"run_p50_s\":3}]}", ERR_INVALID,
           "facts.series[1].run_p50_s: is not an array");
    refuse("{" FRAME "\"totals\":[{\"type\":\"a\",\"pending\":-1}]}", ERR_INVALID,
           "facts.totals[0].pending: is not a number of at least 0");
    refuse("{" FRAME "\"jobs\":[{\"id\":\"1\",\"name\":\"n\"}]}", ERR_INVALID,
           "facts.jobs[0].status: is missing");
    refuse("{" FRAME "\"errors\":[{\"type\":\"a\",\"template\":\"t\",\"last_at_us\":-1}]}",
           ERR_INVALID, "facts.errors[0].last_at_us: is not a whole number of at least 0");
}

static void what_nobody_knows_is_named(void **state)
{
    (void)state;
    refuse("{" FRAME "\"colour\":1}", ERR_INVALID, "facts.colour: is not known here");
    refuse("{" FRAME "\"series\":[{\"type\":\"a\",\"created\":[],\"wait_p90_s\":[]}]}", ERR_INVALID,
           "facts.series[0].wait_p90_s: is not known here");
    refuse("{" FRAME "\"totals\":[{\"type\":\"a\"},{\"type\":\"b\",\"dead\":1}]}", ERR_INVALID,
           "facts.totals[1].dead: is not known here");
    refuse("{" FRAME "\"jobs\":[{\"id\":\"1\",\"title\":\"n\"}]}", ERR_INVALID,
           "facts.jobs[0].title: is not known here");
    refuse("{" FRAME "\"errors\":[{\"Type\":\"a\"}]}", ERR_INVALID,
           "facts.errors[0].Type: is not known here");
}

static void put_many(struct buf *b, const char *item, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(b, "%s%s", i > 0 ? "," : "", item);
}

static void limits_are_named(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    buf_put_c(&b, "{\"bucket_s\":1,\"from_us\":0,\"now_us\":9000000000,\"series\":[{\"type\":\"a\","
                  "\"created\":[");
    put_many(&b, "1", FACTS_BUCKETS_MAX + 1);
    buf_put(&b, "]}]}", 5);
    refuse(b.ptr, ERR_LIMIT, "facts.series: has more than 2000 buckets");
    buf_reset(&b);
    buf_put_c(&b, "{" FRAME "\"totals\":[");
    put_many(&b, "{\"type\":\"a\"}", FACTS_TYPES_MAX + 1);
    buf_put(&b, "]}", 3);
    refuse(b.ptr, ERR_LIMIT, "facts.totals: has more than 1000 items");
    buf_reset(&b);
    buf_put_c(&b, "{\"bucket_s\":1,\"from_us\":0,\"now_us\":9000000000,\"series\":[{\"type\":\"a\","
                  "\"created\":[");
    put_many(&b, "1", 250);
    buf_put_c(&b, "]},");
    put_many(&b, "{\"type\":\"b\"}", FACTS_TYPES_MAX - 1);
    buf_put(&b, "]}", 3);
    refuse(b.ptr, ERR_LIMIT, "facts.series: has more than 200000 buckets in all");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_of_the_contract),
        cmocka_unit_test(an_empty_installation_has_no_series),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(what_nobody_knows_is_named),
        cmocka_unit_test(limits_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
