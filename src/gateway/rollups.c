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

/* What a mark of one type counts in within one minute, which all spans are made of. */
struct group {
    struct span *spans[SPANS_A_MARK];
    uint64_t look; /* as above */
};

struct rollups {
    struct map *spans; /* "60 1764336000 type" */
    uint64_t looks;    /* for what is missing, so far */

    struct map *groups; /* minute and type, so that ten names are not made for each mark */
    struct arena *group_arena;
};

struct rollups *rollups_create(void)
{
    struct rollups *r = mem_new(struct rollups);
    r->spans = map_create();
    r->groups = map_create();
    r->group_arena = arena_create(0);
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
    map_destroy(r->groups);
    arena_destroy(r->group_arena);
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

static struct group *group_create(struct rollups *r, const struct rollup_mark *mark)
{
    struct group *group = arena_new(r->group_arena, struct group);
    for (size_t n = 0; n < SPANS_A_MARK; n++) {
        int64_t span_s = spans_s[n % SPANS_COUNT];
        group->spans[n] = find(r, span_s, spans_floor(mark->at_us, span_s),
                               n < SPANS_COUNT ? mark->type : STR(MIRROR_ALL_TYPES));
    }
    return group;
}

static struct group *group_of(struct rollups *r, const struct rollup_mark *mark)
{
    int64_t minute_us = spans_floor(mark->at_us, SPAN_MINUTE_S);
    char key[KEY_MAX];
    size_t len = min_of(mark->type.len, sizeof key - sizeof minute_us);
    memcpy(key, &minute_us, sizeof minute_us);
    if (len > 0)
        memcpy(key + sizeof minute_us, mark->type.ptr, len);
    struct str name = str_of(key, sizeof minute_us + len);
    struct group *group = map_get(r->groups, name);
    if (group != NULL)
        return group;
    group = group_create(r, mark);
    (void)map_put(r->groups, name, group);
    return group;
}

size_t rollups_missing(struct rollups *r, struct arena *a, const struct rollup_mark *marks,
                       size_t count, const struct mirror_rollup *const **ret_spans)
{
    struct group **groups = arena_new_array(a, count, struct group *);
    size_t group_count = 0, missing = 0;
    r->looks++;
    for (size_t i = 0; i < count; i++) {
        struct group *group = group_of(r, &marks[i]);
        if (group->look != r->looks)
            groups[group_count++] = group;
        group->look = r->looks;
    }
    const struct mirror_rollup **list =
        arena_new_array(a, group_count * SPANS_A_MARK, const struct mirror_rollup *);
    for (size_t i = 0; i < group_count; i++)
        for (size_t n = 0; n < SPANS_A_MARK; n++) {
            struct span *span = groups[i]->spans[n];
            if (!span->is_loaded && span->look != r->looks)
                list[missing++] = &span->rollup;
            span->look = r->looks;
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
    for (size_t i = 0; i < count; i++) {
        const struct group *group = group_of(r, &marks[i]);
        for (size_t n = 0; n < SPANS_A_MARK; n++) {
            struct span *span = group->spans[n];
            assert(span->is_loaded);
            span->is_changed = true;
            add_mark(&span->rollup, &marks[i]);
        }
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

static bool is_over(const struct span *span, int64_t now_us)
{
    const struct mirror_rollup *rollup = &span->rollup;
    return rollup->at_us + (rollup->span_s + FORGET_AFTER_S) * CLOCK_S < now_us;
}

static void forget(struct rollups *r, int64_t now_us)
{
    struct map *kept = map_create();
    size_t at = 0;
    struct str key;
    void *span;
    while (map_next(r->spans, &at, &key, &span))
        if (is_over(span, now_us))
            span_free(span);
        else
            (void)map_put(kept, key, span);
    map_destroy(r->spans);
    map_destroy(r->groups);
    arena_reset(r->group_arena);
    r->spans = kept;
    r->groups = map_create();
}

void rollups_stored(struct rollups *r)
{
    int64_t now_us = clock_wall_us();
    size_t at = 0, over = 0;
    struct str key;
    void *span;
    while (map_next(r->spans, &at, &key, &span)) {
        ((struct span *)span)->is_changed = false;
        over += is_over(span, now_us);
    }
    if (over > 0)
        forget(r, now_us);
}
