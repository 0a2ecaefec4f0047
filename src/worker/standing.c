#include "worker/standing.h"

#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/door.h"
#include "worker/worker_priv.h"

enum { KNOWN = 2 }; /* values of the map: the state and this, so that -1 is not NULL */

static void free_states(void *states)
{
    map_destroy(states);
}

void standings_ask(struct standings *st, struct worker *w, struct arena *a, const struct uuid *ids,
                   size_t count, db_reply_fn *fn, void *owner)
{
    if (!st->states) {
        st->states = map_create();
        arena_defer(a, free_states, st->states);
    }
    st->looks++;
    st->seq = w->shard.committed;
    door_read(w, &read_deps, read_deps_args(a, ids, count), fn, owner);
}

void standings_read(struct standings *st, const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid id = db_rows_uuid(rows, i, 0);
        (void)map_put(st->states, uuid_bytes(&id),
                      (void *)(uintptr_t)(db_rows_i64(rows, i, 1) + KNOWN));
    }
}

bool standing_is_gone(const struct standings *st, struct uuid on)
{
    return st->states && !map_get(st->states, uuid_bytes(&on));
}

enum standing standing_of(const struct standings *st, const struct shard *s, struct uuid on,
                          enum rule_state *ret_state)
{
    const struct live *task = live_find(s->live, on);
    if (task)
        return task->state == LIVE_GONE ? STANDING_UNKNOWN : STANDING_OPEN;
    uintptr_t known = st->states ? (uintptr_t)map_get(st->states, uuid_bytes(&on)) : 0;
    if (known < KNOWN) /* not there, or unfinished when it was looked up */
        return STANDING_UNKNOWN;
    *ret_state = (enum rule_state)(known - KNOWN);
    if (*ret_state == STATE_SUCCEEDED)
        return STANDING_SUCCEEDED;
    return s->reopened_seq < st->seq ? STANDING_FAILED : STANDING_UNKNOWN;
}
