#include "json/check.h"

#include "json/number_priv.h"
#include "json/path_priv.h"

static bool refuse(const struct json_step *here, const char *why, struct err *e)
{
    char path[JSON_PATH_TEXT_MAX];
    json_path_format(here, path);
    return err_set(e, ERR_INVALID, "%s: %s", path, why);
}

static bool check_text(struct str text, const struct json_step *here, const char *if_nul,
                       const char *if_broken, struct err *e)
{
    if (str_find_char(text, '\0') >= 0)
        return refuse(here, if_nul, e);
    return str_is_utf8(text) || refuse(here, if_broken, e); /* surrogates are no UTF-8 */
}

static bool check_number(struct str text, const struct json_step *here, struct err *e)
{
    struct json_number n = json_number_read(text);
    int64_t whole = n.digit_count ? (int64_t)n.digit_count + n.scale : 1;
    int64_t written = max_of(whole, (int64_t)1) + max_of(-n.scale, (int64_t)0);
    char why[64];
    if (!n.is_far && written <= JSON_CHECK_DIGITS_MAX)
        return true;
    snprintf(why, sizeof why, "number has more than %d digits when written out",
             JSON_CHECK_DIGITS_MAX);
    return refuse(here, why, e);
}

static bool check(const struct json_value *v, int depth, const struct json_step *here,
                  struct err *e);

static bool check_array(const struct json_value *v, int depth, const struct json_step *here,
                        struct err *e)
{
    struct json_step step = { .parent = here };
    for (; step.index < v->item_count; step.index++)
        if (!check(&v->items[step.index], depth, &step, e))
            return false;
    return true;
}

static bool check_object(const struct json_value *v, int depth, const struct json_step *here,
                         struct err *e)
{
    struct json_step step = { .parent = here, .is_key = true };
    for (size_t i = 0; i < v->member_count; i++) {
        step.key = v->members[i].key;
        if (!check_text(step.key, here, "a key holds U+0000", "a key is no Unicode text", e) ||
            !check(&v->members[i].value, depth, &step, e))
            return false;
    }
    return true;
}

static bool check(const struct json_value *v, int depth, const struct json_step *here,
                  struct err *e)
{
    char why[64];
    if (v->type >= JSON_ARRAY && ++depth > JSON_CHECK_DEPTH_MAX) {
        snprintf(why, sizeof why, "nested deeper than %d levels", JSON_CHECK_DEPTH_MAX);
        return refuse(here, why, e);
    }
    switch (v->type) {
    case JSON_NULL:
    case JSON_BOOL:
        return true;
    case JSON_NUMBER:
        return check_number(v->text, here, e);
    case JSON_STRING:
        return check_text(v->text, here, "string holds U+0000", "string is no Unicode text", e);
    case JSON_ARRAY:
        return check_array(v, depth, here, e);
    case JSON_OBJECT:
        return check_object(v, depth, here, e);
    }
    base_abort("json: value of unknown type");
}

bool json_check(const struct json_value *v, struct err *e)
{
    return check(v, 0, NULL, e);
}

bool json_parse_carrier(struct arena *a, struct str text, int levels_around,
                        const struct json_value **ret_value, struct err *e)
{
    const struct json_value *value = NULL;
    if (!json_parse(a, text, &value, e) || !check(value, -levels_around, NULL, e))
        return false;
    *ret_value = value;
    return true;
}

bool json_parse_checked(struct arena *a, struct str text, const struct json_value **ret_value,
                        struct err *e)
{
    return json_parse_carrier(a, text, 0, ret_value, e);
}

bool json_only(const struct json_value *object, const char *at, const char *const names[],
               struct err *e)
{
    size_t next = 0;
    for (size_t i = 0; object && object->type == JSON_OBJECT && i < object->member_count; i++) {
        struct str key = object->members[i].key;
        size_t from = next;
        while (names[next] && !str_eq_c(key, names[next]))
            next++;
        for (size_t k = 0; !names[next] && k < from; k++)
            if (str_eq_c(key, names[k]))
                next = k;
        if (!names[next])
            return err_set(e, ERR_INVALID, "%s%.*s: is not known here", at,
                           STR_FMT(str_first(key, JSON_CHECK_KEY_SHOWN)));
        next++;
    }
    return true;
}
