/* conf/table: the option table as data, for help, completions, manual pages and `config show`. */
#pragma once
#include "conf/conf.h"

enum conf_type {
    CONF_TYPE_STRING,
    CONF_TYPE_PATH,
    CONF_TYPE_ADDRESS,  /* a host name or address to listen on, or unix:/path */
    CONF_TYPE_NETWORKS, /* addresses and address/bits, comma between */
    CONF_TYPE_URL,
    CONF_TYPE_ORIGINS, /* http(s)://host[:port], comma between */
    CONF_TYPE_INTEGER,
    CONF_TYPE_BOOL,
    CONF_TYPE_DURATION, /* "250ms", "30s", "5m", "12h", "7d" */
    CONF_TYPE_BYTES,    /* "512", "64KiB", "1MiB" */
    CONF_TYPE_CHOICE,
    CONF_TYPE_SHARD_QUEUES, /* conf/shard_map.h, as the next */
    CONF_TYPE_SHARD_TEXTS,
};

enum conf_group {
    CONF_GROUP_COMMAND, /* flags of single commands; neither environment nor file */
    CONF_GROUP_GENERAL,
    CONF_GROUP_NETWORK,
    CONF_GROUP_DATABASE,
    CONF_GROUP_SECURITY,
    CONF_GROUP_TASKS,
    CONF_GROUP_LOGGING,
    CONF_GROUP_LIMITS,
    CONF_GROUP_GRAPHQL,
    CONF_GROUP_COUNT
};

struct conf_option {
    const char *name;  /* of the flag and in the file: "log-level" */
    const char *alias; /* a conventional variable, "LOG_LEVEL", or NULL; WINDLASS_… wins */
    const char *help;  /* a line or two, lower case, no full stop */
    const char *default_text;
    const char *default_shown; /* for help, where the default depends on the machine, or NULL */
    const char *choices;       /* CHOICE: "debug|info|warn|error" */
    int64_t min, max;          /* INTEGER, DURATION (microseconds), BYTES */
    unsigned commands;         /* enum conf_for */
    enum conf_type type;
    enum conf_group group;
    bool is_secret;
    bool is_not_in_file;
};

[[nodiscard]] const struct conf_option *conf_option(enum conf_id id);
/* CONF_COUNT where no option has that name. */
[[nodiscard]] enum conf_id conf_find(struct str name);
/* "WINDLASS_LOG_LEVEL", written to `text`; empty in CONF_GROUP_COMMAND. */
enum { CONF_NAME_MAX = 64 };
[[nodiscard]] struct str conf_variable(enum conf_id id, char text[CONF_NAME_MAX]);
/* True where the command takes the option as a flag. */
[[nodiscard]] bool conf_takes(unsigned command, enum conf_id id);
/* "General", "Network", … */
[[nodiscard]] const char *conf_group_title(enum conf_group group);
/* What stands for the value in help: "HOST", "PATH", "debug|info|warn|error"; "" for BOOL. */
[[nodiscard]] const char *conf_placeholder(enum conf_id id);

/* The flags of a command, grouped and aligned, at most 100 columns wide. */
void conf_help(struct buf *b, unsigned command);
