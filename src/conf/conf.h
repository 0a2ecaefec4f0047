/*
 * conf: every setting of the program, declared once in conf/options.def, and where each value came
 * from. A command-line flag wins over the environment, that over the file, that over the default.
 * Secrets may also be given as the name of a file that holds them: `--database-url-file`,
 * WINDLASS_DATABASE_URL_FILE, `database-url-file = …`.
 * Source: docs/operations.md.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum conf_id {
#define OPTION(id, ...) CONF_##id,
#include "conf/options.def"
#undef OPTION
    CONF_COUNT
};

/* The commands that take an option as a flag. The environment and the file serve all of them. */
enum conf_for {
    CONF_FOR_UP = 1 << 0,
    CONF_FOR_GATEWAY = 1 << 1,
    CONF_FOR_MIGRATE = 1 << 2,
    CONF_FOR_PLAIN = 1 << 3,       /* has no options of its own */
    CONF_FOR_CONFIG_SHOW = 1 << 4, /* these three take the settings of every command */
    CONF_FOR_CONFIG_CHECK = 1 << 5,
    CONF_FOR_DOCTOR = 1 << 6,
    CONF_FOR_VERSION = 1 << 7,
    CONF_FOR_PAUSE = 1 << 8,
    CONF_FOR_PSQL = 1 << 9,
    CONF_FOR_HEALTH = 1 << 10,
    CONF_FOR_WORKER = 1 << 11,
    CONF_FOR_RUNNER = 1 << 12,
    CONF_FOR_AI = 1 << 13,
    CONF_FOR_CLIENT = 1 << 14, /* asks a gateway */
    CONF_FOR_TASK_CREATE = 1 << 15,
    CONF_FOR_TASK_FILTER = 1 << 16, /* says which tasks are meant */
    CONF_FOR_JOB_EDIT = 1 << 17,
    CONF_FOR_PAGES = 1 << 18, /* lists what may be long */
    CONF_FOR_TOKEN_CREATE = 1 << 19,
    CONF_FOR_MIGRATE_FILES = 1 << 20,  /* beside MIGRATE: reads or writes migration files */
    CONF_FOR_MIGRATE_SYNC = 1 << 21,   /* beside MIGRATE: synchronises */
    CONF_FOR_MIGRATE_REPORT = 1 << 22, /* beside MIGRATE: answers, in JSON too */
    CONF_FOR_USER_EDIT = 1 << 23,
    CONF_FOR_JOB_LIST = 1 << 24,
    CONF_FOR_SEARCH = 1 << 25,
    CONF_FOR_PREVIEW = 1 << 26,
    CONF_FOR_ORDER = 1 << 27,
    CONF_FOR_BULK = 1 << 28,
    CONF_FOR_FOLLOW = 1 << 29,
    CONF_FOR_TYPE_SET = 1 << 30,
    CONF_FOR_SERVICES = CONF_FOR_UP | CONF_FOR_GATEWAY,
    CONF_FOR_PROCESSES = CONF_FOR_SERVICES | CONF_FOR_WORKER | CONF_FOR_RUNNER | CONF_FOR_AI,
    CONF_FOR_DATABASE = CONF_FOR_SERVICES | CONF_FOR_WORKER | CONF_FOR_MIGRATE,
    CONF_FOR_LOG = CONF_FOR_PROCESSES | CONF_FOR_MIGRATE,
    CONF_FOR_ALL = 0x7fffffff,
};

/* What `choices` mean, in their order in options.def (a test holds the two together). */
enum conf_env { CONF_ENV_DEVELOPMENT, CONF_ENV_PRODUCTION };
enum conf_schema {
    CONF_SCHEMA_AUTO, /* development synchronises, `up` on its own cluster migrates, else CHECK */
    CONF_SCHEMA_SYNCHRONISE,
    CONF_SCHEMA_MIGRATE,
    CONF_SCHEMA_CHECK
};
enum conf_switch { CONF_SWITCH_AUTO, CONF_SWITCH_ON, CONF_SWITCH_OFF };
enum conf_trusted_documents { CONF_TRUSTED_DOCUMENTS_PREFER, CONF_TRUSTED_DOCUMENTS_ONLY };
enum conf_log_format {
    CONF_LOG_FORMAT_AUTO, /* TEXT at a terminal in development, else LOGFMT */
    CONF_LOG_FORMAT_TEXT,
    CONF_LOG_FORMAT_LOGFMT,
    CONF_LOG_FORMAT_JSON
};

enum conf_source { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_ENVIRONMENT, CONF_FROM_FLAG };

struct arena;
struct conf;

struct conf_load_args {
    unsigned command;         /* one of enum conf_for: decides which flags exist */
    const char *command_name; /* for messages: "up", "config show" */
    int argc;                 /* the arguments after the command's name */
    const char *const *argv;
    size_t operand_count_min, operand_count_max; /* arguments that are no flags */
    const char *const *environment;              /* "NAME=value" …, NULL at the end; or NULL */
};

/*
 * Reads all four sources, checks every value, and refuses what it does not know: flags, keys of the
 * file, variables that start with WINDLASS_. An empty variable counts as unset.
 *
 * Errors:  INVALID; `*ret_culprit` (where not NULL) then says which source was wrong.
 */
[[nodiscard]] bool conf_load(const struct conf_load_args *args, struct conf **ret_conf,
                             enum conf_source *ret_culprit, struct err *e);
void conf_destroy(struct conf *c); /* accepts NULL; secrets are wiped */
DEFINE_SCOPED(conf);

/* Typed access; the type must be that of options.def. Text lives as long as `c`. */
[[nodiscard]] struct str conf_str(const struct conf *c,
                                  enum conf_id id); /* any of text; "" unset */
[[nodiscard]] const char *conf_cstr(const struct conf *c, enum conf_id id); /* the same */
[[nodiscard]] int64_t conf_int(const struct conf *c, enum conf_id id);
[[nodiscard]] bool conf_bool(const struct conf *c, enum conf_id id);
[[nodiscard]] int64_t conf_duration_us(const struct conf *c, enum conf_id id);
[[nodiscard]] size_t conf_bytes(const struct conf *c, enum conf_id id);
/* The index of the choice: cast it to the enum above. */
[[nodiscard]] int conf_choice(const struct conf *c, enum conf_id id);
/* True unless the value is the table's default. */
[[nodiscard]] bool conf_is_given(const struct conf *c, enum conf_id id);

/* Arguments that are no flags, in their order. */
[[nodiscard]] size_t conf_operand_count(const struct conf *c);
[[nodiscard]] struct str conf_operand(const struct conf *c, size_t i);

/* Of the program, not of one of its commands. */
[[nodiscard]] bool conf_is_setting(enum conf_id id);
/* "port". */
[[nodiscard]] struct str conf_name(enum conf_id id);
[[nodiscard]] enum conf_source conf_source(const struct conf *c, enum conf_id id);
/* "--port", "PORT", "/etc/windlass/windlass.conf:12", "default". */
[[nodiscard]] struct str conf_origin(const struct conf *c, enum conf_id id);
/* The value as it was written, with the defaults filled in; a secret's password is masked, in
 * `a`. */
[[nodiscard]] struct str conf_shown(const struct conf *c, enum conf_id id, struct arena *a);
