/* Rows that a change was told of and that the tables lack: the worker is asked for them. */
#include "gateway/mirror_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/worker_client.h"
#include "store/public/error_group.h"

enum {
    FETCH_MAX = 500,
    FETCH_TRIES = 5,
    FETCH_DEADLINE_US = 10 * CLOCK_S,
};

struct fetch {
    struct mirror *m;
    struct arena *arena;
    struct uuid *ids;
    size_t count, at, asked, tries;
};

static void fetch_ask(struct fetch *fetch);

static void fetch_end(struct fetch *fetch)
{
    arena_destroy(fetch->arena);
}

static void fetch_again(struct fetch *fetch, const struct err *e)
{
    if (++fetch->tries < FETCH_TRIES && fetch->m->is_running) {
        fetch_ask(fetch);
        return;
    }
    log_error("mirror.rows-missing", "count=%zu error=%s", fetch->count - fetch->at,
              log_quote(str_of_c(err_text(e))));
    fetch_end(fetch);
}

static void fetch_stored(void *owner, const struct db_reply *reply)
{
    struct fetch *fetch = owner;
    if (reply->err != NULL) {
        fetch_again(fetch, reply->err);
        return;
    }
    fetch->at += fetch->asked;
    fetch_ask(fetch);
}

static void fetch_got(void *owner, const struct worker_reply *reply)
{
    struct fetch *fetch = owner;
    const struct json_value *tasks = json_get_c(reply->body, "tasks");
    struct err e = { 0 };
    if (tasks == NULL || tasks->type != JSON_ARRAY) {
        fetch_again(fetch, reply->err != NULL ? reply->err : &e);
        return;
    }
    struct mirror_row *rows = arena_new_array(fetch->arena, tasks->item_count, struct mirror_row);
    size_t count = 0;
    for (size_t i = 0; i < tasks->item_count; i++) {
        struct worker_row row;
        if (worker_read_task(fetch->arena, &tasks->items[i], &row, &e))
            rows[count++] = (struct mirror_row){ row.told, row.cells };
    }
    const struct db_step steps[] = {
        mirror_async_step(),
        task_mirror_put_step(fetch->arena, rows, count, true, fetch->m->lease.shard),
        error_group_hold_step(),
        error_group_sync_step(fetch->arena, fetch->ids + fetch->at, fetch->asked)
    };
    if (!mirror_write(fetch->m, steps, countof(steps), fetch_stored, fetch))
        fetch_again(fetch, &e);
}

static void fetch_ask(struct fetch *fetch)
{
    struct err e;
    fetch->asked = min_of(fetch->count - fetch->at, (size_t)FETCH_MAX);
    if (fetch->asked == 0 || !fetch->m->is_running) {
        fetch_end(fetch);
        return;
    }
    const struct worker_call_options options = {
        .path = "/v1/tasks:get",
        .body = worker_ids_body(fetch->arena, fetch->ids + fetch->at, fetch->asked, false),
        .arena = fetch->arena,
        .deadline_us = clock_mono_us() + FETCH_DEADLINE_US,
        .fn = fetch_got,
        .owner = fetch,
    };
    if (!worker_client_call(fetch->m->loop->workers[fetch->m->shard], &options, &e)) {
        log_error("mirror.rows-missing", "count=%zu error=%s", fetch->count - fetch->at,
                  log_quote(str_of_c(err_text(&e))));
        fetch_end(fetch);
    }
}

void mirror_fetch(struct mirror *m, const struct uuid *ids, size_t count)
{
    struct arena *a = arena_create(64 << 20);
    struct fetch *fetch = arena_new(a, struct fetch);
    *fetch = (struct fetch){ .m = m, .arena = a, .count = count };
    fetch->ids = arena_new_array(a, count, struct uuid);
    memcpy(fetch->ids, ids, count * sizeof *ids);
    log_info("mirror.fetch", "count=%zu", count);
    fetch_ask(fetch);
}
