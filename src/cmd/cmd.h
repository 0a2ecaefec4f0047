/*
 * cmd: the subcommands of the program. Each has one file and one entry in table.c; its options
 * stand in conf/options.def.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

/* What the shell hears. Source: docs/operations.md; the numbers from 64 on are sysexits.h's. */
enum cmd_exit {
    CMD_OK = 0,
    CMD_FAILURE = 1,
    CMD_USAGE = 2,
    CMD_FINDINGS = 3, /* it works, but something needs a person */
    CMD_UNAVAILABLE = 69,
    CMD_CANNOT_CREATE = 73,
    CMD_BAD_SETTINGS = 78,
};

struct api;

struct cmd {
    const char *name;     /* "up", or two words: "config show" */
    const char *operands; /* for the usage line: "NAME", or "" */
    const char *summary;  /* one line, lower case, no full stop */
    const char *details;  /* sentences below it, or NULL */
    unsigned options;     /* enum conf_for */
    size_t operand_count_min, operand_count_max;
    /* One of the two. What runs here returns an enum cmd_exit; what asks a gateway: api_priv.h. */
    int (*run)(const struct conf *conf);
    bool (*ask)(struct api *api, struct err *e);
};

/* The table, sorted as help shows it; an entry without a name ends it. */
extern const struct cmd cmd_table[];

int cmd_ai(const struct conf *conf);
int cmd_completion(const struct conf *conf);
int cmd_config_check(const struct conf *conf);
int cmd_config_show(const struct conf *conf);
int cmd_doctor(const struct conf *conf);
int cmd_gql(const struct conf *conf);
int cmd_gql_missing(const struct conf *conf);
int cmd_gateway(const struct conf *conf);
int cmd_health(const struct conf *conf);
enum { CMD_PSQL_ARGUMENTS_MAX = 60, CMD_TASKS_MAX = 100 };
int cmd_psql(const struct conf *conf);
int cmd_up(const struct conf *conf);
int cmd_migrate_baseline(const struct conf *conf);
int cmd_migrate_check(const struct conf *conf);
int cmd_migrate_generate(const struct conf *conf);
int cmd_migrate_revert(const struct conf *conf);
int cmd_migrate_run(const struct conf *conf);
int cmd_migrate_status(const struct conf *conf);
int cmd_migrate_sync(const struct conf *conf);
int cmd_runner(const struct conf *conf);
int cmd_login(const struct conf *conf);
int cmd_version(const struct conf *conf);
int cmd_worker(const struct conf *conf);

/* The format that `auto` stands for here, or the one that was chosen. */
[[nodiscard]] enum conf_log_format cmd_log_format(const struct conf *conf);
/* Sets up the log as the settings say; `service` names the process in each line. */
void cmd_log_setup(const struct conf *conf, const char *service);

/* Writes the buffer to standard output; a failure there is told and becomes CMD_FAILURE. */
int cmd_print(const struct buf *b);

enum { CMD_SHOWN_BYTES_MAX = 64 << 10 }; /* the arena of what is shown of one error */

/* Tells the error on standard error, "windlass: message (context)", and returns `exit_code`. What
 * it quotes was written by others: it is one line without control characters. */
int cmd_fail(int exit_code, const struct err *e);

[[nodiscard]] bool cmd_audit_export(struct api *api, struct err *e);
[[nodiscard]] bool cmd_audit_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_create(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_delete(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_pause(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_preview(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_resume(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_runs(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_show(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_trigger(struct api *api, struct err *e);
[[nodiscard]] bool cmd_job_update(struct api *api, struct err *e);
[[nodiscard]] bool cmd_logout(struct api *api, struct err *e);
[[nodiscard]] bool cmd_queue_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_queue_pause(struct api *api, struct err *e);
[[nodiscard]] bool cmd_queue_resume(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_cancel(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_create(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_delete(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_log(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_retry(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_show(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_watch(struct api *api, struct err *e);
[[nodiscard]] bool cmd_task_why(struct api *api, struct err *e);
[[nodiscard]] bool cmd_token_create(struct api *api, struct err *e);
[[nodiscard]] bool cmd_token_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_token_revoke(struct api *api, struct err *e);
[[nodiscard]] bool cmd_type_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_type_pause(struct api *api, struct err *e);
[[nodiscard]] bool cmd_type_resume(struct api *api, struct err *e);
[[nodiscard]] bool cmd_type_set(struct api *api, struct err *e);
[[nodiscard]] bool cmd_type_show(struct api *api, struct err *e);
[[nodiscard]] bool cmd_user_create(struct api *api, struct err *e);
[[nodiscard]] bool cmd_user_delete(struct api *api, struct err *e);
[[nodiscard]] bool cmd_user_list(struct api *api, struct err *e);
[[nodiscard]] bool cmd_user_password(struct api *api, struct err *e);
[[nodiscard]] bool cmd_user_update(struct api *api, struct err *e);
