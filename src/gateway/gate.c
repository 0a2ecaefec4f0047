#include "gateway/gate.h"

#include "auth/rate.h"
#include "base/clock.h"
#include "base/mem.h"
#include "gateway/meter.h"
#include "io/offload.h"

enum { KEYS_MAX = 50'000 };

struct gate {
    struct gate_options options;
    struct io_offload *offload;
    struct rate *accounts, *addresses;
};

struct gate *gate_create(const struct gate_options *options)
{
    struct gate *gate = mem_new(struct gate);
    gate->options = *options;
    gate->offload = io_offload_create(options->home, options->running_max, options->waiting_max);
    gate->accounts = rate_create(options->account_failures_max, options->window_us, KEYS_MAX);
    gate->addresses = rate_create(options->address_failures_max, options->window_us, KEYS_MAX);
    return gate;
}

void gate_destroy(struct gate *gate)
{
    if (gate == NULL)
        return;
    io_offload_destroy(gate->offload);
    rate_destroy(gate->accounts);
    rate_destroy(gate->addresses);
    mem_free(gate);
}

static void finish(struct gate_job *job)
{
    io_loop_post(job->loop, job->done, job->owner);
}

/* On a thread of its own. */
static void work(void *owner)
{
    struct gate_job *job = owner;
    const struct password_params *params = &job->gate->options.params;
    struct str to_hash = job->new_password;
    switch (job->compare) {
    case GATE_NOTHING:
        job->is_match = true;
        break;
    case GATE_NOBODY:
        password_verify_nobody(job->password, params);
        break;
    case GATE_HASH:
        if (!password_verify(job->password, job->hash, &job->is_match, &job->err))
            return;
        if (to_hash.ptr == NULL && password_needs_rehash(job->hash, params))
            to_hash = job->password;
        if (!job->is_match && password_needs_rehash(job->hash, params))
            password_verify_nobody(job->password, params); /* cheaper than nobody it must not be */
        break;
    }
    if (job->is_match && to_hash.ptr != NULL)
        job->has_new_hash = password_hash(to_hash, params, job->new_hash, &job->err);
}

/* Takes a try of both or of none; each failure keeps what it took. */
static bool may_try(struct gate_job *job)
{
    struct gate *gate = job->gate;
    int64_t now_us = clock_mono_us();
    if (!str_is_empty(job->account) &&
        !rate_take(gate->accounts, job->account, now_us, &job->retry_after_us))
        return err_set(&job->err, ERR_RATE, "too many failed attempts for this account");
    if (!str_is_empty(job->address) &&
        !rate_take(gate->addresses, job->address, now_us, &job->retry_after_us)) {
        rate_give_back(gate->accounts, job->account);
        return err_set(&job->err, ERR_RATE, "too many failed attempts from this address");
    }
    return true;
}

/* A success forgives the account its failures; what was not tried gives back what it took. */
static void settle(struct gate_job *job)
{
    struct gate *gate = job->gate;
    bool is_failure = job->err.code == ERR_NONE && !job->is_match;
    if (is_failure)
        return;
    if (!str_is_empty(job->account)) {
        if (job->is_match)
            rate_forget(gate->accounts, job->account);
        else
            rate_give_back(gate->accounts, job->account);
    }
    if (!str_is_empty(job->address))
        rate_give_back(gate->addresses, job->address);
}

static void worked(void *owner)
{
    struct gate_job *job = owner;
    meter_password_jobs(job->gate->options.meter, -1);
    settle(job);
    finish(job);
}

static void begin(void *owner)
{
    struct gate_job *job = owner;
    if (!may_try(job)) {
        finish(job);
    } else if (!io_offload_submit(job->gate->offload, work, worked, job, &job->err)) {
        err_set(&job->err, ERR_RATE, "too many sign-ins at once; try again in a moment");
        job->retry_after_us = CLOCK_S;
        settle(job);
        finish(job);
    } else {
        meter_password_jobs(job->gate->options.meter, 1);
    }
}

void gate_submit(struct gate *gate, struct io_loop *loop, struct gate_job *job)
{
    job->gate = gate;
    job->loop = loop;
    if (loop == gate->options.home)
        begin(job);
    else
        io_loop_post(gate->options.home, begin, job);
}
