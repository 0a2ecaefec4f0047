#include "gateway/trusted.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "io/file.h"
#include "json/json.h"

#define APOLLO_FORMAT "apollo-persisted-query-manifest"

struct document {
    struct str id, text;
};

struct trusted {
    struct arena *arena;
    struct document *documents;
    size_t count;
    struct map *by_id, *by_hash; /* of a text: SHA-256 in hexadecimal */
};

/* The same id or text may stand there twice, but an id for one text alone. */
static bool add(struct trusted *t, struct str id, struct str text, struct err *e)
{
    char hex[SHA256_HEX_LEN + 1];
    struct document *document = &t->documents[t->count];
    if (str_is_empty(id) || str_is_empty(text))
        return err_set(e, ERR_INVALID, "an id and a text must not be empty");
    const struct document *known = map_get(t->by_id, id);
    if (known != NULL && !str_eq(known->text, text))
        return err_set(e, ERR_INVALID, "the id is there twice, with different texts");
    *document = (struct document){ id, text };
    t->count++;
    sha256_hex(text, hex);
    (void)map_put(t->by_id, id, document);
    (void)map_put(t->by_hash, str_of(hex, SHA256_HEX_LEN), document);
    return true;
}

/* Room for so many more. What the maps point to stays where it is. */
static void reserve(struct trusted *t, size_t count)
{
    struct document *old = t->documents;
    t->documents = arena_new_array(t->arena, t->count + count, struct document);
    if (t->count > 0)
        memcpy(t->documents, old, t->count * sizeof *old);
}

static bool read_pairs(struct trusted *t, const struct json_value *root, struct err *e)
{
    reserve(t, root->member_count);
    for (size_t i = 0; i < root->member_count; i++) {
        const struct json_member *m = &root->members[i];
        struct str shown = str_first(m->key, 80);
        if (m->value.type != JSON_STRING)
            return err_set(e, ERR_INVALID, "$[\"%.*s\"]: must be a document's text, not a %s",
                           STR_FMT(shown), json_type_name(m->value.type));
        if (!add(t, m->key, m->value.text, e))
            return err_in(e, "$[\"%.*s\"]", STR_FMT(shown));
    }
    return true;
}

static bool read_operation(struct trusted *t, const struct json_value *operation, struct err *e)
{
    const struct json_value *id = json_get_c(operation, "id");
    const struct json_value *body = json_get_c(operation, "body");
    if (id == NULL || id->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "must have an id, a string");
    if (body == NULL || body->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "must have a body, a string");
    return add(t, id->text, body->text, e);
}

static bool read_operations(struct trusted *t, const struct json_value *root, struct err *e)
{
    const struct json_value *format = json_get_c(root, "format");
    const struct json_value *version = json_get_c(root, "version");
    const struct json_value *operations = json_get_c(root, "operations");
    int64_t number = 0;
    if (format->type != JSON_STRING || !str_eq(format->text, STR(APOLLO_FORMAT)))
        return err_set(e, ERR_INVALID, "$.format: must be " APOLLO_FORMAT);
    if (version == NULL || version->type != JSON_NUMBER || !json_to_i64(version, &number) ||
        number != 1)
        return err_set(e, ERR_INVALID, "$.version: must be 1");
    if (operations == NULL || operations->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "$.operations: must be an array");
    reserve(t, operations->item_count);
    for (size_t i = 0; i < operations->item_count; i++)
        if (!read_operation(t, &operations->items[i], e))
            return err_in(e, "$.operations[%zu]", i);
    return true;
}

static bool read_manifest(struct trusted *t, struct str text, struct err *e)
{
    const struct json_value *root;
    size_t before = t->count;
    if (!json_parse(t->arena, text, &root, e))
        return false;
    if (root->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$: must be an object");
    bool is_apollo = json_get_c(root, "format") != NULL && json_get_c(root, "operations") != NULL;
    if (!(is_apollo ? read_operations(t, root, e) : read_pairs(t, root, e)))
        return false;
    return t->count > before || err_set(e, ERR_INVALID, "$: has no document");
}

bool trusted_load(const char *path, struct str own, struct trusted **ret_trusted, struct err *e)
{
    struct buf text;
    scoped(trusted_destroyp) struct trusted *t = mem_new(struct trusted);
    t->arena = arena_create(8 * (size_t)TRUSTED_FILE_BYTES_MAX);
    t->by_id = map_create();
    t->by_hash = map_create();
    buf_init(&text, TRUSTED_FILE_BYTES_MAX);
    bool is_good = read_manifest(t, own, e) && io_file_read(path, &text, e);
    if (is_good && !read_manifest(t, buf_str(&text), e))
        is_good = err_in(e, "%s", path);
    buf_clear(&text);
    if (is_good)
        *ret_trusted = take(t);
    return is_good;
}

void trusted_destroy(struct trusted *t)
{
    if (t == NULL)
        return;
    map_destroy(t->by_id);
    map_destroy(t->by_hash);
    arena_destroy(t->arena);
    mem_free(t);
}

bool trusted_find(const struct trusted *t, struct str id, struct str *ret_text)
{
    const struct str prefix = STR("sha256:");
    const struct document *d = map_get(t->by_id, id);
    if (d == NULL && str_starts_with(id, prefix))
        d = map_get(t->by_hash, str_from(id, prefix.len));
    if (d == NULL)
        return false;
    *ret_text = d->text;
    return true;
}

bool trusted_has(const struct trusted *t, struct str text)
{
    char hex[SHA256_HEX_LEN + 1];
    sha256_hex(text, hex);
    return map_get(t->by_hash, str_of(hex, SHA256_HEX_LEN)) != NULL;
}

size_t trusted_count(const struct trusted *t)
{
    return t->count;
}

void trusted_at(const struct trusted *t, size_t i, struct str *ret_id, struct str *ret_text)
{
    assert(i < t->count);
    *ret_id = t->documents[i].id;
    *ret_text = t->documents[i].text;
}
