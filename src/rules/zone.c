#include "rules/zone.h"

#include <errno.h>

#include "base/mem.h"
#include "rules/shown_priv.h"
#include "rules/zone_priv.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
/* Far from any second that is dealt with, and offsets can be added without overflow. */
#define ENDLESS_S (INT64_MAX / 4)

void zone_destroy(struct zone *z)
{
    if (z == NULL)
        return;
    mem_free(z->transitions);
    mem_free(z);
}

struct zone *zone_create_utc(void)
{
    struct zone *z = mem_new(struct zone);
    memcpy(z->name, "UTC", sizeof "UTC");
    return z;
}

struct str zone_name(const struct zone *z)
{
    return str_of_c(z->name);
}

/* ── names ── */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '+';
}

/* Words of letters, digits, "_", "-" and "+", one "/" between them: nothing that leads elsewhere.
 * "localtime" is the host's own zone, which says nothing to a reader. */
static bool name_is_safe(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        bool is_separator = name.ptr[i] == '/' && i > 0 && name.ptr[i - 1] != '/';
        if (!is_separator && !is_name_char(name.ptr[i]))
            return false;
    }
    return name.len > 0 && name.ptr[name.len - 1] != '/' && !str_eq_c(name, "localtime");
}

static bool no_such_zone(struct str name, struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "there is no time zone \"%s\"; expected a name such as UTC or Europe/Berlin",
                   shown(name).text);
}

/* ── files ── */

static void close_filep(FILE **f)
{
    if (*f != NULL)
        (void)fclose(*f);
}

static bool open_file(struct str name, FILE **ret_file, struct err *e)
{
    char path[4096];
    const char *folder = getenv("TZDIR");
    if (folder == NULL || folder[0] != '/')
        folder = ZONE_FOLDER;
    int len = snprintf(path, sizeof path, "%s/%.*s", folder, STR_FMT(name));
    if (len < 0 || (size_t)len >= sizeof path)
        return err_set(e, ERR_LIMIT, "the path that TZDIR names is too long");
    *ret_file = fopen(path, "rbe");
    if (*ret_file == NULL && (errno == ENOENT || errno == ENOTDIR))
        return no_such_zone(name, e);
    if (*ret_file == NULL)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open the time zone \"%.*s\"",
                             STR_FMT(name));
    return true;
}

bool zone_load(struct str name, struct zone **ret_zone, struct err *e)
{
    scoped(close_filep) FILE *file = NULL;
    if (name.len > ZONE_NAME_MAX || !name_is_safe(name))
        return no_such_zone(name, e);
    if (str_eq_c(name, "UTC")) {
        *ret_zone = zone_create_utc();
        return true;
    }
    if (!open_file(name, &file, e))
        return false;
    scoped(mem_freep) char *bytes = mem_alloc(ZONE_FILE_BYTES_MAX);
    size_t len = fread(bytes, 1, ZONE_FILE_BYTES_MAX, file);
    if (ferror(file) && errno == EISDIR)
        return no_such_zone(name, e);
    if (ferror(file))
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot read the time zone \"%.*s\"",
                             STR_FMT(name));
    struct err why;
    if (!zone_parse(name, str_of(bytes, len), ret_zone, &why))
        return err_set(e, why.code, "the time zone \"%.*s\" cannot be used: %s", STR_FMT(name),
                       why.message);
    return true;
}

/* ── offsets ── */

/* How many transitions lie at or before that second. */
static size_t transitions_until(const struct zone *z, int64_t utc_s)
{
    size_t low = 0, high = z->transition_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->transitions[middle].at_s <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct zone_span zone_span(const struct zone *z, int64_t utc_s)
{
    int64_t at_s = max_of(utc_s, ZONE_S_MIN);
    at_s = min_of(at_s, ZONE_S_MAX);
    size_t past = transitions_until(z, at_s);
    struct zone_span span = { INT64_MIN, INT64_MAX, z->first_offset_s };
    if (past == z->transition_count && z->has_rule)
        span = zone_rule_span(&z->rule, at_s);
    else if (past > 0)
        span.offset_s = z->transitions[past - 1].offset_s;
    if (past > 0)
        span.from_s = max_of(span.from_s, z->transitions[past - 1].at_s);
    if (past < z->transition_count)
        span.until_s = z->transitions[past].at_s;
    if (span.from_s < ZONE_S_MIN)
        span.from_s = -ENDLESS_S;
    if (span.until_s > ZONE_S_MAX)
        span.until_s = ENDLESS_S;
    return span;
}

int64_t zone_local_s(const struct zone *z, int64_t utc_s)
{
    return utc_s + zone_span(z, utc_s).offset_s;
}
