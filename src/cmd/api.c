#include "cmd/api_priv.h"

#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/reltime.h"
#include "client/session.h"
#include "cmd/up_site_priv.h"
#include "io/file.h"

enum { URL_FILE_BYTES_MAX = 1 << 20 };

/* ── where and who ── */

/* Who can write there says where passwords and tokens go. */
static bool is_trusted(const char *run)
{
    struct stat st;
    return lstat(run, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           (geteuid() == 0 || st.st_uid == geteuid() || st.st_uid == 0);
}

struct str api_own_url(const struct conf *conf, struct arena *a)
{
    char real[PATH_MAX];
    struct buf text;
    struct err ignored;
    const char *run = conf_cstr(conf, CONF_RUN);
    if (run[0] == '\0' && realpath(conf_cstr(conf, CONF_DATA), real) != NULL)
        run = up_run_folder(a, real, geteuid() == 0);
    buf_init(&text, URL_FILE_BYTES_MAX);
    struct str url = { 0 };
    if (run[0] != '\0' && is_trusted(run) && io_file_read(up_url_file(a, run), &text, &ignored))
        url = arena_copy(a, str_trim(buf_str(&text)));
    buf_clear(&text);
    return url.len > 0 ? url : STR("http://127.0.0.1:8080");
}

struct str api_url(const struct conf *conf, struct arena *a)
{
    return conf_is_given(conf, CONF_URL) ? conf_str(conf, CONF_URL) : api_own_url(conf, a);
}

/* The environment's, or that of `windlass login` at this very URL. */
static bool find_token(struct api *api, struct str *ret_token, struct err *e)
{
    const char *path;
    struct err no_home;
    *ret_token = conf_str(api->conf, CONF_TOKEN);
    if (ret_token->len > 0 || !session_path(api->arena, &path, &no_home))
        return true;
    return session_load(api->arena, path, api->url, ret_token, e);
}

static size_t terminal_width(void)
{
    enum { LEAST = 40, USUAL = 80 };
    struct winsize size;
    int64_t columns;
    const char *told = getenv("COLUMNS");
    if (told != NULL && str_to_i64(str_of_c(told), &columns) && columns > 0)
        return (size_t)max_of(columns, (int64_t)LEAST);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return USUAL;
    return max_of((size_t)size.ws_col, (size_t)LEAST);
}

static void look_around(struct api *api)
{
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    bool is_dumb = kind != NULL && strcmp(kind, "dumb") == 0;
    api->is_json = conf_bool(api->conf, CONF_JSON);
    api->is_terminal = isatty(STDOUT_FILENO) != 0;
    api->width = api->is_terminal ? terminal_width() : 0;
    api->has_colour = api->is_terminal && !is_dumb && (no_colour == NULL || no_colour[0] == '\0');
    api->now_us = clock_wall_us();
}

static bool connect(struct api *api, bool is_nobody, struct err *e)
{
    struct client_options options = { .url = api_url(api->conf, api->arena) };
    while (str_ends_with(options.url, STR("/")))
        options.url.len--;
    api->url = options.url;
    if (!is_nobody && !find_token(api, &options.token, e))
        return false;
    api->is_usage = !client_create(&options, &api->client, e);
    return !api->is_usage;
}

static int tell(const struct api *api, const struct err *e)
{
    if (api->is_usage)
        return cmd_fail(CMD_USAGE, e);
    if (e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT)
        return cmd_fail(CMD_UNAVAILABLE, e);
    cmd_fail(CMD_FAILURE, e);
    if (e->code == ERR_UNAUTHENTICATED)
        fprintf(stderr, "Sign in at %.*s with `windlass login`, or set WINDLASS_TOKEN.\n",
                STR_FMT(api->url));
    return CMD_FAILURE;
}

static void prepare(struct api *api, const struct conf *conf, struct arena *a)
{
    *api = (struct api){ .conf = conf, .arena = a };
    buf_init(&api->out, 0);
    buf_init(&api->variables, 0);
    look_around(api);
}

bool api_begin(struct api *api, const struct conf *conf, struct arena *a, struct err *e)
{
    prepare(api, conf, a);
    return connect(api, false, e);
}

void api_end(struct api *api)
{
    client_destroy(api->client);
    buf_clear(&api->out);
    buf_clear(&api->variables);
}

static int run(const struct conf *conf, bool is_nobody, api_fn *fn)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    struct api api;
    struct err e;
    prepare(&api, conf, a);
    bool is_done = connect(&api, is_nobody, &e) && fn(&api, &e);
    int printed = api.out.len > 0 ? cmd_print(&api.out) : CMD_OK;
    int exit_code = !is_done ? tell(&api, &e) : api.exit_code != CMD_OK ? api.exit_code : printed;
    api_end(&api);
    return exit_code;
}

int api_run(const struct conf *conf, api_fn *fn)
{
    return run(conf, false, fn);
}

int api_run_as_nobody(const struct conf *conf, api_fn *fn)
{
    return run(conf, true, fn);
}

bool api_flush(struct api *api)
{
    bool is_printed = cmd_print(&api->out) == CMD_OK;
    buf_reset(&api->out);
    return is_printed;
}

/* ── asking ── */

struct json_writer *api_variables(struct api *api)
{
    if (api->variables.len == 0) {
        api->writer = json_writer_to(&api->variables);
        json_begin_object(&api->writer);
    }
    return &api->writer;
}

bool api_ask(struct api *api, const char *document, const struct json_value **ret_data,
             struct err *e)
{
    if (api->variables.len > 0)
        json_end_object(&api->writer);
    const struct client_request request = { document, buf_str(&api->variables) };
    bool is_answered = client_ask(api->client, api->arena, &request, ret_data, e);
    buf_reset(&api->variables);
    return is_answered;
}

bool api_ask_of(struct api *api, const char *document, struct str id,
                const struct json_value **ret_data, struct err *e)
{
    struct json_writer *w = api_variables(api);
    json_key_c(w, "id");
    json_write_string(w, id);
    return api_ask(api, document, ret_data, e);
}

static bool begin_member(struct api *api, enum conf_id id, const char *key)
{
    if (!conf_is_given(api->conf, id))
        return false;
    json_key(api_variables(api), str_of_c(key));
    return true;
}

void api_put_text(struct api *api, enum conf_id id, const char *key)
{
    if (begin_member(api, id, key))
        json_write_string(&api->writer, conf_str(api->conf, id));
}

void api_put_int(struct api *api, enum conf_id id, const char *key)
{
    if (begin_member(api, id, key))
        json_write_i64(&api->writer, conf_int(api->conf, id));
}

bool api_put_number(struct api *api, enum conf_id id, const char *key, struct err *e)
{
    const struct json_value *value;
    struct err none;
    if (!begin_member(api, id, key))
        return true;
    bool is_number = json_parse(api->arena, conf_str(api->conf, id), &value, &none) &&
                     value->type == JSON_NUMBER;
    if (!is_number)
        return api_usage(api, e, "--%.*s: \"%.*s\" is no number", STR_FMT(conf_name(id)),
                         STR_FMT(str_first(conf_str(api->conf, id), 40)));
    json_write_value(&api->writer, value);
    return true;
}

void api_put_bool(struct api *api, enum conf_id id, const char *key)
{
    if (begin_member(api, id, key))
        json_write_bool(&api->writer, conf_bool(api->conf, id));
}

void api_put_seconds(struct api *api, enum conf_id id, const char *key)
{
    if (begin_member(api, id, key))
        json_write_i64(&api->writer, conf_duration_us(api->conf, id) / CLOCK_S);
}

void api_write_enum(struct api *api, struct str name)
{
    char *capitals = arena_cstr(api->arena, name);
    for (char *at = capitals; *at; at++)
        *at = (char)(*at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    json_write_string(&api->writer, str_of_c(capitals));
}

void api_put_enum(struct api *api, enum conf_id id, const char *key)
{
    if (begin_member(api, id, key))
        api_write_enum(api, conf_str(api->conf, id));
}

void api_put_list(struct api *api, enum conf_id id, const char *key, bool is_enum)
{
    struct str item, left = conf_str(api->conf, id);
    json_key(api_variables(api), str_of_c(key));
    json_begin_array(&api->writer);
    while (left.len > 0) {
        (void)str_cut(left, ',', &item, &left);
        item = str_trim(item);
        if (item.len > 0 && is_enum)
            api_write_enum(api, item);
        else if (item.len > 0)
            json_write_string(&api->writer, item);
    }
    json_end_array(&api->writer);
}

void api_put_time(struct api *api, const char *key, int64_t at_us)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(at_us, text);
    json_key(&api->writer, str_of_c(key));
    json_write_string(&api->writer, str_of_c(text));
}

bool api_put_payload(struct api *api, struct err *e)
{
    enum { PAYLOAD_BYTES_MAX = 16 << 20 };
    struct str text = conf_str(api->conf, CONF_PAYLOAD);
    const struct json_value *value;
    struct buf file;
    if (!conf_is_given(api->conf, CONF_PAYLOAD))
        return true;
    buf_init(&file, PAYLOAD_BYTES_MAX);
    bool is_file = str_eq_c(text, "-") || str_starts_with(text, STR("@"));
    const char *path = text.len == 1 ? "/dev/stdin" : text.ptr + 1;
    bool is_good = !is_file || io_file_read(path, &file, e);
    is_good = is_good && json_parse(api->arena, is_file ? buf_str(&file) : text, &value, e);
    buf_clear(&file);
    if (!is_good) {
        const struct err cause = *e;
        return api_usage(api, e, "--payload: %s", cause.message);
    }
    json_key_c(&api->writer, "payload");
    json_write_value(&api->writer, value);
    return true;
}

/* ── reading ── */

const struct json_value *api_member(const struct json_value *v, const char *path)
{
    struct str name, left = str_of_c(path);
    while (left.len > 0 && v != NULL) {
        (void)str_cut(left, '.', &name, &left);
        v = json_get(v, name);
    }
    return v != NULL && v->type != JSON_NULL ? v : NULL;
}

struct str api_text(const struct json_value *v, const char *path)
{
    const struct json_value *member = api_member(v, path);
    bool has_text = member != NULL && (member->type == JSON_STRING || member->type == JSON_NUMBER);
    return has_text ? member->text : (struct str){ 0 };
}

bool api_time(const struct json_value *v, const char *path, int64_t *ret_at_us)
{
    struct str text = api_text(v, path);
    return text.len > 0 && clock_parse(text, ret_at_us);
}

bool api_is_true(const struct json_value *v, const char *path)
{
    const struct json_value *member = api_member(v, path);
    return member != NULL && member->type == JSON_BOOL && member->boolean;
}

/* ── telling ── */

struct str api_enum(struct api *api, const struct json_value *v, const char *path)
{
    char *copy = arena_cstr(api->arena, api_text(v, path));
    for (char *at = copy; *at; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at == '_' ? ' ' : *at);
    return str_of_c(copy);
}

struct str api_with_unit(struct api *api, const struct json_value *v, const char *path,
                         const char *unit)
{
    struct str text = api_text(v, path);
    return text.len > 0 ? arena_printf(api->arena, "%.*s%s", STR_FMT(text), unit) : text;
}

struct str api_span(struct api *api, const struct json_value *v, const char *path)
{
    char text[RELTIME_TEXT_MAX];
    double seconds;
    const struct json_value *member = api_member(v, path);
    if (member == NULL || !json_to_double(member, &seconds))
        return (struct str){ 0 };
    reltime_span((int64_t)(seconds * 1e6), text);
    return arena_copy(api->arena, str_of_c(text));
}

struct str api_when(struct api *api, const struct json_value *v, const char *path)
{
    char text[RELTIME_TEXT_MAX];
    int64_t at_us;
    if (!api_time(v, path, &at_us))
        return (struct str){ 0 };
    reltime_format(at_us, api->now_us, text);
    return arena_copy(api->arena, str_of_c(text));
}

void api_put_json(struct api *api, const struct json_value *v)
{
    json_put_value(&api->out, v);
    buf_put_char(&api->out, '\n');
}

void api_put_table(struct api *api, const struct table *t)
{
    const struct table_options options = { .width = api->width,
                                           .has_colour = api->has_colour,
                                           .has_titles = true };
    table_put(&api->out, t, &options);
}

struct str api_json_text(struct api *api, const struct json_value *v)
{
    struct buf text;
    if (v == NULL)
        return (struct str){ 0 };
    buf_init(&text, 0);
    json_put_value(&text, v);
    struct str copy = arena_copy(api->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

void api_put_facts(struct api *api, const struct table *facts)
{
    const struct table_options options = { .has_colour = api->has_colour };
    table_put(&api->out, facts, &options);
}

struct table *api_facts(struct api *api)
{
    static const struct table_column columns[] = { { .title = "" }, { .title = "" } };
    return table_create(api->arena, columns, countof(columns));
}

void api_fact(struct table *facts, const char *name, struct str text, enum table_style style)
{
    if (text.len > 0)
        table_add(facts, (struct table_cell[]){ { str_of_c(name), TABLE_DIM }, { text, style } });
}

void api_fact_time(struct api *api, struct table *facts, const char *name,
                   const struct json_value *v, const char *path)
{
    struct str text = api_text(v, path), when = api_when(api, v, path);
    if (text.len > 0)
        api_fact(facts, name, arena_printf(api->arena, "%.*s (%.*s)", STR_FMT(text), STR_FMT(when)),
                 TABLE_PLAIN);
}
