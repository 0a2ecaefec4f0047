/* doctor_services: whether the services of this installation answer, and what they say. */
#include "base/base.h"

#include <errno.h>
#include <unistd.h>

#include "cmd/doctor_priv.h"
#include "cmd/probe_priv.h"
#include "cmd/up_site_priv.h"

/* Its ready-probe's address: what a setting gives, else its socket in the folder of `windlass up`.
 */
static struct str address_of(struct doctor *d, const char *run, enum up_service id,
                             struct str given)
{
    if (str_starts_with(given, STR("unix:")))
        return given;
    while (str_ends_with(given, STR("/")))
        given.len--;
    if (!str_is_empty(given))
        return arena_printf(d->arena, "%.*s/readyz", STR_FMT(given));
    return arena_printf(d->arena, "unix:%s", up_service_path(d->arena, run, id));
}

/* Where no setting and no running cluster names it: `up` then goes by its address. */
static const char *default_run_folder(struct doctor *d)
{
    struct str host = conf_str(d->conf, CONF_LISTEN);
    const char *port = conf_cstr(d->conf, CONF_PORT);
    struct str address = str_starts_with(host, STR("unix:")) ? host
                         : str_find_char(host, ':') >= 0
                             ? arena_printf(d->arena, "[%.*s]:%s", STR_FMT(host), port)
                             : arena_printf(d->arena, "%.*s:%s", STR_FMT(host), port);
    return up_run_folder(d->arena, arena_cstr(d->arena, address), geteuid() == 0);
}

static void check_service(struct doctor *d, const char *run, enum up_service id, struct str given)
{
    const char *name = up_roster[id].name;
    struct str where = address_of(d, run, id, given);
    struct probe probe;
    struct err e;
    if (!probe_ask(where, &probe, &e))
        doctor_report_err(d, name, &e, "its lines in the log of `windlass up` say why it ended");
    else if (probe.status != 200)
        doctor_report(d, name, DOCTOR_WARNING,
                      "when it lasts, its lines in the log of `windlass up` say more",
                      "it is not ready: %s", probe.reason);
    else
        doctor_report(d, name, DOCTOR_OK, NULL, "ready (%.*s)", STR_FMT(where));
}

/* Each that the list names, or of the shard that has a socket in the folder. */
static void check_workers(struct doctor *d, const char *run, int shard, struct str urls)
{
    struct str one;
    bool is_elsewhere = !str_is_empty(urls);
    bool more = true;
    for (int nth = 0; more && nth < UP_WORKERS_MAX; nth++) {
        enum up_service id = (enum up_service)UP_WORKER_OF(shard, nth);
        if (!is_elsewhere && access(up_service_path(d->arena, run, id), F_OK) != 0)
            return;
        more = str_cut(urls, ',', &one, &urls) || !is_elsewhere;
        check_service(d, run, id, str_trim(one));
    }
}

/* Of shards 1 and up, where there are some. */
static void check_shards(struct doctor *d, const char *run)
{
    struct shard_texts urls;
    struct err e;
    bool is_good = shard_texts_read(conf_str(d->conf, CONF_SHARD_URLS), &urls, &e);
    assert(is_good); /* checked when the settings were read */
    for (int shard = 1; shard < UP_SHARDS_MAX; shard++)
        check_workers(d, run, shard, urls.texts[shard]);
}

static void check_runners(struct doctor *d, const char *run)
{
    for (int shard = 0; shard < UP_SHARDS_MAX; shard++) {
        enum up_service id = (enum up_service)UP_RUNNER_OF(shard);
        if (shard == 0 || access(up_service_path(d->arena, run, id), F_OK) == 0)
            check_service(d, run, id, STR(""));
    }
}

void doctor_check_services(struct doctor *d, const char *run)
{
    bool is_elsewhere = conf_is_given(d->conf, CONF_WORKER_URL);
    if (conf_is_given(d->conf, CONF_RUN))
        run = conf_cstr(d->conf, CONF_RUN);
    else if (run == NULL)
        run = default_run_folder(d);
    const char *socket = up_service_path(d->arena, run, UP_WORKER);
    if (!is_elsewhere && access(socket, F_OK) != 0) {
        if (errno == EACCES)
            doctor_report(d, "services", DOCTOR_WARNING,
                          "run this as root, or as the user that runs `windlass up`",
                          "%s is closed to this user", run);
        else
            doctor_report(d, "services", DOCTOR_OK, NULL,
                          "none run in %s; `windlass up` starts them", run);
        return;
    }
    check_workers(d, run, 0, conf_str(d->conf, CONF_WORKER_URL));
    check_shards(d, run);
    if (!is_elsewhere || conf_is_given(d->conf, CONF_AI_URL))
        check_service(d, run, UP_AI, conf_str(d->conf, CONF_AI_URL));
    if (!is_elsewhere)
        check_runners(d, run);
}
