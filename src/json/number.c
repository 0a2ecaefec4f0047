#include "json/number_priv.h"

#include <errno.h>
#include <math.h>

#include "base/mem.h"

static int64_t read_exponent(struct str text, bool *ret_is_far)
{
    bool is_negative = str_starts_with(text, STR("-"));
    if (is_negative || str_starts_with(text, STR("+")))
        text = str_from(text, 1);
    while (str_starts_with(text, STR("0")) && text.len > 1)
        text = str_from(text, 1);
    uint64_t value = 0;
    if (!str_to_u64(text, &value) || value > JSON_EXPONENT_MAX)
        *ret_is_far = true;
    return is_negative ? -(int64_t)value : (int64_t)value;
}

struct json_number json_number_read(struct str text)
{
    struct json_number n = { 0 };
    bool in_fraction = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-') {
            n.is_negative = true;
        } else if (c == '.') {
            in_fraction = true;
        } else if (c == 'e' || c == 'E') {
            n.scale += read_exponent(str_from(text, i + 1), &n.is_far);
            break;
        } else {
            n.digit_count += c != '0' || n.digit_count > 0;
            n.trailing_zeros = c == '0' && n.digit_count > 0 ? n.trailing_zeros + 1 : 0;
            n.scale -= in_fraction;
        }
    }
    return n;
}

/* One that is written with digits alone, and not too many to overflow. */
static bool read_plain(struct str text, int64_t *ret_value)
{
    enum { PLAIN_MAX = 18 };
    int64_t value = 0;
    if (text.len > PLAIN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *ret_value = value;
    return true;
}

bool json_to_i64(const struct json_value *number, int64_t *ret_value)
{
    enum { DIGITS_MAX = 19 };
    assert(number->type == JSON_NUMBER);
    if (read_plain(number->text, ret_value))
        return true;
    struct json_number n = json_number_read(number->text);
    if (n.is_far)
        return false;
    if (n.digit_count == 0) {
        *ret_value = 0;
        return true;
    }
    size_t digits = n.digit_count - n.trailing_zeros;
    int64_t zeros = n.scale + (int64_t)n.trailing_zeros;
    if (zeros < 0 || digits > DIGITS_MAX || zeros > DIGITS_MAX - (int64_t)digits)
        return false;
    uint64_t value = 0; /* 19 digits fit */
    size_t seen = 0;
    for (size_t i = 0; seen < digits; i++) {
        char c = number->text.ptr[i];
        if (c == '-' || c == '.' || (c == '0' && seen == 0))
            continue;
        value = value * 10 + (uint64_t)(c - '0');
        seen++;
    }
    for (; zeros > 0; zeros--)
        value *= 10;
    if (value > (uint64_t)INT64_MAX + n.is_negative)
        return false;
    *ret_value = n.is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool json_to_double(const struct json_value *number, double *ret_value)
{
    assert(number->type == JSON_NUMBER);
    if (str_to_double(number->text, ret_value))
        return true;
    scoped(mem_freep) char *text = mem_cstr(number->text); /* a long one */
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return false;
    *ret_value = value;
    return true;
}
