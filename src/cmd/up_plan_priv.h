/*
 * up_plan: what a service is started with: its environment and the listening sockets. Settings are
 * read once, by the supervisor, which may be root and may read files that services cannot; a
 * service gets each of them as a variable, and reads no file.
 */
#pragma once
#include "base/arena.h"
#include "conf/conf.h"
#include "io/child.h"
#include "io/listen_set.h"

/* In place of what the settings say. */
struct up_override {
    enum conf_id id;
    const char *value;
};

struct up_env_options {
    const struct conf *conf;
    unsigned command;               /* enum conf_for: whose settings go along */
    const char *const *environment; /* ours */
    const char *notify_path;        /* NULL: nobody listens */
    bool is_home_kept;              /* not after root has become another user */
    const struct up_override *overrides;
    size_t override_count;
};

/* Ours without what only we were meant to read, and the settings as variables. In the arena. */
[[nodiscard]] const char *const *up_env(struct arena *a, const struct up_env_options *options);
/* For PostgreSQL's programs: a path, a language, nothing else. */
[[nodiscard]] const char *const *up_env_postgres(void);
