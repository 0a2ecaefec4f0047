#include "db/statement.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "db/statement_priv.h"

const struct db_statement *db_statement_compose(struct arena *a, struct str sql,
                                                const uint32_t *oids, size_t param_count)
{
    assert(param_count <= DB_PARAMS_MAX);
    enum { DIGITS = 32 };
    static const char prefix[] = "composed_";
    char hex[SHA256_HEX_LEN + 1];
    char *name = arena_alloc(a, sizeof prefix + DIGITS);
    sha256_hex(sql, hex);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, hex, DIGITS);
    uint32_t *own_oids = arena_new_array(a, param_count, uint32_t);
    if (param_count)
        memcpy(own_oids, oids, param_count * sizeof *oids);
    struct db_statement *s = arena_new(a, struct db_statement);
    *s = (struct db_statement){ .name = name,
                                .sql = arena_cstr(a, sql),
                                .oids = own_oids,
                                .param_count = (uint16_t)param_count,
                                .is_composed = true };
    return s;
}

struct db_args *db_args_create(struct arena *a)
{
    struct db_args *args = arena_new(a, struct db_args);
    args->arena = a;
    return args;
}

void args_add(struct db_args *args, const char *value, size_t binary_len)
{
    if (args->count == DB_PARAMS_MAX || binary_len > INT_MAX) {
        if (!args->failure.code)
            err_set(&args->failure, ERR_LIMIT,
                    "more than %d values in one statement, or one of 2 GiB", DB_PARAMS_MAX);
        return;
    }
    args->lengths[args->count] = (int)binary_len;
    args->values[args->count++] = value;
}

/* `value` ends in NUL and lives in the arena; NULL is SQL's null. */
static void add(struct db_args *args, const char *value)
{
    args_add(args, value, 0);
}

bool args_has_nul(struct db_args *args, struct str value)
{
    if (!value.len || !memchr(value.ptr, '\0', value.len))
        return false;
    if (!args->failure.code)
        err_set(&args->failure, ERR_INVALID, "a text holds U+0000, which cannot be stored");
    return true;
}

void db_args_null(struct db_args *args)
{
    add(args, NULL);
}

void db_args_text(struct db_args *args, struct str value)
{
    add(args, args_has_nul(args, value) ? "" : arena_cstr(args->arena, value));
}

void db_args_bool(struct db_args *args, bool value)
{
    add(args, value ? "t" : "f");
}

void db_args_i64(struct db_args *args, int64_t value)
{
    char *text = arena_alloc(args->arena, 24);
    snprintf(text, 24, "%" PRId64, value);
    add(args, text);
}

/* 17 digits give the same double back; the server spells the others its own way. */
static struct str double_text(struct arena *a, double value)
{
    if (isnan(value))
        return STR("NaN");
    if (isinf(value))
        return value > 0 ? STR("Infinity") : STR("-Infinity");
    return arena_printf(a, "%.17g", value);
}

void db_args_double(struct db_args *args, double value)
{
    add(args, double_text(args->arena, value).ptr);
}

void db_args_uuid(struct db_args *args, struct uuid value)
{
    char *text = arena_alloc(args->arena, UUID_TEXT_LEN + 1);
    uuid_format(value, text);
    add(args, text);
}

void db_args_time(struct db_args *args, int64_t wall_us)
{
    char *text = arena_alloc(args->arena, CLOCK_TEXT_MAX);
    clock_format(wall_us, text);
    add(args, text);
}

void db_args_bytes(struct db_args *args, struct str value)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(args->arena, 2 + value.len * 2 + 1);
    text[0] = '\\';
    text[1] = 'x';
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        text[2 + i * 2] = digits[byte >> 4];
        text[3 + i * 2] = digits[byte & 15];
    }
    add(args, text);
}

#define DEFINE_OR_NULL(kind, type)                                                                 \
    void db_args_##kind##_or_null(struct db_args *args, const type *value)                         \
    {                                                                                              \
        if (value)                                                                                 \
            db_args_##kind(args, *value);                                                          \
        else                                                                                       \
            db_args_null(args);                                                                    \
    }                                                                                              \
    static_assert(true, "needs a semicolon")

DEFINE_OR_NULL(text, struct str);
DEFINE_OR_NULL(bool, bool);
DEFINE_OR_NULL(i64, int64_t);
DEFINE_OR_NULL(double, double);
DEFINE_OR_NULL(uuid, struct uuid);
DEFINE_OR_NULL(time, int64_t);
DEFINE_OR_NULL(bytes, struct str);

bool db_args_check(const struct db_args *args, const struct db_statement *statement, struct err *e)
{
    if (args && args->failure.code) {
        *e = args->failure;
        return err_in(e, "%s", statement->name);
    }
    size_t count = args ? args->count : 0;
    if (count != statement->param_count)
        return err_set(e, ERR_INTERNAL, "%s takes %d values, not %zu", statement->name,
                       statement->param_count, count);
    return true;
}
