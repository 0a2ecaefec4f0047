/*
 * cmd_spawner: any bytes as a request to the spawner: refused, or a command of the list with its
 * own program, whose arguments no value has made an option of.
 */
#include "cmd/spawner_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str params[] = { { "db", 2 }, { "x", 1 } };
static struct str with_params[] = {
    { "/bin/p", 6 }, { "{db}", 4 }, { "--x={x}{db}", 11 }, { "{y}{", 4 }, { "{x}", 3 },
};
static struct str any[] = { { "/bin/any", 8 }, { "--", 2 } };
static const char *env[] = { "PATH=/bin" };

static struct spawner_entry entries[] = {
    { .name = { "p", 1 },
      .argv = with_params,
      .argv_count = countof(with_params),
      .params = params,
      .param_count = countof(params),
      .env = env,
      .env_count = 1 },
    { .name = { "any", 3 },
      .argv = any,
      .argv_count = countof(any),
      .are_args_appended = true,
      .env = env,
      .env_count = 1 },
};

static void check(const struct spawner_order *order)
{
    size_t count = 0;
    assert(order->entry == &entries[0] || order->entry == &entries[1]);
    assert(str_eq_c(order->entry->argv[0], order->argv[0]));
    while (order->argv[count])
        count++;
    assert(count >= order->entry->argv_count);
    if (order->entry == &entries[0])
        assert(count == countof(with_params) && order->argv[1][0] != '-' &&
               strncmp(order->argv[2], "--x=", 4) == 0 && strcmp(order->argv[3], "{y}{") == 0 &&
               order->argv[4][0] != '-');
    assert(strcmp(order->env[0], "PATH=/bin") == 0 && order->env[3] == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    const struct spawner_list list = { .entries = entries, .count = countof(entries) };
    struct spawner_order order;
    struct err e = { 0 };
    if (spawner_order_read(a, &list, str_of((const char *)data, size), &order, &e))
        check(&order);
    else
        assert(e.code == ERR_INVALID || e.code == ERR_NOT_FOUND || e.code == ERR_LIMIT);
    return 0;
}
