#include "schema/migration.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "schema/migration_files.h"
#include "schema/script.h"

/*
 * What is summed: the lines without spaces at their ends, a carriage return included, and without
 * empty ones at the end of the file.
 */
static void checksum(struct str text, char ret_hex[SHA256_HEX_LEN + 1])
{
    struct buf b;
    buf_init(&b, 0);
    size_t used = 0;
    for (bool more = true; more;) {
        struct str line;
        more = str_cut(text, '\n', &line, &text);
        while (line.len > 0 && strchr(" \t\r", line.ptr[line.len - 1]))
            line.len--;
        buf_put_str(&b, line);
        used = line.len > 0 ? b.len + 1 : used;
        buf_put_char(&b, '\n');
    }
    sha256_hex(str_first(buf_str(&b), used), ret_hex);
    buf_clear(&b);
}

/* "0002_user_nickname.sql": four digits, an underscore, small letters, digits and underscores. */
static bool parse_name(struct str file, struct migration *m, struct err *e)
{
    struct str name = str_first(file, file.len > 4 ? file.len - 4 : 0);
    bool is_good = str_ends_with(file, STR(".sql")) && name.len >= 6 && name.ptr[4] == '_';
    m->number = 0;
    for (size_t i = 0; i < name.len && is_good; i++) {
        char c = name.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        is_good = i < 4 ? is_digit : is_digit || c == '_' || (c >= 'a' && c <= 'z');
        if (i < 4 && is_good)
            m->number = m->number * 10 + (c - '0');
    }
    m->name = name;
    return (is_good && m->number > 0) ||
           err_set(e, ERR_INVALID, "%.*s: a migration is called like 0002_user_nickname.sql",
                   STR_FMT(file));
}

struct parts {
    struct str up, down, irreversible;
    bool has_up, has_down, is_irreversible, no_transaction;
    int up_line, down_line;
};

/* Cuts the text at its marks. */
static bool cut_parts(struct str file, struct str text, struct parts *p, struct err *e)
{
    struct str *part = NULL, rest = text;
    int number = 0;
    for (bool more = true; more;) {
        struct str whole;
        more = str_cut(rest, '\n', &whole, &rest);
        number++;
        struct str line = str_trim(whole);
        if (str_eq_c(line, "-- no transaction") && !p->has_up) {
            p->no_transaction = true;
        } else if (str_eq_c(line, "-- :up") && !p->has_up) {
            part = &p->up;
            p->has_up = true;
            p->up_line = number;
        } else if (str_eq_c(line, "-- :down") && p->has_up && !p->has_down && !p->is_irreversible) {
            part = &p->down;
            p->has_down = true;
            p->down_line = number;
        } else if (str_starts_with(line, STR("-- :irreversible")) && p->has_up && !p->has_down &&
                   !p->is_irreversible) {
            part = NULL;
            p->is_irreversible = true;
            p->irreversible = str_trim(str_from(line, sizeof "-- :irreversible" - 1));
        } else if (str_starts_with(line, STR("-- :"))) {
            return err_set(e, ERR_INVALID, "%.*s:%d: \"%.*s\" cannot stand here", STR_FMT(file),
                           number, STR_FMT(line));
        } else if (part) {
            size_t end = text.len - rest.len;
            if (!part->ptr)
                part->ptr = text.ptr + end - whole.len - more;
            part->len = (size_t)(text.ptr + end - part->ptr);
        } else if (!str_is_empty(line) && !str_starts_with(line, STR("--"))) {
            return err_set(e, ERR_INVALID, "%.*s:%d: SQL outside of \"-- :up\" and \"-- :down\"",
                           STR_FMT(file), number);
        }
    }
    return true;
}

static bool check_part(struct str file, struct str sql, int line, bool in_transaction,
                       struct err *e)
{
    struct script script;
    if (!script_scan(sql, &script, e))
        return err_in(e, "%.*s, below line %d", STR_FMT(file), line);
    if (script.control_line > 0)
        return err_set(e, ERR_INVALID, "%.*s:%d: %.*s: the program begins and ends the transaction",
                       STR_FMT(file), line + script.control_line, STR_FMT(script.control));
    if (script.statement_count == 0)
        return err_set(e, ERR_INVALID, "%.*s:%d: no statement below", STR_FMT(file), line);
    if (!in_transaction && script.statement_count > 1)
        return err_set(e, ERR_INVALID,
                       "%.*s:%d: one statement may stand here, because it runs without a "
                       "transaction; found %zu",
                       STR_FMT(file), line, script.statement_count);
    return true;
}

bool migration_parse(struct arena *a, const struct migration_source *source,
                     struct migration *ret_migration, struct err *e)
{
    struct migration m = { 0 };
    struct parts p = { 0 };
    struct str file = source->name;
    if (source->text.len > MIGRATION_SIZE_MAX)
        return err_set(e, ERR_LIMIT, "%.*s is longer than %d bytes", STR_FMT(file),
                       MIGRATION_SIZE_MAX);
    if (!parse_name(file, &m, e))
        return false;
    if (memchr(source->text.ptr ? source->text.ptr : "", '\0', source->text.len) ||
        !str_is_utf8(source->text))
        return err_set(e, ERR_INVALID, "%.*s is not UTF-8 text", STR_FMT(file));
    if (!cut_parts(file, source->text, &p, e))
        return false;
    if (!p.has_up || !(p.has_down || p.is_irreversible))
        return err_set(e, ERR_INVALID, "%.*s has no \"-- :%s\"", STR_FMT(file),
                       p.has_up ? "down\" and no \"-- :irreversible" : "up");
    m.in_transaction = !p.no_transaction;
    m.is_irreversible = p.is_irreversible;
    if (!check_part(file, p.up, p.up_line, m.in_transaction, e) ||
        (p.has_down && !check_part(file, p.down, p.down_line, m.in_transaction, e)))
        return false;
    m.name = arena_copy(a, m.name);
    m.up_line = p.up_line;
    m.down_line = p.down_line;
    m.up = arena_copy(a, p.up);
    m.down = arena_copy(a, p.has_down ? p.down : p.irreversible);
    checksum(source->text, m.checksum);
    *ret_migration = m;
    return true;
}

bool migration_parse_all(struct arena *a, const struct migration_source *sources, size_t count,
                         struct migration_list *ret_list, struct err *e)
{
    struct migration *items = arena_new_array(a, count, struct migration);
    for (size_t i = 0; i < count; i++) {
        struct migration m;
        if (!migration_parse(a, &sources[i], &m, e))
            return false;
        size_t at = i;
        for (; at > 0 && items[at - 1].number > m.number; at--)
            items[at] = items[at - 1];
        items[at] = m;
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].number < (int)i + 1)
            return err_set(e, ERR_INVALID, "two migrations have the number %04d: %.*s and %.*s",
                           items[i].number, STR_FMT(items[i - 1].name), STR_FMT(items[i].name));
        if (items[i].number > (int)i + 1)
            return err_set(e, ERR_INVALID, "there is no migration %04d before %.*s", (int)i + 1,
                           STR_FMT(items[i].name));
    }
    *ret_list = (struct migration_list){ items, count };
    return true;
}

static bool read_open(struct arena *a, int fd, struct str *ret_text, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set_errno(e, ERR_INVALID, "read");
    if (st.st_size > MIGRATION_SIZE_MAX)
        return err_set(e, ERR_LIMIT, "longer than %d bytes", MIGRATION_SIZE_MAX);
    size_t size = (size_t)st.st_size, len = 0;
    char *text = arena_alloc(a, size + 1);
    for (ssize_t got = 1; got > 0 && len < size;) {
        got = read(fd, text + len, size - len);
        if (got < 0)
            return err_set_errno(e, ERR_INVALID, "read");
        len += (size_t)got;
    }
    *ret_text = str_of(text, len);
    return true;
}

static bool read_file(struct arena *a, int folder, const char *name, struct str *ret_text,
                      struct err *e)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(e, ERR_INVALID, "open %s", name);
    bool done = read_open(a, fd, ret_text, e) || err_in(e, "file %s", name);
    close(fd);
    return done;
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

bool migration_load(struct arena *a, const char *path, struct migration_list *ret_list,
                    struct err *e)
{
    scoped(close_folder) DIR *folder = opendir(path);
    if (!folder)
        return err_set_errno(e, ERR_NOT_FOUND, "open folder %s", path);
    struct migration_source *sources =
        arena_new_array(a, MIGRATION_NUMBER_MAX, struct migration_source);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        struct str name = str_of_c(entry->d_name);
        if (!str_ends_with(name, STR(".sql")))
            continue;
        if (count == MIGRATION_NUMBER_MAX)
            return err_set(e, ERR_LIMIT, "%s holds more than %d migrations", path,
                           MIGRATION_NUMBER_MAX);
        sources[count].name = arena_copy(a, name);
        if (!read_file(a, dirfd(folder), entry->d_name, &sources[count++].text, e))
            return err_in(e, "load migrations from %s", path);
    }
    return migration_parse_all(a, sources, count, ret_list, e) ||
           err_in(e, "load migrations from %s", path);
}

void migration_embedded(struct arena *a, const struct schema_set *set,
                        struct migration_list *ret_list)
{
    struct migration_list list = { 0 };
    for (size_t i = 0; i < migration_folder_count; i++) {
        struct err e = { 0 };
        if (str_eq(migration_folders[i].schema, set->name) &&
            !migration_parse_all(a, migration_folders[i].sources, migration_folders[i].count, &list,
                                 &e))
            base_abort(err_text(&e)); /* the build read the same files: a unit test parses them */
    }
    *ret_list = list;
}
