#include "json/json.h"

#include <inttypes.h>
#include <yyjson.h>

#include "base/mem.h"
#include "json/path_priv.h"

/* yyjson keeps its own flat array of values for the time of the parse; the tree is made from it.
 * The reader neither recurses nor allocates more than 24 bytes a byte of text. */
static void *pool_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return mem_alloc(size);
}

static void *pool_resize(void *ctx, void *p, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    return mem_resize(p, size, 1);
}

static void pool_free(void *ctx, void *p)
{
    (void)ctx;
    mem_free(p);
}

static void doc_freep(yyjson_doc **doc)
{
    yyjson_doc_free(*doc); /* accepts NULL */
}

/* What a person looks for in an editor: both count from 1, columns in characters. */
static void locate(struct str text, size_t at, size_t *ret_line, size_t *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            ++*ret_line;
            *ret_column = 1;
        } else {
            *ret_column += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        }
    }
}

static bool refuse_text(struct str text, size_t at, const char *why, struct err *e)
{
    size_t line, column;
    char path[JSON_PATH_TEXT_MAX];
    locate(text, at, &line, &column);
    json_path_of_text(text, at, path);
    return err_set(e, ERR_INVALID, "%s: %s (line %zu column %zu, byte %zu)", path, why, line,
                   column, at);
}

/* How to name what yyjson found: its own words are kept where they help. */
static const char *explain(const yyjson_read_err *failure)
{
    switch (failure->code) {
    case YYJSON_READ_ERROR_EMPTY_CONTENT:
        return "the text is empty";
    case YYJSON_READ_ERROR_UNEXPECTED_END:
        return "the text ends too early";
    case YYJSON_READ_ERROR_UNEXPECTED_CONTENT:
        return "unexpected text after the document";
    case YYJSON_READ_ERROR_LITERAL:
        return "unknown word, expected a JSON value";
    default:
        return failure->msg;
    }
}

static bool build(struct arena *a, yyjson_val *from, int depth, const struct json_step *here,
                  struct json_value *ret_value, struct err *e);

/* Asked at every container, so that a budget is passed by one container's children at most; their
 * number is bounded by the length of the text. */
static bool refuse_growth(const struct arena *a, int depth, const struct json_step *here,
                          struct err *e)
{
    char path[JSON_PATH_TEXT_MAX];
    if (depth < JSON_DEPTH_MAX && !arena_over_budget(a))
        return true;
    json_path_format(here, path);
    if (arena_over_budget(a))
        return err_set(e, ERR_LIMIT, "%s: the document needs too much memory", path);
    return err_set(e, ERR_LIMIT, "%s: nested deeper than %d levels", path, JSON_DEPTH_MAX);
}

/* False: it is a container, which is built apart. */
static inline bool read_scalar(yyjson_val *from, struct json_value *ret_value)
{
    switch (unsafe_yyjson_get_type(from)) {
    case YYJSON_TYPE_NULL:
        *ret_value = json_of_null();
        return true;
    case YYJSON_TYPE_BOOL:
        *ret_value = json_of_bool(unsafe_yyjson_get_bool(from));
        return true;
    case YYJSON_TYPE_RAW:
        *ret_value =
            json_of_number(str_of(unsafe_yyjson_get_raw(from), unsafe_yyjson_get_len(from)));
        return true;
    case YYJSON_TYPE_STR:
        *ret_value =
            json_of_string(str_of(unsafe_yyjson_get_str(from), unsafe_yyjson_get_len(from)));
        return true;
    default:
        return false;
    }
}

static bool build_array(struct arena *a, yyjson_val *from, int depth, const struct json_step *here,
                        struct json_value *ret_value, struct err *e)
{
    size_t count = unsafe_yyjson_get_len(from);
    struct json_value *items = arena_new_array(a, count, struct json_value);
    struct json_step step = { .parent = here };
    yyjson_val *item = unsafe_yyjson_get_first(from);
    for (; step.index < count; step.index++, item = unsafe_yyjson_get_next(item))
        if (!read_scalar(item, &items[step.index]) &&
            !build(a, item, depth + 1, &step, &items[step.index], e))
            return false;
    *ret_value = json_of_items(items, count);
    return true;
}

static bool build_object(struct arena *a, yyjson_val *from, int depth, const struct json_step *here,
                         struct json_value *ret_value, struct err *e)
{
    size_t count = unsafe_yyjson_get_len(from);
    struct json_member *members = arena_new_array(a, count, struct json_member);
    yyjson_val *key = unsafe_yyjson_get_first(from);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = key + 1;
        members[i].key = str_of(unsafe_yyjson_get_str(key), unsafe_yyjson_get_len(key));
        if (!read_scalar(value, &members[i].value)) {
            struct json_step step = { .parent = here, .is_key = true, .key = members[i].key };
            if (!build(a, value, depth + 1, &step, &members[i].value, e))
                return false;
        }
        key = unsafe_yyjson_get_next(value);
    }
    *ret_value = json_of_members(members, count);
    return true;
}

static bool build(struct arena *a, yyjson_val *from, int depth, const struct json_step *here,
                  struct json_value *ret_value, struct err *e)
{
    if (read_scalar(from, ret_value))
        return true;
    if (!refuse_growth(a, depth, here, e))
        return false;
    if (unsafe_yyjson_is_arr(from))
        return build_array(a, from, depth, here, ret_value, e);
    if (!unsafe_yyjson_is_obj(from))
        abort(); /* there is no other type */
    return build_object(a, from, depth, here, ret_value, e);
}

bool json_parse(struct arena *a, struct str text, const struct json_value **ret_value,
                struct err *e)
{
    /* Strings and numbers of the tree point into this copy, which yyjson decodes in place. */
    char *copy = arena_alloc(a, text.len + YYJSON_PADDING_SIZE);
    if (arena_over_budget(a))
        return err_set(e, ERR_LIMIT, "$: the document of %zu bytes needs too much memory",
                       text.len);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    const yyjson_alc pool = { pool_alloc, pool_resize, pool_free, NULL };
    yyjson_read_err failure = { 0 };
    scoped(doc_freep) yyjson_doc *doc = yyjson_read_opts(
        copy, text.len, YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW, &pool, &failure);
    if (!doc) /* yyjson takes a length of 0 for a wrong call */
        return refuse_text(text, failure.pos, text.len ? explain(&failure) : "the text is empty",
                           e);
    struct json_value *root = arena_new(a, struct json_value);
    if (!build(a, yyjson_doc_get_root(doc), 0, NULL, root, e))
        return false;
    if (arena_over_budget(a))
        return err_set(e, ERR_LIMIT, "$: the document needs too much memory");
    *ret_value = root;
    return true;
}

const struct json_value *json_get(const struct json_value *v, struct str key)
{
    if (v == NULL || v->type != JSON_OBJECT)
        return NULL;
    for (size_t i = v->member_count; i-- > 0;)
        if (str_eq(v->members[i].key, key))
            return &v->members[i].value;
    return NULL;
}

struct str json_get_text(const struct json_value *object, struct str key)
{
    const struct json_value *v = json_get(object, key);
    if (v == NULL || v->type != JSON_STRING)
        return (struct str){ 0 };
    return v->text.ptr != NULL ? v->text : STR("");
}

bool json_get_flag(const struct json_value *object, struct str key)
{
    const struct json_value *v = json_get(object, key);
    return v != NULL && v->type == JSON_BOOL && v->boolean;
}

bool json_get_i64(const struct json_value *object, struct str key, int64_t *ret_value)
{
    const struct json_value *v = json_get(object, key);
    return v != NULL && v->type == JSON_NUMBER && json_to_i64(v, ret_value);
}

bool json_get_i64_text(const struct json_value *object, struct str key, int64_t *ret_value)
{
    return str_to_i64(json_get_text(object, key), ret_value);
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };
    return names[type];
}

struct json_value json_of_i64(struct arena *a, int64_t value)
{
    return json_of_number(arena_printf(a, "%" PRId64, value));
}
