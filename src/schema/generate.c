#include "schema/generate.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/uuid.h"
#include "db/conn.h"
#include "schema/catalog.h"
#include "schema/migrate_priv.h"

enum { FILES_MAX = 2, NAME_LEN_MAX = 60 };

/* A database of its own, gone when it is cleared. */
struct scratch {
    struct db_conn *admin;
    char name[64];
    struct schema_options options; /* the caller's, but what happens here is reported to nobody */
    struct work work;
};

struct draft {
    struct model have, want;
    struct diff up, down;
    struct migration_source files[FILES_MAX];
    size_t file_count;
};

static void scratch_clear(struct scratch *s)
{
    bool is_made = s->work.a && s->work.database;
    work_clear(&s->work);
    if (is_made) {
        char sql[128];
        struct err e = { 0 };
        snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", s->name);
        if (!db_conn_exec(s->admin, "drop the scratch database", str_of_c(sql), &e))
            log_debug("schema.scratch_left", "name=%s error=%s", s->name,
                      log_quote(str_of_c(e.message)));
    }
    db_conn_destroy(take(s->admin));
}

static bool scratch_open(struct scratch *s, struct str url, const struct schema_options *options,
                         struct err *e)
{
    char id[UUID_TEXT_LEN + 1], sql[128];
    uuid_format(uuid_v7(), id);
    snprintf(s->name, sizeof s->name, "windlass_scratch_%s", id + UUID_TEXT_LEN - 12);
    s->options = *options;
    s->options.report = NULL;
    if (!work_open(&s->work, url, &s->options, e))
        return false;
    s->admin = take(s->work.conn);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE template0", s->name);
    if (!db_conn_exec(s->admin, "create a scratch database", str_of_c(sql), e))
        return false;
    s->work.database = s->name;
    return work_connect(&s->work, &s->work.conn, e);
}

/* What the migrations gave and what the entities want, spelled by the same server. */
static bool compare(struct work *w, struct model *ret_have, struct model *ret_want, struct err *e)
{
    bool done = work_begin(w, e) &&
                catalog_read(w->conn, w->a, w->set->name, STR(""), ret_have, e) &&
                catalog_spell(w->conn, w->a, w->set, ret_want, e);
    db_conn_rollback(w->conn);
    if (done)
        model_sort(ret_have, w->set);
    return done;
}

static size_t difference(struct work *w, const struct model *from, const struct model *to,
                         struct diff *ret_diff)
{
    static const struct diff_options plain;
    diff_models(w->a, from, to, &plain, ret_diff);
    return ret_diff->count;
}

static bool has_value(const struct diff *diff)
{
    for (size_t i = 0; i < diff->count; i++)
        if (diff->changes[i].kind == DIFF_VALUE)
            return true;
    return false;
}

static const char *warning_of(const struct diff_change *c)
{
    if (c->phase == DIFF_DROP_COLUMN || c->phase == DIFF_DROP_TABLE)
        return "what is in it is lost";
    return c->kind == DIFF_REWRITE || c->kind == DIFF_NARROW ? "what is stored is converted" : NULL;
}

static void put_change(struct buf *b, const struct diff_change *c)
{
    const char *warning = warning_of(c);
    if (c->phase == DIFF_TABLE)
        buf_put_char(b, '\n');
    if (warning)
        buf_printf(b, "-- %.*s %.*s: %s\n", STR_FMT(c->verb), STR_FMT(c->what), warning);
    buf_put_str(b, c->sql);
    buf_put_char(b, '\n');
}

/* The way back from new enum values is closed already by their own file. */
static bool goes_back(const struct draft *d, const struct diff_change *c)
{
    return !(c->kind == DIFF_NARROW && has_value(&d->up));
}

static struct str text_of(struct work *w, const struct draft *d, struct str name, bool of_values)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "-- %.*s: written by `windlass migrate generate`.\n-- :up\n", STR_FMT(name));
    for (size_t i = 0; i < d->up.count; i++)
        if ((d->up.changes[i].kind == DIFF_VALUE) == of_values)
            put_change(&b, &d->up.changes[i]);
    if (of_values)
        buf_put_c(&b, "-- :irreversible PostgreSQL cannot remove an enum value\n");
    else
        buf_put_c(&b, "-- :down\n");
    for (size_t i = 0; i < d->down.count && !of_values; i++)
        if (goes_back(d, &d->down.changes[i]))
            put_change(&b, &d->down.changes[i]);
    struct str text = arena_copy(w->a, buf_str(&b));
    buf_clear(&b);
    return text;
}

static void add_file(struct work *w, struct draft *d, struct str name, const char *suffix,
                     bool of_values)
{
    size_t number = w->migrations.count + d->file_count + 1;
    struct str file = arena_printf(w->a, "%04zu_%.*s%s.sql", number, STR_FMT(name), suffix);
    d->files[d->file_count++] = (struct migration_source){ file, text_of(w, d, name, of_values) };
}

static void write_draft(struct work *w, struct draft *d, struct str name)
{
    size_t values = 0;
    for (size_t i = 0; i < d->up.count; i++)
        values += d->up.changes[i].kind == DIFF_VALUE;
    if (values > 0)
        add_file(w, d, name, values < d->up.count ? "_values" : "", true);
    if (values < d->up.count)
        add_file(w, d, name, "", false);
}

/* The list that the folder will hold. */
static bool extend_list(struct work *w, const struct draft *d, struct err *e)
{
    size_t count = w->migrations.count;
    struct migration *items = arena_new_array(w->a, count + d->file_count, struct migration);
    if (count > 0)
        memcpy(items, w->migrations.items, count * sizeof *items);
    for (size_t i = 0; i < d->file_count; i++)
        if (!migration_parse(w->a, &d->files[i], &items[count++], e))
            return false;
    w->migrations = (struct migration_list){ items, count };
    return true;
}

/* Forth, and back where there is a way. */
static bool try_out(struct work *w, const struct draft *d, struct err *e)
{
    struct model have, want;
    struct diff rest;
    if (!extend_list(w, d, e) || !migrate_all(w, e) || !compare(w, &have, &want, e))
        return err_in(e, "try it");
    if (difference(w, &have, &want, &rest) > 0)
        return err_set(e, ERR_CONFLICT, "it does not lead to the entities: %.*s %.*s is left",
                       STR_FMT(rest.changes[0].verb), STR_FMT(rest.changes[0].what));
    if (has_value(&d->up))
        return true;
    if (!migrate_revert_last(w, e) || !compare(w, &have, &want, e))
        return err_in(e, "try its way back");
    if (difference(w, &have, &d->have, &rest) > 0)
        return err_set(e, ERR_CONFLICT, "its way back does not lead back: %.*s %.*s is left",
                       STR_FMT(rest.changes[0].verb), STR_FMT(rest.changes[0].what));
    return true;
}

static bool save_file(const char *folder, const struct migration_source *file, struct arena *a,
                      struct err *e)
{
    struct str path = arena_printf(a, "%s/%.*s", folder, STR_FMT(file->name));
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set_errno(e, ERR_INVALID, "create %s", path.ptr);
    size_t done = 0;
    while (done < file->text.len) {
        ssize_t sent = write(fd, file->text.ptr + done, file->text.len - done);
        if (sent < 0) {
            err_set_errno(e, ERR_INVALID, "write %s", path.ptr);
            break;
        }
        done += (size_t)sent;
    }
    if (close(fd) != 0 && done == file->text.len)
        return err_set_errno(e, ERR_INVALID, "write %s", path.ptr);
    return done == file->text.len;
}

static bool check_name(struct str name, struct err *e)
{
    bool is_good = name.len > 0 && name.len <= NAME_LEN_MAX;
    for (size_t i = 0; i < name.len && is_good; i++) {
        char c = name.ptr[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    return is_good || err_set(e, ERR_INVALID,
                              "a migration's name is up to %d small letters, digits and "
                              "underscores, such as user_nickname",
                              NAME_LEN_MAX);
}

bool generate_migration(struct str url, const struct schema_options *options, struct str name,
                        const char *folder, size_t *ret_file_count, struct err *e)
{
    scoped(scratch_clear) struct scratch s = { 0 };
    struct work *w = &s.work;
    struct draft d = { 0 };
    if (!check_name(name, e) || !scratch_open(&s, url, options, e) ||
        !migration_load(w->a, folder, &w->migrations, e) || !migrate_all(w, e) ||
        !compare(w, &d.have, &d.want, e))
        return err_in(e, "generate a migration");
    *ret_file_count = 0;
    if (difference(w, &d.have, &d.want, &d.up) == 0)
        return true;
    (void)difference(w, &d.want, &d.have, &d.down);
    write_draft(w, &d, name);
    struct err trial = { 0 };
    bool is_good = try_out(w, &d, &trial);
    s.options.report = options->report;
    if (!is_good)
        work_report(w, SCHEMA_REPORT_NOTE, "edit it before use: %s", err_text(&trial));
    for (size_t i = 0; i < d.file_count; i++) {
        if (!save_file(folder, &d.files[i], w->a, e))
            return false;
        work_report(w, SCHEMA_REPORT_DONE, "%s/%.*s", folder, STR_FMT(d.files[i].name));
    }
    *ret_file_count = d.file_count;
    return true;
}
