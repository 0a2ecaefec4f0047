/* settings_view: types and queues as others see them: objects and events of docs/protocol.md. */
#include "base/mem.h"
#include "worker/settings_priv.h"
#include "worker/task_view.h"

/* ── members ── */

void json_put_i64_set(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, str_of_c(key));
    if (value > 0)
        json_write_i64(w, value);
    else
        json_write_null(w);
}

void json_put_rate(struct json_writer *w, const char *key, double rate_per_s)
{
    json_key(w, str_of_c(key));
    if (rate_per_s > 0)
        json_write_double(w, rate_per_s);
    else
        json_write_null(w);
}

void json_put_pause(struct json_writer *w, const struct pause *pause)
{
    json_key_c(w, "is_paused");
    json_write_bool(w, pause->is_on);
    json_put_maybe_id(w, "paused_by", pause->is_on && pause->has_user, pause->user);
    json_put_maybe_text(w, "paused_reason", pause->reason.len > 0, pause->reason);
}

/* ── types ── */

void settings_put_type(struct json_writer *w, const struct shard *s, uint32_t type)
{
    const struct type_settings *d = settings_of_type(s, type);
    json_begin_object(w);
    json_key_c(w, "type");
    json_write_string(w, s->types[type].name);
    json_put_number(w, "version", d->version);
    json_put_pause(w, &d->pause);
    json_put_i64_set(w, "max_running", d->numbers[SETTING_MAX_RUNNING]);
    json_put_i64_set(w, "max_running_per_key", d->numbers[SETTING_MAX_RUNNING_PER_KEY]);
    json_put_maybe_text(w, "key_path", d->key_path.len > 0, d->key_path);
    for (size_t i = 0; i < SETTING_RATE_COUNT; i++)
        json_put_rate(w, setting_rates[i], d->rates[i]);
    json_put_i64_set(w, "burst", d->numbers[SETTING_BURST]);
    json_put_i64_set(w, "burst_per_key", d->numbers[SETTING_BURST_PER_KEY]);
    json_put_i64(w, "max_attempts",
                 settings_or(s, type, SETTING_MAX_ATTEMPTS, SHARD_ATTEMPTS_DEFAULT));
    json_put_i64(w, "timeout_s", settings_or(s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S));
    json_put_i64(w, "retention_days",
                 min_of((int64_t)settings_or(s, type, SETTING_RETENTION_DAYS, UINT32_MAX),
                        settings_retention_days(s)));
    json_put_i64(w, "running", s->types[type].counts[STATUS_IN_PROGRESS]);
    json_put_i64(w, "waiting", s->types[type].counts[STATUS_PENDING]);
    json_end_object(w);
}

void settings_put_types(struct json_writer *w, const struct shard *s)
{
    json_key_c(w, "types");
    json_begin_array(w);
    for (uint32_t i = 0; i < s->type_count; i++)
        settings_put_type(w, s, i);
    json_end_array(w);
}

void settings_put_type_event(struct buf *out, const struct shard *s, int64_t seq, int64_t at_us,
                             uint32_t type)
{
    struct json_writer w = event_begin(out, seq, at_us, "type");
    json_key_c(&w, "type");
    settings_put_type(&w, s, type);
    json_key_c(&w, "actor");
    json_write_string(&w, settings_of_type(s, type)->actor);
    json_end_object(&w);
}

/* ── queues ── */

static void put_queue(struct json_writer *w, const struct shard *s, uint32_t queue,
                      const struct live_queue_sums *sums)
{
    const struct queue_settings *d = settings_of_queue(s, queue);
    json_begin_object(w);
    json_key_c(w, "queue");
    json_write_string(w, s->queues[queue].name);
    json_put_number(w, "version", d->version);
    json_put_pause(w, &d->pause);
    json_put_i64(w, "waiting", (int64_t)sums->waiting);
    json_put_i64(w, "running", (int64_t)sums->running);
    json_put_time(w, "oldest_waiting_us", sums->oldest_us);
    json_end_object(w);
}

static struct live_queue_sums *sums_of(const struct shard *s)
{
    struct live_queue_sums *sums = mem_zalloc(s->queues_known + 1, sizeof *sums);
    live_queue_sums(s->live, sums, s->queues_known);
    return sums;
}

void settings_put_queue(struct json_writer *w, const struct shard *s, uint32_t queue)
{
    scoped(mem_freep) struct live_queue_sums *sums = sums_of(s);
    put_queue(w, s, queue, &sums[queue]);
}

void settings_put_queues_of(struct json_writer *w, const struct shard *s,
                            const struct live_queue_sweep *sweep)
{
    json_key_c(w, "queues");
    json_begin_array(w);
    for (uint32_t i = 0; i < min_of(sweep->count, s->queues_known); i++)
        put_queue(w, s, i, &sweep->sums[i]);
    json_end_array(w);
}

void settings_put_queues(struct json_writer *w, const struct shard *s)
{
    scoped(mem_freep) struct live_queue_sums *sums = sums_of(s);
    const struct live_queue_sweep sweep = { .sums = sums, .count = s->queues_known };
    settings_put_queues_of(w, s, &sweep);
}

void settings_put_queue_event(struct buf *out, const struct shard *s, int64_t seq, int64_t at_us,
                              uint32_t queue)
{
    struct json_writer w = event_begin(out, seq, at_us, "queue");
    json_key_c(&w, "queue");
    settings_put_queue(&w, s, queue);
    json_key_c(&w, "actor");
    json_write_string(&w, settings_of_queue(s, queue)->actor);
    json_end_object(&w);
}

/* ── the log ── */

struct uuid settings_id_of(uint32_t number)
{
    struct uuid id = { 0 };
    for (unsigned i = 0; i < 4; i++)
        id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    return id;
}

static uint32_t number_of(struct uuid id)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < 4; i++)
        number = number << 8 | id.bytes[12 + i];
    return number;
}

bool settings_put_event(const struct shard *s, struct buf *out, int64_t seq, int64_t at_us,
                        const struct change *change)
{
    uint32_t number = number_of(change->id);
    if (change->op == OP_TYPE && number < s->type_count)
        settings_put_type_event(out, s, seq, at_us, number);
    else if (change->op == OP_QUEUE && number < s->queues_known)
        settings_put_queue_event(out, s, seq, at_us, number);
    else
        return false;
    return true;
}
