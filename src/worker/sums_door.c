/*
 * sums_door: GET /v1/sums. With `day` the sums of its sixteen buckets, else which days there are.
 *
 *   read (one statement, of one moment) ──▶ too much since the checkpoint? ── soon again ──▶ read
 *                                             └─ no: add what the log tells of those ──▶ answer
 *
 * A checkpoint comes each second, so a moment of little behind it comes soon. Memory is not asked:
 * what is summed is what a restart would find.
 * Source: docs/protocol.md "Sums".
 */
#include "base/clock.h"
#include "base/sha256.h"
#include "db/rows.h"
#include "io/timer.h"
#include "store/queue/retain_sql.h"
#include "store/queue/sums_sql.h"
#include "worker/door.h"
#include "worker/logrow.h"
#include "worker/worker_priv.h"

enum {
    BUCKETS = 16,
    CHANGES_MAX = 20'000, /* since the checkpoint: some 20 ms of the loop */
    AGAIN_MS = 50,
    TRIES_MAX = 100,
    READ_MS = 60'000,
    DAY_MAX = 100'000, /* of the year 2243 */
};

struct bucket {
    int64_t count, sum, version;
};

struct sums {
    struct worker *w;
    struct http_request *r;
    struct arena *a; /* of a read */
    struct io_timer *again;
    int64_t day;
    unsigned tries;
    struct bucket buckets[BUCKETS];
};

static void read_day(void *owner);

static void sums_free(void *owner)
{
    struct sums *m = owner;
    io_timer_destroy(m->again);
    arena_destroy(m->a);
}

static void fail(struct sums *m, const struct err *e)
{
    door_fail(m->r, e);
}

/* ── what the log tells ── */

struct latest {
    int64_t version;
    enum rule_status status; /* COUNT: it is gone */
};

/* STATUS_COUNT: it is gone. False: the change says nothing of a task's status. */
static bool status_after(enum op op, enum rule_status *ret_status)
{
    *ret_status = op_to(op);
    if (*ret_status != STATUS_COUNT)
        return true;
    if (op == OP_NOTE || op == OP_CANCEL_ASKED)
        *ret_status = STATUS_IN_PROGRESS;
    return op == OP_NOTE || op == OP_CANCEL_ASKED || op == OP_DROP;
}

static void note_changes(const struct sums *m, const struct log_row *row, struct map *latest)
{
    struct ops_reader reader = ops_read(row->ops, row->ids, row->args);
    struct change change;
    enum rule_status status;
    for (int64_t seq = row->seq; ops_next(&reader, &change); seq++) {
        struct str key = uuid_bytes(&change.id);
        if (uuid_time_us(change.id) / CLOCK_DAY_US != m->day || !status_after(change.op, &status))
            continue;
        struct latest *known = map_get(latest, key);
        if (known == NULL) {
            known = arena_new(m->a, struct latest);
            (void)map_put(latest, key, known);
        }
        *known = (struct latest){ .version = seq, .status = status };
    }
}

static uint32_t hash_of(const struct uuid *id, const struct latest *task)
{
    char id_text[UUID_TEXT_LEN + 1], text[128];
    uint8_t digest[SHA256_LEN];
    struct str status = rule_status_name(task->status);
    uuid_format(*id, id_text);
    int len = snprintf(text, sizeof text, "%s:%lld:%.*s", id_text, (long long)task->version,
                       STR_FMT(status));
    sha256(str_of(text, (size_t)len), digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

static void add_latest(struct sums *m, const struct map *latest)
{
    struct str key;
    void *value;
    for (size_t at = 0; map_next(latest, &at, &key, &value);) {
        const struct latest *task = value;
        struct uuid id;
        if (task->status == STATUS_COUNT)
            continue;
        memcpy(id.bytes, key.ptr, sizeof id.bytes);
        struct bucket *bucket = &m->buckets[id.bytes[15] & (BUCKETS - 1)];
        bucket->count++;
        bucket->sum += hash_of(&id, task);
        bucket->version = max_of(bucket->version, task->version);
    }
}

/* ── the answer ── */

static void answer(struct sums *m, int64_t cursor)
{
    struct json_writer w = json_writer_to(m->r->out);
    json_begin_object(&w);
    door_put_cursor(&w, "cursor", &m->w->shard, cursor);
    json_key_c(&w, "day");
    json_write_i64(&w, m->day);
    json_key_c(&w, "buckets");
    json_begin_array(&w);
    for (size_t i = 0; i < BUCKETS; i++) {
        if (m->buckets[i].count == 0)
            continue;
        json_begin_object(&w);
        json_key_c(&w, "bucket");
        json_write_u64(&w, i);
        json_key_c(&w, "count");
        json_write_i64(&w, m->buckets[i].count);
        json_put_number(&w, "sum", m->buckets[i].sum);
        json_put_number(&w, "version", m->buckets[i].version);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    door_answer(m->r);
}

static void day_read(void *owner, const struct db_reply *reply)
{
    enum { KIND, NUMBER, COUNT, SUM, OPS, IDS, ARGS }; /* of a bucket, OPS is its version */
    struct sums *m = owner;
    struct err e;
    if (reply->err) {
        fail(m, reply->err);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    scoped(map_destroyp) struct map *latest = map_create();
    int64_t cursor = db_rows_i64(rows, 0, NUMBER) + db_rows_i64(rows, 0, COUNT);
    if (db_rows_i64(rows, 0, COUNT) > CHANGES_MAX) {
        err_set(&e, ERR_UNAVAILABLE, "too much changes for sums to be made: ask later");
        if (++m->tries < TRIES_MAX)
            io_timer_start(m->again, AGAIN_MS);
        else
            fail(m, &e);
        return;
    }
    for (size_t i = 1; i < db_rows_count(rows); i++) {
        if (db_rows_i64(rows, i, KIND) == 1) {
            const struct log_row row = { .seq = db_rows_i64(rows, i, NUMBER),
                                         .ops = bytes_of_hex(m->a, db_rows_text(rows, i, OPS)),
                                         .ids = bytes_of_hex(m->a, db_rows_text(rows, i, IDS)),
                                         .args = bytes_of_hex(m->a, db_rows_text(rows, i, ARGS)) };
            note_changes(m, &row, latest);
            continue;
        }
        struct bucket *bucket = &m->buckets[db_rows_i64(rows, i, NUMBER) & (BUCKETS - 1)];
        bucket->count = db_rows_i64(rows, i, COUNT);
        bucket->sum = db_rows_i64(rows, i, SUM);
        if (!str_to_i64(db_rows_text(rows, i, OPS), &bucket->version))
            bucket->version = 0;
    }
    add_latest(m, latest);
    answer(m, cursor);
}

static void call(struct sums *m, const struct db_statement *statement, const struct db_args *args,
                 db_reply_fn *fn)
{
    door_read_within(m->w, DB_LANE_SLOW, READ_MS, statement, args, fn, m);
}

static void read_day(void *owner)
{
    struct sums *m = owner;
    arena_reset(m->a);
    call(m, &sums_day, sums_day_args(m->a, m->w->shard.id, (int32_t)m->day, CHANGES_MAX), day_read);
}

static void days_read(void *owner, const struct db_reply *reply)
{
    struct sums *m = owner;
    if (reply->err) {
        fail(m, reply->err);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    struct json_writer w = json_writer_to(m->r->out);
    json_begin_object(&w);
    json_key_c(&w, "days");
    json_begin_array(&w);
    for (size_t i = 0; i < db_rows_count(rows); i++)
        json_write_i64(&w, db_rows_i64(rows, i, 0));
    json_end_array(&w);
    json_end_object(&w);
    door_answer(m->r);
}

void sums_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct str day;
    struct err e;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct sums *m = arena_new(r->arena, struct sums);
    *m = (struct sums){ .w = w, .r = r, .a = arena_create(0) };
    m->again = io_timer_create(w->loop, read_day, m);
    arena_defer(r->arena, sums_free, m);
    if (!http_query(r, STR("day"), &day)) {
        call(m, &retain_days, NULL, days_read);
    } else if (!str_to_i64(day, &m->day) || m->day < 0 || m->day > DAY_MAX) {
        err_set(&e, ERR_INVALID, "day: is not within 0 and %d", DAY_MAX);
        fail(m, &e);
    } else {
        read_day(m);
    }
}
