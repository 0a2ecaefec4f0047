#include "conf/table.h"

#include "conf/value_priv.h"

static const struct conf_option options[CONF_COUNT] = {
#define OPTION(id_, name_, type_, default_, group_, commands_, help_, ...)                         \
    [CONF_##id_] = { .name = (name_),                                                              \
                     .type = CONF_TYPE_##type_,                                                    \
                     .default_text = (default_),                                                   \
                     .group = CONF_GROUP_##group_,                                                 \
                     .commands = (commands_),                                                      \
                     .help = (help_),                                                              \
                     __VA_ARGS__ },
#include "conf/options.def"
#undef OPTION
};

const struct conf_option *conf_option(enum conf_id id)
{
    assert(id < CONF_COUNT);
    return &options[id];
}

enum conf_id conf_find(struct str name)
{
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        if (str_eq_c(name, options[id].name))
            return id;
    return CONF_COUNT;
}

struct str conf_variable(enum conf_id id, char text[CONF_NAME_MAX])
{
    if (options[id].group == CONF_GROUP_COMMAND)
        return (struct str){ 0 };
    int len = snprintf(text, CONF_NAME_MAX, "WINDLASS_%s", options[id].name);
    assert(len < CONF_NAME_MAX);
    for (char *at = text; *at; at++)
        *at = (char)(*at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    return str_of(text, (size_t)len);
}

bool conf_takes(unsigned command, enum conf_id id)
{
    const unsigned takes_settings = CONF_FOR_CONFIG_SHOW | CONF_FOR_CONFIG_CHECK | CONF_FOR_DOCTOR;
    return (options[id].commands & command) != 0 ||
           ((command & takes_settings) != 0 && options[id].group != CONF_GROUP_COMMAND);
}

const char *conf_group_title(enum conf_group group)
{
    static const char *const titles[CONF_GROUP_COUNT] = {
        [CONF_GROUP_COMMAND] = "Options",   [CONF_GROUP_GENERAL] = "General",
        [CONF_GROUP_NETWORK] = "Network",   [CONF_GROUP_DATABASE] = "Database",
        [CONF_GROUP_SECURITY] = "Security", [CONF_GROUP_TASKS] = "Tasks",
        [CONF_GROUP_LOGGING] = "Logging",   [CONF_GROUP_LIMITS] = "Limits",
        [CONF_GROUP_GRAPHQL] = "GraphQL",
    };
    return titles[group];
}

const char *conf_placeholder(enum conf_id id)
{
    switch (options[id].type) {
    case CONF_TYPE_STRING:
    case CONF_TYPE_SHARD_QUEUES:
    case CONF_TYPE_SHARD_TEXTS:
        return "TEXT";
    case CONF_TYPE_PATH:
        return "PATH";
    case CONF_TYPE_ADDRESS:
        return "HOST";
    case CONF_TYPE_NETWORKS:
    case CONF_TYPE_ORIGINS:
        return "LIST";
    case CONF_TYPE_URL:
        return "URL";
    case CONF_TYPE_INTEGER:
        return "NUMBER";
    case CONF_TYPE_BOOL:
        return "";
    case CONF_TYPE_DURATION:
        return "TIME";
    case CONF_TYPE_BYTES:
        return "SIZE";
    case CONF_TYPE_CHOICE:
        return options[id].choices;
    }
    base_abort("conf: option of unknown type");
}

enum { HELP_COLUMN = 32, HELP_WIDTH = 100 };

/* Words from `column` on, broken at the width. */
static void put_wrapped(struct buf *b, struct str text, size_t *column)
{
    while (text.len > 0) {
        struct str word;
        (void)str_cut(text, ' ', &word, &text);
        if (*column + 1 + word.len > HELP_WIDTH) {
            buf_printf(b, "\n%*s", HELP_COLUMN, "");
            *column = HELP_COLUMN;
        } else if (*column > HELP_COLUMN) {
            buf_put_char(b, ' ');
            ++*column;
        }
        buf_put_str(b, word);
        *column += word.len;
    }
}

static void put_option(struct buf *b, enum conf_id id)
{
    const struct conf_option *o = &options[id];
    size_t start = b->len;
    if (o->type == CONF_TYPE_BOOL)
        buf_printf(b, "  --%s%s",
                   o->default_text[0] == 'o' && o->default_text[1] == 'n' ? "no-" : "", o->name);
    else
        buf_printf(b, "  --%s=%s", o->name, conf_placeholder(id));
    size_t column = b->len - start;
    if (column + 2 > HELP_COLUMN) {
        buf_printf(b, "\n%*s", HELP_COLUMN, "");
    } else {
        buf_printf(b, "%*s", (int)(HELP_COLUMN - column), "");
    }
    column = HELP_COLUMN;
    put_wrapped(b, str_of_c(o->help), &column);
    const char *shown = o->default_shown ? o->default_shown : o->default_text;
    char text[160];
    if (o->type != CONF_TYPE_BOOL && shown[0]) {
        snprintf(text, sizeof text, "(default %s)", shown);
        put_wrapped(b, str_of_c(text), &column);
    }
    buf_put_char(b, '\n');
}

void conf_help(struct buf *b, unsigned command)
{
    for (enum conf_group group = 0; group < CONF_GROUP_COUNT; group++) {
        bool has_title = false;
        for (enum conf_id id = 0; id < CONF_COUNT; id++) {
            if (options[id].group != group || !conf_takes(command, id))
                continue;
            if (!has_title)
                buf_printf(b, "\n%s:\n", conf_group_title(group));
            has_title = true;
            put_option(b, id);
        }
    }
}
