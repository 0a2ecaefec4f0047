#include "rules/cycle.h"

#include "test.h"

enum { NODES_MAX = 20'000 };

static struct uuid id_of(uint32_t number)
{
    struct uuid id = { 0 };
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

/* "0>1,2 1>2 2" */
static size_t parse(const char *text, struct rule_node *nodes, struct uuid *ids)
{
    size_t count = 0, at = 0;
    for (const char *p = text; *p; p++) {
        if (*p == ' ' || *p == '>' || *p == ',')
            continue;
        bool is_node = p == text || p[-1] == ' ';
        struct uuid id = id_of((uint32_t)(*p - '0'));
        if (is_node) {
            nodes[count++] = (struct rule_node){ .id = id, .needs = &ids[at] };
        } else {
            ids[at++] = id;
            nodes[count - 1].need_count++;
        }
    }
    return count;
}

static void a_circle_is_found_and_named(void **state)
{
    static const struct {
        const char *nodes, *cycle; /* "": none */
    } cases[] = {
        { "", "" },
        { "0 1 2", "" },
        { "0 1>0 2>0,1 3>2", "" },
        { "0>1 1>2 2", "" },
        { "0>7 1>8", "" }, /* others, which are not of the list */
        { "0>1 1>0", "t[0] → t[1] → t[0]" },
        { "0 1>3 2>1 3>0,2", "t[1] → t[3] → t[2] → t[1]" },
        { "0>1 1>2 2>1", "t[1] → t[2] → t[1]" },
        { "0>1,2 1>3 2>3 3>4 4", "" }, /* met twice is no circle */
        { "0>0", "t[0] → t[0]" },
        { "0>1 0>1 1>0", "t[0] → t[2] → t[0]" }, /* the same id twice */
        { "0>1 1>2 2>3 3>4 4>5 5>6 6>0", "t[0] → t[1] → t[2] → t[3] → t[4] → … (7 in all)" },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct rule_node nodes[16];
        struct uuid ids[16];
        uint32_t numbers[16];
        char text[RULE_CYCLE_TEXT_MAX] = "";
        size_t count = parse(cases[i].nodes, nodes, ids);
        size_t found = rule_cycle_find(nodes, count, numbers);
        if (found > 0)
            rule_cycle_write("t", numbers, found, text);
        assert_string_equal(text, cases[i].cycle);
    }
}

static void the_longest_one_takes_no_stack(void **state)
{
    static struct rule_node nodes[NODES_MAX];
    static struct uuid ids[NODES_MAX];
    static uint32_t numbers[NODES_MAX];
    char text[RULE_CYCLE_TEXT_MAX];
    (void)state;
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        ids[i] = id_of((i + 1) % NODES_MAX);
        nodes[i] = (struct rule_node){ .id = id_of(i), .needs = &ids[i], .need_count = 1 };
    }
    assert_int_equal(rule_cycle_find(nodes, NODES_MAX, numbers), NODES_MAX);
    for (uint32_t i = 0; i < NODES_MAX; i++)
        assert_int_equal(numbers[i], i);
    nodes[NODES_MAX - 1].need_count = 0;
    assert_int_equal(rule_cycle_find(nodes, NODES_MAX, numbers), 0);
    numbers[0] = 4'000'000'000;
    for (uint32_t i = 1; i < NODES_MAX; i++)
        numbers[i] = numbers[0];
    rule_cycle_write("inputs", numbers, NODES_MAX, text);
    assert_true(str_ends_with(str_of_c(text), STR("… (20000 in all)")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_circle_is_found_and_named),
        cmocka_unit_test(the_longest_one_takes_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
