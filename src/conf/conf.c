#include "conf/conf.h"

#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "conf/file_priv.h"
#include "conf/table.h"
#include "conf/value_priv.h"

enum { SOURCE_COUNT = CONF_FROM_FLAG + 1, ARENA_BYTES = 1 << 20 };

/* What one source says about an option. */
struct given {
    struct str text, origin;
    bool is_set;
    bool is_file_name; /* `text` names the file that holds the secret */
};

struct value {
    struct str text, origin;
    int64_t number;
    enum conf_source source;
};

struct conf {
    struct arena *arena;
    struct given given[SOURCE_COUNT][CONF_COUNT];
    struct value values[CONF_COUNT];
    struct str *operands;
    size_t operand_count;
};

/* "--port: reason", the way every complaint about a source looks. */
static bool blame(struct str origin, struct err *e)
{
    const struct err cause = *e;
    return err_set_at(e, cause.code, cause.origin, cause.file, cause.line, "%.*s: %s",
                      STR_FMT(origin), cause.message);
}

static bool give(struct conf *c, enum conf_source source, enum conf_id id, struct str text,
                 struct str origin, bool is_file_name, struct err *e)
{
    struct given *g = &c->given[source][id];
    if (g->is_set && g->is_file_name != is_file_name)
        return err_set(e, ERR_INVALID, "%.*s and %.*s both give the same secret; keep one",
                       STR_FMT(g->origin), STR_FMT(origin));
    *g = (struct given){ .text = str_of(arena_cstr(c->arena, text), text.len),
                         .origin = arena_copy(c->arena, origin),
                         .is_set = true,
                         .is_file_name = is_file_name };
    return true;
}

/* Finds `name`, or for a secret `name` + "-file". */
static enum conf_id find_setting(struct str name, bool *ret_is_file_name)
{
    enum conf_id id = conf_find(name);
    *ret_is_file_name = id == CONF_COUNT && str_ends_with(name, STR("-file"));
    if (*ret_is_file_name)
        id = conf_find(str_first(name, name.len - strlen("-file")));
    if (id < CONF_COUNT && *ret_is_file_name && !conf_option(id)->is_secret)
        return CONF_COUNT;
    return id;
}

/* Flags. */

struct flag {
    struct str name, value, origin; /* origin: "--port" */
    bool has_value, is_no;
};

static bool refuse_flag(const struct conf_load_args *args, const struct flag *flag, enum conf_id id,
                        struct err *e)
{
    if (id < CONF_COUNT)
        return err_set(e, ERR_INVALID, "%.*s: not an option of `windlass %s`",
                       STR_FMT(str_first(flag->origin, 60)), args->command_name);
    struct value_guess guess = { .wrong = flag->name };
    for (id = 0; id < CONF_COUNT; id++)
        if (conf_takes(args->command, id))
            value_guess(&guess, conf_option(id)->name);
    return err_set(e, ERR_INVALID, "%.*s: unknown option%s%s%s",
                   STR_FMT(str_first(flag->origin, 60)), guess.best ? "; did you mean --" : "",
                   guess.best ? guess.best : "", guess.best ? "?" : "");
}

static bool take_flag(struct conf *c, const struct conf_load_args *args, struct flag *flag,
                      const char *next, bool *ret_took_next, struct err *e)
{
    bool is_file_name;
    enum conf_id id = find_setting(flag->name, &is_file_name);
    if (id == CONF_COUNT && str_starts_with(flag->name, STR("no-"))) {
        id = find_setting(str_from(flag->name, 3), &is_file_name);
        flag->is_no = id < CONF_COUNT && conf_option(id)->type == CONF_TYPE_BOOL;
        id = flag->is_no ? id : CONF_COUNT;
    }
    if (id == CONF_COUNT || !conf_takes(args->command, id))
        return refuse_flag(args, flag, id, e);
    if (conf_option(id)->type == CONF_TYPE_BOOL) {
        if (flag->is_no && flag->has_value)
            return err_set(e, ERR_INVALID, "%.*s: takes no value", STR_FMT(flag->origin));
        if (!flag->has_value)
            flag->value = flag->is_no ? STR("off") : STR("on");
    } else if (!flag->has_value) {
        if (!next)
            return err_set(e, ERR_INVALID, "%.*s: the value is missing: %.*s=%s",
                           STR_FMT(flag->origin), STR_FMT(flag->origin),
                           is_file_name ? "PATH" : conf_placeholder(id));
        flag->value = str_of_c(next);
        *ret_took_next = true;
    }
    return give(c, CONF_FROM_FLAG, id, flag->value, flag->origin, is_file_name, e);
}

static bool read_flags(struct conf *c, const struct conf_load_args *args, struct err *e)
{
    c->operands = arena_new_array(c->arena, (size_t)args->argc, struct str);
    bool only_operands = false;
    for (int i = 0; i < args->argc; i++) {
        struct str arg = str_of_c(args->argv[i]);
        if (only_operands || arg.len < 2 || arg.ptr[0] != '-') {
            c->operands[c->operand_count++] = arena_copy(c->arena, arg);
            continue;
        }
        only_operands = str_eq_c(arg, "--");
        if (only_operands)
            continue;
        struct flag flag = { 0 };
        flag.has_value = str_cut(arg, '=', &flag.origin, &flag.value);
        flag.name = str_starts_with(arg, STR("--")) ? str_from(flag.origin, 2) : flag.origin;
        bool took_next = false;
        const char *next = i + 1 < args->argc ? args->argv[i + 1] : NULL;
        if (!take_flag(c, args, &flag, next, &took_next, e))
            return false;
        i += took_next;
    }
    if (c->operand_count < args->operand_count_min)
        return err_set(e, ERR_INVALID, "`windlass %s` needs %s%zu argument%s", args->command_name,
                       args->operand_count_max > args->operand_count_min ? "at least " : "",
                       args->operand_count_min, args->operand_count_min == 1 ? "" : "s");
    if (c->operand_count > args->operand_count_max)
        return err_set(e, ERR_INVALID, "\"%.*s\": unexpected argument of `windlass %s`",
                       STR_FMT(str_first(c->operands[args->operand_count_max], 60)),
                       args->command_name);
    return true;
}

/* Environment. */

/* Variables that other parts of the project read: its build, its scripts, its tests. */
static bool is_foreign(struct str name)
{
    return str_eq_c(name, "WINDLASS_DEPS_DIR") || str_starts_with(name, STR("WINDLASS_TEST_"));
}

static bool is_variable_of(enum conf_id id, struct str name, bool *ret_is_file_name,
                           bool *ret_is_alias)
{
    char text[CONF_NAME_MAX];
    struct str variable = conf_variable(id, text);
    struct str alias = str_of_c(conf_option(id)->alias);
    *ret_is_file_name = conf_option(id)->is_secret && str_ends_with(name, STR("_FILE"));
    if (*ret_is_file_name)
        name.len -= strlen("_FILE");
    *ret_is_alias = alias.len > 0 && str_eq(name, alias);
    return *ret_is_alias || (variable.len > 0 && str_eq(name, variable));
}

static bool refuse_variable(struct str name, struct err *e)
{
    char text[CONF_COUNT][CONF_NAME_MAX];
    const size_t prefix = strlen("WINDLASS_"); /* says nothing about likeness */
    struct value_guess guess = { .wrong = str_from(name, prefix) };
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        if (conf_variable(id, text[id]).len > 0)
            value_guess(&guess, text[id] + prefix);
    return err_set(e, ERR_INVALID, "%.*s: unknown variable%s%s%s", STR_FMT(str_first(name, 60)),
                   guess.best ? "; did you mean WINDLASS_" : "", guess.best ? guess.best : "",
                   guess.best ? "?" : "");
}

static bool read_variable(struct conf *c, struct str name, struct str text, struct err *e)
{
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        bool is_file_name, is_alias;
        if (!is_variable_of(id, name, &is_file_name, &is_alias))
            continue;
        if (str_is_empty(text))
            return true;
        /* The conventional name gives way to our own, whichever stands first. */
        const struct given *g = &c->given[CONF_FROM_ENVIRONMENT][id];
        bool has_own = g->is_set && str_starts_with(g->origin, STR("WINDLASS_"));
        if (is_alias && has_own)
            return true;
        if (!is_alias && !has_own)
            c->given[CONF_FROM_ENVIRONMENT][id] = (struct given){ 0 };
        return give(c, CONF_FROM_ENVIRONMENT, id, text, name, is_file_name, e);
    }
    return !str_starts_with(name, STR("WINDLASS_")) || is_foreign(name) || refuse_variable(name, e);
}

static bool read_environment(struct conf *c, const char *const *environment, struct err *e)
{
    struct str name, text;
    for (; environment && *environment; environment++)
        if (str_cut(str_of_c(*environment), '=', &name, &text) && !read_variable(c, name, text, e))
            return false;
    return true;
}

/* The file. */

static bool take_entry(struct conf *c, const struct file_entry *entry, struct err *e)
{
    bool is_file_name;
    enum conf_id id = find_setting(entry->key, &is_file_name);
    if (id < CONF_COUNT && !conf_option(id)->is_not_in_file &&
        conf_option(id)->group != CONF_GROUP_COMMAND)
        return give(c, CONF_FROM_FILE, id, entry->value, entry->origin, is_file_name, e);
    if (id < CONF_COUNT)
        err_set(e, ERR_INVALID, "%.*s cannot be set in a file", STR_FMT(entry->key));
    else {
        struct value_guess guess = { .wrong = entry->key };
        for (id = 0; id < CONF_COUNT; id++)
            if (!conf_option(id)->is_not_in_file && conf_option(id)->group != CONF_GROUP_COMMAND)
                value_guess(&guess, conf_option(id)->name);
        err_set(e, ERR_INVALID, "unknown key %.*s%s%s%s", STR_FMT(str_first(entry->key, 60)),
                guess.best ? "; did you mean " : "", guess.best ? guess.best : "",
                guess.best ? "?" : "");
    }
    return blame(entry->origin, e);
}

static bool read_settings_file(struct conf *c, struct err *e)
{
    const struct given *flag = &c->given[CONF_FROM_FLAG][CONF_CONFIG];
    const struct given *variable = &c->given[CONF_FROM_ENVIRONMENT][CONF_CONFIG];
    struct str path = flag->is_set ? flag->text : variable->text;
    struct file_entry *entries = NULL;
    size_t count = 0;
    if (str_is_empty(path))
        return true;
    if (!file_read_settings(c->arena, path, &entries, &count, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!take_entry(c, &entries[i], e))
            return false;
    return true;
}

/* Values. */

/* Of the options whose default depends on the machine, those that the table leaves empty. */
static struct str default_of(struct conf *c, enum conf_id id, const char *const *environment)
{
    struct str name, text, home = { 0 }, data_home = { 0 };
    if (id != CONF_DATA)
        return str_of_c(conf_option(id)->default_text);
    if (geteuid() == 0)
        return STR("/var/lib/windlass");
    for (; environment && *environment; environment++) {
        (void)str_cut(str_of_c(*environment), '=', &name, &text);
        home = str_eq_c(name, "HOME") ? text : home;
        data_home = str_eq_c(name, "XDG_DATA_HOME") ? text : data_home;
    }
    if (data_home.len > 0)
        return arena_printf(c->arena, "%.*s/windlass", STR_FMT(data_home));
    return home.len > 0 ? arena_printf(c->arena, "%.*s/.local/share/windlass", STR_FMT(home))
                        : home;
}

static void wipe(struct str text)
{
    char *bytes;
    memcpy(&bytes, &text.ptr, sizeof bytes); /* our own copy, in the arena */
    if (text.len > 0)
        explicit_bzero(bytes, text.len);
}

static bool settle_from(struct conf *c, enum conf_id id, enum conf_source source, bool is_winner,
                        struct err *e)
{
    const struct given *g = &c->given[source][id];
    struct value value = { .text = g->text, .origin = g->origin, .source = source };
    if (g->is_file_name && (!is_winner || str_is_empty(g->text)))
        return true;
    if (g->is_file_name) {
        if (!file_read_secret(c->arena, g->text, &value.text, e))
            return blame(g->origin, e);
        value.origin = arena_printf(c->arena, "%.*s=%.*s", STR_FMT(g->origin), STR_FMT(g->text));
    }
    /* Empty is unset where that has a meaning; a path that a shell made of nothing has none. */
    bool is_no_path = source != CONF_FROM_DEFAULT && str_is_empty(value.text) &&
                      conf_option(id)->type == CONF_TYPE_PATH;
    if (is_no_path)
        err_set(e, ERR_INVALID, "the value is empty");
    if (is_no_path || !value_parse(conf_option(id), &value.text, &value.number, e)) {
        if (source == CONF_FROM_FILE) { /* the line alone does not say which key */
            const struct err cause = *e;
            err_set_at(e, cause.code, cause.origin, cause.file, cause.line, "%s: %s",
                       conf_option(id)->name, cause.message);
        }
        return blame(g->origin, e);
    }
    if (!is_winner)
        return true;
    c->values[id] = value;
    c->values[id].text = str_of(arena_cstr(c->arena, value.text), value.text.len);
    if (g->is_file_name)
        wipe(value.text);
    return true;
}

/* Every value given is checked, also one that another source overrides. */
static bool settle(struct conf *c, enum conf_id id, enum conf_source *culprit, struct err *e)
{
    bool is_settled = false;
    for (int source = CONF_FROM_FLAG; source >= CONF_FROM_DEFAULT; source--) {
        if (!c->given[source][id].is_set)
            continue;
        *culprit = (enum conf_source)source;
        if (!settle_from(c, id, *culprit, !is_settled, e))
            return false;
        is_settled = true;
    }
    assert(is_settled); /* each option has a default */
    return true;
}

static bool load(struct conf *c, const struct conf_load_args *args, enum conf_source *culprit,
                 struct err *e)
{
    *culprit = CONF_FROM_DEFAULT;
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        if (!give(c, CONF_FROM_DEFAULT, id, default_of(c, id, args->environment), STR("default"),
                  false, e))
            return false;
    *culprit = CONF_FROM_FLAG;
    if (!read_flags(c, args, e))
        return false;
    *culprit = CONF_FROM_ENVIRONMENT;
    if (!read_environment(c, args->environment, e))
        return false;
    *culprit = CONF_FROM_FILE;
    if (!read_settings_file(c, e))
        return false;
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        if (!settle(c, id, culprit, e))
            return false;
    return true;
}

bool conf_load(const struct conf_load_args *args, struct conf **ret_conf,
               enum conf_source *ret_culprit, struct err *e)
{
    enum conf_source culprit;
    scoped(conf_destroyp) struct conf *c = mem_new(struct conf);
    c->arena = arena_create(ARENA_BYTES);
    if (!load(c, args, &culprit, e)) {
        if (ret_culprit)
            *ret_culprit = culprit;
        return false;
    }
    *ret_conf = take(c);
    return true;
}

void conf_destroy(struct conf *c)
{
    if (!c)
        return;
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        if (!conf_option(id)->is_secret)
            continue;
        for (int source = 0; source < SOURCE_COUNT; source++)
            wipe(c->given[source][id].text);
        wipe(c->values[id].text);
    }
    arena_destroy(c->arena);
    mem_free(c);
}

static const struct value *value_of(const struct conf *c, enum conf_id id, enum conf_type type)
{
    assert(id < CONF_COUNT);
    assert(conf_option(id)->type == type);
    return &c->values[id];
}

struct str conf_str(const struct conf *c, enum conf_id id)
{
    assert(id < CONF_COUNT);
    return c->values[id].text;
}

const char *conf_cstr(const struct conf *c, enum conf_id id)
{
    return conf_str(c, id).ptr;
}

int64_t conf_int(const struct conf *c, enum conf_id id)
{
    return value_of(c, id, CONF_TYPE_INTEGER)->number;
}

bool conf_bool(const struct conf *c, enum conf_id id)
{
    return value_of(c, id, CONF_TYPE_BOOL)->number != 0;
}

int64_t conf_duration_us(const struct conf *c, enum conf_id id)
{
    return value_of(c, id, CONF_TYPE_DURATION)->number;
}

size_t conf_bytes(const struct conf *c, enum conf_id id)
{
    return (size_t)value_of(c, id, CONF_TYPE_BYTES)->number;
}

int conf_choice(const struct conf *c, enum conf_id id)
{
    return (int)value_of(c, id, CONF_TYPE_CHOICE)->number;
}

bool conf_is_given(const struct conf *c, enum conf_id id)
{
    return conf_source(c, id) != CONF_FROM_DEFAULT;
}

size_t conf_operand_count(const struct conf *c)
{
    return c->operand_count;
}

struct str conf_operand(const struct conf *c, size_t i)
{
    assert(i < c->operand_count);
    return c->operands[i];
}

enum conf_source conf_source(const struct conf *c, enum conf_id id)
{
    assert(id < CONF_COUNT);
    return c->values[id].source;
}

bool conf_is_setting(enum conf_id id)
{
    return conf_option(id)->group != CONF_GROUP_COMMAND;
}

struct str conf_name(enum conf_id id)
{
    return str_of_c(conf_option(id)->name);
}

struct str conf_origin(const struct conf *c, enum conf_id id)
{
    assert(id < CONF_COUNT);
    return c->values[id].origin;
}

/* "postgres://user:secret@host/db" without the secret; anything else is masked whole,
 * several URLs too. */
static struct str masked(struct arena *a, struct str secret)
{
    struct str scheme, rest, user, password;
    ptrdiff_t at = str_find(secret, STR("://"));
    if (at < 0 || str_find_char(secret, '?') >= 0 || str_find_char(secret, ';') >= 0)
        return STR("********");
    scheme = str_first(secret, (size_t)at + 3);
    rest = str_from(secret, scheme.len);
    const char *host = rest.len ? memrchr(rest.ptr, '@', rest.len) : NULL;
    if (!host || !str_cut(str_of(rest.ptr, (size_t)(host - rest.ptr)), ':', &user, &password))
        return secret;
    return arena_printf(a, "%.*s%.*s:********%.*s", STR_FMT(scheme), STR_FMT(user),
                        STR_FMT(str_from(rest, (size_t)(host - rest.ptr))));
}

struct str conf_shown(const struct conf *c, enum conf_id id, struct arena *a)
{
    struct str text = conf_str(c, id);
    return conf_option(id)->is_secret && text.len > 0 ? masked(a, text) : text;
}
