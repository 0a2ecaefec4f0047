/* Values as error messages show them, the way the reference implementation prints JavaScript's. */
#include "gql/coerce_priv.h"

#include <math.h>

#include "base/buf.h"
#include "json/writer.h"

enum { ITEMS_MAX = 10, DEPTH_MAX = 2, TEXT_BYTES_MAX = 8192 };

/* ECMAScript's Number::toString: the shortest digits, exponents from 1e21 and below 1e-6. */
struct str js_number(struct arena *arena, double value)
{
    char text[40];
    char digits[24];
    if (value == 0)
        return STR("0");
    int precision = 1;
    for (; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (strtod(text, NULL) == value) // NOLINT(clang-diagnostic-float-equal)
            break;
    }
    snprintf(text, sizeof text, "%.*e", precision - 1, fabs(value));
    int n = 0;
    char *p = text;
    for (; *p && *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    int point = (int)strtol(p + 1, NULL, 10) + 1; /* digits before the decimal point */
    const char *sign = value < 0 ? "-" : "";
    if (point > 21 || point < -5)
        return arena_printf(arena, "%s%c%s%.*se%c%d", sign, digits[0], n > 1 ? "." : "", n - 1,
                            digits + 1, point > 0 ? '+' : '-', abs(point - 1));
    if (point <= 0)
        return arena_printf(arena, "%s0.%.*s%.*s", sign, -point, "000000", n, digits);
    if (n <= point)
        return arena_printf(arena, "%s%.*s%.*s", sign, n, digits, point - n,
                            "000000000000000000000");
    return arena_printf(arena, "%s%.*s.%.*s", sign, point, digits, n - point, digits + point);
}

static void inspect(struct arena *arena, struct buf *out, const struct json_value *v, int depth)
{
    double number = 0;
    switch (v->type) {
    case JSON_NULL:
        buf_put_c(out, "null");
        return;
    case JSON_BOOL:
        buf_put_c(out, v->boolean ? "true" : "false");
        return;
    case JSON_NUMBER:
        buf_put_str(out, json_to_double(v, &number) ? js_number(arena, number) : v->text);
        return;
    case JSON_STRING:
        json_put_string(out, v->text);
        return;
    case JSON_ARRAY:
        if (v->item_count == 0 || depth > DEPTH_MAX) {
            buf_put_c(out, v->item_count ? "[Array]" : "[]");
            return;
        }
        buf_put_char(out, '[');
        for (size_t i = 0; i < v->item_count && i < ITEMS_MAX; i++) {
            if (i)
                buf_put_c(out, ", ");
            inspect(arena, out, &v->items[i], depth + 1);
        }
        if (v->item_count > ITEMS_MAX)
            buf_printf(out, ", ... %zu more item%s", v->item_count - ITEMS_MAX,
                       v->item_count == ITEMS_MAX + 1 ? "" : "s");
        buf_put_char(out, ']');
        return;
    case JSON_OBJECT:
        if (v->member_count == 0 || depth > DEPTH_MAX) {
            buf_put_c(out, v->member_count ? "[Object]" : "{}");
            return;
        }
        for (size_t i = 0; i < v->member_count; i++) {
            buf_put_c(out, i ? ", " : "{ ");
            buf_put_str(out, v->members[i].key);
            buf_put_c(out, ": ");
            inspect(arena, out, &v->members[i].value, depth + 1);
        }
        buf_put_c(out, " }");
        return;
    }
}

struct str inspect_json(struct arena *arena, const struct json_value *v)
{
    struct buf out;
    buf_init(&out, TEXT_BYTES_MAX);
    inspect(arena, &out, v, 1);
    struct str text = arena_copy(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}
