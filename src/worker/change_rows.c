/* change_rows: what a batch's changes leave in the tables of tasks: columns of its statements. */
#include "base/mem.h"
#include "store/queue/batch_sql.h"
#include "worker/batch_priv.h"
#include "worker/change_priv.h"
#include "worker/columns.h"

enum { ROWS_FIRST = 32 };

#define VECTOR(type)                                                                               \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count, capacity;                                                                    \
    }

/* One more item, zeroed. */
#define vector_add(v)                                                                              \
    ({                                                                                             \
        (v)->items =                                                                               \
            mem_grow((v)->items, (v)->count, &(v)->capacity, ROWS_FIRST, sizeof *(v)->items);      \
        memset(&(v)->items[(v)->count], 0, sizeof *(v)->items);                                    \
        &(v)->items[(v)->count++];                                                                 \
    })

struct batch_rows {
    struct batch *b;
    VECTOR(struct task_row) tasks;
    VECTOR(struct done_row) done;
    VECTOR(struct attempt_row) attempts;
    VECTOR(struct reopened_row) reopened;
};

struct batch_rows *batch_rows_create(struct batch *b)
{
    struct batch_rows *rows = mem_new(struct batch_rows);
    rows->b = b;
    return rows;
}

void batch_rows_destroy(struct batch_rows *rows)
{
    mem_free(rows->tasks.items);
    mem_free(rows->done.items);
    mem_free(rows->attempts.items);
    mem_free(rows->reopened.items);
    mem_free(rows);
}

struct task_row *change_row_task(struct batch *b)
{
    return vector_add(&b->rows->tasks);
}

/* Rows are in the order of their numbers. */
const struct task_view *change_added(const struct batch *b, const struct live *task)
{
    const struct task_row *rows = b->rows->tasks.items;
    size_t low = 0, high = b->rows->tasks.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].seq < task->version)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->rows->tasks.count && rows[low].seq == task->version ? rows[low].view : NULL;
}

struct done_row *change_row_done(struct batch *b)
{
    return vector_add(&b->rows->done);
}

struct attempt_row *change_row_attempt(struct batch *b)
{
    return vector_add(&b->rows->attempts);
}

struct reopened_row *change_row_reopened(struct batch *b)
{
    return vector_add(&b->rows->reopened);
}

/* ── rows to statements ── */

static struct uuid id_or_none(bool has_it, struct uuid id)
{
    return has_it ? id : (struct uuid){ 0 };
}

static struct str text_of_ids(struct arena *a, const struct uuid *ids, size_t count)
{
    if (count == 0)
        return STR("{}");
    char *text = arena_alloc(a, count * (UUID_TEXT_LEN + 1) + 2);
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        *at++ = i ? ',' : '{';
        uuid_format(ids[i], at);
        at += UUID_TEXT_LEN;
    }
    *at++ = '}';
    return str_of(text, (size_t)(at - text));
}

static void task_step(struct batch *b, const struct task_row *r)
{
    const struct task_view *t = r->view;
    batch_step(b, &batch_task,
               batch_task_args(b->a, t->id, r->seq, (int32_t)r->type, (int16_t)t->priority,
                               (int32_t)t->max_attempts, (int32_t)t->timeout_s, t->run_at_us,
                               t->scheduled_for_us, id_or_none(t->has_job, t->job_id),
                               id_or_none(t->has_creator, t->created_by), t->queue, t->actor,
                               t->key, text_of_ids(b->a, t->depends_on, t->depends_on_count),
                               t->payload, b->at_us, (int64_t)t->key_hash));
}

static void task_steps(struct batch *b)
{
    struct arena *a = b->a;
    const struct task_row *r = b->rows->tasks.items;
    size_t n = b->rows->tasks.count;
    if (n == 1)
        task_step(b, r);
    if (n < 2)
        return;
    COLUMN(ids, struct uuid, r[i].view->id);
    COLUMN(seqs, int64_t, r[i].seq);
    COLUMN(types, int64_t, r[i].type);
    COLUMN(priorities, int64_t, r[i].view->priority);
    COLUMN(maxima, int64_t, r[i].view->max_attempts);
    COLUMN(timeouts, int64_t, r[i].view->timeout_s);
    SPARSE(run_ats, int64_t, r[i].view->run_at_us != b->at_us, r[i].view->run_at_us);
    SPARSE(fors, int64_t, r[i].view->scheduled_for_us != 0, r[i].view->scheduled_for_us);
    SPARSE(jobs, struct uuid, r[i].view->has_job,
           id_or_none(r[i].view->has_job, r[i].view->job_id));
    SPARSE(creators, struct uuid, r[i].view->has_creator,
           id_or_none(r[i].view->has_creator, r[i].view->created_by));
    COLUMN(queues, struct str, r[i].view->queue);
    COLUMN(actors, struct str, r[i].view->actor);
    SPARSE(keys, struct str, r[i].view->key.len > 0, r[i].view->key);
    SPARSE(depends, struct str, r[i].view->depends_on_count > 0,
           text_of_ids(a, r[i].view->depends_on, r[i].view->depends_on_count));
    COLUMN(payloads, struct str, r[i].view->payload);
    SPARSE(hashes, int64_t, r[i].view->key_hash != 0, (int64_t)r[i].view->key_hash);
    batch_step(b, &batch_tasks,
               batch_tasks_args(a, ids, n, seqs, n, types, n, priorities, n, maxima, n, timeouts, n,
                                run_ats, run_ats_count, fors, fors_count, jobs, jobs_count,
                                creators, creators_count, queues, n, actors, n, keys, keys_count,
                                depends, depends_count, payloads, n, b->at_us, hashes,
                                hashes_count));
}

static void done_steps(struct batch *b)
{
    struct arena *a = b->a;
    const struct done_row *r = b->rows->done.items;
    size_t n = b->rows->done.count;
    if (n == 0)
        return;
    COLUMN(ids, struct uuid, r[i].id);
    COLUMN(seqs, int64_t, r[i].seq);
    COLUMN(fences, int64_t, r[i].fence);
    COLUMN(states, int64_t, r[i].state);
    COLUMN(attempts, int64_t, r[i].attempt);
    COLUMN(maxima, int64_t, r[i].max_attempts);
    COLUMN(started_ats, int64_t, r[i].started_at_us);
    SPARSE(results, struct str, r[i].result.len > 0, r[i].result);
    SPARSE(has_errors, bool, r[i].has_error, r[i].has_error);
    SPARSE(errors, struct str, r[i].has_error, r[i].error);
    SPARSE(whys, struct str, r[i].why.len > 0, r[i].why);
    SPARSE(workers, struct str, r[i].worker.len > 0, r[i].worker);
    batch_step(b, &batch_done,
               batch_done_args(a, ids, n, seqs, n, fences, n, states, n, attempts, n, maxima, n,
                               started_ats, n, results, results_count, has_errors, has_errors_count,
                               errors, errors_count, whys, whys_count, workers, workers_count,
                               b->at_us));
}

static void attempt_steps(struct batch *b)
{
    struct arena *a = b->a;
    const struct attempt_row *r = b->rows->attempts.items;
    size_t n = b->rows->attempts.count;
    if (n == 0)
        return;
    COLUMN(ids, struct uuid, r[i].id);
    COLUMN(fences, int64_t, r[i].fence);
    COLUMN(seqs, int64_t, r[i].seq);
    COLUMN(attempts, int64_t, r[i].attempt);
    COLUMN(outcomes, int64_t, r[i].outcome);
    COLUMN(started_ats, int64_t, r[i].started_at_us);
    COLUMN(workers, struct str, r[i].worker);
    COLUMN(has_errors, bool, r[i].has_error);
    COLUMN(errors, struct str, r[i].error);
    batch_step(b, &batch_attempts,
               batch_attempts_args(a, ids, n, fences, n, seqs, n, attempts, n, outcomes, n,
                                   started_ats, n, workers, n, has_errors, n, errors, n, b->at_us));
}

static void reopened_steps(struct batch *b)
{
    struct arena *a = b->a;
    const struct reopened_row *r = b->rows->reopened.items;
    size_t n = b->rows->reopened.count;
    if (n == 0)
        return;
    COLUMN(ids, struct uuid, r[i].id);
    COLUMN(seqs, int64_t, r[i].seq);
    batch_step(b, &batch_reopen, batch_reopen_args(a, ids, n, seqs, n, (int64_t)n));
}

void batch_rows_steps(struct batch *b)
{
    reopened_steps(b);
    task_steps(b);
    done_steps(b);
    attempt_steps(b);
}
