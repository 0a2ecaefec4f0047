#include "worker/drop.h"

#include "base/clock.h"
#include "json/writer.h"
#include "store/queue/batch_sql.h"
#include "worker/task_view.h"

enum { FIRST = 16 };
static const int64_t day_ms = CLOCK_DAY_US / CLOCK_MS;

/* What the batch drops. */
struct dropped {
    struct uuid *ids, *remembered;
    int64_t *seqs;
    size_t count, capacity, remembered_count;
    int64_t day; /* counted from 1970; only where is_whole */
    bool is_whole;
};

static void drop_steps(struct batch *b, void *data)
{
    const struct dropped *d = data;
    if (d->is_whole)
        batch_step(b, &batch_day_drop, batch_day_drop_args(b->a, (int32_t)d->day));
    if (d->count > 0)
        batch_step(b, &batch_drop,
                   batch_drop_args(b->a, d->ids, d->count, d->seqs, d->count, d->remembered,
                                   d->remembered_count, (int64_t)d->count));
}

static const struct batch_section_kind drop_section = { "drops", sizeof(struct dropped),
                                                        drop_steps };

static void count_drop(struct shard *s, void *data)
{
    (void)data;
    s->drops++;
}

/* The batch's section; those who read rows before it is committed must read them again. */
static struct dropped *section_of(struct batch *b)
{
    struct dropped *d = batch_section(b, &drop_section);
    if (d->count == 0 && !d->is_whole)
        batch_on_commit(b, count_drop, NULL);
    return d;
}

static struct str counts_of(struct batch *b, const struct drop_count *gone, size_t count)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&w);
        json_key_c(&w, "type");
        json_write_string(&w, b->s->types[gone[i].type].name);
        json_key_c(&w, "status");
        json_write_string(&w, rule_status_name(rule_status_of(gone[i].state)));
        json_key_c(&w, "count");
        json_write_i64(&w, gone[i].count);
        json_end_object(&w);
        batch_count(b, gone[i].type, rule_status_of(gone[i].state), -gone[i].count);
    }
    json_end_array(&w);
    struct str text = arena_copy(b->a, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void grow(struct batch *b, struct dropped *d)
{
    if (d->count < d->capacity)
        return;
    size_t capacity = d->capacity ? d->capacity * 2 : FIRST;
    struct uuid *ids = arena_new_array(b->a, capacity, struct uuid);
    struct uuid *remembered = arena_new_array(b->a, capacity, struct uuid);
    int64_t *seqs = arena_new_array(b->a, capacity, int64_t);
    if (d->count > 0) {
        memcpy(ids, d->ids, d->count * sizeof *ids);
        memcpy(remembered, d->remembered, d->remembered_count * sizeof *remembered);
        memcpy(seqs, d->seqs, d->count * sizeof *seqs);
    }
    d->ids = ids;
    d->remembered = remembered;
    d->seqs = seqs;
    d->capacity = capacity;
}

/* Younger than id-past, and a day beyond it, since clocks differ. */
static bool may_come_again(const struct batch *b, struct uuid id)
{
    return uuid_time_us(id) > b->at_us - b->s->options.id_past_us - CLOCK_DAY_US;
}

void drop_task(struct batch *b, const struct drop *task)
{
    struct dropped *d = section_of(b);
    int64_t seq = batch_put(b, &(struct change){ .op = OP_DROP, .id = task->id });
    const struct drop_count one = { task->type, task->state, 1 };
    struct str counts = counts_of(b, &one, 1);
    buf_printf(&b->extra, "%lld %.*s\n", (long long)seq, STR_FMT(counts));
    batch_done_by(b, task->by);
    event_drop(&b->events, seq, b->at_us, task->id, counts, task->by);
    batch_event_end(b);
    grow(b, d);
    d->ids[d->count] = task->id;
    d->seqs[d->count++] = task->seq;
    if (may_come_again(b, task->id))
        d->remembered[d->remembered_count++] = task->id;
}

static struct uuid bound_of(int64_t day)
{
    struct uuid id = { 0 };
    uint64_t ms = (uint64_t)(day * day_ms);
    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return id;
}

void drop_day(struct batch *b, int64_t day, const struct drop_count *gone, size_t count)
{
    struct dropped *d = section_of(b);
    struct uuid from = bound_of(day), to = bound_of(day + 1);
    int64_t seq = batch_put(
        b, &(struct change){ .op = OP_DROP_RANGE, .id = from, .args = { (day + 1) * day_ms } });
    struct str counts = counts_of(b, gone, count);
    buf_printf(&b->extra, "%lld %.*s\n", (long long)seq, STR_FMT(counts));
    event_drop_range(&b->events, seq, b->at_us, from, to, counts);
    batch_event_end(b);
    d->day = day;
    d->is_whole = true;
}
