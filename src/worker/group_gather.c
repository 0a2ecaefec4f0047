/*
 * group_gather: finishes groups whose children have all ended. What is to be gathered follows from
 * the tables, so that nothing of this needs to be remembered: a new leader finds blocked groups
 * that wait for nothing.
 *
 *   how the children ended, and how long their results are --> those that fit --> finished
 *
 * So a group of many large results is never in memory with all of them.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "json/json.h"
#include "payload/inputs.h"
#include "payload/payload.h"
#include "store/queue/group_sql.h"
#include "worker/change.h"
#include "worker/deps.h"
#include "worker/group.h"

enum {
    AT_ONCE_MAX = 16,
    AGAIN_MS = 200,
    READ_BYTES = 64 << 20, /* of a payload's tree; payload-limit bounds its text */
    ERROR_BYTES = 500,     /* of each child's, in the result */
};

/* A child, as the tables have it; state -1: it is not finished, or gone. */
struct child {
    struct uuid id;
    int64_t state;
    int64_t result_len; /* -1: none */
    bool is_chosen;     /* its result fits into the group's */
    struct str result;  /* of a chosen one */
    struct str error;   /* ptr NULL: none */
};

struct gather {
    struct list node; /* in groups.waiting or groups.running */
    struct groups *groups;
    struct uuid id;
    struct arena *a;
    struct db_request *call;
    struct intent intent;
    int64_t seq; /* what was committed when the tables were asked */
    bool is_moot;
    bool is_stale; /* a task was opened again since: the tables must be asked anew */
    bool has_failed, ignores_failures;
    struct str result, error;
    struct child *children;
    size_t child_count;
};

struct groups {
    struct shard *s;
    struct list waiting, running;
    size_t running_count;
    struct io_timer *timer; /* begins those that wait */
};

static void begin_all(struct groups *groups);

static void gather_free(struct gather *g)
{
    list_remove(&g->node);
    if (g->call)
        db_request_forget(g->call);
    arena_destroy(g->a);
    mem_free(g);
}

static void end(struct gather *g)
{
    struct groups *groups = g->groups;
    groups->running_count--;
    gather_free(g);
    begin_all(groups);
}

static void again(struct gather *g)
{
    struct groups *groups = g->groups;
    list_remove(&g->node);
    groups->running_count--;
    arena_reset(g->a);
    list_push(&groups->waiting, &g->node);
    if (groups->s->role == SHARD_LEADING)
        io_timer_start(groups->timer, AGAIN_MS);
}

/* ── the result ── */

static void put_child(struct json_writer *w, const struct child *child)
{
    bool is_there = child->is_chosen && child->result.ptr, has_ended = child->state >= 0;
    json_begin_object(w);
    json_put_id(w, "id", child->id);
    json_put_maybe_text(w, "state", has_ended,
                        has_ended ? rule_state_name((enum rule_state)child->state) : STR(""));
    json_put_maybe_raw(w, "result", is_there, child->result);
    json_put_maybe_text(w, "error", child->error.ptr, str_first_whole(child->error, ERROR_BYTES));
    if (child->result_len >= 0 && !is_there) {
        json_key_c(w, "is_left_out");
        json_write_bool(w, true);
    }
    json_end_object(w);
}

static void put_children(struct buf *out, const struct gather *g)
{
    struct json_writer w = json_writer_to(out);
    json_begin_object(&w);
    json_key_c(&w, "children");
    json_begin_array(&w);
    for (size_t i = 0; i < g->child_count; i++)
        put_child(&w, &g->children[i]);
    json_end_array(&w);
    json_end_object(&w);
}

/* Results that do not fit any more are left out. Returns how many do. */
static size_t choose(struct gather *g)
{
    enum { LEFT_OUT_BYTES = 20 }; /* `,"is_left_out":true`, in place of `null` or a result */
    size_t max = g->groups->s->options.payload_max, chosen = 0;
    struct buf out;
    buf_init(&out, 0);
    put_children(&out, g);
    size_t around = out.len + g->child_count * LEFT_OUT_BYTES;
    size_t room = around < max ? max - around : 0;
    buf_clear(&out);
    for (size_t i = 0; i < g->child_count; i++) {
        struct child *child = &g->children[i];
        child->is_chosen = child->result_len >= 0 && (size_t)child->result_len <= room;
        room -= child->is_chosen ? (size_t)child->result_len : 0;
        chosen += child->is_chosen;
    }
    return chosen;
}

static void compose(struct gather *g)
{
    size_t max = g->groups->s->options.payload_max, count = g->child_count, bad = 0;
    struct buf out;
    for (size_t i = 0; i < count; i++)
        bad += g->children[i].state != STATE_SUCCEEDED;
    buf_init(&out, 0);
    put_children(&out, g);
    g->has_failed = bad > 0 && !g->ignores_failures;
    g->error = STR("");
    g->result = (struct str){ 0 };
    if (g->has_failed)
        g->error = arena_printf(g->a, "%zu of %zu tasks did not succeed", bad, count);
    if (out.len <= max) {
        g->result = arena_copy(g->a, buf_str(&out));
    } else if (!g->has_failed) {
        g->has_failed = true;
        g->error = arena_printf(g->a, "the result is longer than %zu bytes", max);
    }
    buf_clear(&out);
}

/* ── finishing ── */

static void read_children(struct gather *g, const struct db_rows *rows)
{
    g->children = arena_new_array(g->a, db_rows_count(rows), struct child);
    g->child_count = 0;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid id = db_rows_uuid(rows, i, 0);
        if (!group_has_child(g->id, id))
            continue; /* what the group was said to depend on */
        struct child *child = &g->children[g->child_count++];
        *child = (struct child){
            .id = id,
            .state = db_rows_is_null(rows, i, 1) ? -1 : db_rows_i64(rows, i, 1),
            .result_len = db_rows_is_null(rows, i, 2) ? -1 : db_rows_i64(rows, i, 2),
        };
        if (!db_rows_is_null(rows, i, 3))
            child->error = arena_copy(g->a, db_rows_text(rows, i, 3));
    }
}

/* One that was opened again is waited for anew. */
static bool waits_again(struct batch *b, const struct gather *g)
{
    size_t open = 0;
    for (size_t i = 0; i < g->child_count; i++) {
        struct uuid id = g->children[i].id;
        const struct live *child = live_find(b->s->live, id);
        if (!child || child->state == LIVE_GONE)
            continue;
        deps_add_in(b, g->id, id);
        open++;
    }
    return open > 0;
}

static void apply_finish(struct intent *intent, struct batch *b)
{
    struct gather *g = container_of(intent, struct gather, intent);
    struct live *task = live_find(b->s->live, g->id);
    const struct uuid *on;
    g->is_stale = false;
    g->is_moot = !task || task->state != LIVE_BLOCKED ||
                 deps_blocked_by(b->s->deps, g->id, &on) > 0 || waits_again(b, g);
    if (g->is_moot)
        return;
    if (b->s->reopened_seq >= g->seq) {
        g->is_stale = true; /* what was read may be of an earlier end */
        return;
    }
    change_finish(
        b, task, g->has_failed ? STATE_DEAD : STATE_SUCCEEDED,
        &(struct change_end){ .outcome = g->has_failed ? OUTCOME_FAILED : OUTCOME_SUCCEEDED,
                              .result = g->result.ptr ? &g->result : NULL,
                              .error = g->has_failed ? &g->error : NULL });
}

static void finish_done(struct intent *intent, const struct err *err)
{
    struct gather *g = container_of(intent, struct gather, intent);
    if (err || g->is_stale)
        again(g);
    else
        end(g);
}

static void finish(struct gather *g)
{
    struct err e;
    compose(g);
    if (g->child_count == 0) { /* it failed as it was made, and was tried again */
        g->has_failed = true;
        g->error = STR("it has no children");
    }
    g->intent = (struct intent){ .apply = apply_finish, .done = finish_done };
    if (!shard_submit(g->groups->s, &g->intent, &e))
        again(g);
}

/* The reply of a call: false when it failed, which is tried again. */
static bool answered(struct gather *g, const struct db_reply *reply)
{
    g->call = NULL;
    if (!reply->err)
        return true;
    log_warn("group.not_read", "error=%s", log_quote(str_of_c(err_text(reply->err))));
    again(g);
    return false;
}

static void ask(struct gather *g, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    const struct db_step step = { statement, args };
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + SHARD_CALL_MS * CLOCK_MS,
                                  .fn = fn,
                                  .owner = g };
    struct err e;
    if (db_pool_call(g->groups->s->pool, &call, &g->call, &e))
        return;
    g->call = NULL;
    again(g);
}

/* One that has no result any more was opened again: what comes of this is stale. */
static void results_read(void *owner, const struct db_reply *reply)
{
    struct gather *g = owner;
    scoped(map_destroyp) struct map *found = map_create();
    if (!answered(g, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid id = db_rows_uuid(rows, i, 0);
        (void)map_put(found, uuid_bytes(&id), (void *)(i + 1));
    }
    for (size_t i = 0; i < g->child_count; i++) {
        struct child *child = &g->children[i];
        size_t row = (size_t)(uintptr_t)map_get(found, uuid_bytes(&child->id));
        if (child->is_chosen && row > 0 && !db_rows_is_null(rows, row - 1, 1))
            child->result = arena_copy(g->a, db_rows_text(rows, row - 1, 1));
    }
    finish(g);
}

static void children_read(void *owner, const struct db_reply *reply)
{
    struct gather *g = owner;
    const struct json_value *payload;
    const void *read;
    struct err e = { 0 };
    if (!answered(g, reply))
        return;
    const struct payload_group_input *input = NULL;
    if (db_rows_count(reply->rows[0]) > 0 &&
        json_parse(g->a, db_rows_text(reply->rows[0], 0, 4), &payload, &e) &&
        payload_task_group.read(g->a, payload, &read, &e))
        input = read;
    g->ignores_failures = input && input->ignores_failures;
    read_children(g, reply->rows[0]);
    size_t chosen = choose(g), count = 0;
    if (chosen == 0) {
        finish(g);
        return;
    }
    struct uuid *ids = arena_new_array(g->a, chosen, struct uuid);
    for (size_t i = 0; i < g->child_count; i++)
        if (g->children[i].is_chosen)
            ids[count++] = g->children[i].id;
    ask(g, &group_results, group_results_args(g->a, ids, count), results_read);
}

static void begin(struct gather *g)
{
    struct groups *groups = g->groups;
    list_remove(&g->node);
    list_push(&groups->running, &g->node);
    groups->running_count++;
    g->seq = groups->s->committed;
    ask(g, &group_children, group_children_args(g->a, g->id), children_read);
}

static void begin_all(struct groups *groups)
{
    if (groups->s->role == SHARD_LEADING && !list_is_empty(&groups->waiting) &&
        !io_timer_is_running(groups->timer))
        io_timer_start(groups->timer, 0);
}

static void on_timer(void *owner)
{
    struct groups *groups = owner;
    struct list now;
    list_init(&now);
    if (groups->s->role != SHARD_LEADING)
        return;
    for (size_t n = groups->running_count; n < AT_ONCE_MAX; n++) {
        struct list *node = list_pop(&groups->waiting);
        if (!node)
            break;
        list_push(&now, node);
    }
    list_each (node, &now)
        begin(container_of(node, struct gather, node));
}

static void gather(struct groups *groups, struct uuid id)
{
    struct gather *g = mem_new(struct gather);
    g->groups = groups;
    g->id = id;
    g->a = arena_create(READ_BYTES);
    list_push(&groups->waiting, &g->node);
    begin_all(groups);
}

static void ended(struct shard *s, void *data)
{
    const struct uuid *id = data;
    gather(s->groups, *id);
}

void group_ended(struct batch *b, struct uuid group)
{
    struct uuid *id = arena_new(b->a, struct uuid);
    *id = group;
    batch_on_commit(b, ended, id);
}

/* ── life ── */

struct groups *groups_create(struct shard *s)
{
    struct groups *groups = mem_new(struct groups);
    groups->s = s;
    groups->timer = io_timer_create(s->loop, on_timer, groups);
    list_init(&groups->waiting);
    list_init(&groups->running);
    return groups;
}

void groups_start(struct groups *groups)
{
    struct shard *s = groups->s;
    const struct uuid *on;
    size_t at = 0;
    for (const struct live *task; (task = live_next(s->live, &at));)
        if (task->state == LIVE_BLOCKED && group_is_live(s, task) &&
            deps_blocked_by(s->deps, task->id, &on) == 0)
            gather(groups, task->id);
}

/* No intent is out: they have been told. */
void groups_clear(struct groups *groups)
{
    io_timer_stop(groups->timer);
    list_each (node, &groups->waiting)
        gather_free(container_of(node, struct gather, node));
    list_each (other, &groups->running)
        gather_free(container_of(other, struct gather, node));
    groups->running_count = 0;
}

void groups_destroy(struct groups *groups)
{
    if (!groups)
        return;
    groups_clear(groups);
    io_timer_destroy(groups->timer);
    mem_free(groups);
}
