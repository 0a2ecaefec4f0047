/* main: the table of subcommands, help, and the way from arguments to a command. */
#include "cmd/cmd.h"

#include <malloc.h>

#include "cmd/api_priv.h"
#include "conf/table.h"

const struct cmd cmd_table[] = {
    { .name = "up",
      .operands = "",
      .summary = "start everything and watch over it",
      .details =
          "Without a database-url it makes and runs a PostgreSQL cluster of its own. SIGTERM "
          "and Ctrl-C\nlet open requests finish; a second one ends everything at once.",
      .options = CONF_FOR_UP,
      .run = cmd_up },
    { .name = "migrate run",
      .operands = "",
      .summary = "run the migrations that the database does not have",
      .details = "Each is one transaction; programs that run them at once wait for each other.\n"
                 "Ends with a check, and exits with 3 where a person must act.",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_FILES,
      .run = cmd_migrate_run },
    { .name = "migrate status",
      .operands = "",
      .summary = "list the migrations and which of them are applied",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_FILES | CONF_FOR_MIGRATE_REPORT,
      .run = cmd_migrate_status },
    { .name = "migrate check",
      .operands = "",
      .summary = "compare the database with what the program needs",
      .details = "Changes nothing. Exits with 3 where something is missing; what is extra is only "
                 "told,\nso that programs of two versions can run side by side.",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_FILES | CONF_FOR_MIGRATE_REPORT,
      .run = cmd_migrate_check },
    { .name = "migrate sync",
      .operands = "",
      .summary = "make the database as the entities are (development)",
      .details = "What holds data is never dropped without --allow-drop, and no type is changed: "
                 "such a\nchange is refused, with the migration to write.",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_SYNC,
      .run = cmd_migrate_sync },
    { .name = "migrate generate",
      .operands = "NAME",
      .summary = "write the migration from the files to the entities",
      .details = "Replays the files in a scratch database, which the role must be allowed to make, "
                 "and writes\nthe difference as NNNN_NAME.sql with its way back. Read it before "
                 "you commit it.",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_FILES,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .run = cmd_migrate_generate },
    { .name = "migrate revert",
      .operands = "[COUNT]",
      .summary = "undo the last migration, or the last COUNT",
      .details = "Refuses one that says that it is irreversible, and one that was edited.",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_FILES,
      .operand_count_max = 1,
      .run = cmd_migrate_revert },
    { .name = "migrate baseline",
      .operands = "",
      .summary = "note all migrations as applied without running them",
      .details = "For a database that was synchronised past its last migration. It must have all "
                 "that the\nprogram needs; nothing else is changed.",
      .options = CONF_FOR_MIGRATE | CONF_FOR_MIGRATE_FILES,
      .run = cmd_migrate_baseline },
    { .name = "gateway",
      .operands = "",
      .summary = "serve the GraphQL API and the pages",
      .details = "Needs a database (DATABASE_URL); `windlass up` brings one and starts this.",
      .options = CONF_FOR_GATEWAY,
      .run = cmd_gateway },
    { .name = "worker",
      .operands = "",
      .summary = "keep the tasks and jobs",
      .details =
          "Needs a database (DATABASE_URL). Several may run: one leads, the others stand by.",
      .options = CONF_FOR_WORKER,
      .run = cmd_worker },
    { .name = "runner",
      .operands = "",
      .summary = "run the tasks of the built-in types",
      .details = "Takes them from the worker that worker-url names; as many runners as wanted may "
                 "do so. The types\nare listed in docs/task-types.md.",
      .options = CONF_FOR_RUNNER,
      .run = cmd_runner },
    { .name = "ai",
      .operands = "",
      .summary = "serve insights, recommendations, analyses and chat",
      .details = "Has no database: the gateway sends what it needs. On TCP it needs the "
                 "gateway-token.",
      .options = CONF_FOR_AI,
      .run = cmd_ai },
    { .name = "login",
      .operands = "[EMAIL]",
      .summary = "sign in at a gateway",
      .details =
          "Asks for the password, or reads it from standard input where that is no terminal. The "
          "session is\nkept in windlass/sessions.json below $XDG_CONFIG_HOME or ~/.config, mode "
          "0600. WINDLASS_TOKEN\ncomes before it.",
      .options = CONF_FOR_CLIENT,
      .operand_count_max = 1,
      .run = cmd_login },
    { .name = "logout",
      .operands = "",
      .summary = "end the session of `windlass login`",
      .options = CONF_FOR_CLIENT,
      .ask = cmd_logout },
    { .name = "task create",
      .operands = "TYPE",
      .summary = "create a task",
      .details = "With --wait it exits with 0 when the task completed, with 3 when it failed or "
                 "was cancelled.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TASK_CREATE,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_task_create },
    { .name = "task list",
      .operands = "",
      .summary = "list tasks, the newest first",
      .details = "With --json a line an object.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TASK_FILTER | CONF_FOR_SEARCH | CONF_FOR_ORDER |
                 CONF_FOR_PAGES,
      .ask = cmd_task_list },
    { .name = "task show",
      .operands = "ID",
      .summary = "show all of a task: payload, result, attempts",
      .details = "ID is a task's id, or its last eight characters and more.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_task_show },
    { .name = "task why",
      .operands = "ID",
      .summary = "say why a task is not running, and when it will",
      .details = "ID is a task's id, or its last eight characters and more.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_task_why },
    { .name = "task watch",
      .operands = "[ID]…",
      .summary = "follow tasks as they change",
      .details =
          "Those of a filter for ever; named ones until all have ended: then it exits with 0 where "
          "they\ncompleted, else with 3. A broken connection is opened again, and nothing is "
          "left out.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TASK_FILTER,
      .operand_count_max = CMD_TASKS_MAX,
      .ask = cmd_task_watch },
    { .name = "task log",
      .operands = "ID",
      .summary = "show what a task's executors wrote",
      .details = "ID is a task's id, or its last eight characters and more.",
      .options = CONF_FOR_CLIENT | CONF_FOR_FOLLOW,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_task_log },
    { .name = "task cancel",
      .operands = "[ID]…",
      .summary = "cancel tasks that have not finished",
      .details =
          "By ids, each for itself; or all of a filter, which are counted and asked for first.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TASK_FILTER | CONF_FOR_SEARCH | CONF_FOR_BULK,
      .operand_count_max = CMD_TASKS_MAX,
      .ask = cmd_task_cancel },
    { .name = "task retry",
      .operands = "[ID]…",
      .summary = "run tasks that failed once more",
      .details =
          "By ids, each for itself; or all of a filter, which are counted and asked for first.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TASK_FILTER | CONF_FOR_SEARCH | CONF_FOR_BULK,
      .operand_count_max = CMD_TASKS_MAX,
      .ask = cmd_task_retry },
    { .name = "task delete",
      .operands = "[ID]…",
      .summary = "delete tasks that have finished",
      .details =
          "By ids, each for itself; or all of a filter, which are counted and asked for first.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TASK_FILTER | CONF_FOR_SEARCH | CONF_FOR_BULK,
      .operand_count_max = CMD_TASKS_MAX,
      .ask = cmd_task_delete },
    { .name = "job create",
      .operands = "NAME",
      .summary = "create a job that makes tasks by a schedule",
      .details = "windlass job create nightly --schedule '0 3 * * *' --type http.request --payload "
                 "@nightly.json",
      .options = CONF_FOR_CLIENT | CONF_FOR_JOB_EDIT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_create },
    { .name = "job list",
      .operands = "",
      .summary = "list jobs",
      .options = CONF_FOR_CLIENT | CONF_FOR_JOB_LIST | CONF_FOR_SEARCH,
      .ask = cmd_job_list },
    { .name = "job show",
      .operands = "JOB",
      .summary = "show all of a job, its next and its last runs",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_show },
    { .name = "job update",
      .operands = "JOB",
      .summary = "change what the options name, and nothing else",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT | CONF_FOR_JOB_EDIT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_update },
    { .name = "job pause",
      .operands = "JOB",
      .summary = "let a job make no more tasks",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_pause },
    { .name = "job resume",
      .operands = "JOB",
      .summary = "let it make tasks again",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_resume },
    { .name = "job trigger",
      .operands = "JOB",
      .summary = "run a job now",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_trigger },
    { .name = "job runs",
      .operands = "JOB",
      .summary = "list the tasks of a job, the newest first",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT | CONF_FOR_PAGES,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_runs },
    { .name = "job delete",
      .operands = "JOB",
      .summary = "delete a job; its tasks stay",
      .details = "JOB is a name or an id.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_delete },
    { .name = "job preview",
      .operands = "SCHEDULE",
      .summary = "tell when a schedule would run, without making a job",
      .options = CONF_FOR_CLIENT | CONF_FOR_PREVIEW,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_job_preview },
    { .name = "queue list",
      .operands = "",
      .summary = "list queues, what runs and waits in them",
      .options = CONF_FOR_CLIENT,
      .ask = cmd_queue_list },
    { .name = "queue pause",
      .operands = "QUEUE",
      .summary = "let no more tasks of a queue begin",
      .details = "What runs goes on to its end.",
      .options = CONF_FOR_CLIENT | CONF_FOR_PAUSE,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_queue_pause },
    { .name = "queue resume",
      .operands = "QUEUE",
      .summary = "let its tasks begin again",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_queue_resume },
    { .name = "type list",
      .operands = "",
      .summary = "list task types, their settings, what runs and waits",
      .options = CONF_FOR_CLIENT,
      .ask = cmd_type_list },
    { .name = "type show",
      .operands = "TYPE",
      .summary = "show all settings of a task type",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_type_show },
    { .name = "type set",
      .operands = "TYPE",
      .summary = "change what the options name, and nothing else",
      .details = "--unset takes away what was set: windlass type set mail --unset=rate,burst",
      .options = CONF_FOR_CLIENT | CONF_FOR_TYPE_SET,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_type_set },
    { .name = "type pause",
      .operands = "TYPE",
      .summary = "let no more tasks of a type begin",
      .details = "What runs goes on to its end.",
      .options = CONF_FOR_CLIENT | CONF_FOR_PAUSE,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_type_pause },
    { .name = "type resume",
      .operands = "TYPE",
      .summary = "let its tasks begin again",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_type_resume },
    { .name = "audit list",
      .operands = "[SUBJECT]",
      .summary = "list who did what, the newest first",
      .details = "SUBJECT is such as task:ID, job:ID, user:ID, queue:NAME; --search finds also who "
                 "and what.\nFor administrators.",
      .options = CONF_FOR_CLIENT | CONF_FOR_SEARCH | CONF_FOR_PAGES,
      .operand_count_max = 1,
      .ask = cmd_audit_list },
    { .name = "audit export",
      .operands = "[SUBJECT]",
      .summary = "write all of it as NDJSON, the oldest first",
      .options = CONF_FOR_CLIENT | CONF_FOR_SEARCH,
      .operand_count_max = 1,
      .ask = cmd_audit_export },
    { .name = "user list",
      .operands = "",
      .summary = "list users",
      .options = CONF_FOR_CLIENT | CONF_FOR_SEARCH | CONF_FOR_PAGES,
      .ask = cmd_user_list },
    { .name = "user create",
      .operands = "EMAIL",
      .summary = "create a user",
      .details =
          "Asks for the password, or reads it from standard input where that is no terminal.",
      .options = CONF_FOR_CLIENT | CONF_FOR_USER_EDIT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_user_create },
    { .name = "user update",
      .operands = "USER",
      .summary = "change the name or the role of a user",
      .details = "USER is an email or an id.",
      .options = CONF_FOR_CLIENT | CONF_FOR_USER_EDIT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_user_update },
    { .name = "user password",
      .operands = "USER",
      .summary = "set a new password",
      .details = "USER is an email or an id. Passwords are asked for, or lines of standard input; "
                 "one's own needs the\npresent one first.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_user_password },
    { .name = "user delete",
      .operands = "USER",
      .summary = "delete a user",
      .details = "USER is an email or an id.",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_user_delete },
    { .name = "token create",
      .operands = "NAME",
      .summary = "make an API token and print it, once",
      .details = "An outside worker needs --scopes=lease and --role=operator.",
      .options = CONF_FOR_CLIENT | CONF_FOR_TOKEN_CREATE,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_token_create },
    { .name = "token list",
      .operands = "",
      .summary = "list your API tokens",
      .options = CONF_FOR_CLIENT,
      .ask = cmd_token_list },
    { .name = "token revoke",
      .operands = "TOKEN",
      .summary = "end an API token, by its name, prefix or id",
      .options = CONF_FOR_CLIENT,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .ask = cmd_token_revoke },
    { .name = "psql",
      .operands = "[-- ARGUMENTS]",
      .summary = "open psql on the database of this installation",
      .details =
          "On the private cluster, which `windlass up` must be running, as the role that owns "
          "the tables;\nelse on the database-url. Arguments behind -- are psql's: "
          "windlass psql -- -c 'table users'",
      .options = CONF_FOR_PSQL,
      .operand_count_max = CMD_PSQL_ARGUMENTS_MAX,
      .run = cmd_psql },
    { .name = "health",
      .operands = "",
      .summary = "ask a running service whether it is ready",
      .details =
          "For the health checks of containers, which have no shell: exits with 0 when it is, "
          "with 1 when it\nsays no, with 69 when it does not answer.",
      .options = CONF_FOR_HEALTH,
      .run = cmd_health },
    { .name = "config show",
      .operands = "",
      .summary = "show every setting, its value and where it came from",
      .details = "Passwords are masked. Takes the settings of every command.",
      .options = CONF_FOR_CONFIG_SHOW,
      .run = cmd_config_show },
    { .name = "config check",
      .operands = "",
      .summary = "check the settings and start nothing",
      .details = "Exits with 78 where a setting is wrong, and says which and why.",
      .options = CONF_FOR_CONFIG_CHECK,
      .run = cmd_config_check },
    { .name = "doctor",
      .operands = "",
      .summary = "check the machine and the installation, and say how to mend them",
      .details =
          "Changes nothing, but for --mirror, which asks the gateway as `windlass task` does, with "
          "the token of\nan ADMIN. Exits with 0 when all is well, 3 with warnings, 1 with "
          "failures.",
      .options = CONF_FOR_DOCTOR,
      .run = cmd_doctor },
    { .name = "gql missing",
      .operands = "FILE",
      .summary = "compare the GraphQL API with a contract, and list what is missing",
      .details = "The file holds SDL. A line for each type, field, argument, input field or value "
                 "that the\ngateway of this program does not serve or serves otherwise, by its "
                 "coordinate. Exits with 0\nwhen there is none, else with 1.",
      .options = CONF_FOR_PLAIN,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .run = cmd_gql_missing },
    { .name = "gql",
      .operands = "",
      .summary = "answer GraphQL requests from standard input, for conformance suites",
      .details = "One JSON request a line in, one JSON reply a line out: "
                 "{\"op\": \"parse\", \"document\": \"{ a }\"}.\nOps: parse, print, parseSchema, "
                 "printSchema, validate, introspect, coerce, execute, subscribe.",
      .options = CONF_FOR_PLAIN,
      .run = cmd_gql },
    { .name = "completion",
      .operands = "bash|zsh|fish",
      .summary = "write a completion script for a shell",
      .details = "For bash: windlass completion bash > ~/.local/share/bash-completion/completions/"
                 "windlass",
      .options = CONF_FOR_PLAIN,
      .operand_count_min = 1,
      .operand_count_max = 1,
      .run = cmd_completion },
    { .name = "version",
      .operands = "",
      .summary = "show the version, the commit and what it was built with",
      .options = CONF_FOR_VERSION,
      .run = cmd_version },
    { 0 },
};

/* True for "config" and "config show". */
static bool is_in_group(const struct cmd *cmd, struct str group)
{
    struct str first, rest;
    return str_cut(str_of_c(cmd->name), ' ', &first, &rest) && str_eq(first, group);
}

static bool is_group(struct str name)
{
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++)
        if (is_in_group(cmd, name))
            return true;
    return false;
}

/* The command that the first one or two words name, and how many they are; NULL where none. */
static const struct cmd *find_command(int argc, char **words, int *ret_word_count)
{
    for (const struct cmd *cmd = cmd_table; cmd->name && argc > 0; cmd++) {
        struct str first, second;
        bool is_two = str_cut(str_of_c(cmd->name), ' ', &first, &second);
        if (!str_eq_c(first, words[0]) || (is_two && (argc < 2 || !str_eq_c(second, words[1]))))
            continue;
        *ret_word_count = is_two ? 2 : 1;
        return cmd;
    }
    return NULL;
}

static void put_commands(struct buf *b, struct str group)
{
    enum { SUMMARY_COLUMN = 20 };
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++)
        if (str_is_empty(group) || is_in_group(cmd, group))
            buf_printf(b, "  %-*s%s\n", SUMMARY_COLUMN, cmd->name, cmd->summary);
}

/* Of the program, or of a group such as `config`. */
static int print_overview(struct str group)
{
    struct buf b;
    buf_init(&b, 0);
    if (str_is_empty(group))
        buf_put_c(&b,
                  "Windlass: durable tasks, cron jobs, users and an assistant on PostgreSQL.\n\n");
    buf_printf(&b, "Usage: windlass %.*s%sCOMMAND [options]\n\nCommands:\n", STR_FMT(group),
               group.len ? " " : "");
    put_commands(&b, group);
    buf_printf(&b, "\n`windlass %.*s%sCOMMAND --help` tells more.\n", STR_FMT(group),
               group.len ? " " : "");
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code;
}

static int print_help(const struct cmd *cmd)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "Usage: windlass %s%s%s [options]\n\n%c%s.\n", cmd->name,
               cmd->operands[0] ? " " : "", cmd->operands, cmd->summary[0] - 'a' + 'A',
               cmd->summary + 1);
    if (cmd->details)
        buf_printf(&b, "%s\n", cmd->details);
    size_t before = b.len;
    conf_help(&b, cmd->options);
    if (b.len > before)
        buf_put_c(&b,
                  "\nA setting may also stand in the environment, log-level as WINDLASS_LOG_LEVEL,"
                  " or in the file of\n--config, as `log-level = debug`. A flag wins over the "
                  "environment, that over the file. A secret\nmay be named by a file that holds "
                  "it: --database-url-file, WINDLASS_DATABASE_URL_FILE.\n");
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code;
}

static int refuse_command(const char *word)
{
    struct str wrong = str_of_c(word);
    const char *best = NULL;
    size_t best_distance = 4;
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        struct str name, rest;
        (void)str_cut(str_of_c(cmd->name), ' ', &name, &rest);
        size_t distance = str_distance(wrong, name, 3);
        if (distance < best_distance && distance <= name.len / 2) {
            best = cmd->name;
            best_distance = distance;
        }
    }
    fprintf(stderr, "windlass: \"%.60s\" is no command", word);
    if (best)
        fprintf(stderr, "; did you mean `windlass %s`?", best);
    fputs("\nTry `windlass --help`.\n", stderr);
    return CMD_USAGE;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_command(const struct cmd *cmd, int argc, char **argv, char **environment)
{
    scoped(conf_destroyp) struct conf *conf = NULL;
    const struct conf_load_args args = {
        .command = cmd->options,
        .command_name = cmd->name,
        .argc = argc,
        .argv = (const char *const *)argv,
        .operand_count_min = cmd->operand_count_min,
        .operand_count_max = cmd->operand_count_max,
        .environment = (const char *const *)environment,
    };
    enum conf_source culprit;
    struct err e;
    if (conf_load(&args, &conf, &culprit, &e))
        return cmd->ask ? api_run(conf, cmd->ask) : cmd->run(conf);
    bool is_usage = culprit == CONF_FROM_FLAG;
    cmd_fail(is_usage ? CMD_USAGE : CMD_BAD_SETTINGS, &e);
    if (is_usage)
        fprintf(stderr, "Try `windlass %s --help`.\n", cmd->name);
    return is_usage ? CMD_USAGE : CMD_BAD_SETTINGS;
}

/*
 * glibc raises by itself the size from which an allocation goes straight back to the kernel, to
 * that of the largest one freed. After a few password hashes (argon2-memory each) it would keep
 * those many megabytes for ever, an arena a thread: 90 MiB instead of 14.
 */
static void keep_memory_small(void)
{
    enum { MMAP_THRESHOLD_BYTES = 1 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
}

int main(int argc, char **argv, char **environment)
{
    keep_memory_small();
    int count = argc - 1;
    char **words = argv + 1;
    bool is_help = count > 0 && strcmp(words[0], "help") == 0;
    if (is_help) {
        count--;
        words++;
    }
    if (count == 0 || (count == 1 && asks_for_help(1, words)))
        return print_overview((struct str){ 0 });
    static char version[] = "version";
    if (strcmp(words[0], "--version") == 0)
        words[0] = version;
    int word_count = 0;
    const struct cmd *cmd = find_command(count, words, &word_count);
    if (cmd && (is_help || asks_for_help(count - word_count, words + word_count)))
        return print_help(cmd);
    if (cmd)
        return run_command(cmd, count - word_count, words + word_count, environment);
    struct str name = str_of_c(words[0]);
    if (!is_group(name))
        return refuse_command(words[0]);
    if (is_help || asks_for_help(count - 1, words + 1))
        return print_overview(name);
    struct buf b;
    buf_init(&b, 0);
    put_commands(&b, name);
    if (count > 1)
        fprintf(stderr, "windlass: `windlass %s` has no command \"%.60s\", only:\n%.*s", words[0],
                words[1], STR_FMT(buf_str(&b)));
    else
        fprintf(stderr, "windlass: `windlass %s` needs one of:\n%.*s", words[0],
                STR_FMT(buf_str(&b)));
    buf_clear(&b);
    return CMD_USAGE;
}
