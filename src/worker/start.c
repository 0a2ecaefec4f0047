/* start: the schema is prepared on a thread, while the loop answers that it is not ready. */
#include "base/clock.h"
#include "base/mem.h"
#include "io/offload.h"
#include "schema/start.h"
#include "worker/worker_priv.h"

static const int64_t wait_us = INT64_C(60) * CLOCK_S; /* for the database, then the service ends */

struct worker_start {
    struct worker *w;
    struct io_offload *offload;
    io_fn *done;
    atomic_bool is_cancelled;
    struct err err; /* what the thread found; read after `done` */
};

static enum schema_mode mode_of(const struct conf *conf)
{
    switch ((enum conf_schema)conf_choice(conf, CONF_SCHEMA)) {
    case CONF_SCHEMA_SYNCHRONISE:
        return SCHEMA_MODE_SYNCHRONISE;
    case CONF_SCHEMA_MIGRATE:
        return SCHEMA_MODE_MIGRATE;
    case CONF_SCHEMA_CHECK:
        return SCHEMA_MODE_CHECK;
    case CONF_SCHEMA_AUTO:
        break;
    }
    return conf_choice(conf, CONF_ENV) == CONF_ENV_DEVELOPMENT ? SCHEMA_MODE_SYNCHRONISE
                                                               : SCHEMA_MODE_CHECK;
}

static struct str url_for(const struct conf *conf, enum schema_mode mode)
{
    struct str owner = conf_str(conf, CONF_MIGRATE_DATABASE_URL);
    struct str own = conf_str(conf, CONF_WORKER_DATABASE_URL);
    if (mode != SCHEMA_MODE_CHECK && owner.len > 0)
        return owner;
    return own.len > 0 ? own : conf_str(conf, CONF_DATABASE_URL);
}

static bool attempt(void *owner, struct err *e)
{
    const struct conf *conf = ((struct worker_start *)owner)->w->conf;
    enum schema_mode mode = mode_of(conf);
    struct schema_options options = {
        .set = &schema_worker,
        .connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS,
        .report = schema_report_to_log,
    };
    if (!schema_prepare(url_for(conf, mode), mode, &options, e))
        return err_in(e, "schema");
    options.set = &schema_windlass; /* it writes to the worker's */
    return schema_prepare(url_for(conf, mode), mode, &options, e) || err_in(e, "schema");
}

static void work(void *owner)
{
    struct worker_start *start = owner;
    struct err e;
    bool is_done = schema_try_until(attempt, start, wait_us, &start->is_cancelled, &e);
    start->err = is_done ? (struct err){ 0 } : e;
}

static void worked(void *owner)
{
    struct worker_start *start = owner;
    start->done(start->w);
}

struct worker_start *worker_start_begin(struct worker *w, io_fn *done)
{
    struct worker_start *start = mem_new(struct worker_start);
    struct err e;
    start->w = w;
    start->done = done;
    start->offload = io_offload_create(w->loop, 1, 1);
    bool is_queued = io_offload_submit(start->offload, work, worked, start, &e);
    assert(is_queued);
    return start;
}

bool worker_start_finish(struct worker_start *start, struct err *e)
{
    if (start->err.code == ERR_NONE)
        return true;
    *e = start->err;
    return err_in(e, "start the worker");
}

void worker_start_cancel(struct worker_start *start)
{
    atomic_store(&start->is_cancelled, true);
}

void worker_start_destroy(struct worker_start *start)
{
    if (!start)
        return;
    io_offload_destroy(start->offload);
    mem_free(start);
}
