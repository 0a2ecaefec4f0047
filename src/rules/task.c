#include "rules/task.h"

static const struct str state_names[STATE_COUNT] = {
    [STATE_SCHEDULED] = STR("scheduled"), [STATE_READY] = STR("ready"),
    [STATE_BLOCKED] = STR("blocked"),     [STATE_RETRYING] = STR("retrying"),
    [STATE_RUNNING] = STR("running"),     [STATE_SUCCEEDED] = STR("succeeded"),
    [STATE_CANCELLED] = STR("cancelled"), [STATE_DEAD] = STR("dead"),
};

static const struct str status_names[STATUS_COUNT] = {
    [STATUS_PENDING] = STR("pending"),
    [STATUS_IN_PROGRESS] = STR("in-progress"),
    [STATUS_COMPLETED] = STR("completed"),
    [STATUS_FAILED] = STR("failed"),
};

static const struct str priority_names[PRIORITY_COUNT] = {
    [PRIORITY_LOW] = STR("low"),
    [PRIORITY_NORMAL] = STR("normal"),
    [PRIORITY_HIGH] = STR("high"),
};

static const struct str outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_SUCCEEDED] = STR("succeeded"), [OUTCOME_FAILED] = STR("failed"),
    [OUTCOME_TIMED_OUT] = STR("timed_out"), [OUTCOME_LEASE_LOST] = STR("lease_lost"),
    [OUTCOME_CANCELLED] = STR("cancelled"),
};

enum rule_status rule_status_of(enum rule_state state)
{
    switch (state) {
    case STATE_SCHEDULED:
    case STATE_READY:
    case STATE_BLOCKED:
    case STATE_RETRYING:
        return STATUS_PENDING;
    case STATE_RUNNING:
        return STATUS_IN_PROGRESS;
    case STATE_SUCCEEDED:
        return STATUS_COMPLETED;
    case STATE_CANCELLED:
    case STATE_DEAD:
    case STATE_COUNT:
        break;
    }
    return STATUS_FAILED;
}

enum rule_state rule_waiting_state(int64_t due_us, unsigned attempt, int64_t now_us)
{
    if (due_us <= now_us)
        return STATE_READY;
    return attempt > 0 ? STATE_RETRYING : STATE_SCHEDULED;
}

struct str rule_state_name(enum rule_state state)
{
    assert(state < STATE_COUNT);
    return state_names[state];
}

struct str rule_status_name(enum rule_status status)
{
    assert(status < STATUS_COUNT);
    return status_names[status];
}

struct str rule_priority_name(enum rule_priority priority)
{
    assert(priority < PRIORITY_COUNT);
    return priority_names[priority];
}

struct str rule_outcome_name(enum rule_outcome outcome)
{
    assert(outcome < OUTCOME_COUNT);
    return outcome_names[outcome];
}

bool rule_priority_of(struct str name, enum rule_priority *ret_priority)
{
    for (size_t i = 0; i < PRIORITY_COUNT; i++) {
        if (!str_eq(name, priority_names[i]))
            continue;
        *ret_priority = (enum rule_priority)i;
        return true;
    }
    return false;
}
