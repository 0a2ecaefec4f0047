#include "cmd/up_plan_priv.h"

#include "conf/table.h"

/* Settings come as variables of ours; the rest of what is listed was meant for this process. */
static bool is_kept(struct str variable, const struct up_env_options *options)
{
    static const char *const ours[] = { "NOTIFY_SOCKET",  "LISTEN_PID",   "LISTEN_FDS",
                                        "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC" };
    struct str name = variable, value;
    (void)str_cut(variable, '=', &name, &value);
    if (str_starts_with(name, STR("WINDLASS_")) ||
        (str_eq_c(name, "HOME") && !options->is_home_kept))
        return false;
    for (size_t i = 0; i < countof(ours); i++)
        if (str_eq_c(name, ours[i]))
            return false;
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        struct str alias = str_of_c(conf_option(id)->alias);
        if (alias.len > 0 && str_starts_with(name, alias) &&
            (name.len == alias.len || str_eq_c(str_from(name, alias.len), "_FILE")))
            return false;
    }
    return true;
}

/* The value that the service gets; NULL where it keeps its default. */
static const char *value_for(const struct up_env_options *options, enum conf_id id)
{
    for (size_t i = 0; i < options->override_count; i++)
        if (options->overrides[i].id == id)
            return options->overrides[i].value;
    bool is_passed =
        id != CONF_CONFIG && conf_takes(options->command, id) && conf_is_given(options->conf, id);
    return is_passed ? conf_cstr(options->conf, id) : NULL;
}

const char *const *up_env(struct arena *a, const struct up_env_options *options)
{
    enum { OWN_COUNT = 2 }; /* the notify socket, the end */
    size_t count = 0, inherited = 0;
    while (options->environment[inherited])
        inherited++;
    const char **env = arena_new_array(a, inherited + (size_t)CONF_COUNT + OWN_COUNT, const char *);
    for (size_t i = 0; i < inherited; i++)
        if (is_kept(str_of_c(options->environment[i]), options))
            env[count++] = options->environment[i];
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        char name[CONF_NAME_MAX];
        const char *value = value_for(options, id);
        struct str variable = conf_variable(id, name);
        if (value && variable.len > 0)
            env[count++] = arena_printf(a, "%.*s=%s", STR_FMT(variable), value).ptr;
    }
    if (options->notify_path)
        env[count++] = arena_printf(a, "NOTIFY_SOCKET=%s", options->notify_path).ptr;
    return env;
}

const char *const *up_env_postgres(void)
{
    static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
                                       "LC_MESSAGES=C", NULL };
    return env;
}
