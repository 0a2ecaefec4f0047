#include "runner/tally.h"

#include "base/mem.h"
#include "obs/metrics.h"
#include "runner/attempt.h"

enum { VERDICT_DROPPED = WIRE_VERDICT_COUNT };

struct tally {
    struct metrics *registry;
    struct metric *tasks, *seconds, *calls, *acks;
    struct metric *running, *slots, *unanswered, *session;
};

static const char *const CALLS[TALLY_CALL_COUNT] = {
    [TALLY_OPEN] = "open", [TALLY_LEASES] = "leases",         [TALLY_MORE] = "more",
    [TALLY_ACKS] = "acks", [TALLY_HEARTBEATS] = "heartbeats", [TALLY_END] = "end",
};
static const char *const RESULTS[TALLY_RESULT_COUNT] = {
    [TALLY_OK] = "ok",
    [TALLY_GONE] = "gone",
    [TALLY_AWAY] = "away",
    [TALLY_REFUSED] = "refused",
};

static struct metric *add(struct tally *m, enum metric_type type, enum metric_unit unit,
                          const char *name, const char *help, struct metric_label first,
                          struct metric_label second)
{
    return metrics_add(
        m->registry,
        &(struct metric_spec){
            .type = type, .unit = unit, .name = name, .help = help, .labels = { first, second } });
}

struct tally *tally_create(void)
{
    static const char *types[TASK_TYPE_COUNT], *outcomes[TALLY_OUTCOME_COUNT],
        *verdicts[WIRE_VERDICT_COUNT + 1];
    for (size_t i = 0; i < TASK_TYPE_COUNT; i++)
        types[i] = task_types[i]->schema->name;
    for (int i = 0; i < ACK_OUTCOME_COUNT; i++)
        outcomes[i] = ack_outcome_name((enum ack_outcome)i);
    outcomes[TALLY_LOST] = "lost";
    for (int i = 0; i < WIRE_VERDICT_COUNT; i++)
        verdicts[i] = wire_verdict_name((enum wire_verdict)i);
    verdicts[VERDICT_DROPPED] = "dropped";
    const struct metric_label none = { 0 }, type = { "type", types, countof(types) },
                              outcome = { "outcome", outcomes, countof(outcomes) },
                              call = { "call", CALLS, countof(CALLS) },
                              result = { "result", RESULTS, countof(RESULTS) },
                              verdict = { "verdict", verdicts, countof(verdicts) };
    struct tally *m = mem_new(struct tally);
    m->registry = metrics_create();
    m->tasks = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_runner_tasks_total",
                   "Attempts that ended here.", type, outcome);
    m->seconds = add(m, METRIC_HISTOGRAM, METRIC_SECONDS, "windlass_runner_task_seconds",
                     "How long attempts ran.", type, none);
    m->calls = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_runner_calls_total",
                   "Calls to the worker.", call, result);
    m->acks = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_runner_acks_total",
                  "Acknowledgements, by the worker's answer.", verdict, none);
    m->running = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_runner_tasks_running",
                     "Tasks that run now.", none, none);
    m->slots = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_runner_slots",
                   "Tasks that may run at once.", none, none);
    m->unanswered = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_runner_acks_unanswered",
                        "Acknowledgements that the worker has not answered.", none, none);
    m->session = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_runner_session",
                     "1 while there is a session with the worker.", none, none);
    return m;
}

void tally_destroy(struct tally *m)
{
    if (!m)
        return;
    metrics_destroy(m->registry);
    mem_free(m);
}

void tally_task(struct tally *m, size_t type_index, int outcome, int64_t duration_us)
{
    metric_add(m->tasks, metric_series(m->tasks, type_index, (size_t)outcome), 1);
    metric_observe(m->seconds, metric_series(m->seconds, type_index, 0),
                   (uint64_t)max_of(duration_us, (int64_t)0));
}

void tally_called(struct tally *m, enum tally_call call, enum tally_result result)
{
    metric_add(m->calls, metric_series(m->calls, call, result), 1);
}

void tally_verdicts(struct tally *m, const uint64_t counts[WIRE_VERDICT_COUNT])
{
    for (size_t i = 0; i < WIRE_VERDICT_COUNT; i++)
        metric_add(m->acks, metric_series(m->acks, i, 0), counts[i]);
}

void tally_ack_dropped(struct tally *m)
{
    metric_add(m->acks, metric_series(m->acks, VERDICT_DROPPED, 0), 1);
}

void tally_write(struct tally *m, const struct tally_gauges *gauges, struct buf *out)
{
    metric_set(m->running, 0, (int64_t)gauges->running);
    metric_set(m->slots, 0, (int64_t)gauges->slots);
    metric_set(m->unanswered, 0, (int64_t)gauges->unanswered_acks);
    metric_set(m->session, 0, gauges->has_session);
    metrics_write(m->registry, out);
}
