#include "db/link_priv.h"

#include "base/mem.h"
#include "db/db_transaction_sql.h"
#include "db/rows_priv.h"
#include "db/statement_priv.h"

enum { OPS_FIRST = 64 };

/* ── the queue of what the server will answer ── */

static void push_op(struct db_link *link, struct op op)
{
    if (link->op_count == link->op_capacity) {
        size_t capacity = max_of(link->op_capacity * 2, (size_t)OPS_FIRST);
        struct op *ops = mem_zalloc(capacity, sizeof *ops);
        for (size_t i = 0; i < link->op_count; i++)
            ops[i] = link->ops[(link->op_first + i) & (link->op_capacity - 1)];
        mem_free(link->ops);
        link->ops = ops;
        link->op_first = 0;
        link->op_capacity = capacity;
    }
    link->ops[(link->op_first + link->op_count++) & (link->op_capacity - 1)] = op;
}

static struct op *first_op(struct db_link *link)
{
    assert(link->op_count > 0);
    return &link->ops[link->op_first];
}

static struct op pop_op(struct db_link *link)
{
    struct op op = *first_op(link);
    link->op_first = (link->op_first + 1) & (link->op_capacity - 1);
    link->op_count--;
    link->has_answered = false;
    return op;
}

void link_drop_ops(struct db_link *link)
{
    while (link->op_count) {
        struct op op = pop_op(link);
        if (op.kind == OP_FORGET)
            prepared_free(op.prepared);
    }
}

/* ── sending ── */

/* libpq refuses only on a broken connection or a message that is too long for it. */
static void accepted(struct db_link *link, int is_accepted, struct op op)
{
    if (!is_accepted)
        link->is_failing = true;
    else
        push_op(link, op);
}

static void send_statement(struct db_link *link, const struct db_statement *s,
                           const struct db_args *args, struct op op)
{
    const char *const *values = args ? args->values : NULL;
    const int *lengths = args ? args->lengths : NULL;
    struct args_formats room;
    const int *formats = args_formats(args, &room);
    if (link->is_failing)
        return;
    if (link->lane->pool->options.is_prepare_off) {
        accepted(link,
                 PQsendQueryParams(link->pq, s->sql, s->param_count, s->oids, values, lengths,
                                   formats, 0),
                 op);
        return;
    }
    op.prepared = prepared_get(&link->prepared, s);
    if (!op.prepared->is_known) {
        op.prepared->is_known = true;
        accepted(link, PQsendPrepare(link->pq, op.prepared->name, s->sql, s->param_count, s->oids),
                 (struct op){ .kind = OP_PARSE,
                              .step = op.step,
                              .request = op.request,
                              .prepared = op.prepared });
    }
    accepted(link,
             PQsendQueryPrepared(link->pq, op.prepared->name, s->param_count, values, lengths,
                                 formats, 0),
             op);
}

void link_send_step(struct db_link *link, struct db_request *r, size_t step)
{
    const struct db_step *s = &r->steps[step].step;
    send_statement(link, s->statement, s->args,
                   (struct op){ .kind = OP_STEP, .step = (unsigned)step, .request = r });
}

void link_send_extra(struct db_link *link, struct db_request *r,
                     const struct db_statement *statement, const struct db_args *args)
{
    send_statement(link, statement, args, (struct op){ .kind = OP_EXTRA, .request = r });
}

static void send_sync(struct db_link *link, struct op op)
{
    if (link->is_failing)
        return;
    op.kind = OP_SYNC;
    accepted(link, PQpipelineSync(link->pq), op);
}

static void settings_of(const struct db_link *link, struct arena *a, struct str **ret_names,
                        struct str **ret_values)
{
    const struct db_lane_options *options = &link->lane->options;
    *ret_names = arena_new_array(a, options->setting_count, struct str);
    *ret_values = arena_new_array(a, options->setting_count, struct str);
    for (size_t i = 0; i < options->setting_count; i++) {
        (*ret_names)[i] = options->settings[i].name;
        (*ret_values)[i] = options->settings[i].value;
    }
}

void link_send_session(struct db_link *link)
{
    size_t count = link->lane->options.setting_count;
    link->is_own = link->will_be_own = false;
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    struct str *names, *values;
    settings_of(link, a, &names, &values);
    send_statement(link, &db_session_settings,
                   db_session_settings_args(a, PQbackendPID(link->pq), names, count, values, count),
                   (struct op){ .kind = OP_SESSION });
    send_sync(link, (struct op){ .is_session = true });
}

void link_send_settings(struct db_link *link, struct db_request *r)
{
    size_t count = link->lane->options.setting_count;
    if (count == 0 || link->is_own)
        return;
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    struct str *names, *values;
    settings_of(link, a, &names, &values);
    link_send_extra(link, r, &db_transaction_settings,
                    db_transaction_settings_args(a, names, count, values, count));
}

/* Errors are the next call's. */
void link_rouse(struct db_link *link)
{
    if (link->is_own && PQsendFlushRequest(link->pq) == 1)
        (void)PQflush(link->pq);
}

void link_sync(struct db_link *link, struct db_request *r)
{
    send_sync(link, (struct op){ .request = r });
    link->lane->stats.syncs++;
    /* In a transaction of its own: failing must not disturb anybody. */
    for (struct prepared *p; !link->is_failing && (p = prepared_take_dropped(&link->prepared));) {
        char sql[DB_NAME_MAX + sizeof "DEALLOCATE \"\""];
        snprintf(sql, sizeof sql, "DEALLOCATE \"%s\"", p->name);
        accepted(link, PQsendQueryParams(link->pq, sql, 0, NULL, NULL, NULL, NULL, 0),
                 (struct op){ .kind = OP_FORGET, .prepared = p });
        if (link->is_failing)
            prepared_free(p);
        send_sync(link, (struct op){ 0 });
    }
}

/* ── receiving ── */

static const char *field(const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text ? text : "";
}

/* 26000: the server does not know the name (its session was reset, or its Parse was skipped). */
static bool is_stale_plan(const PGresult *result, const char *sqlstate)
{
    return strcmp(sqlstate, "26000") == 0 ||
           (strcmp(sqlstate, "0A000") == 0 &&
            strcmp(field(result, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0);
}

static void note_failure(struct db_link *link, const struct op *op, const PGresult *result)
{
    const char *sqlstate = field(result, PG_DIAG_SQLSTATE);
    bool is_stale = op->kind != OP_PARSE && op->prepared && is_stale_plan(result, sqlstate);
    if (op->prepared && (is_stale || op->kind == OP_PARSE))
        prepared_drop(&link->prepared, op->prepared);
    struct db_request *r = op->request;
    if (!r || !r->fn || r->failure) /* without a caller, his statements are gone too */
        return;
    r->failure = mem_new(struct db_failure);
    struct db_failure *f = r->failure;
    f->is_stale_plan = is_stale;
    snprintf(f->sqlstate, sizeof f->sqlstate, "%s", sqlstate);
    snprintf(f->constraint, sizeof f->constraint, "%s", field(result, PG_DIAG_CONSTRAINT_NAME));
    db_step_fail(result, r->steps[op->step].step.statement->name, &f->err);
    const struct db_pool_options *options = &r->lane->pool->options;
    if (options->on_refused && db_sqlstate_is_no_writes(sqlstate))
        options->on_refused(options->owner, &f->err);
}

static void step_answered(const struct op *op, struct db_rows *rows)
{
    struct db_request *r = op->request;
    r->lane->class->step_done(r, op->step, rows);
}

/* True when the server has said that it goes, not that the statement is wrong. */
static bool is_farewell(const struct db_link *link, const PGresult *result)
{
    return PQstatus(link->pq) == CONNECTION_BAD ||
           db_sqlstate_is_outage(field(result, PG_DIAG_SQLSTATE));
}

static void op_failed(struct db_link *link, const PGresult *result)
{
    const struct op op = *first_op(link);
    if (op.kind != OP_FORGET)
        note_failure(link, &op, result);
    if (op.kind == OP_STEP)
        step_answered(&op, NULL);
}

static void op_skipped(struct db_link *link)
{
    const struct op op = *first_op(link);
    if (op.kind == OP_PARSE)
        prepared_drop(&link->prepared, op.prepared);
    if (op.kind == OP_STEP)
        step_answered(&op, NULL);
}

static void op_done(struct db_link *link, PGresult *result)
{
    const struct op op = *first_op(link);
    if (op.kind == OP_STEP) {
        step_answered(&op, db_rows_create(result));
        return;
    }
    if (op.kind == OP_SESSION)
        link->will_be_own = PQntuples(result) > 0;
    PQclear(result);
}

/* The settings are answered also by a server that answers nothing else: its disk stands still. */
static void sync_done(struct db_link *link)
{
    struct op op = pop_op(link);
    backoff_reset(&link->backoff);
    if (op.is_session)
        link->is_own = link->will_be_own;
    else
        link->given_up = 0;
    if (op.request && op.request->lane->class->synced)
        op.request->lane->class->synced(op.request);
}

/* Takes the result. False: the connection is of no more use. */
static bool take_result(struct db_link *link, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    bool is_sync = first_op(link)->kind == OP_SYNC;
    if (status == PGRES_PIPELINE_SYNC && is_sync) {
        PQclear(result);
        sync_done(link);
        return true;
    }
    link->has_answered = true;
    if (!is_sync &&
        (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY)) {
        op_done(link, result);
        return true;
    }
    bool is_good = false;
    if (status == PGRES_FATAL_ERROR && !is_farewell(link, result)) {
        op_failed(link, result); /* at a Sync: the commit itself failed */
        is_good = true;
    } else if (status == PGRES_PIPELINE_ABORTED && !is_sync) {
        op_skipped(link);
        is_good = true;
    }
    if (!is_good) {
        struct err e = { 0 };
        if (strcmp(field(result, PG_DIAG_SEVERITY_NONLOCALIZED), "ERROR") == 0)
            note_failure(link, first_op(link), result); /* rolled back: nothing is in doubt */
        db_result_fail(result, "the database ended the connection", &e);
        link_fail(link, &e);
    }
    PQclear(result);
    return is_good;
}

/* Everything that has come. libpq ends each statement's results with a NULL, but not a Sync's. */
static void receive(struct db_link *link)
{
    unsigned empty = 0;
    size_t in_flight_before = link->in_flight_count;
    if (!PQisBusy(link->pq))
        link->quiet_since_us = io_loop_now_us(link->lane->pool->loop);
    while (link->op_count && empty < 2 && !PQisBusy(link->pq)) {
        PGresult *result = PQgetResult(link->pq);
        if (!result) {
            if (link->has_answered && first_op(link)->kind != OP_SYNC) {
                struct op op = pop_op(link);
                if (op.kind == OP_FORGET)
                    prepared_free(op.prepared);
            } else {
                empty++;
            }
            continue;
        }
        empty = 0;
        if (!take_result(link, result))
            return;
    }
    if (link->in_flight_count < in_flight_before && link->lane->waiting_count)
        pool_wake(link->lane->pool); /* there is room again */
}

static void fail_with_reason(struct db_link *link)
{
    char reason[160];
    struct err e = { 0 };
    db_connection_reason(link->pq, reason, sizeof reason);
    err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE, "connection lost: %s", reason);
    link_fail(link, &e);
}

void link_flush(struct db_link *link)
{
    if (link->state != LINK_OPEN)
        return;
    int unsent = link->is_failing ? -1 : PQflush(link->pq);
    if (unsent < 0) {
        fail_with_reason(link);
        return;
    }
    io_poll_set(link->poll, IO_READABLE | (unsent ? IO_WRITABLE : 0));
    receive(link); /* sending may have read too, when the kernel took no more */
}

void link_on_ready(void *owner, int events)
{
    struct db_link *link = owner;
    if (events & IO_READABLE) {
        bool is_alive = PQconsumeInput(link->pq) == 1;
        if (is_alive)
            link->heard_us = io_loop_now_us(link->lane->pool->loop);
        receive(link); /* also what came before the end */
        if (link->state == LINK_OPEN && !is_alive) {
            fail_with_reason(link);
            return;
        }
    }
    if (link->state == LINK_OPEN && events & IO_WRITABLE)
        link_flush(link);
}
