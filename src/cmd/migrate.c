/*
 * migrate: the schema of the database, by hand. `up` runs `migrate sync` and `migrate run` as
 * children of its own, so those two tell what they do in the log; the others answer on standard
 * output. Exit codes: 3 where a person must act, 69 where the database cannot be reached.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "json/writer.h"
#include "schema/generate.h"
#include "schema/migrate.h"

#define MIGRATIONS_FOLDER "src/schema/migrations" /* of the source tree, for `generate` */

struct session {
    const struct conf *conf;
    struct arena *a;
    struct str url;
    const char *folder; /* of the set's migrations; NULL: those that the program carries */
    struct migration_list list;
    struct schema_options options;
};

static void session_clear(struct session *s)
{
    arena_destroy(s->a);
}

/* `reads_folder`: the files of --dir stand in for those of the program. */
static bool session_open(struct session *s, const struct conf *conf, bool reads_folder,
                         schema_report_fn *report, void *owner, struct err *e)
{
    struct str url = conf_str(conf, CONF_MIGRATE_DATABASE_URL);
    *s = (struct session){ .conf = conf,
                           .a = arena_create(0),
                           .url = url.len ? url : conf_str(conf, CONF_DATABASE_URL) };
    s->options = (struct schema_options){
        .connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS,
        .report = report,
        .owner = owner,
    };
    if (str_is_empty(s->url))
        return err_set(e, ERR_INVALID,
                       "no database is named: give --database-url or set DATABASE_URL");
    if (!conf_is_given(conf, CONF_DIR))
        return true;
    s->folder =
        arena_printf(s->a, "%s/%.*s", conf_cstr(conf, CONF_DIR), STR_FMT(schema_public.name)).ptr;
    s->options.migrations = reads_folder ? &s->list : NULL;
    return !reads_folder || migration_load(s->a, s->folder, &s->list, e);
}

static int fail(const struct err *e)
{
    bool is_outage = e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT;
    return cmd_fail(e->code == ERR_CONFLICT  ? CMD_FINDINGS
                    : e->code == ERR_INVALID ? CMD_USAGE
                    : is_outage              ? CMD_UNAVAILABLE
                                             : CMD_FAILURE,
                    e);
}

/* A migration to write is no log line: it goes to standard output, ready for a file. */
static void report_to_log(enum schema_report kind, struct str text, void *owner)
{
    (void)owner;
    switch (kind) {
    case SCHEMA_REPORT_DONE:
        log_info("schema.done", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_NOTE:
        log_info("schema.note", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_WAIT:
        log_warn("schema.waiting", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_MISSING:
        log_error("schema.missing", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_SQL:
        printf("-- the migration to write:\n%.*s\n", STR_FMT(text));
        fflush(stdout);
        break;
    }
}

static void report_to_terminal(enum schema_report kind, struct str text, void *owner)
{
    (void)owner;
    static const char *const words[] = { [SCHEMA_REPORT_DONE] = "",
                                         [SCHEMA_REPORT_NOTE] = "note: ",
                                         [SCHEMA_REPORT_MISSING] = "missing: ",
                                         [SCHEMA_REPORT_SQL] = "",
                                         [SCHEMA_REPORT_WAIT] = "waiting: " };
    printf("%s%.*s\n", words[kind], STR_FMT(text));
    fflush(stdout);
}

static int prepare(const struct conf *conf, enum schema_mode mode)
{
    struct err e = { 0 };
    scoped(session_clear) struct session s = { 0 };
    cmd_log_setup(conf, "migrate");
    if (!session_open(&s, conf, mode == SCHEMA_MODE_MIGRATE, report_to_log, NULL, &e))
        return fail(&e);
    s.options.allow_drop = mode == SCHEMA_MODE_SYNCHRONISE && conf_bool(conf, CONF_ALLOW_DROP);
    int64_t start_us = clock_mono_us();
    if (!schema_prepare(s.url, mode, &s.options, &e))
        return fail(&e);
    log_info("schema.ready", "version=%s ms=%lld", schema_version(),
             (long long)((clock_mono_us() - start_us) / CLOCK_MS));
    return CMD_OK;
}

int cmd_migrate_sync(const struct conf *conf)
{
    return prepare(conf, SCHEMA_MODE_SYNCHRONISE);
}

int cmd_migrate_run(const struct conf *conf)
{
    return prepare(conf, SCHEMA_MODE_MIGRATE);
}

/* What a check found, to be written as text or as JSON. */
struct findings {
    struct buf text;
    struct buf missing, extra; /* elements of JSON arrays */
};

static void collect(enum schema_report kind, struct str text, void *owner)
{
    struct findings *f = owner;
    bool is_extra = kind == SCHEMA_REPORT_NOTE;
    struct buf *list = is_extra ? &f->extra : &f->missing;
    assert(is_extra || kind == SCHEMA_REPORT_MISSING); /* a check does nothing and waits for none */
    buf_printf(&f->text, "%s: %.*s\n", is_extra ? "extra" : "missing", STR_FMT(text));
    buf_put_c(list, list->len ? "," : "");
    json_put_string(list, text);
}

static int print_findings(const struct findings *f, bool is_json, bool agrees)
{
    struct buf b;
    buf_init(&b, 0);
    if (is_json)
        buf_printf(&b, "{\"agrees\":%s,\"version\":\"%s\",\"missing\":[%.*s],\"extra\":[%.*s]}\n",
                   agrees ? "true" : "false", schema_version(), STR_FMT(buf_str(&f->missing)),
                   STR_FMT(buf_str(&f->extra)));
    else
        buf_printf(&b, "%.*s%s", STR_FMT(buf_str(&f->text)),
                   agrees ? "the database has what this program needs\n" : "");
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code;
}

int cmd_migrate_check(const struct conf *conf)
{
    struct err e = { 0 };
    struct findings f = { 0 };
    scoped(session_clear) struct session s = { 0 };
    if (!session_open(&s, conf, true, collect, &f, &e))
        return fail(&e);
    bool agrees = schema_prepare(s.url, SCHEMA_MODE_CHECK, &s.options, &e);
    int exit_code = CMD_OK;
    if (agrees || e.code == ERR_CONFLICT)
        exit_code = print_findings(&f, conf_bool(conf, CONF_JSON), agrees);
    buf_clear(&f.text);
    buf_clear(&f.missing);
    buf_clear(&f.extra);
    return agrees ? exit_code : fail(&e);
}

static const char *const state_names[] = { [MIGRATE_APPLIED] = "applied",
                                           [MIGRATE_PENDING] = "pending",
                                           [MIGRATE_EDITED] = "edited",
                                           [MIGRATE_UNKNOWN] = "unknown" };

static void put_status_json(struct buf *b, const struct migrate_entry *entries, size_t count)
{
    struct json_writer w = json_writer_to(b);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        char at[CLOCK_TEXT_MAX];
        clock_format(entries[i].applied_at_us, at);
        json_begin_object(&w);
        json_key_c(&w, "number");
        json_write_i64(&w, entries[i].number);
        json_key_c(&w, "name");
        json_write_string(&w, entries[i].name);
        json_key_c(&w, "state");
        json_write_string(&w, str_of_c(state_names[entries[i].state]));
        json_key_c(&w, "appliedAt");
        if (entries[i].applied_at_us)
            json_write_string(&w, str_of_c(at));
        else
            json_write_null(&w);
        json_end_object(&w);
    }
    json_end_array(&w);
    buf_put_char(b, '\n');
}

static void put_status(struct buf *b, const struct migrate_entry *entries, size_t count)
{
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        width = max_of(width, entries[i].name.len);
    for (size_t i = 0; i < count; i++) {
        char at[CLOCK_TEXT_MAX];
        clock_format(entries[i].applied_at_us, at);
        buf_printf(b, "%-*.*s  %-7s  %s\n", (int)width, STR_FMT(entries[i].name),
                   state_names[entries[i].state], entries[i].applied_at_us ? at : "");
    }
}

int cmd_migrate_status(const struct conf *conf)
{
    struct err e = { 0 };
    struct migrate_entry *entries;
    size_t count;
    scoped(session_clear) struct session s = { 0 };
    if (!session_open(&s, conf, true, report_to_terminal, NULL, &e) ||
        !migrate_status(s.url, &s.options, s.a, &entries, &count, &e))
        return fail(&e);
    bool needs_person = false;
    for (size_t i = 0; i < count; i++)
        needs_person |= entries[i].state == MIGRATE_EDITED;
    struct buf b;
    buf_init(&b, 0);
    if (conf_bool(conf, CONF_JSON))
        put_status_json(&b, entries, count);
    else
        put_status(&b, entries, count);
    int exit_code = cmd_print(&b);
    buf_clear(&b);
    return exit_code == CMD_OK && needs_person ? CMD_FINDINGS : exit_code;
}

int cmd_migrate_generate(const struct conf *conf)
{
    struct err e = { 0 };
    size_t file_count;
    scoped(session_clear) struct session s = { 0 };
    if (!session_open(&s, conf, false, report_to_terminal, NULL, &e))
        return fail(&e);
    if (!s.folder)
        s.folder = arena_printf(s.a, MIGRATIONS_FOLDER "/%.*s", STR_FMT(schema_public.name)).ptr;
    if (!generate_migration(s.url, &s.options, conf_operand(conf, 0), s.folder, &file_count, &e))
        return fail(&e);
    if (file_count == 0)
        printf("nothing to do: the migrations of %s lead to the entities\n", s.folder);
    return CMD_OK;
}

int cmd_migrate_revert(const struct conf *conf)
{
    struct err e = { 0 };
    int64_t count = 1;
    scoped(session_clear) struct session s = { 0 };
    bool is_number = conf_operand_count(conf) == 0 || str_to_i64(conf_operand(conf, 0), &count);
    if (!is_number || count < 1 || count > MIGRATION_NUMBER_MAX) {
        err_set(&e, ERR_INVALID, "revert takes the number of migrations to undo, 1 to %d",
                MIGRATION_NUMBER_MAX);
        return fail(&e);
    }
    bool done = session_open(&s, conf, true, report_to_terminal, NULL, &e) &&
                migrate_revert(s.url, &s.options, (int)count, &e);
    return done ? CMD_OK : fail(&e);
}

int cmd_migrate_baseline(const struct conf *conf)
{
    struct err e = { 0 };
    scoped(session_clear) struct session s = { 0 };
    bool done = session_open(&s, conf, true, report_to_terminal, NULL, &e) &&
                migrate_baseline(s.url, &s.options, &e);
    return done ? CMD_OK : fail(&e);
}
