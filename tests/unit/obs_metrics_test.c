#include "obs/metrics.h"

#include <math.h>

#include "base/arena.h"
#include "base/map.h"
#include "test.h"

/*
 * A strict reader of the exposition: HELP and TYPE once before each metric, samples of one metric
 * together, names and labels of the grammar, no sample twice, one line end behind each line.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
struct exposition {
    struct arena *arena;
    struct map *samples; /* "name{labels}" to its value, a double */
    struct map *types;   /* name to its TYPE */
    struct str current;  /* the metric whose TYPE came last */
};

static bool is_name(struct str s, bool may_have_colon)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (c == ':' && may_have_colon) || (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return s.len > 0;
}

/* The length of {a="x",b="y"} at the start of `s`. */
static size_t read_labels(struct str s)
{
    size_t i = 1;
    while (true) {
        size_t name = i;
        while (i < s.len && s.ptr[i] != '=')
            i++;
        assert_true(is_name(str_of(s.ptr + name, i - name), false));
        assert_true(i + 1 < s.len && s.ptr[i + 1] == '"');
        for (i += 2; i < s.len && s.ptr[i] != '"'; i++) {
            if (s.ptr[i] != '\\')
                continue;
            i++;
            assert_true(i < s.len && strchr("\\\"n", s.ptr[i]));
        }
        assert_true(i + 1 < s.len);
        if (s.ptr[++i] == '}')
            return i + 1;
        assert_int_equal(s.ptr[i++], ',');
    }
}

/* "windlass_x_bucket" belongs to the histogram windlass_x. */
static bool belongs(struct str sample, struct str metric, const char *type)
{
    static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
    if (strcmp(type, "histogram") != 0)
        return str_eq(sample, metric);
    for (size_t i = 0; i < countof(suffixes); i++)
        if (str_starts_with(sample, metric) && str_eq_c(str_from(sample, metric.len), suffixes[i]))
            return true;
    return false;
}

static void read_comment(struct exposition *x, struct str line, bool *expects_type)
{
    struct str word, rest, name, text;
    (void)str_cut(str_from(line, 2), ' ', &word, &rest);
    assert_true(str_cut(rest, ' ', &name, &text));
    assert_true(is_name(name, true));
    if (str_eq_c(word, "HELP")) {
        assert_false(*expects_type);
        assert_null(map_get(x->types, name));
        assert_true(text.len > 0);
        x->current = name;
        *expects_type = true;
        return;
    }
    assert_str(word, "TYPE");
    assert_true(*expects_type);
    assert_true(str_eq(name, x->current));
    assert_true(str_eq_c(text, "counter") || str_eq_c(text, "gauge") ||
                str_eq_c(text, "histogram"));
    (void)map_put(x->types, name, arena_cstr(x->arena, text));
    *expects_type = false;
}

static void read_sample(struct exposition *x, struct str line)
{
    size_t len = 0;
    while (len < line.len && line.ptr[len] != '{' && line.ptr[len] != ' ')
        len++;
    struct str name = str_first(line, len);
    assert_true(is_name(name, true));
    assert_true(belongs(name, x->current, map_get(x->types, x->current)));
    if (line.ptr[len] == '{')
        len += read_labels(str_from(line, len));
    assert_int_equal(line.ptr[len], ' ');
    double *value = arena_new(x->arena, double);
    if (!str_to_double(str_from(line, len + 1), value))
        fail_msg("no number: %.*s", STR_FMT(line));
    assert_null(map_put(x->samples, str_first(line, len), value));
}

static struct exposition *read_exposition(struct str text)
{
    static struct exposition x;
    x = (struct exposition){ .arena = arena_create(1 << 20),
                             .samples = map_create(),
                             .types = map_create() };
    bool expects_type = false;
    struct str line;
    assert_true(str_ends_with(text, STR("\n")));
    while (text.len > 0) {
        (void)str_cut(text, '\n', &line, &text);
        if (str_starts_with(line, STR("# "))) {
            read_comment(&x, line, &expects_type);
        } else {
            assert_false(expects_type);
            read_sample(&x, line);
        }
    }
    return &x;
}

static struct exposition *scrape(const struct metrics *m)
{
    struct buf b;
    buf_init(&b, 0);
    metrics_write(m, &b);
    struct exposition *x = read_exposition(buf_str(&b));
    x->current = (struct str){ 0 };
    buf_clear(&b);
    return x;
}

static double value_of(const struct exposition *x, const char *sample)
{
    const double *value = map_get(x->samples, str_of_c(sample));
    if (!value)
        fail_msg("no sample %s", sample);
    return value ? *value : -1.0;
}

static void forget(struct exposition *x)
{
    map_destroy(x->samples);
    map_destroy(x->types);
    arena_destroy(x->arena);
}

static bool is(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static const char *const methods[] = { "GET", "POST" };
static const char *const classes[] = { "2xx", "4xx", "say \"5xx\"\\\n" };

static void counts_by_declared_labels(void **state)
{
    (void)state;
    scoped(metrics_destroyp) struct metrics *m = metrics_create();
    struct metric *requests = metrics_add(
        m, &(struct metric_spec){ .type = METRIC_COUNTER,
                                  .name = "windlass_http_requests_total",
                                  .help = "Requests answered.",
                                  .labels = { { "method", methods, countof(methods) },
                                              { "status", classes, countof(classes) } } });
    struct metric *busy =
        metrics_add(m, &(struct metric_spec){ .type = METRIC_COUNTER,
                                              .unit = METRIC_SECONDS,
                                              .name = "windlass_busy_seconds_total",
                                              .help = "Time spent." });
    metric_add(requests, metric_series(requests, 0, 0), 2);
    metric_add(requests, metric_series(requests, 1, 1), 3);
    metric_add(requests, metric_series(requests, 1, 1), 1);
    metric_add(requests, metric_series(requests, 0, 2), 7);
    metric_add(busy, 0, 1'500'000);
    metric_add(busy, 0, 1);
    struct exposition *x = scrape(m);
    assert_true(is(value_of(x, "windlass_http_requests_total{method=\"GET\",status=\"2xx\"}"), 2));
    assert_true(is(value_of(x, "windlass_http_requests_total{method=\"POST\",status=\"4xx\"}"), 4));
    assert_true(is(value_of(x, "windlass_http_requests_total{method=\"POST\",status=\"2xx\"}"), 0));
    assert_true(is(value_of(x, "windlass_http_requests_total{method=\"GET\",status=\"say "
                               "\\\"5xx\\\"\\\\\\n\"}"),
                   7));
    assert_true(is(value_of(x, "windlass_busy_seconds_total"), 1.500001));
    assert_string_equal(map_get(x->types, STR("windlass_busy_seconds_total")), "counter");
    forget(x);
}

static void gauges_are_set_and_moved(void **state)
{
    (void)state;
    scoped(metrics_destroyp) struct metrics *m = metrics_create();
    struct metric *open = metrics_add(
        m, &(struct metric_spec){ .type = METRIC_GAUGE, .name = "windlass_open", .help = "Open." });
    struct metric *lag = metrics_add(m, &(struct metric_spec){ .type = METRIC_GAUGE,
                                                               .unit = METRIC_SECONDS,
                                                               .name = "windlass_lag_seconds",
                                                               .help = "Lag." });
    metric_move(open, 0, 5);
    metric_move(open, 0, -7);
    metric_set(lag, 0, -2'500'000);
    struct exposition *x = scrape(m);
    assert_true(is(value_of(x, "windlass_open"), -2));
    assert_true(is(value_of(x, "windlass_lag_seconds"), -2.5));
    forget(x);
    metric_set(lag, 0, 3);
    x = scrape(m);
    assert_true(is(value_of(x, "windlass_lag_seconds"), 0.000003));
    forget(x);
}

static void histograms_are_cumulative_with_inclusive_bounds(void **state)
{
    (void)state;
    scoped(metrics_destroyp) struct metrics *m = metrics_create();
    struct metric *time = metrics_add(
        m, &(struct metric_spec){ .type = METRIC_HISTOGRAM,
                                  .unit = METRIC_SECONDS,
                                  .name = "windlass_time_seconds",
                                  .help = "Time.",
                                  .labels = { { "method", methods, countof(methods) } } });
    struct metric *size = metrics_add(m, &(struct metric_spec){ .type = METRIC_HISTOGRAM,
                                                                .unit = METRIC_BYTES,
                                                                .name = "windlass_size_bytes",
                                                                .help = "Size." });
    static const uint64_t times_us[] = { 0, 100, 101, 250, 10'000'000, 10'000'001, 60'000'000 };
    for (size_t i = 0; i < countof(times_us); i++)
        metric_observe(time, 1, times_us[i]);
    metric_observe(size, 0, 1025);
    struct exposition *x = scrape(m);
    static const struct {
        const char *sample;
        double value;
    } expected[] = {
        { "windlass_time_seconds_bucket{method=\"POST\",le=\"0.0001\"}", 2 },
        { "windlass_time_seconds_bucket{method=\"POST\",le=\"0.00025\"}", 4 },
        { "windlass_time_seconds_bucket{method=\"POST\",le=\"5\"}", 4 },
        { "windlass_time_seconds_bucket{method=\"POST\",le=\"10\"}", 5 },
        { "windlass_time_seconds_bucket{method=\"POST\",le=\"+Inf\"}", 7 },
        { "windlass_time_seconds_count{method=\"POST\"}", 7 },
        { "windlass_time_seconds_sum{method=\"POST\"}", 80.000452 },
        { "windlass_time_seconds_count{method=\"GET\"}", 0 },
        { "windlass_size_bytes_bucket{le=\"1024\"}", 0 },
        { "windlass_size_bytes_bucket{le=\"4096\"}", 1 },
        { "windlass_size_bytes_bucket{le=\"16777216\"}", 1 },
        { "windlass_size_bytes_sum", 1025 },
    };
    for (size_t i = 0; i < countof(expected); i++)
        if (!is(value_of(x, expected[i].sample), expected[i].value))
            fail_msg("%s", expected[i].sample);
    forget(x);
}

enum { THREADS = 12, ROUNDS = 20000 };

static struct metric *shared_counter, *shared_histogram;

static int record(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(shared_counter, 0, 1);
        metric_observe(shared_histogram, 0, 3);
    }
    return 0;
}

static void loses_nothing_among_threads(void **state)
{
    (void)state;
    scoped(metrics_destroyp) struct metrics *m = metrics_create();
    shared_counter = metrics_add(
        m,
        &(struct metric_spec){ .type = METRIC_COUNTER, .name = "windlass_n_total", .help = "N." });
    shared_histogram = metrics_add(
        m, &(struct metric_spec){ .type = METRIC_HISTOGRAM, .name = "windlass_h", .help = "H." });
    thrd_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thrd_create(&threads[i], record, NULL), thrd_success);
    for (int i = 0; i < THREADS; i++)
        thrd_join(threads[i], NULL);
    struct exposition *x = scrape(m);
    assert_true(is(value_of(x, "windlass_n_total"), THREADS * ROUNDS));
    assert_true(is(value_of(x, "windlass_h_count"), THREADS * ROUNDS));
    assert_true(is(value_of(x, "windlass_h_sum"), 3.0 * THREADS * ROUNDS));
    forget(x);
}

static void tells_about_build_and_process(void **state)
{
    (void)state;
    scoped(metrics_destroyp) struct metrics *m = metrics_create();
    struct exposition *x = scrape(m);
    assert_true(value_of(x, "process_resident_memory_bytes") > 100'000);
    assert_true(value_of(x, "process_virtual_memory_bytes") >
                value_of(x, "process_resident_memory_bytes"));
    assert_true(value_of(x, "process_cpu_seconds_total") >= 0);
    assert_true(value_of(x, "process_threads") >= 1);
    assert_true(value_of(x, "process_open_fds") >= 3);
    double started = value_of(x, "process_start_time_seconds");
    double now = (double)time(NULL);
    assert_true(started < now + 2 && started > now - 3600);
    forget(x);
    x = scrape(m);
    assert_true(is(value_of(x, "process_start_time_seconds"), started)); /* it does not wander */
    struct str key;
    void *value;
    size_t builds = 0;
    for (size_t at = 0; map_next(x->samples, &at, &key, &value);)
        builds += str_starts_with(key, STR("windlass_build_info{version=\""));
    assert_int_equal(builds, 1);
    forget(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_declared_labels),
        cmocka_unit_test(gauges_are_set_and_moved),
        cmocka_unit_test(histograms_are_cumulative_with_inclusive_bounds),
        cmocka_unit_test(loses_nothing_among_threads),
        cmocka_unit_test(tells_about_build_and_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
