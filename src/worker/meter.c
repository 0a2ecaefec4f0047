#include "worker/meter.h"

#include "base/mem.h"
#include "worker/feed.h"
#include "worker/session.h"
#include "worker/settings.h"

struct worker_meter {
    struct metrics *metrics;
    struct metric *batches, *batch_size, *commit, *halved, *refused, *doubts, *step_downs, *ticked;
    struct metric *feed_events, *feed_waiting, *feed_bytes;
    struct metric *tasks, *queued, *sessions, *waiting, *leading, *memory, *paused;
    struct metric *connections, *lost;
    struct metric *inbox_refused;
};

static const char *const doubt_names[] = { "committed", "never", "overtaken" };
static const char *const feed_names[] = { "memory", "tables" };
static const char *const paused_names[] = { "types", "queues" };
static const char *const task_names[] = { "ready", "running", "unfinished" };

static struct metric *add(struct worker_meter *m, enum metric_type type, enum metric_unit unit,
                          const char *name, const char *help)
{
    return metrics_add(m->metrics, &(struct metric_spec){
                                       .type = type, .unit = unit, .name = name, .help = help });
}

static struct metric *add_by(struct worker_meter *m, enum metric_type type, const char *name,
                             const char *help, struct metric_label label)
{
    return metrics_add(
        m->metrics,
        &(struct metric_spec){ .type = type, .name = name, .help = help, .labels = { label } });
}

struct worker_meter *worker_meter_create(void)
{
    struct worker_meter *m = mem_new(struct worker_meter);
    m->metrics = metrics_create();
    m->batches = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_worker_batches_total",
                     "Transactions that were committed.");
    m->batch_size = add(m, METRIC_HISTOGRAM, METRIC_PLAIN, "windlass_worker_batch_changes",
                        "Changes of a transaction.");
    m->commit = add(m, METRIC_HISTOGRAM, METRIC_SECONDS, "windlass_worker_commit_seconds",
                    "From sending a transaction to its answer.");
    m->halved = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_worker_batches_halved_total",
                    "Transactions that were undone to find the change that made them fail.");
    m->refused = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_worker_changes_refused_total",
                     "Changes that the database refused for good.");
    m->inbox_refused = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_worker_inbox_refused_total",
                           "Entries of windlass.enqueue that could not become tasks.");
    m->doubts = add_by(m, METRIC_COUNTER, "windlass_worker_doubts_total",
                       "Commits whose answer did not come, by what became of them.",
                       (struct metric_label){ "outcome", doubt_names, countof(doubt_names) });
    m->step_downs = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_worker_step_downs_total",
                        "Times that this worker stopped leading other than by its own end.");
    m->ticked = add(m, METRIC_COUNTER, METRIC_PLAIN, "windlass_worker_checkpoint_rows_total",
                    "Rows that checkpoints wrote.");
    m->feed_events = add_by(m, METRIC_COUNTER, "windlass_worker_feed_events_total",
                            "Events that were served, by where they came from.",
                            (struct metric_label){ "from", feed_names, countof(feed_names) });
    m->feed_waiting = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_feed_waiting",
                          "Requests of the feed that wait for a change.");
    m->feed_bytes = add(m, METRIC_GAUGE, METRIC_BYTES, "windlass_worker_feed_memory_bytes",
                        "Events in memory.");
    m->tasks =
        add_by(m, METRIC_GAUGE, "windlass_worker_tasks", "Unfinished tasks in memory, by state.",
               (struct metric_label){ "state", task_names, countof(task_names) });
    m->queued = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_intents_waiting",
                    "Changes that wait for a transaction.");
    m->sessions = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_sessions",
                      "Executors that are connected.");
    m->waiting = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_lease_requests_waiting",
                     "Requests for leases that wait for a task.");
    m->leading =
        add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_leading", "1 while this worker leads.");
    m->memory = add(m, METRIC_GAUGE, METRIC_BYTES, "windlass_worker_task_memory_bytes",
                    "What the unfinished tasks occupy.");
    m->paused = add_by(m, METRIC_GAUGE, "windlass_worker_paused",
                       "Task types and queues that somebody has paused.",
                       (struct metric_label){ "what", paused_names, countof(paused_names) });
    m->connections = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_db_connections_open",
                         "Open connections to PostgreSQL.");
    m->lost = add(m, METRIC_GAUGE, METRIC_PLAIN, "windlass_worker_db_connections_lost",
                  "Connections to PostgreSQL that were lost since the start.");
    return m;
}

void worker_meter_destroy(struct worker_meter *m)
{
    if (!m)
        return;
    metrics_destroy(m->metrics);
    mem_free(m);
}

static void look_at_pauses(struct worker_meter *m, const struct shard *s)
{
    int64_t types = 0, queues = 0;
    for (size_t i = 0; i < s->type_count; i++)
        types += s->types[i].settings != NULL && s->types[i].settings->pause.is_on;
    for (size_t i = 0; i < s->queues_known; i++)
        queues += s->queues[i].settings != NULL && s->queues[i].settings->pause.is_on;
    metric_set(m->paused, 0, types);
    metric_set(m->paused, 1, queues);
}

static void look(struct worker_meter *m, const struct shard *s)
{
    size_t open = 0;
    uint64_t lost = 0;
    for (size_t i = 0; i < DB_LANE_COUNT && s->pool; i++) {
        struct db_lane_stats stats;
        db_pool_stats(s->pool, (enum db_lane)i, &stats);
        open += stats.connections_open;
        lost += stats.connections_lost;
    }
    metric_set(m->connections, 0, (int64_t)open);
    metric_set(m->lost, 0, (int64_t)lost);
    metric_set(m->tasks, 0, (int64_t)live_ready_count(s->live));
    metric_set(m->tasks, 1, (int64_t)live_running_count(s->live));
    metric_set(m->tasks, 2, (int64_t)live_count(s->live));
    metric_set(m->memory, 0, (int64_t)live_bytes(s->live));
    metric_set(m->queued, 0, (int64_t)s->queue_count);
    metric_set(m->sessions, 0, (int64_t)session_set_count(s->sessions));
    metric_set(m->waiting, 0, (int64_t)session_set_waiting(s->sessions));
    metric_set(m->leading, 0, shard_is_leading(s));
    look_at_pauses(m, s);
    metric_set(m->feed_waiting, 0, (int64_t)feed_waiting(s->feed));
    metric_set(m->feed_bytes, 0, (int64_t)feed_bytes(s->feed));
}

void worker_meter_write(struct worker_meter *m, const struct shard *s, struct buf *out)
{
    look(m, s);
    metrics_write(m->metrics, out);
}

void worker_meter_batch(struct worker_meter *m, size_t changes, int64_t took_us)
{
    metric_add(m->batches, 0, 1);
    metric_observe(m->batch_size, 0, changes);
    metric_observe(m->commit, 0, (uint64_t)max_of(took_us, (int64_t)0));
}

void worker_meter_halved(struct worker_meter *m)
{
    metric_add(m->halved, 0, 1);
}

void worker_meter_inbox_refused(struct worker_meter *m, size_t entries)
{
    metric_add(m->inbox_refused, 0, entries);
}

void worker_meter_refused(struct worker_meter *m)
{
    metric_add(m->refused, 0, 1);
}

void worker_meter_doubt(struct worker_meter *m, enum meter_doubt outcome)
{
    metric_add(m->doubts, outcome, 1);
}

void worker_meter_step_down(struct worker_meter *m)
{
    metric_add(m->step_downs, 0, 1);
}

void worker_meter_tick(struct worker_meter *m, size_t rows)
{
    metric_add(m->ticked, 0, rows);
}

void worker_meter_feed(struct worker_meter *m, bool from_tables, size_t events)
{
    metric_add(m->feed_events, from_tables, events);
}
