/* completion: scripts for bash, zsh and fish, from the tables of commands and options. */
#include "cmd/cmd.h"
#include "conf/table.h"

static void put_choices(struct buf *b, enum conf_id id)
{
    struct str left = str_of_c(conf_option(id)->choices), choice;
    for (bool is_first = true; left.len > 0; is_first = false) {
        (void)str_cut(left, '|', &choice, &left);
        buf_printf(b, "%s%.*s", is_first ? "" : " ", STR_FMT(choice));
    }
}

/* The help text for a place within single quotes; a colon or bracket means something to zsh. */
static void put_quoted(struct buf *b, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_put_c(b, "'\\'");
        else if (strchr(escaped, *text))
            buf_put_char(b, '\\');
        buf_put_char(b, *text);
    }
}

/* True for the first command of each first word. */
static bool is_new_word(const struct cmd *cmd)
{
    struct str word, rest, other;
    (void)str_cut(str_of_c(cmd->name), ' ', &word, &rest);
    for (const struct cmd *c = cmd_table; c < cmd; c++) {
        (void)str_cut(str_of_c(c->name), ' ', &other, &rest);
        if (str_eq(word, other))
            return false;
    }
    return true;
}

static void put_first_words(struct buf *b)
{
    struct str word, rest;
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        (void)str_cut(str_of_c(cmd->name), ' ', &word, &rest);
        if (is_new_word(cmd))
            buf_printf(b, "%.*s ", STR_FMT(word));
    }
    buf_put_c(b, "help");
}

/* The second words after `first`, or nothing. */
static void put_second_words(struct buf *b, struct str first)
{
    struct str word, second;
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++)
        if (str_cut(str_of_c(cmd->name), ' ', &word, &second) && str_eq(word, first))
            buf_printf(b, "%.*s ", STR_FMT(second));
}

/* The words that stand for operands: "bash zsh fish" of "bash|zsh|fish". */
static void put_operands(struct buf *b, const struct cmd *cmd)
{
    for (const char *at = cmd->operands; strchr(cmd->operands, '|') && *at; at++)
        buf_put_char(b, *at == '|' ? ' ' : *at);
}

static void put_bash(struct buf *b)
{
    buf_put_c(b, "# windlass completion for bash\n"
                 "_windlass() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
                 "    case \"$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"
                 "    1\\ *) words='");
    put_first_words(b);
    buf_put_c(b, "' ;;\n");
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        struct str first, second;
        bool is_two = str_cut(str_of_c(cmd->name), ' ', &first, &second);
        if (is_two && is_new_word(cmd)) {
            buf_printf(b, "    2\\ %.*s\\ *) words='", STR_FMT(first));
            put_second_words(b, first);
            buf_put_c(b, "' ;;\n");
        }
    }
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        struct str first, second;
        bool is_two = str_cut(str_of_c(cmd->name), ' ', &first, &second);
        buf_printf(b, "    *\\ %.*s\\ %.*s%s) words='", STR_FMT(first), STR_FMT(second),
                   is_two ? "" : "*");
        put_operands(b, cmd);
        for (enum conf_id id = 0; id < CONF_COUNT; id++)
            if (conf_takes(cmd->options, id))
                buf_printf(b, " --%s%s", conf_option(id)->name,
                           conf_option(id)->type == CONF_TYPE_BOOL ? "" : "=");
        buf_put_c(b, " --help' ;;\n");
    }
    buf_put_c(b, "    esac\n"
                 "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                 "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
                 "}\n"
                 "complete -F _windlass windlass\n");
}

static void put_zsh_option(struct buf *b, enum conf_id id)
{
    const struct conf_option *o = conf_option(id);
    buf_printf(b, " \\\n            '--%s%s[", o->name, o->type == CONF_TYPE_BOOL ? "" : "=");
    put_quoted(b, o->help, "[]:\\");
    buf_put_char(b, ']');
    if (o->type == CONF_TYPE_CHOICE) {
        buf_put_c(b, ":value:(");
        put_choices(b, id);
        buf_put_char(b, ')');
    } else if (o->type != CONF_TYPE_BOOL) {
        buf_printf(b, ":%s:%s", conf_placeholder(id), o->type == CONF_TYPE_PATH ? "_files" : "");
    }
    buf_put_char(b, '\'');
}

static void put_zsh(struct buf *b)
{
    buf_put_c(b, "#compdef windlass\n"
                 "_windlass() {\n"
                 "    local -a words_\n"
                 "    if (( CURRENT == 2 )); then words_=(");
    put_first_words(b);
    buf_put_c(b, "); compadd -a words_; return; fi\n"
                 "    case \"$CURRENT $words[2] $words[3]\" in\n");
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        struct str first, second;
        bool is_two = str_cut(str_of_c(cmd->name), ' ', &first, &second);
        if (is_two && is_new_word(cmd)) {
            buf_printf(b, "    (3\\ %.*s\\ *) words_=(", STR_FMT(first));
            put_second_words(b, first);
            buf_put_c(b, "); compadd -a words_;;\n");
        }
    }
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        struct str first, second;
        bool is_two = str_cut(str_of_c(cmd->name), ' ', &first, &second);
        buf_printf(b, "    (*\\ %.*s\\ %.*s%s) _arguments '--help[show help]'", STR_FMT(first),
                   STR_FMT(second), is_two ? "" : "*");
        for (enum conf_id id = 0; id < CONF_COUNT; id++)
            if (conf_takes(cmd->options, id))
                put_zsh_option(b, id);
        if (strchr(cmd->operands, '|')) {
            buf_put_c(b, " \\\n            '*:value:(");
            put_operands(b, cmd);
            buf_put_c(b, ")'");
        }
        buf_put_c(b, ";;\n");
    }
    buf_put_c(b, "    esac\n"
                 "}\n"
                 "_windlass \"$@\"\n");
}

/* `windlass config show …` is told by both words standing before the cursor. */
static void put_fish_condition(struct buf *b, const struct cmd *cmd)
{
    struct str first, second;
    bool is_two = str_cut(str_of_c(cmd->name), ' ', &first, &second);
    buf_printf(b, "-n '__fish_seen_subcommand_from %.*s", STR_FMT(first));
    if (is_two)
        buf_printf(b, "; and __fish_seen_subcommand_from %.*s", STR_FMT(second));
    buf_put_c(b, "' ");
}

static void put_fish_option(struct buf *b, const struct cmd *cmd, enum conf_id id)
{
    const struct conf_option *o = conf_option(id);
    buf_put_c(b, "complete -c windlass ");
    put_fish_condition(b, cmd);
    buf_printf(b, "-l %s ", o->name);
    if (o->type == CONF_TYPE_CHOICE) {
        buf_put_c(b, "-x -a '");
        put_choices(b, id);
        buf_put_c(b, "' ");
    } else if (o->type != CONF_TYPE_BOOL) {
        buf_put_c(b, o->type == CONF_TYPE_PATH ? "-r -F " : "-x ");
    }
    buf_put_c(b, "-d '");
    put_quoted(b, o->help, "\\");
    buf_put_c(b, "'\n");
}

static void put_fish(struct buf *b)
{
    buf_put_c(b, "# windlass completion for fish\n"
                 "complete -c windlass -f\n"
                 "complete -c windlass -n __fish_use_subcommand -a '");
    put_first_words(b);
    buf_put_c(b, "'\n");
    for (const struct cmd *cmd = cmd_table; cmd->name; cmd++) {
        struct str first, second;
        if (str_cut(str_of_c(cmd->name), ' ', &first, &second) && is_new_word(cmd)) {
            buf_printf(b, "complete -c windlass -n '__fish_seen_subcommand_from %.*s' -a '",
                       STR_FMT(first));
            put_second_words(b, first);
            buf_put_c(b, "'\n");
        }
        if (strchr(cmd->operands, '|')) {
            buf_put_c(b, "complete -c windlass ");
            put_fish_condition(b, cmd);
            buf_put_c(b, "-a '");
            put_operands(b, cmd);
            buf_put_c(b, "'\n");
        }
        for (enum conf_id id = 0; id < CONF_COUNT; id++)
            if (conf_takes(cmd->options, id))
                put_fish_option(b, cmd, id);
    }
}

int cmd_completion(const struct conf *conf)
{
    static const struct {
        const char *shell;
        void (*put)(struct buf *b);
    } shells[] = { { "bash", put_bash }, { "zsh", put_zsh }, { "fish", put_fish } };
    struct str shell = conf_operand(conf, 0);
    struct err e;
    for (size_t i = 0; i < countof(shells); i++) {
        if (!str_eq_c(shell, shells[i].shell))
            continue;
        struct buf b;
        buf_init(&b, 0);
        shells[i].put(&b);
        int exit_code = cmd_print(&b);
        buf_clear(&b);
        return exit_code;
    }
    err_set(&e, ERR_INVALID, "\"%.*s\" is none of bash, zsh and fish",
            STR_FMT(str_first(shell, 40)));
    return cmd_fail(CMD_USAGE, &e);
}
