/* Which task begins in which session, and who waits for one. */
#include "base/clock.h"
#include "base/mem.h"
#include "worker/batch_priv.h"
#include "worker/session_priv.h"

enum { COMMANDS_FIRST = 8 };

/* ── what may run where ── */

static bool has_slot(const struct session_type *t)
{
    return !t->is_quiet && t->used < t->slots;
}

static struct live_pick pick_begin(const struct session_set *set, int64_t now_us, bool of_crashed)
{
    return (struct live_pick){ .set = set->s->live,
                               .now_us = now_us,
                               .mono_us = clock_mono_us(),
                               .ageing_us = set->s->options.ageing_us,
                               .of_crashed = of_crashed };
}

/* The next one over the session's types: of those that crashed, or of the others. */
static struct live *best_of(struct session_set *set, const struct session *session,
                            struct live_pick *pick)
{
    for (size_t i = 0; i < session->type_count; i++)
        if (has_slot(&session->types[i]))
            live_pick_consider(pick, session->types[i].type);
    if (pick->token_us > 0 && (set->token_us == 0 || pick->token_us < set->token_us))
        set->token_us = pick->token_us;
    return live_pick_end(pick);
}

/*
 * One that crashed runs alone: in an empty session, or in one that is held back until it is empty
 * when it has waited for long enough.
 */
static struct live *pick(struct session_set *set, const struct session *session, int64_t now_us)
{
    if (session->is_alone || session->is_ending)
        return NULL;
    struct live_pick normal = pick_begin(set, now_us, false), alone = pick_begin(set, now_us, true);
    struct live *task = best_of(set, session, &normal), *crashed = best_of(set, session, &alone);
    if (!crashed)
        return task;
    bool is_first = !task || live_is_before(&normal, crashed, task);
    if (session->leases == 0)
        return is_first || crashed->at_us + SESSION_ALONE_PATIENCE_US <= now_us ? crashed : task;
    return crashed->at_us + SESSION_ALONE_PATIENCE_US <= now_us ? NULL : task;
}

struct moved {
    struct session *session;
    uint32_t type;
    uint64_t key; /* of what it claimed; 0: none */
    bool was_alone;
};

static void untake(struct shard *s, void *data)
{
    const struct moved *m = data;
    live_untake_token(s->live, m->type, m->key);
    struct session_type *slot = session_slot_of(m->session, m->type);
    m->session->leases--;
    m->session->is_alone = m->was_alone;
    if (slot)
        slot->used--;
}

static void unreturn(struct shard *s, void *data)
{
    const struct moved *m = data;
    (void)s;
    struct session_type *slot = session_slot_of(m->session, m->type);
    m->session->leases++;
    m->session->is_alone = m->was_alone;
    if (slot)
        slot->used++;
}

static struct moved *remember(struct batch *b, struct session *session, uint32_t type)
{
    struct moved *m = arena_new(b->a, struct moved);
    *m = (struct moved){ .session = session, .type = type, .was_alone = session->is_alone };
    return m;
}

struct live *session_claim(struct batch *b, struct session *session,
                           struct session_claimed *ret_claimed)
{
    struct live *task = pick(b->s->sessions, session, b->at_us);
    if (!task)
        return NULL;
    *ret_claimed =
        (struct session_claimed){ .added = change_added(b, task), .ready_us = task->at_us };
    uint32_t type = live_type_of(b->s->live, task);
    struct moved *m = remember(b, session, type);
    m->key = live_lane_of(b->s->live, task).key;
    batch_on_undo(b, untake, m);
    session->leases++;
    session->is_alone = task->crashes > 0;
    struct session_type *slot = session_slot_of(session, type);
    assert(slot); /* it was picked for its type */
    live_take_turn(b->s->live, task, clock_mono_us());
    slot->used++;
    change_start(b, task, session->number);
    return task;
}

void session_give_back(struct batch *b, const struct live *task)
{
    struct session *session =
        session_by_number(b->s->sessions, live_run_of(b->s->live, task).session);
    if (!session)
        return;
    uint32_t type = live_type_of(b->s->live, task);
    struct session_type *slot = session_slot_of(session, type);
    batch_on_undo(b, unreturn, remember(b, session, type));
    session->leases--;
    session->is_alone = false;
    if (slot)
        slot->used--;
}

/* ── waiting ── */

void session_park(struct session_set *set, struct lease_wait *wait)
{
    assert(!wait->is_parked);
    wait->is_parked = true;
    wait->set = set;
    list_push(&set->parked, &wait->node);
    set->parked_count++;
    session_set_clock(set);
}

void session_unpark(struct lease_wait *wait)
{
    if (!wait->is_parked)
        return;
    wait->is_parked = false;
    list_remove(&wait->node);
    wait->set->parked_count--;
}

void session_set_wake_all(struct session_set *set)
{
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        session_unpark(wait);
        wait->wake(wait);
    }
}

bool session_set_can_claim(struct session_set *set)
{
    set->token_us = 0;
    if (live_ready_count(set->s->live) == 0)
        return false;
    int64_t now_us = shard_now_us(set->s);
    list_each (node, &set->parked) {
        const struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (pick(set, wait->session, now_us))
            return true;
    }
    if (set->token_us > 0) /* somebody waits for a token alone */
        session_set_clock(set);
    return false;
}

void session_set_claim(struct session_set *set, struct batch *b)
{
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (live_ready_count(set->s->live) == 0 || batch_size(b) >= set->s->options.batch_max)
            break;
        if (!pick(set, wait->session, b->at_us))
            continue;
        session_unpark(wait);
        wait->intent.tries = 0;
        batch_apply(b, &wait->intent);
    }
}

void session_command(struct session_set *set, const struct live *task)
{
    struct session *session = session_by_number(set, live_run_of(set->s->live, task).session);
    if (!session)
        return;
    session->commands =
        mem_grow(session->commands, session->command_count, &session->command_capacity,
                 COMMANDS_FIRST, sizeof *session->commands);
    session->commands[session->command_count++] = task->id;
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (wait->session != session)
            continue;
        session_unpark(wait);
        wait->wake(wait);
        break;
    }
}
