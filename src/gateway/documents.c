#include "gateway/documents.h"

#include "base/hex.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "gateway/persisted.h"
#include "gateway/problem.h"
#include "gateway/trusted.h"
#include "gateway/web_documents.h"
#include "gql/tool.h"
#include "json/json.h"

enum { CHECK_ARENA_BYTES = 16 << 20 };

struct documents {
    struct trusted *trusted; /* NULL: no manifest */
    bool is_trusted_only;
    struct persisted *persisted; /* NULL: off */
};

bool documents_create(const struct conf *conf, struct documents **ret_documents, struct err *e)
{
    scoped(documents_destroyp) struct documents *d = mem_new(struct documents);
    size_t bytes = conf_bytes(conf, CONF_PERSISTED_QUERIES);
    if (!str_is_empty(conf_str(conf, CONF_TRUSTED_DOCUMENTS))) {
        struct str own = str_of((const char *)web_documents, web_documents_size);
        if (!trusted_load(conf_cstr(conf, CONF_TRUSTED_DOCUMENTS), own, &d->trusted, e))
            return err_in(e, "trusted-documents");
        d->is_trusted_only =
            conf_choice(conf, CONF_TRUSTED_DOCUMENTS_MODE) == CONF_TRUSTED_DOCUMENTS_ONLY;
    }
    if (bytes > 0 && !d->is_trusted_only)
        d->persisted = persisted_create(bytes);
    *ret_documents = take(d);
    return true;
}

void documents_destroy(struct documents *d)
{
    if (d == NULL)
        return;
    trusted_destroy(d->trusted);
    persisted_destroy(d->persisted);
    mem_free(d);
}

void documents_check(const struct documents *d, const struct gql_schema *schema)
{
    size_t count = d->trusted == NULL ? 0 : trusted_count(d->trusted), bad = 0;
    scoped(arena_destroyp) struct arena *a = arena_create(CHECK_ARENA_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct str id, text;
        struct gql_errors errors = { .arena = a };
        trusted_at(d->trusted, i, &id, &text);
        bad += !gql_document_validate(schema, text, &errors) || errors.count > 0;
        for (const struct gql_error *error = errors.first; error != NULL; error = error->next)
            log_warn("documents.invalid", "id=%s error=%s", log_quote(str_first(id, 100)),
                     log_quote(error->message));
        arena_reset(a);
    }
    if (count > 0)
        log_info("documents.trusted", "count=%zu invalid=%zu only=%s", count, bad,
                 d->is_trusted_only ? "true" : "false");
}

/* ── what a request names ── */

/* Apollo's clients retry and give up by these messages, whatever the code, and some of them never
 * send a hash again after a status of 400. */
static const struct documents_refusal not_found = { 200, PROBLEM_NOT_FOUND,
                                                    "PersistedQueryNotFound" };
static const struct documents_refusal not_supported = { 200, PROBLEM_INPUT,
                                                        "PersistedQueryNotSupported" };
static const struct documents_refusal unknown_id = { 404, PROBLEM_NOT_FOUND,
                                                     "no document has this documentId" };
static const struct documents_refusal untrusted = {
    403, PROBLEM_FORBIDDEN, "only documents of this installation's trusted list may be run"
};
static const struct documents_refusal nothing = {
    400, PROBLEM_INPUT, "there is no query, no documentId and no persistedQuery"
};
static const struct documents_refusal both = { 400, PROBLEM_INPUT,
                                               "query and documentId exclude each other" };
static const struct documents_refusal bad_extension = {
    400, PROBLEM_INPUT,
    "extensions.persistedQuery must be an object with version 1 and sha256Hash, a string"
};
static const struct documents_refusal bad_hash = {
    400, PROBLEM_INPUT, "extensions.persistedQuery.sha256Hash must be 64 hexadecimal digits"
};
static const struct documents_refusal other_hash = { 400, PROBLEM_INPUT,
                                                     "provided sha does not match query" };

/* 64 digits, in lower case as everybody writes them. */
static bool read_hash(struct str hex, uint8_t ret_hash[SHA256_LEN])
{
    return hex.len == SHA256_HEX_LEN && hex_read(hex, ret_hash) == SHA256_LEN;
}

/* Empty where there is no persistedQuery. */
static const struct documents_refusal *read_extension(const struct json_value *extensions,
                                                      struct str *ret_hash)
{
    const struct json_value *v = extensions ? json_get_c(extensions, "persistedQuery") : NULL;
    int64_t version = 0;
    if (v == NULL || v->type == JSON_NULL)
        return NULL;
    const struct json_value *number = json_get_c(v, "version");
    const struct json_value *hash = json_get_c(v, "sha256Hash");
    if (number == NULL || number->type != JSON_NUMBER || !json_to_i64(number, &version) ||
        version != 1 || hash == NULL || hash->type != JSON_STRING || str_is_empty(hash->text))
        return &bad_extension;
    *ret_hash = hash->text;
    return NULL;
}

/* ── finding it ── */

static bool find_trusted(const struct documents *d, struct str id, struct documents_found *ret)
{
    if (d->trusted == NULL || !trusted_find(d->trusted, id, &ret->text))
        return false;
    ret->is_trusted = true;
    return true;
}

static const struct documents_refusal *find_by_id(struct documents *d, struct arena *a,
                                                  struct str id, struct documents_found *ret)
{
    const struct str prefix = STR("sha256:");
    uint8_t hash[SHA256_LEN];
    if (find_trusted(d, id, ret) || (d->persisted != NULL && str_starts_with(id, prefix) &&
                                     read_hash(str_from(id, prefix.len), hash) &&
                                     persisted_find(d->persisted, hash, a, &ret->text)))
        return NULL;
    return d->is_trusted_only ? &untrusted : &unknown_id;
}

static const struct documents_refusal *find_by_hash(struct documents *d, struct arena *a,
                                                    struct str hex, struct documents_found *ret)
{
    uint8_t hash[SHA256_LEN];
    if (find_trusted(d, hex, ret) ||
        find_trusted(d, arena_printf(a, "sha256:%.*s", STR_FMT(hex)), ret))
        return NULL;
    if (d->is_trusted_only)
        return &untrusted;
    if (d->persisted == NULL)
        return &not_supported;
    if (!read_hash(hex, hash))
        return &bad_hash;
    return persisted_find(d->persisted, hash, a, &ret->text) ? NULL : &not_found;
}

/* A text, and with it the hash under which it is to be remembered. */
static const struct documents_refusal *take_text(struct documents *d, struct str text,
                                                 struct str hex, struct documents_found *ret)
{
    uint8_t hash[SHA256_LEN];
    ret->text = text;
    ret->is_trusted = d->is_trusted_only && trusted_has(d->trusted, text);
    if (str_is_empty(hex) || d->persisted == NULL)
        return NULL;
    if (!read_hash(hex, hash))
        return &bad_hash;
    sha256(text, ret->hash);
    ret->is_to_remember = memcmp(hash, ret->hash, SHA256_LEN) == 0;
    return ret->is_to_remember ? NULL : &other_hash;
}

const struct documents_refusal *documents_find(struct documents *d, struct arena *a,
                                               const struct documents_ask *ask,
                                               struct documents_found *ret_found)
{
    struct str hash = STR("");
    const struct documents_refusal *refusal = read_extension(ask->extensions, &hash);
    *ret_found = (struct documents_found){ 0 };
    if (refusal != NULL)
        return refusal;
    if (!str_is_empty(ask->text) && !str_is_empty(ask->id))
        return &both;
    if (!str_is_empty(ask->text))
        return take_text(d, ask->text, hash, ret_found);
    if (!str_is_empty(ask->id))
        return find_by_id(d, a, ask->id, ret_found);
    return str_is_empty(hash) ? &nothing : find_by_hash(d, a, hash, ret_found);
}

const struct documents_refusal *documents_allow(const struct documents *d,
                                                const struct documents_found *found)
{
    return d->is_trusted_only && !found->is_trusted ? &untrusted : NULL;
}

void documents_ran(struct documents *d, const struct documents_found *found)
{
    if (found->is_to_remember && d->persisted != NULL)
        persisted_add(d->persisted, found->hash, found->text);
}
