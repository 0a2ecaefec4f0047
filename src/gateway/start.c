#include "gateway/start.h"

#include "auth/token.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/conn.h"
#include "io/notify.h"
#include "io/offload.h"
#include "schema/start.h"
#include "store/public/setup.h"

struct start {
    struct gateway *gw;
    struct io_offload *offload;
    io_fn *done;
    void *owner;
    atomic_bool is_cancelled;
    /* What the thread found; read after `done`. */
    struct err err;
    struct token setup_token;
    bool is_setup_open;
};

/* ── on the thread ── */

static enum schema_mode schema_mode(const struct conf *conf)
{
    bool is_development = conf_choice(conf, CONF_ENV) == CONF_ENV_DEVELOPMENT;
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
    return is_development ? SCHEMA_MODE_SYNCHRONISE : SCHEMA_MODE_CHECK;
}

static bool prepare_schema(const struct conf *conf, struct err *e)
{
    enum schema_mode mode = schema_mode(conf);
    bool is_owner_given = !str_is_empty(conf_str(conf, CONF_MIGRATE_DATABASE_URL));
    const struct schema_options options = {
        .connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS,
        .report = schema_report_to_log,
    };
    enum conf_id url =
        mode != SCHEMA_MODE_CHECK && is_owner_given ? CONF_MIGRATE_DATABASE_URL : CONF_DATABASE_URL;
    return schema_prepare(conf_str(conf, url), mode, &options, e) || err_in(e, "schema");
}

static bool read_installation(struct start *start, struct err *e)
{
    const struct conf *conf = start->gw->conf;
    const struct db_conn_options options = {
        .url = conf_str(conf, CONF_DATABASE_URL),
        .application_name = "windlass gateway start",
        .connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS,
    };
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    start->setup_token = token_make(TOKEN_SETUP);
    return db_conn_open(&options, &conn, e) &&
           setup_secret(conn, STR("cursor"), start->gw->cursor_key.bytes, e) &&
           setup_offer(conn, start->setup_token.hash, &start->is_setup_open, e);
}

static bool attempt(void *owner, struct err *e)
{
    struct start *start = owner;
    return prepare_schema(start->gw->conf, e) && read_installation(start, e);
}

static void work(void *owner)
{
    struct start *start = owner;
    struct err e;
    bool is_done =
        schema_try_until(attempt, start, START_DATABASE_WAIT_US, &start->is_cancelled, &e);
    start->err = is_done ? (struct err){ 0 } : e;
}

/* ── on the loop ── */

static void worked(void *owner)
{
    struct start *start = owner;
    start->done(start->owner);
}

struct start *start_begin(struct gateway *gw, io_fn *done, void *owner)
{
    struct start *start = mem_new(struct start);
    struct err e;
    start->gw = gw;
    start->done = done;
    start->owner = owner;
    start->offload = io_offload_create(gw->loops[0].io, 1, 1);
    bool is_queued = io_offload_submit(start->offload, work, worked, start, &e);
    assert(is_queued);
    return start;
}

void start_cancel(struct start *start)
{
    atomic_store(&start->is_cancelled, true);
}

/* To the supervisor, or to the person at the terminal; never to the log. */
static void tell_setup_token(const struct start *start)
{
    const struct gateway *gw = start->gw;
    char line[256];
    struct err e;
    if (!io_notify_is_wanted()) {
        printf("Set up the first user: %s/setup?token=%s\n", gw->url, start->setup_token.text);
        fflush(stdout);
        return;
    }
    snprintf(line, sizeof line, "X_WINDLASS_SETUP_TOKEN=%s\n", start->setup_token.text);
    if (!io_notify_send(str_of_c(line), &e))
        log_warn("notify.failed", "error=%s", log_quote(str_of_c(err_text(&e))));
}

bool start_finish(struct start *start, struct err *e)
{
    struct gateway *gw = start->gw;
    if (start->err.code != ERR_NONE) {
        *e = start->err;
        return err_in(e, "start the gateway");
    }
    atomic_store(&gw->has_users, !start->is_setup_open);
    atomic_store_explicit(&gw->is_ready, true, memory_order_release);
    if (start->is_setup_open)
        tell_setup_token(start);
    return true;
}

void start_destroy(struct start *start)
{
    if (start == NULL)
        return;
    io_offload_destroy(start->offload);
    explicit_bzero(&start->setup_token, sizeof start->setup_token);
    mem_free(start);
}
