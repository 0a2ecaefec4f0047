/* Settings that contradict each other, the clock, limits and the disk. */
#include "base/base.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/table.h"
#include "doctor/doctor.h"
#include "obs/version.h"

enum { FDS_BESIDE_CLIENTS = 128 }; /* database, files, pipes, the loops' own */

/* A secret that stands in the settings file itself, while others may read that file. */
static void check_secrets_in_file(struct doctor *d)
{
    const char *path = conf_cstr(d->conf, CONF_CONFIG);
    struct stat st;
    if (str_is_empty(conf_str(d->conf, CONF_CONFIG)) || stat(path, &st) != 0 ||
        (st.st_mode & S_IRWXO) == 0)
        return;
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        if (conf_option(id)->is_secret && conf_source(d->conf, id) == CONF_FROM_FILE &&
            !str_eq(conf_shown(d->conf, id, d->arena), conf_str(d->conf, id)))
            doctor_report(d, "settings", DOCTOR_WARNING,
                          "chmod 640 the file, or move the secret to a file of its own and name "
                          "that: database-url-file = PATH",
                          "%s may be read by others and holds the secret %s", path,
                          conf_option(id)->name);
}

/* Only this machine can reach it. */
static bool is_loopback(struct str host)
{
    return str_starts_with(host, STR("unix:")) || str_eq_c(host, "::1") ||
           str_eq_c(host, "localhost") || str_starts_with(host, STR("127."));
}

void doctor_check_settings(struct doctor *d)
{
    size_t before = d->count, given = 0;
    struct str url = conf_str(d->conf, CONF_PUBLIC_URL);
    bool is_production = conf_choice(d->conf, CONF_ENV) == CONF_ENV_PRODUCTION;
    check_secrets_in_file(d);
    if (is_production && !is_loopback(conf_str(d->conf, CONF_LISTEN)) &&
        !str_starts_with(url, STR("https://")))
        doctor_report(d, "settings", DOCTOR_WARNING,
                      "put a proxy with TLS in front, listen on 127.0.0.1 and set public-url to "
                      "its https:// address",
                      "passwords and cookies cross the network unencrypted: listen is %s and "
                      "public-url is %s",
                      conf_cstr(d->conf, CONF_LISTEN),
                      url.len ? conf_cstr(d->conf, CONF_PUBLIC_URL) : "not set");
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        given += conf_is_setting(id) && conf_is_given(d->conf, id);
    if (d->count == before)
        doctor_report(d, "settings", DOCTOR_OK, NULL, "valid, for %s; %zu given, the rest defaults",
                      conf_cstr(d->conf, CONF_ENV), given);
}

void doctor_check_clock(struct doctor *d)
{
    struct timex timex = { .modes = 0 }; /* only looks */
    char now[CLOCK_TEXT_MAX];
    int64_t now_us = clock_wall_us(), built_us = 0;
    size_t count;
    clock_format(now_us, now);
    const struct version_fact *facts = version_facts(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(facts[i].name, "date") == 0 && !clock_parse(str_of_c(facts[i].value), &built_us))
            built_us = 0;
    if (now_us < built_us)
        doctor_report(d, "clock", DOCTOR_FAILURE, "set the clock, or start a time service (NTP)",
                      "it says %s, which is before this program was made", now);
    else if (adjtimex(&timex) == TIME_ERROR || (timex.status & STA_UNSYNC) != 0)
        doctor_report(d, "clock", DOCTOR_WARNING,
                      "start a time service: systemctl enable --now systemd-timesyncd, or chrony",
                      "%s; no time service keeps it right", now);
    else
        doctor_report(d, "clock", DOCTOR_OK, NULL, "%s, kept by a time service", now);
}

void doctor_check_limits(struct doctor *d)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)conf_int(d->conf, CONF_CONNECTIONS_MAX) + FDS_BESIDE_CLIENTS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < wanted)
        doctor_report(d, "limits", DOCTOR_WARNING,
                      "ulimit -n higher, LimitNOFILE= in the systemd unit, or a lower "
                      "connections-max",
                      "%ju open files are allowed; connections-max %" PRId64 " needs %ju",
                      (uintmax_t)limit.rlim_cur, conf_int(d->conf, CONF_CONNECTIONS_MAX),
                      (uintmax_t)wanted);
    else
        doctor_report(d, "limits", DOCTOR_OK, NULL, "%ju open files are allowed",
                      (uintmax_t)limit.rlim_cur);
}

/* The nearest folder upwards that exists: the path itself where it does. */
static struct str existing_folder(struct arena *a, struct str path)
{
    while (path.len > 1 && access(arena_cstr(a, path), F_OK) != 0) {
        const char *slash = memrchr(path.ptr, '/', path.len);
        if (!slash)
            return STR(".");
        path.len = max_of((size_t)(slash - path.ptr), (size_t)1);
    }
    return path;
}

static void check_space(struct doctor *d, const char *folder)
{
    const uint64_t mib = 1 << 20, least = 128 * mib, enough = 1024 * mib;
    struct statvfs fs;
    if (statvfs(folder, &fs) != 0) {
        doctor_report(d, "disk", DOCTOR_FAILURE, "make the folder readable for this user", "%s: %s",
                      folder, strerrordesc_np(errno));
        return;
    }
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes < enough)
        doctor_report(d, "disk", free_bytes < least ? DOCTOR_FAILURE : DOCTOR_WARNING,
                      "free some space, or move the folder with --data",
                      "%" PRIu64 " MiB are free in %s", free_bytes / mib, folder);
    else
        doctor_report(d, "disk", DOCTOR_OK, NULL, "%" PRIu64 " MiB are free in %s",
                      free_bytes / mib, folder);
}

void doctor_check_data(struct doctor *d)
{
    struct str path = conf_str(d->conf, CONF_DATA);
    struct stat st;
    if (conf_is_given(d->conf, CONF_DATABASE_URL))
        return; /* nothing is kept here */
    if (str_is_empty(path)) {
        doctor_report(d, "data", DOCTOR_FAILURE, "name one with --data, or set HOME",
                      "no folder for the data is known");
        return;
    }
    struct str nearest = existing_folder(d->arena, path);
    const char *folder = arena_cstr(d->arena, nearest);
    bool exists = nearest.len == path.len;
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        doctor_report(d, "data", DOCTOR_FAILURE,
                      "move it away, or choose another folder with --data", "%s is no folder",
                      folder);
    else if (access(folder, W_OK | X_OK) != 0)
        doctor_report(d, "data", DOCTOR_FAILURE,
                      "run as the user that owns it, give it to this user, or choose another "
                      "folder with --data",
                      "%s may not be written by this user", folder);
    else if (exists && (st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
        doctor_report(d, "data", DOCTOR_WARNING, "chmod 700 the folder",
                      "%s is open to others (mode %03o)", folder, st.st_mode & 0777U);
    else
        doctor_report(d, "data", DOCTOR_OK, NULL, exists ? "%s" : "%s will be made",
                      conf_cstr(d->conf, CONF_DATA));
    check_space(d, folder);
}
