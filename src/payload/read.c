#include "payload/read.h"

const struct json_value *payload_get(const struct json_value *payload, const char *key)
{
    const struct json_value *found = json_get(payload, str_of_c(key));
    return found == NULL || found->type == JSON_NULL ? NULL : found;
}

static bool is_known(struct str key, const char *const *known, size_t known_count)
{
    for (size_t i = 0; i < known_count; i++)
        if (str_eq_c(key, known[i]))
            return true;
    return false;
}

bool payload_check(const struct json_value *payload, const char *const *known, size_t known_count,
                   struct err *e)
{
    enum { SHOWN_BYTES = 40 };
    if (payload->type == JSON_NULL)
        return true;
    if (payload->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$: object expected, got %s", json_type_name(payload->type));
    for (size_t i = 0; i < payload->member_count; i++) {
        struct str key = payload->members[i].key;
        if (is_known(key, known, known_count))
            continue;
        char names[96] = "";
        for (size_t n = 0, len = 0; n < known_count && len < sizeof names; n++)
            len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", n > 0 ? ", " : "",
                                    known[n]);
        return err_set(e, ERR_INVALID, "$.%.*s: unknown member; known: %s",
                       STR_FMT(str_first(key, SHOWN_BYTES)), known_count > 0 ? names : "none");
    }
    return true;
}

bool payload_bool(const struct json_value *payload, const char *key, bool *ret_value, struct err *e)
{
    const struct json_value *v = payload_get(payload, key);
    if (v == NULL)
        return true;
    if (v->type != JSON_BOOL)
        return err_set(e, ERR_INVALID, "$.%s: true or false expected, got %s", key,
                       json_type_name(v->type));
    *ret_value = v->boolean;
    return true;
}

bool payload_integer(const struct json_value *payload, const char *key, int64_t min, int64_t max,
                     int64_t *ret_value, struct err *e)
{
    const struct json_value *v = payload_get(payload, key);
    int64_t value = 0;
    if (v == NULL)
        return true;
    if (v->type != JSON_NUMBER || !json_to_i64(v, &value) || value < min || value > max)
        return err_set(e, ERR_INVALID, "$.%s: whole number from %lld to %lld expected", key,
                       (long long)min, (long long)max);
    *ret_value = value;
    return true;
}

bool payload_number(const struct json_value *payload, const char *key, double min, double max,
                    double *ret_value, struct err *e)
{
    const struct json_value *v = payload_get(payload, key);
    double value = 0;
    if (v == NULL)
        return true;
    if (v->type != JSON_NUMBER || !json_to_double(v, &value) || value < min || value > max)
        return err_set(e, ERR_INVALID, "$.%s: number from %g to %g expected", key, min, max);
    *ret_value = value;
    return true;
}

bool payload_text(struct arena *a, const struct json_value *payload, const char *key,
                  size_t bytes_max, struct str *ret_value, struct err *e)
{
    const struct json_value *v = payload_get(payload, key);
    if (v == NULL)
        return true;
    if (v->type != JSON_STRING)
        return err_set(e, ERR_INVALID, "$.%s: text expected, got %s", key, json_type_name(v->type));
    if (v->text.len == 0 || v->text.len > bytes_max)
        return err_set(e, ERR_INVALID, "$.%s: 1 to %zu bytes expected, got %zu", key, bytes_max,
                       v->text.len);
    if (memchr(v->text.ptr, '\0', v->text.len))
        return err_set(e, ERR_INVALID, "$.%s: holds U+0000", key);
    *ret_value = arena_copy(a, v->text);
    return true;
}

bool payload_texts(struct arena *a, const struct json_value *payload, const char *key,
                   size_t count_max, size_t bytes_max, struct str **ret_values, size_t *ret_count,
                   struct err *e)
{
    const struct json_value *v = payload_get(payload, key);
    if (v == NULL)
        return true;
    if (v->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "$.%s: list of texts expected, got %s", key,
                       json_type_name(v->type));
    if (v->item_count > count_max)
        return err_set(e, ERR_INVALID, "$.%s: %zu of at most %zu", key, v->item_count, count_max);
    struct str *values = arena_new_array(a, v->item_count, struct str);
    for (size_t i = 0; i < v->item_count; i++) {
        const struct json_value *item = &v->items[i];
        if (item->type != JSON_STRING || item->text.len > bytes_max)
            return err_set(e, ERR_INVALID, "$.%s[%zu]: text of at most %zu bytes expected", key, i,
                           bytes_max);
        if (item->text.len > 0 && memchr(item->text.ptr, '\0', item->text.len))
            return err_set(e, ERR_INVALID, "$.%s[%zu]: holds U+0000", key, i);
        values[i] = arena_copy(a, item->text);
    }
    *ret_values = values;
    *ret_count = v->item_count;
    return true;
}

bool payload_is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && c != '.' && c != '_' && c != '-')
            return false;
    }
    return text.len > 0;
}

bool payload_name(struct arena *a, const struct json_value *payload, const char *key,
                  size_t bytes_max, struct str *ret_value, struct err *e)
{
    if (!payload_text(a, payload, key, bytes_max, ret_value, e))
        return false;
    return ret_value->len == 0 || payload_is_name(*ret_value) ||
           err_set(e, ERR_INVALID, "$.%s: letters, digits, '.', '_' and '-' expected", key);
}

bool payload_needs(const struct json_value *payload, const char *key, const char *what,
                   struct err *e)
{
    return payload_get(payload, key) != NULL ||
           err_set(e, ERR_INVALID, "$.%s: missing; %s expected", key, what);
}
