/* mirror_audit_changes: what the feed has told while the audit looks. */
#include "base/mem.h"
#include "gateway/mirror_audit_priv.h"

enum { CHANGES_MAX = 1'000'000, FIRST_CAPACITY = 256 };

void audit_changes_begin(struct audit_run *run)
{
    run->changes.is_on = true;
    run->changes.is_over = false;
    run->changes.count = run->changes.move_count = 0;
}

void audit_changes_end(struct audit_run *run)
{
    mem_free(run->changes.items);
    mem_free(run->changes.moves);
    run->changes = (struct audit_changes){ 0 };
}

void audit_changes_prune(struct audit_run *run, int64_t seq)
{
    struct audit_changes *c = &run->changes;
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].seq >= seq)
            c->items[kept++] = c->items[i];
    c->count = kept;
}

static bool has_room(struct audit_changes *c, size_t count)
{
    c->is_over |= count >= CHANGES_MAX;
    return !c->is_over;
}

static void add(struct audit_changes *c, struct audit_change change)
{
    if (!has_room(c, c->count))
        return;
    if (c->count == c->capacity) {
        c->capacity = max_of(c->capacity * 2, (size_t)FIRST_CAPACITY);
        c->items = mem_resize(c->items, c->capacity, sizeof *c->items);
    }
    c->items[c->count++] = change;
}

struct moving {
    struct audit_run *run;
    int64_t seq;
};

static void add_move(void *owner, struct str type, enum task_status status, int64_t delta)
{
    const struct moving *moving = owner;
    struct audit_run *run = moving->run;
    struct audit_changes *c = &run->changes;
    if (!has_room(c, c->move_count))
        return;
    if (c->move_count == c->move_capacity) {
        c->move_capacity = max_of(c->move_capacity * 2, (size_t)FIRST_CAPACITY);
        c->moves = mem_resize(c->moves, c->move_capacity, sizeof *c->moves);
    }
    c->moves[c->move_count++] = (struct audit_move){
        .seq = moving->seq, .delta = delta, .type = arena_copy(run->kept, type), .status = status
    };
}

static void take_event(struct audit_run *run, const struct feed_event *event)
{
    struct audit_changes *c = &run->changes;
    if (event->op == FEED_TYPE || event->op == FEED_QUEUE || event->op >= FEED_RECORD)
        return;
    for (size_t i = 0; i < event->id_count; i++)
        add(c, (struct audit_change){ .seq = event->seq, .id = event->ids[i], .is_drop = true });
    if (event->is_range)
        add(c, (struct audit_change){ .seq = event->seq,
                                      .id = event->from_id,
                                      .to = event->to_id,
                                      .is_range = true,
                                      .is_drop = true });
    if (event->op != FEED_DROP)
        add(c, (struct audit_change){
                   .seq = event->seq, .id = event->id, .is_drop = event->op == FEED_JOB_GONE });
    if (run->is_counting) {
        struct moving moving = { run, event->seq };
        window_count(event, add_move, &moving);
    }
}

void audit_changes_take(struct audit_run *run, const struct feed_batch *batch)
{
    for (size_t i = 0; run->changes.is_on && i < batch->count; i++)
        take_event(run, &batch->events[i]);
}

static bool is_of(const struct audit_change *change, struct uuid id)
{
    if (!change->is_range)
        return uuid_eq(change->id, id);
    return memcmp(id.bytes, change->id.bytes, sizeof id.bytes) >= 0 &&
           memcmp(id.bytes, change->to.bytes, sizeof id.bytes) < 0;
}

bool audit_has_changed(const struct audit_run *run, struct uuid id, int64_t seq, bool is_drop)
{
    const struct audit_changes *c = &run->changes;
    for (size_t i = c->count; i-- > 0 && c->items[i].seq >= seq;)
        if (is_of(&c->items[i], id) && (c->items[i].is_drop || !is_drop))
            return true;
    return false;
}
