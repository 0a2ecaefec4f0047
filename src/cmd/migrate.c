/*
 * migrate: the schema of the database, by hand. `up` runs `migrate sync` and `migrate run` as
 * children of its own, so those two tell what they do in the log; the others answer on standard
 * output. Exit codes: 3 where a person must act, 69 where the database cannot be reached.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cmd/migrating_priv.h"
#include "json/writer.h"
#include "schema/generate.h"

#define MIGRATIONS_FOLDER "src/schema/migrations" /* of the source tree, for `generate` */

static int fail(const struct err *e)
{
    bool is_outage = e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT;
    return cmd_fail(e->code == ERR_CONFLICT  ? CMD_FINDINGS
                    : e->code == ERR_INVALID ? CMD_USAGE
                    : is_outage              ? CMD_UNAVAILABLE
                                             : CMD_FAILURE,
                    e);
}

static int fail_in(const struct migrating *s, struct err *e)
{
    if (s->shard > 0)
        err_in(e, "shard %u", s->shard);
    return fail(e);
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

/* " (schema worker) (shard 1)", but for what is usual. */
static void put_where(struct buf *b, const struct migrating *s)
{
    if (s->options.set != &schema_public)
        buf_printf(b, " (schema %.*s)", STR_FMT(s->options.set->name));
    if (s->shard > 0)
        buf_printf(b, " (shard %u)", s->shard);
}

static void report_to_terminal(enum schema_report kind, struct str text, void *owner)
{
    static const char *const words[] = { [SCHEMA_REPORT_DONE] = "",
                                         [SCHEMA_REPORT_NOTE] = "note: ",
                                         [SCHEMA_REPORT_MISSING] = "missing: ",
                                         [SCHEMA_REPORT_SQL] = "",
                                         [SCHEMA_REPORT_WAIT] = "waiting: " };
    struct buf where;
    buf_init(&where, 0);
    if (kind == SCHEMA_REPORT_DONE && owner != NULL) /* what is generated is a path, for scripts */
        put_where(&where, owner);
    printf("%s%.*s%.*s\n", words[kind], STR_FMT(text), STR_FMT(buf_str(&where)));
    fflush(stdout);
    buf_clear(&where);
}

static int prepare(const struct conf *conf, enum schema_mode mode)
{
    struct err e = { 0 };
    scoped(migrating_clear) struct migrating s = { 0 };
    cmd_log_setup(conf, "migrate");
    if (!migrating_open(&s, conf, mode == SCHEMA_MODE_MIGRATE, report_to_log, NULL, &e))
        return fail(&e);
    s.options.allow_drop = mode == SCHEMA_MODE_SYNCHRONISE && conf_bool(conf, CONF_ALLOW_DROP);
    int64_t start_us = clock_mono_us();
    do {
        for (size_t i = migrating_first_set(&s); i < countof(migrating_sets); i++)
            if (!migrating_use(&s, migrating_sets[i], &e) ||
                !schema_prepare(s.url, mode, &s.options, &e))
                return fail_in(&s, &e);
    } while (migrating_next(&s));
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
    const struct migrating *s; /* what is being compared */
    struct buf text;
    struct buf missing, extra; /* elements of JSON arrays */
};

static void collect(enum schema_report kind, struct str text, void *owner)
{
    struct findings *f = owner;
    bool is_extra = kind == SCHEMA_REPORT_NOTE;
    struct buf *list = is_extra ? &f->extra : &f->missing;
    assert(is_extra || kind == SCHEMA_REPORT_MISSING); /* a check does nothing and waits for none */
    struct buf where;
    buf_init(&where, 0);
    buf_put_str(&where, text);
    put_where(&where, f->s);
    buf_printf(&f->text, "%s: %.*s\n", is_extra ? "extra" : "missing", STR_FMT(buf_str(&where)));
    buf_put_c(list, list->len ? "," : "");
    json_put_string(list, buf_str(&where));
    buf_clear(&where);
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

/* One database. False: it cannot be judged, and `e` says why; else, where it lacks something,
 * `*agrees` becomes false and `e` says so. */
static bool check_one(struct migrating *s, bool *agrees, struct err *e)
{
    for (size_t i = migrating_first_set(s); i < countof(migrating_sets); i++) {
        struct err why = { 0 };
        if (migrating_use(s, migrating_sets[i], &why) &&
            schema_prepare(s->url, SCHEMA_MODE_CHECK, &s->options, &why))
            continue;
        bool is_judged = why.code == ERR_CONFLICT;
        *e = *agrees || !is_judged ? why : *e;
        *agrees = false;
        if (!is_judged)
            return false;
    }
    return true;
}

int cmd_migrate_check(const struct conf *conf)
{
    struct err e = { 0 };
    scoped(migrating_clear) struct migrating s = { 0 };
    struct findings f = { .s = &s };
    if (!migrating_open(&s, conf, true, collect, &f, &e))
        return fail(&e);
    bool agrees = true, is_judged;
    do {
        is_judged = check_one(&s, &agrees, &e);
    } while (is_judged && migrating_next(&s));
    int exit_code = CMD_OK;
    if (is_judged)
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

static void put_status_json(struct json_writer *w, const struct migrating *s,
                            const struct migrate_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char at[CLOCK_TEXT_MAX];
        clock_format(entries[i].applied_at_us, at);
        json_begin_object(w);
        json_key_c(w, "shard");
        json_write_i64(w, s->shard);
        json_key_c(w, "schema");
        json_write_string(w, s->options.set->name);
        json_key_c(w, "number");
        json_write_i64(w, entries[i].number);
        json_key_c(w, "name");
        json_write_string(w, entries[i].name);
        json_key_c(w, "state");
        json_write_string(w, str_of_c(state_names[entries[i].state]));
        json_key_c(w, "appliedAt");
        if (entries[i].applied_at_us)
            json_write_string(w, str_of_c(at));
        else
            json_write_null(w);
        json_end_object(w);
    }
}

static void put_status(struct buf *b, const struct migrating *s,
                       const struct migrate_entry *entries, size_t count)
{
    size_t width = 0;
    if (s->options.set == migrating_sets[migrating_first_set(s)] && s->shard > 0)
        buf_printf(b, "shard %u:\n", s->shard);
    for (size_t i = 0; i < count; i++)
        width = max_of(width, entries[i].name.len);
    for (size_t i = 0; i < count; i++) {
        char at[CLOCK_TEXT_MAX];
        clock_format(entries[i].applied_at_us, at);
        bool has_time = entries[i].applied_at_us != 0;
        buf_printf(b, "%-8.*s  %-*.*s  %s%s%s\n", STR_FMT(s->options.set->name), (int)width,
                   STR_FMT(entries[i].name), state_names[entries[i].state], has_time ? "  " : "",
                   has_time ? at : "");
    }
}

/* Of one database; as JSON where `w` is given, else as text. */
static bool tell_status(struct migrating *s, struct json_writer *w, struct buf *b,
                        bool *needs_person, struct err *e)
{
    struct migrate_entry *entries;
    size_t count;
    for (size_t i = migrating_first_set(s); i < countof(migrating_sets); i++) {
        if (!migrating_use(s, migrating_sets[i], e) ||
            !migrate_status(s->url, &s->options, s->a, &entries, &count, e))
            return false;
        for (size_t k = 0; k < count; k++)
            *needs_person |= entries[k].state == MIGRATE_EDITED;
        if (w)
            put_status_json(w, s, entries, count);
        else
            put_status(b, s, entries, count);
    }
    return true;
}

int cmd_migrate_status(const struct conf *conf)
{
    struct err e = { 0 };
    scoped(migrating_clear) struct migrating s = { 0 };
    if (!migrating_open(&s, conf, true, report_to_terminal, &s, &e))
        return fail(&e);
    bool needs_person = false, is_json = conf_bool(conf, CONF_JSON), is_good;
    struct buf b;
    buf_init(&b, 0);
    struct json_writer w = json_writer_to(&b);
    if (is_json)
        json_begin_array(&w);
    do {
        is_good = tell_status(&s, is_json ? &w : NULL, &b, &needs_person, &e);
    } while (is_good && migrating_next(&s));
    if (is_json)
        json_end_array(&w);
    buf_put_c(&b, is_json ? "\n" : "");
    int exit_code = is_good ? cmd_print(&b) : fail_in(&s, &e);
    buf_clear(&b);
    return exit_code == CMD_OK && needs_person ? CMD_FINDINGS : exit_code;
}

int cmd_migrate_generate(const struct conf *conf)
{
    struct err e = { 0 };
    size_t file_count;
    scoped(migrating_clear) struct migrating s = { 0 };
    if (!migrating_open(&s, conf, false, report_to_terminal, NULL, &e) ||
        (s.is_cluster &&
         !migrating_join_cluster(&s, UP_ROLE_SUPERUSER, &e))) /* for the scratch one */
        return fail(&e);
    for (size_t i = 0; i < countof(migrating_sets); i++) {
        if (!migrating_use(&s, migrating_sets[i], &e))
            return fail(&e);
        const char *folder = s.folder;
        if (!folder)
            folder =
                arena_printf(s.a, MIGRATIONS_FOLDER "/%.*s", STR_FMT(migrating_sets[i]->name)).ptr;
        if (!generate_migration(s.url, &s.options, conf_operand(conf, 0), folder, &file_count, &e))
            return fail(&e);
        if (file_count == 0)
            printf("nothing to do: the migrations of %s lead to the entities\n", folder);
    }
    return CMD_OK;
}

/* The set whose last migration was applied last; NULL: none is applied. */
static bool find_newest(struct migrating *s, const struct schema_set **ret_set, struct err *e)
{
    int64_t newest_us = 0;
    *ret_set = NULL;
    for (size_t i = migrating_first_set(s); i < countof(migrating_sets); i++) {
        struct migrate_entry *entries;
        size_t count;
        if (!migrating_use(s, migrating_sets[i], e) ||
            !migrate_status(s->url, &s->options, s->a, &entries, &count, e))
            return false;
        for (size_t k = 0; k < count; k++) {
            if (entries[k].applied_at_us < newest_us || entries[k].applied_at_us == 0)
                continue;
            newest_us = entries[k].applied_at_us;
            *ret_set = migrating_sets[i];
        }
    }
    return true;
}

static bool revert_one(struct migrating *s, struct err *e)
{
    const struct schema_set *set;
    return find_newest(s, &set, e) &&
           migrating_use(s, set ? set : migrating_sets[migrating_first_set(s)], e) &&
           migrate_revert(s->url, &s->options, 1, e);
}

int cmd_migrate_revert(const struct conf *conf)
{
    struct err e = { 0 };
    int64_t count = 1;
    scoped(migrating_clear) struct migrating s = { 0 };
    bool is_number = conf_operand_count(conf) == 0 || str_to_i64(conf_operand(conf, 0), &count);
    if (!is_number || count < 1 || count > MIGRATION_NUMBER_MAX) {
        err_set(&e, ERR_INVALID, "revert takes the number of migrations to undo, 1 to %d",
                MIGRATION_NUMBER_MAX);
        return fail(&e);
    }
    bool done = migrating_open(&s, conf, true, report_to_terminal, &s, &e);
    if (done && s.shard_count > 1 && !conf_is_given(conf, CONF_SHARD))
        done =
            err_set(&e, ERR_INVALID,
                    "there are %zu databases: --shard names the one to revert, 0 is the main one",
                    s.shard_count);
    for (int64_t i = 0; done && i < count; i++)
        done = revert_one(&s, &e);
    return done ? CMD_OK : fail(&e);
}

static bool baseline_one(struct migrating *s, struct err *e)
{
    for (size_t i = migrating_first_set(s); i < countof(migrating_sets); i++)
        if (!migrating_use(s, migrating_sets[i], e) || !migrate_baseline(s->url, &s->options, e))
            return false;
    return true;
}

int cmd_migrate_baseline(const struct conf *conf)
{
    struct err e = { 0 };
    scoped(migrating_clear) struct migrating s = { 0 };
    if (!migrating_open(&s, conf, true, report_to_terminal, &s, &e))
        return fail(&e);
    do {
        if (!baseline_one(&s, &e))
            return fail_in(&s, &e);
    } while (migrating_next(&s));
    return CMD_OK;
}
