#include "worker/ops.h"

#include "base/random.h"
#include "test.h"

static struct change change_of(enum op op, uint8_t id, uint32_t session, uint32_t attempt)
{
    struct change c = { .op = op, .session = session, .attempt = attempt };
    memset(c.id.bytes, id, sizeof c.id.bytes);
    for (unsigned i = 0; i < op_args(op); i++)
        c.args[i] = INT64_MIN + id * 1000 + i;
    return c;
}

static void assert_same(const struct change *a, const struct change *b)
{
    assert_int_equal(a->op, b->op);
    assert_true(uuid_eq(a->id, b->id));
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->attempt, b->attempt);
    for (unsigned i = 0; i < op_args(a->op); i++)
        assert_true(a->args[i] == b->args[i]);
}

static void what_is_written_is_read(void **state)
{
    enum { CHANGES = 2000 };
    static struct change changes[CHANGES];
    struct ops_writer w;
    (void)state;
    ops_init(&w);
    for (size_t i = 0; i < CHANGES; i++) {
        uint32_t chance[3];
        random_bytes(chance, sizeof chance);
        changes[i] = change_of((enum op)(chance[0] % OP_COUNT), (uint8_t)i,
                               chance[1] % 3 ? 7 : chance[1], chance[2] % 3 ? 1 : chance[2]);
        ops_put(&w, &changes[i]);
    }
    ops_finish(&w);
    assert_int_equal(w.count, CHANGES);
    assert_int_equal(w.ids.len, CHANGES * 16);
    struct ops_reader r = ops_read(buf_str(&w.ops), buf_str(&w.ids), buf_str(&w.args));
    for (size_t i = 0; i < CHANGES; i++) {
        struct change c;
        assert_true(ops_next(&r, &c));
        assert_same(&c, &changes[i]);
    }
    struct change more;
    assert_false(ops_next(&r, &more));
    assert_true(ops_is_at_end(&r));
    ops_clear(&w);
}

static void a_run_of_the_same_costs_four_bytes(void **state)
{
    struct ops_writer w;
    (void)state;
    ops_init(&w);
    for (uint8_t i = 0; i < 100; i++) {
        struct change c = change_of(OP_COMPLETE, i, 5, 1);
        ops_put(&w, &c);
    }
    ops_finish(&w);
    assert_int_equal(w.ops.len, 4);
    assert_int_equal(w.args.len, 0);
    ops_clear(&w);
}

static void what_is_no_log_ends_early(void **state)
{
    static const struct {
        const char *ops;
        size_t ops_len, ids_len, args_len;
    } cases[] = {
        { "\x01\x00\x00\x02", 4, 16, 0 },                              /* an id is missing */
        { "\x01\x00\x00\x01", 4, 32, 0 },                              /* an id too many */
        { "\x08\x00\x00\x01", 4, 16, 0 },                              /* its argument is missing */
        { "\xff\x00\x00\x01", 4, 16, 0 },                              /* no op */
        { "\x01\x00\x00\x00", 4, 16, 0 },                              /* a run of nothing */
        { "\x01\x00\x00", 3, 16, 0 },                                  /* cut */
        { "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, 16, 0 }, /* an endless number */
    };
    static const char zeros[64];
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct ops_reader r =
            ops_read(str_of(cases[i].ops, cases[i].ops_len), str_of(zeros, cases[i].ids_len),
                     str_of(zeros, cases[i].args_len));
        struct change c;
        size_t count = 0;
        while (ops_next(&r, &c))
            count++;
        assert_true(count <= 1);
        assert_false(ops_is_at_end(&r));
    }
}

/* Old and new status follow from the op: a life sums to one task in its last status. */
static void statuses_follow_from_the_op(void **state)
{
    static const enum op life[] = { OP_ADD,     OP_START_FIRST, OP_RETRY,   OP_REOPEN_WAITING,
                                    OP_START,   OP_LOST,        OP_START,   OP_CANCEL_ASKED,
                                    OP_RELEASE, OP_START,       OP_DIE,     OP_REOPEN_FAILED,
                                    OP_START,   OP_NOTE,        OP_COMPLETE };
    int counts[STATUS_COUNT + 1] = { 0 };
    (void)state;
    for (size_t i = 0; i < countof(life); i++) {
        counts[op_from(life[i])]--;
        counts[op_to(life[i])]++;
        for (size_t k = 0; k < STATUS_COUNT; k++)
            assert_in_range(counts[k], 0, 1);
    }
    assert_int_equal(counts[STATUS_COMPLETED], 1);
    assert_int_equal(counts[STATUS_PENDING] + counts[STATUS_IN_PROGRESS] + counts[STATUS_FAILED],
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_run_of_the_same_costs_four_bytes),
        cmocka_unit_test(what_is_no_log_ends_early),
        cmocka_unit_test(statuses_follow_from_the_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
