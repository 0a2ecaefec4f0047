#include "io/offload.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/loop_priv.h"

struct job {
    uv_work_t uv;
    struct list link;
    struct io_offload *offload;
    io_fn *work, *done;
    void *owner;
};

struct io_offload {
    struct io_loop *loop;
    struct list waiting; /* struct job */
    size_t waiting_count, waiting_max;
    size_t running_count, running_max;
};

struct io_offload *io_offload_create(struct io_loop *loop, size_t running_max, size_t waiting_max)
{
    assert(running_max > 0);
    struct io_offload *o = mem_new(struct io_offload);
    o->loop = loop;
    o->running_max = running_max;
    o->waiting_max = waiting_max;
    list_init(&o->waiting);
    return o;
}

static void run_job(uv_work_t *uv)
{
    struct job *job = (struct job *)uv;
    job->work(job->owner);
}

static void start_jobs(struct io_offload *o);

static void on_job_done(uv_work_t *uv, int status)
{
    assert(status == 0); /* jobs are never cancelled */
    struct job *job = (struct job *)uv;
    struct io_offload *o = job->offload;
    o->running_count--;
    start_jobs(o); /* before the call, which may destroy the owner but not the offload */
    job->done(job->owner);
    mem_free(job);
}

static void start_jobs(struct io_offload *o)
{
    while (o->running_count < o->running_max && !list_is_empty(&o->waiting)) {
        struct job *job = container_of(list_pop(&o->waiting), struct job, link);
        o->waiting_count--;
        o->running_count++;
        int failed = uv_queue_work(&o->loop->uv, &job->uv, run_job, on_job_done);
        assert(failed == 0); /* fails only without a function */
    }
}

bool io_offload_submit(struct io_offload *o, io_fn *work, io_fn *done, void *owner, struct err *e)
{
    if (o->running_count >= o->running_max && o->waiting_count >= o->waiting_max)
        return err_set(e, ERR_RATE, "too much work is waiting (limit %zu), try again later",
                       o->waiting_max);
    struct job *job = mem_new(struct job);
    job->offload = o;
    job->work = work;
    job->done = done;
    job->owner = owner;
    list_push(&o->waiting, &job->link);
    o->waiting_count++;
    start_jobs(o);
    return true;
}

size_t io_offload_waiting(const struct io_offload *o)
{
    return o->waiting_count;
}

void io_offload_destroy(struct io_offload *o)
{
    if (!o)
        return;
    assert(o->running_count == 0 && o->waiting_count == 0);
    mem_free(o);
}
