#include "obs/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/mem.h"
#include "obs/process_priv.h"
#include "obs/version.h"

enum {
    SHARD_COUNT = 8, /* of a counter or histogram: threads take them in turn */
    LINE_SLOTS = 8,  /* slots of a cache line */
    BUCKETS_MAX = 16,
};

static const uint64_t plain_bounds[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 };
static const uint64_t second_bounds[] = { 100,      250,      500,       1000,
                                          2500,     5000,     10'000,    25'000,
                                          50'000,   100'000,  250'000,   500'000,
                                          1000'000, 2500'000, 5'000'000, 10'000'000 };
static const uint64_t byte_bounds[] = { 1 << 6,  1 << 8,  1 << 10, 1 << 12, 1 << 14,
                                        1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24 };
static_assert(countof(second_bounds) <= BUCKETS_MAX, "the text writer sums into an array");

struct metric {
    struct list node;
    struct metric_spec spec;
    const uint64_t *bounds; /* HISTOGRAM */
    size_t bound_count;
    size_t series_count, slots_a_series, slots_a_shard, shard_count;
    _Atomic uint64_t *slots; /* [shard][series][slot]; HISTOGRAM: buckets, +Inf, sum */
};

struct metrics {
    struct list metrics;
};

struct metrics *metrics_create(void)
{
    struct metrics *m = mem_new(struct metrics);
    list_init(&m->metrics);
    return m;
}

void metrics_destroy(struct metrics *m)
{
    if (!m)
        return;
    list_each (node, &m->metrics) {
        struct metric *metric = container_of(node, struct metric, node);
        mem_free(metric->slots);
        mem_free(metric);
    }
    mem_free(m);
}

static bool is_name(const char *name)
{
    return name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static size_t value_count(const struct metric_label *label)
{
    return label->name ? label->value_count : 1;
}

static void check_spec(const struct metrics *m, const struct metric_spec *spec)
{
    assert(is_name(spec->name));
    bool is_total = str_ends_with(str_of_c(spec->name), STR("_total"));
    assert(is_total == (spec->type == METRIC_COUNTER));
    struct str unit = spec->unit == METRIC_SECONDS ? STR("_seconds") : STR("_bytes");
    assert(spec->unit == METRIC_PLAIN || str_find(str_of_c(spec->name), unit) > 0);
    for (size_t i = 0; i < METRIC_LABELS_MAX && spec->labels[i].name; i++) {
        assert(is_name(spec->labels[i].name));
        assert(spec->labels[i].value_count > 0);
    }
    list_each (node, &m->metrics)
        assert(strcmp(container_of(node, struct metric, node)->spec.name, spec->name) != 0);
}

static void set_bounds(struct metric *metric)
{
    static const struct {
        const uint64_t *bounds;
        size_t count;
    } of_unit[] = { [METRIC_PLAIN] = { plain_bounds, countof(plain_bounds) },
                    [METRIC_SECONDS] = { second_bounds, countof(second_bounds) },
                    [METRIC_BYTES] = { byte_bounds, countof(byte_bounds) } };
    metric->bounds = of_unit[metric->spec.unit].bounds;
    metric->bound_count = of_unit[metric->spec.unit].count;
}

struct metric *metrics_add(struct metrics *m, const struct metric_spec *spec)
{
    check_spec(m, spec);
    struct metric *metric = mem_new(struct metric);
    metric->spec = *spec;
    metric->series_count = value_count(&spec->labels[0]) * value_count(&spec->labels[1]);
    assert(metric->series_count <= METRIC_SERIES_MAX);
    metric->slots_a_series = 1;
    metric->shard_count = spec->type == METRIC_GAUGE ? 1 : SHARD_COUNT;
    if (spec->type == METRIC_HISTOGRAM) {
        set_bounds(metric);
        metric->slots_a_series = metric->bound_count + 2;
    }
    size_t slots = metric->series_count * metric->slots_a_series;
    metric->slots_a_shard = (slots + LINE_SLOTS - 1) / LINE_SLOTS * LINE_SLOTS;
    metric->slots =
        mem_zalloc_aligned(LINE_SLOTS * sizeof *metric->slots,
                           metric->shard_count * metric->slots_a_shard, sizeof *metric->slots);
    list_push(&m->metrics, &metric->node);
    return metric;
}

size_t metric_series(const struct metric *metric, size_t first, size_t second)
{
    size_t second_count = value_count(&metric->spec.labels[1]);
    assert(first < value_count(&metric->spec.labels[0]));
    assert(second < second_count);
    return first * second_count + second;
}

static size_t shard_of_thread(void)
{
    static atomic_uint next;
    static thread_local unsigned mine; /* 0: none yet */
    if (mine == 0)
        mine = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SHARD_COUNT + 1;
    return mine - 1;
}

/* The first slot of a series, in the calling thread's shard. */
static _Atomic uint64_t *slots_of(struct metric *metric, enum metric_type type, size_t series)
{
    assert(metric->spec.type == type);
    assert(series < metric->series_count);
    size_t shard = type == METRIC_GAUGE ? 0 : shard_of_thread();
    return metric->slots + shard * metric->slots_a_shard + series * metric->slots_a_series;
}

static void bump(_Atomic uint64_t *slot, uint64_t n)
{
    atomic_fetch_add_explicit(slot, n, memory_order_relaxed);
}

void metric_add(struct metric *metric, size_t series, uint64_t n)
{
    bump(slots_of(metric, METRIC_COUNTER, series), n);
}

void metric_set(struct metric *metric, size_t series, int64_t value)
{
    atomic_store_explicit(slots_of(metric, METRIC_GAUGE, series), (uint64_t)value,
                          memory_order_relaxed);
}

void metric_move(struct metric *metric, size_t series, int64_t delta)
{
    bump(slots_of(metric, METRIC_GAUGE, series), (uint64_t)delta); /* wraps as it should */
}

void metric_observe(struct metric *metric, size_t series, uint64_t value)
{
    _Atomic uint64_t *slots = slots_of(metric, METRIC_HISTOGRAM, series);
    size_t low = 0, high = metric->bound_count; /* the first bound that is not below the value */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (metric->bounds[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    bump(&slots[low], 1);
    bump(&slots[metric->bound_count + 1], value);
}

static uint64_t sum_of(const struct metric *metric, size_t series, size_t slot)
{
    uint64_t sum = 0;
    for (size_t shard = 0; shard < metric->shard_count; shard++)
        sum += atomic_load_explicit(metric->slots + shard * metric->slots_a_shard +
                                        series * metric->slots_a_series + slot,
                                    memory_order_relaxed);
    return sum;
}

/* In base units, exactly: 1500 microseconds are "0.0015". */
static void put_number(struct buf *b, enum metric_unit unit, uint64_t value)
{
    if (unit != METRIC_SECONDS) {
        buf_put_u64(b, value);
        return;
    }
    char text[32];
    int len =
        snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, value / 1000'000, value % 1000'000);
    while (text[len - 1] == '0')
        len--;
    buf_put(b, text, (size_t)(text[len - 1] == '.' ? len - 1 : len));
}

static void put_signed(struct buf *b, enum metric_unit unit, uint64_t value)
{
    bool is_negative = (int64_t)value < 0;
    if (is_negative)
        buf_put_char(b, '-');
    put_number(b, unit, is_negative ? 0 - value : value);
}

static void put_label_value(struct buf *b, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buf_put_char(b, '\\');
        if (*value == '\n')
            buf_put_c(b, "\\n");
        else
            buf_put_char(b, *value);
    }
}

/* {method="GET",status="2xx"} and, for a bucket, its bound; nothing where there are none. */
static void put_labels(struct buf *b, const struct metric *metric, size_t series,
                       const char *bucket)
{
    const struct metric_label *labels = metric->spec.labels;
    const size_t second_count = value_count(&labels[1]);
    const size_t at[METRIC_LABELS_MAX] = { series / second_count, series % second_count };
    char open = '{';
    for (size_t i = 0; i < METRIC_LABELS_MAX && labels[i].name; i++) {
        buf_printf(b, "%c%s=\"", open, labels[i].name);
        put_label_value(b, labels[i].values[at[i]]);
        buf_put_char(b, '"');
        open = ',';
    }
    if (bucket) {
        buf_printf(b, "%cle=\"%s\"", open, bucket);
        open = ',';
    }
    if (open == ',')
        buf_put_char(b, '}');
}

static void put_line(struct buf *b, const struct metric *metric, size_t series, const char *suffix,
                     const char *bucket)
{
    buf_put_c(b, metric->spec.name);
    buf_put_c(b, suffix);
    put_labels(b, metric, series, bucket);
    buf_put_char(b, ' ');
}

static void put_histogram(struct buf *b, const struct metric *metric, size_t series)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= metric->bound_count; i++) {
        struct buf bound;
        buf_init(&bound, 0);
        if (i < metric->bound_count)
            put_number(&bound, metric->spec.unit, metric->bounds[i]);
        else
            buf_put_c(&bound, "+Inf");
        buf_put_char(&bound, '\0');
        count += sum_of(metric, series, i);
        put_line(b, metric, series, "_bucket", bound.ptr);
        buf_put_u64(b, count);
        buf_put_char(b, '\n');
        buf_clear(&bound);
    }
    put_line(b, metric, series, "_sum", NULL);
    put_number(b, metric->spec.unit, sum_of(metric, series, metric->bound_count + 1));
    buf_put_char(b, '\n');
    put_line(b, metric, series, "_count", NULL);
    buf_put_u64(b, count);
    buf_put_char(b, '\n');
}

static void put_metric(struct buf *b, const struct metric *metric)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"
    };
    const struct metric_spec *spec = &metric->spec;
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", spec->name, spec->help, spec->name,
               types[spec->type]);
    for (size_t series = 0; series < metric->series_count; series++) {
        if (spec->type == METRIC_HISTOGRAM) {
            put_histogram(b, metric, series);
            continue;
        }
        put_line(b, metric, series, "", NULL);
        if (spec->type == METRIC_GAUGE)
            put_signed(b, spec->unit, sum_of(metric, series, 0));
        else
            put_number(b, spec->unit, sum_of(metric, series, 0));
        buf_put_char(b, '\n');
    }
}

void metrics_write(const struct metrics *m, struct buf *b)
{
    list_each (node, &m->metrics)
        put_metric(b, container_of(node, struct metric, node));
    buf_printf(b,
               "# HELP windlass_build_info What is running; always 1.\n"
               "# TYPE windlass_build_info gauge\n"
               "windlass_build_info{version=\"%s\",commit=\"%s\"} 1\n",
               version_text(), version_commit());
    process_metrics_write(b);
}
