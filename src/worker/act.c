#include "worker/act.h"

#include "worker/change.h"
#include "worker/deps.h"
#include "worker/group.h"

static enum act_verdict refuse(struct err *e, const char *why)
{
    err_set(e, ERR_CONFLICT, "%s", why);
    return ACT_REFUSED;
}

static enum act_verdict as_is(struct err *e, const char *how)
{
    err_set(e, ERR_CONFLICT, "%s", how);
    return ACT_AS_IS;
}

/* ── unfinished ones ── */

static enum act_verdict judge_promote(const struct live *task, int64_t now_us, struct err *e)
{
    if (task->state == LIVE_RUNNING)
        return refuse(e, "the task is running");
    if (task->state == LIVE_BLOCKED)
        return refuse(e, "the task waits for others");
    return task->at_us > now_us ? ACT_WILL : as_is(e, "the task is due already");
}

static enum act_verdict judge_live(const struct act *act, const struct live *task, int64_t now_us,
                                   struct err *e)
{
    bool is_running = task->state == LIVE_RUNNING;
    if (task->state == LIVE_GONE)
        return refuse(e, "the task is just finishing");
    if (act->version != 0 && act->version != task->version)
        return refuse(e, "the task has changed since");
    switch (act->kind) {
    case ACT_CANCEL:
        return task->flags & LIVE_CANCEL_ASKED ? as_is(e, "the task is being cancelled already")
                                               : ACT_WILL;
    case ACT_RETRY:
        if (task->state == LIVE_WAITING && task->attempt > 0 && task->at_us > now_us)
            return ACT_WILL;
        return refuse(e, is_running ? "the task is running" : "the task is waiting already");
    case ACT_PROMOTE:
        return judge_promote(task, now_us, e);
    case ACT_DELETE:
        break;
    }
    return refuse(e, "the task has not finished: cancel it first");
}

/* ── finished ones ── */

/* It failed because of that one, which is gone now: nothing will ever unblock it. */
static bool has_failed_by(const struct task_view *row, struct uuid on)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(on, id);
    return str_starts_with(row->why, STR("{\"code\":\"DEPENDENCY\"")) &&
           str_find(row->why, str_of_c(id)) >= 0;
}

static enum act_verdict judge_deps(const struct act *act, const struct shard *s, struct err *e)
{
    const struct task_view *row = act->row;
    char id[UUID_TEXT_LEN + 1];
    for (size_t i = 0; i < row->depends_on_count; i++) {
        enum rule_state state;
        enum standing standing = standing_of(act->standings, s, row->depends_on[i], &state);
        bool is_gone =
            standing == STANDING_UNKNOWN && standing_is_gone(act->standings, row->depends_on[i]);
        if (standing == STANDING_UNKNOWN && !is_gone)
            return ACT_LOOK;
        uuid_format(row->depends_on[i], id);
        if (standing == STANDING_FAILED) {
            err_set(e, ERR_CONFLICT, "the task %s, which it depends on, %s: retry that first", id,
                    state == STATE_CANCELLED ? "was cancelled" : "has failed");
            return ACT_REFUSED;
        }
        if (is_gone && has_failed_by(row, row->depends_on[i])) {
            err_set(e, ERR_CONFLICT, "the task %s, which it depends on, failed and was deleted",
                    id);
            return ACT_REFUSED;
        }
    }
    return ACT_WILL;
}

static enum act_verdict judge_retry(const struct act *act, const struct shard *s, struct err *e)
{
    const struct task_view *row = act->row;
    uint32_t type;
    if (row->state == STATE_SUCCEEDED)
        return refuse(e, "the task has succeeded");
    if (row->key.len > 0 && live_by_key(s->live, live_key_of(row->key)))
        return refuse(e, "another unfinished task has the same idempotency key");
    if (!shard_find_type(s, row->type, &type))
        return ACT_LOOK;
    return judge_deps(act, s, e);
}

static enum act_verdict judge_row(const struct act *act, const struct shard *s, struct err *e)
{
    const struct task_view *row = act->row;
    if (act->version != 0 && act->version != row->version)
        return refuse(e, "the task has changed since");
    switch (act->kind) {
    case ACT_RETRY:
        return judge_retry(act, s, e);
    case ACT_DELETE:
        return deps_is_awaited(s->deps, act->id)
                   ? refuse(e, "tasks that depend on it are just being failed: try again")
                   : ACT_WILL;
    case ACT_CANCEL:
        if (row->state == STATE_CANCELLED)
            return as_is(e, "the task is cancelled already");
        break;
    case ACT_PROMOTE:
        break;
    }
    return refuse(e, "the task has finished");
}

enum act_verdict act_judge(const struct act *act, const struct shard *s, int64_t now_us,
                           struct err *e)
{
    const struct live *task = live_find(s->live, act->id);
    if (task)
        return judge_live(act, task, now_us, e);
    if (!act->is_read || act->drops != s->drops || !act->row)
        return ACT_LOOK;
    return judge_row(act, s, e);
}

/* ── doing ── */

static void cancel(const struct act *act, struct batch *b, struct live *task)
{
    if (task->state != LIVE_RUNNING)
        change_finish(b, task, STATE_CANCELLED,
                      &(struct change_end){ .outcome = OUTCOME_CANCELLED, .by = act->by });
    else
        change_ask_cancel(b, task, act->by);
}

/* Ready, or blocked by what is open of that which it depends on. */
static void reopen(const struct act *act, struct batch *b)
{
    const struct task_view *row = act->row;
    uint32_t type;
    size_t open = 0;
    bool is_known = shard_find_type(b->s, row->type, &type);
    assert(is_known);
    for (size_t i = 0; i < row->depends_on_count; i++) {
        enum rule_state state;
        if (standing_of(act->standings, b->s, row->depends_on[i], &state) != STANDING_OPEN)
            continue;
        deps_add_in(b, row->id, row->depends_on[i]);
        open++;
    }
    bool is_group = group_is(b->s, type); /* it is gathered anew */
    change_reopen(b, row, type, open > 0 || is_group, act->by);
    if (is_group && open == 0)
        group_ended(b, row->id);
}

void act_do(const struct act *act, struct batch *b)
{
    struct live *task = live_find(b->s->live, act->id);
    assert(act->kind != ACT_DELETE);
    if (act->kind == ACT_CANCEL)
        cancel(act, b, task);
    else if (task)
        change_hurry(b, task, act->by);
    else
        reopen(act, b);
}
