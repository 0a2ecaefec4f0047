#include "gateway/rollups.h"

#include "analyst/histogram.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "gateway/spans.h"

static_assert((int)MIRROR_BUCKETS == (int)HISTOGRAM_BUCKETS, "a stored histogram is a histogram");

enum { KEY_MAX = 1'024, FORGET_AFTER_S = 120 };
/* A mark counts in each span, for its type and for all. */
enum { SPANS_A_MARK = 2 * SPANS_COUNT };

struct span {
    struct mirror_rollup rollup; /* its type is owned */
    bool is_loaded, is_changed;
    uint64_t look; /* the last one that listed it */
};

struct rollups {
    struct map *spans; /* "60 1764336000 type" */
    uint64_t looks;    /* for what is missing, so far */
};

struct rollups *rollups_create(void)
{
    struct rollups *r = mem_new(struct rollups);
    r->spans = map_create();
    return r;
}

static void span_free(struct span *span)
{
    mem_free((void *)(uintptr_t)span->rollup.type.ptr);
    mem_free(span);
}

void rollups_destroy(struct rollups *r)
{
    if (r == NULL)
        return;
    size_t at = 0;
    struct str key;
    void *span;
    while (map_next(r->spans, &at, &key, &span))
        span_free(span);
    map_destroy(r->spans);
    mem_free(r);
}

bool rollup_mark_of(const struct feed_event *event, struct rollup_mark *ret_mark)
{
    *ret_mark = (struct rollup_mark){ .type = event->type, .at_us = event->at_us, .took_us = -1 };
    if (event->op == FEED_ADD) {
        ret_mark->what = ROLLUP_CREATED;
        return true;
    }
    ret_mark->took_us = event->took_us;
    if (event->op == FEED_START) {
        ret_mark->what = ROLLUP_STARTED;
        return true;
    }
    if (event->op != FEED_FINISH)
        return false;
    bool is_good = str_eq_c(event->cells[COL_tasks_status], "completed");
    ret_mark->what = is_good ? ROLLUP_COMPLETED : ROLLUP_FAILED;
    return true;
}

static struct str key_of(char buffer[KEY_MAX], int64_t span_s, int64_t at_us, struct str type)
{
    int len = snprintf(buffer, KEY_MAX, "%lld %lld %.*s", (long long)span_s, (long long)at_us,
                       STR_FMT(type));
    assert(len > 0);
    return str_of(buffer, min_of((size_t)len, (size_t)KEY_MAX - 1));
}

/* The span, made where there was none. */
static struct span *find(struct rollups *r, int64_t span_s, int64_t at_us, struct str type)
{
    char buffer[KEY_MAX];
    struct str key = key_of(buffer, span_s, at_us, type);
    struct span *span = map_get(r->spans, key);
    if (span != NULL)
        return span;
    span = mem_new(struct span);
    span->rollup = (struct mirror_rollup){ .span_s = span_s,
                                           .at_us = at_us,
                                           .type = str_of(mem_cstr(type), type.len),
                                           .wait_max = -1,
                                           .run_max = -1 };
    (void)map_put(r->spans, key, span);
    return span;
}

static struct span *find_of_mark(struct rollups *r, const struct rollup_mark *mark, size_t n)
{
    int64_t span_s = spans_s[n % SPANS_COUNT];
    return find(r, span_s, spans_floor(mark->at_us, span_s),
                n < SPANS_COUNT ? mark->type : STR(MIRROR_ALL_TYPES));
}

size_t rollups_missing(struct rollups *r, struct arena *a, const struct rollup_mark *marks,
                       size_t count, const struct mirror_rollup *const **ret_spans)
{
    const struct mirror_rollup **list =
        arena_new_array(a, count * SPANS_A_MARK, const struct mirror_rollup *);
    size_t missing = 0;
    r->looks++;
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < SPANS_A_MARK; n++) {
            struct span *span = find_of_mark(r, &marks[i], n);
            if (span->is_loaded || span->look == r->looks)
                continue;
            span->look = r->looks;
            list[missing++] = &span->rollup;
        }
    *ret_spans = list;
    return missing;
}

void rollups_known(struct rollups *r)
{
    size_t at = 0;
    struct str key;
    void *span;
    while (map_next(r->spans, &at, &key, &span))
        ((struct span *)span)->is_loaded = true;
}

void rollups_loaded(struct rollups *r, struct arena *a, const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct mirror_rollup stored;
        mirror_rollup_read(a, rows, i, &stored);
        struct span *span = find(r, stored.span_s, stored.at_us, stored.type);
        if (span->is_loaded)
            continue;
        stored.type = span->rollup.type;
        span->rollup = stored;
    }
    rollups_known(r);
}

static void count_duration(int64_t counts[MIRROR_BUCKETS], double *max_s, int64_t took_us)
{
    if (took_us < 0)
        return;
    counts[histogram_bucket(took_us)]++;
    *max_s = max_of(*max_s, (double)took_us / CLOCK_S);
}

static void add_mark(struct mirror_rollup *rollup, const struct rollup_mark *mark)
{
    switch (mark->what) {
    case ROLLUP_CREATED:
        rollup->created++;
        return;
    case ROLLUP_STARTED:
        count_duration(rollup->wait, &rollup->wait_max, mark->took_us);
        return;
    case ROLLUP_COMPLETED:
        rollup->completed++;
        break;
    case ROLLUP_FAILED:
        rollup->failed++;
        break;
    }
    count_duration(rollup->run, &rollup->run_max, mark->took_us);
}

void rollups_add(struct rollups *r, const struct rollup_mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < SPANS_A_MARK; n++) {
            struct span *span = find_of_mark(r, &marks[i], n);
            assert(span->is_loaded);
            span->is_changed = true;
            add_mark(&span->rollup, &marks[i]);
        }
}

size_t rollups_changed(const struct rollups *r, struct arena *a,
                       const struct mirror_rollup *const **ret_spans)
{
    const struct mirror_rollup **list =
        arena_new_array(a, map_count(r->spans), const struct mirror_rollup *);
    size_t count = 0, at = 0;
    struct str key;
    void *span;
    while (map_next(r->spans, &at, &key, &span))
        if (((struct span *)span)->is_changed)
            list[count++] = &((struct span *)span)->rollup;
    *ret_spans = list;
    return count;
}

void rollups_stored(struct rollups *r)
{
    int64_t now_us = clock_wall_us();
    struct map *kept = map_create();
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(r->spans, &at, &key, &value)) {
        struct span *span = value;
        const struct mirror_rollup *rollup = &span->rollup;
        span->is_changed = false;
        if (rollup->at_us + (rollup->span_s + FORGET_AFTER_S) * CLOCK_S < now_us)
            span_free(span);
        else
            (void)map_put(kept, key, span);
    }
    map_destroy(r->spans);
    r->spans = kept;
}
