/* config: what the settings are, and whether they are right. */
#include "base/arena.h"
#include "cmd/cmd.h"
#include "conf/table.h"
#include "json/writer.h"

enum { ARENA_BYTES = 1 << 20 };

static const char *const source_names[] = { [CONF_FROM_DEFAULT] = "default",
                                            [CONF_FROM_FILE] = "file",
                                            [CONF_FROM_ENVIRONMENT] = "environment",
                                            [CONF_FROM_FLAG] = "flag" };

static void put_json(struct buf *b, const struct conf *conf, struct arena *a)
{
    struct json_writer w = json_writer_to(b);
    json_begin_object(&w);
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        if (!conf_is_setting(id))
            continue;
        json_key(&w, str_of_c(conf_option(id)->name));
        json_begin_object(&w);
        json_key_c(&w, "value");
        json_write_string(&w, conf_shown(conf, id, a));
        json_key_c(&w, "source");
        json_write_string(&w, str_of_c(source_names[conf_source(conf, id)]));
        json_key_c(&w, "origin");
        json_write_string(&w, conf_origin(conf, id));
        json_end_object(&w);
    }
    json_end_object(&w);
    buf_put_char(b, '\n');
}

static void put_table(struct buf *b, const struct conf *conf, struct arena *a)
{
    size_t name_width = 0, value_width = 0;
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        name_width = max_of(name_width, strlen(conf_option(id)->name));
        value_width = max_of(value_width, conf_shown(conf, id, a).len);
    }
    value_width = min_of(value_width, (size_t)48);
    for (enum conf_id id = 0; id < CONF_COUNT; id++)
        if (conf_is_setting(id))
            buf_printf(b, "%-*s  %-*.*s  %.*s\n", (int)name_width, conf_option(id)->name,
                       (int)value_width, STR_FMT(conf_shown(conf, id, a)),
                       STR_FMT(conf_origin(conf, id)));
}

int cmd_config_show(const struct conf *conf)
{
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    struct buf b;
    buf_init(&b, 0);
    if (conf_bool(conf, CONF_JSON))
        put_json(&b, conf, a);
    else
        put_table(&b, conf, a);
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code;
}

/* Loading them was the check; a wrong setting never comes here. */
int cmd_config_check(const struct conf *conf)
{
    (void)conf;
    struct buf b;
    buf_init(&b, 0);
    buf_put_c(&b, "the settings are valid\n");
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code;
}
