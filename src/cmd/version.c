/* version: what was built, from which commit, with what. */
#include "cmd/cmd.h"
#include "json/writer.h"
#include "obs/version.h"

static void put_json(struct buf *b, const struct version_fact *facts, size_t count)
{
    struct json_writer w = json_writer_to(b);
    json_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        json_key(&w, str_of_c(facts[i].name));
        json_write_string(&w, str_of_c(facts[i].value));
    }
    json_end_object(&w);
    buf_put_char(b, '\n');
}

int cmd_version(const struct conf *conf)
{
    size_t count;
    const struct version_fact *facts = version_facts(&count);
    struct buf b;
    buf_init(&b, 0);
    if (conf_bool(conf, CONF_JSON)) {
        put_json(&b, facts, count);
    } else {
        buf_printf(&b, "windlass %s\n", version_text());
        for (size_t i = 1; i < count; i++)
            buf_printf(&b, "%-9s %s\n", facts[i].name, facts[i].value);
    }
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code;
}
