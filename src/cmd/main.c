/* main: help, and the way from arguments to a command. */
#include "cmd/cmd.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include "client/text.h"
#include "cmd/api_priv.h"
#include "conf/table.h"

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

/* A word that is no command, as a terminal may show it. */
static struct str shown(struct arena *a, const char *word)
{
    enum { COLUMNS_MAX = 60 };
    return text_first_columns(text_line(a, str_of_c(word)), COLUMNS_MAX);
}

static int refuse_command(const char *word)
{
    scoped(arena_destroyp) struct arena *a = arena_create(CMD_SHOWN_BYTES_MAX);
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
    struct str clean = shown(a, word);
    fprintf(stderr, "windlass: \"%.*s\" is no command", STR_FMT(clean));
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
 * those many megabytes for ever, an arena a thread: 90 MiB instead of 14. A few more than its usual
 * 128 KiB may stay at a heap's end, though: a batch of creates needs them again at once, and would
 * have the kernel map and clear them each time.
 */
static void keep_memory_small(void)
{
    enum { MMAP_THRESHOLD_BYTES = 1 << 20, TRIM_BYTES = 4 << 20, PAD_BYTES = 1 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    (void)mallopt(M_TOP_PAD, PAD_BYTES);
}

/* Nothing of ours may take the place of one that is closed, since it would be written to. To read
 * or write it goes on failing. */
static void keep_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            base_abort("/dev/null cannot be opened");
}

int main(int argc, char **argv, char **environment)
{
    keep_standard_fds();
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
    scoped(arena_destroyp) struct arena *a = arena_create(CMD_SHOWN_BYTES_MAX);
    struct str word = count > 1 ? shown(a, words[1]) : STR("");
    struct buf b;
    buf_init(&b, 0);
    put_commands(&b, name);
    if (count > 1)
        fprintf(stderr, "windlass: `windlass %s` has no command \"%.*s\", only:\n%.*s", words[0],
                STR_FMT(word), STR_FMT(buf_str(&b)));
    else
        fprintf(stderr, "windlass: `windlass %s` needs one of:\n%.*s", words[0],
                STR_FMT(buf_str(&b)));
    buf_clear(&b);
    return CMD_USAGE;
}
