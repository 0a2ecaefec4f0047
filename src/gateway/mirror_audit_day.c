/* mirror_audit_day: the tasks of one day by their sums, in sixteen buckets. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/mirror_audit_priv.h"

enum {
    PART_ROWS = 20'000, /* of one statement: some 40 ms of the server */
    PART_PAUSE_MS = 20,
    LOOKS_MAX = 3,
    LOOK_PAUSE_MS = 500,
    STATUS_BAD_REQUEST = 400,
};

static void ask_sums(struct audit_run *run);
static void read_part(struct audit_run *run);

/* ── judging ── */

/* The buckets that are not settled by this look. */
static unsigned left_open(const struct audit_run *run)
{
    unsigned open = 0;
    for (unsigned i = 0; i < MIRROR_AUDIT_BUCKETS; i++) {
        const struct mirror_audit_bucket *theirs = &run->theirs[i], *ours = &run->ours[i];
        bool is_same = theirs->count == ours->count && theirs->sum == ours->sum &&
                       theirs->version == ours->version;
        if (!is_same)
            open |= 1U << i;
    }
    return open & run->open;
}

static void settle(struct audit_run *run)
{
    run->open = left_open(run);
    for (unsigned i = 0; i < MIRROR_AUDIT_BUCKETS && !run->is_counted; i++)
        run->report.rows += run->ours[i].count;
    run->is_counted = true;
    if (run->open == 0) {
        audit_next_day(run);
    } else if (++run->looks < LOOKS_MAX) {
        audit_then(run, LOOK_PAUSE_MS, ask_sums);
    } else {
        log_debug("mirror.audit-pages", "day=%lld buckets=%x", (long long)run->days[run->day_at],
                  run->open);
        audit_pages(run);
    }
}

/* ── the own sums, a part after the other ── */

static void got_part(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    int64_t count;
    if (audit_is_over(run))
        return;
    if (reply->err != NULL) {
        audit_again(run, ask_sums, reply->err);
        return;
    }
    bool is_end = !mirror_audit_add_sums(reply->rows[0], run->ours, &run->at, &count);
    if (is_end || count < PART_ROWS)
        settle(run);
    else
        audit_then(run, PART_PAUSE_MS, read_part);
}

static void read_part(struct audit_run *run)
{
    arena_reset(run->arena);
    const struct db_step step =
        mirror_audit_sums_step(run->arena, run->at, run->last, PART_ROWS, run->m->lease.shard);
    audit_call(run, DB_LANE_SLOW, &step, 1, got_part, ask_sums);
}

/* ── the worker's ── */

static bool read_number(const struct json_value *object, const char *name, int64_t *ret_number)
{
    const struct json_value *v = json_get(object, str_of_c(name));
    return v != NULL && ((v->type == JSON_STRING && str_to_i64(v->text, ret_number)) ||
                         (v->type == JSON_NUMBER && json_to_i64(v, ret_number)));
}

static bool read_sums(struct audit_run *run, const struct json_value *body, int64_t *ret_seq,
                      struct err *e)
{
    const struct json_value *buckets = json_get_c(body, "buckets");
    memset(run->theirs, 0, sizeof run->theirs);
    if (!worker_read_cursor(json_get_c(body, "cursor"), run->m->shard, ret_seq, e))
        return false;
    for (size_t i = 0; buckets != NULL && i < buckets->item_count; i++) {
        const struct json_value *bucket = &buckets->items[i];
        struct mirror_audit_bucket read;
        int64_t number;
        if (!read_number(bucket, "bucket", &number) || number < 0 ||
            number >= MIRROR_AUDIT_BUCKETS || !read_number(bucket, "count", &read.count) ||
            !read_number(bucket, "sum", &read.sum) ||
            !read_number(bucket, "version", &read.version))
            return err_set(e, ERR_INVALID, "buckets[%zu]: is none", i);
        run->theirs[number] = read;
    }
    return true;
}

static void got_sums(void *owner, const struct worker_reply *reply)
{
    struct audit_run *run = owner;
    int64_t seq;
    struct err e;
    if (audit_is_over(run))
        return;
    if (reply->status == STATUS_BAD_REQUEST) { /* no task of the worker's is of such a day */
        run->is_counted = true;
        audit_pages(run);
    } else if (reply->body == NULL) {
        audit_again(run, ask_sums, reply->err);
    } else if (!read_sums(run, reply->body, &seq, &e)) {
        audit_again(run, ask_sums, &e);
    } else {
        memset(run->ours, 0, sizeof run->ours);
        run->at = run->from;
        audit_once_stored(run, seq, read_part);
    }
}

static void ask_sums(struct audit_run *run)
{
    char path[64];
    arena_reset(run->arena);
    snprintf(path, sizeof path, "/v1/sums?day=%lld", (long long)run->days[run->day_at]);
    audit_ask(run, path, got_sums, ask_sums);
}

void audit_days(struct audit_run *run)
{
    int64_t day = run->days[run->day_at];
    run->from = uuid_floor(day * CLOCK_DAY_US);
    run->last = uuid_floor((day + 1) * CLOCK_DAY_US);
    run->open = (1U << MIRROR_AUDIT_BUCKETS) - 1;
    run->looks = run->tries = 0;
    run->is_counted = false;
    run->report.days++;
    ask_sums(run);
}
