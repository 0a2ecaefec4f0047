#include "runner/runner.h"

#include "base/mem.h"
#include "runner/runner_priv.h"
#include "runner/types_priv.h"

enum { CONNECT_TIMEOUT_MS = 10'000 };

bool runner_create(struct io_loop *loop, const struct conf *conf, const char *spawner,
                   struct runner **ret_runner, struct err *e)
{
    struct runner *r = mem_new(struct runner);
    *r = (struct runner){ .loop = loop,
                          .slots = (size_t)conf_int(conf, CONF_RUNNER_SLOTS),
                          .spawner = mem_cstr(str_of_c(spawner)) };
    r->spawner_look = io_timer_create(loop, type_command_look, r);
    list_init(&r->running);
    acks_init(&r->acks);
    r->by_id = map_create();
    r->tally = tally_create();
    if (!http_guard_create(conf_str(conf, CONF_HTTP_ALLOW), &r->guard, e)) {
        runner_destroy(r);
        return err_in(e, "http-allow");
    }
    if (!http_secrets_create(conf_cstr(conf, CONF_HTTP_SECRETS), &r->http_secrets, e)) {
        runner_destroy(r);
        return err_in(e, "http-secrets");
    }
    if (!sql_connections_create(conf_cstr(conf, CONF_SQL_CONNECTIONS), &r->sql_connections, e)) {
        runner_destroy(r);
        return err_in(e, "sql-connections");
    }
    if (!mailer_create(conf, &r->mailer, e)) {
        runner_destroy(r);
        return false;
    }
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.guard = r->guard;
    options.running_max = r->slots;
    options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    options.breaker.failures_max = 0; /* one breaker for the whole internet would be no help */
    options.user_agent = "windlass-runner";
    r->web = http_client_create(loop, &options);
    if (!runner_session_create(r, conf, &r->session, e)) {
        runner_destroy(r);
        return false;
    }
    *ret_runner = r;
    return true;
}

const char *runner_not_ready(const struct runner *r)
{
    return runner_session_not_ready(r->session);
}

void runner_put_metrics(struct runner *r, struct buf *out)
{
    const struct tally_gauges gauges = { .running = r->running_count,
                                         .slots = r->slots,
                                         .unanswered_acks = r->acks.count,
                                         .has_session =
                                             runner_session_not_ready(r->session) == NULL };
    tally_write(r->tally, &gauges, out);
}

void runner_drain(struct runner *r, io_fn *done, void *owner)
{
    runner_session_drain(r->session, done, owner);
}

void runner_destroy(struct runner *r)
{
    if (!r)
        return;
    if (r->session)
        runner_lose_all(r);
    runner_session_destroy(r->session);
    http_client_destroy(r->web);
    http_guard_destroy(r->guard);
    http_secrets_destroy(r->http_secrets);
    sql_connections_destroy(r->sql_connections);
    mailer_destroy(r->mailer);
    acks_clear(&r->acks);
    map_destroy(r->by_id);
    tally_destroy(r->tally);
    io_timer_destroy(r->spawner_look);
    mem_free(r->spawner);
    mem_free(r);
}
