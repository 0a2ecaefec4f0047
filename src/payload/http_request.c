/* http_request: the schema of http.request. */
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"

#include "json/writer.h"

enum {
    URL_BYTES_MAX = 4096,
    HEADER_BYTES_MAX = 8192, /* of one */
    BODY_BYTES_MAX = 1 << 20,
    KEPT_BYTES = 64 << 10,
    KEPT_BYTES_MAX = 1 << 20,
    TIMEOUT_S = 30,
    TIMEOUT_S_MAX = 3600,
    REDIRECTS_MAX = 5,
    SECRET_NAME_MAX = 100,
};

static bool read_method(struct arena *a, const struct json_value *payload,
                        struct payload_http_input *input, struct err *e)
{
    enum { READING_COUNT = 2 }; /* they come first */
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    struct str method = STR("GET");
    if (!payload_text(a, payload, "method", 16, &method, e))
        return false;
    for (size_t i = 0; i < countof(methods); i++)
        if (str_eq_nocase(method, str_of_c(methods[i]))) {
            input->method = methods[i];
            input->is_reading = i < READING_COUNT;
            return true;
        }
    return err_set(e, ERR_INVALID, "$.method: GET, HEAD, POST, PUT, PATCH or DELETE expected");
}

static bool read_url(struct arena *a, const struct json_value *payload,
                     struct payload_http_input *input, struct err *e)
{
    struct str rest, authority, tail;
    if (!payload_needs(payload, "url", "http:// or https:// URL", e) ||
        !payload_text(a, payload, "url", URL_BYTES_MAX, &input->url, e))
        return false;
    for (size_t i = 0; i < input->url.len; i++)
        if (input->url.ptr[i] <= ' ' || input->url.ptr[i] >= 0x7f || input->url.ptr[i] == '\\')
            return err_set(e, ERR_INVALID,
                           "$.url: byte %zu is a space, a control, a backslash or beyond ASCII",
                           i); /* a backslash ends the host for some and belongs to it for others */
    if (str_eq_nocase(str_first(input->url, 7), STR("http://")))
        rest = str_from(input->url, 7);
    else if (str_eq_nocase(str_first(input->url, 8), STR("https://")))
        rest = str_from(input->url, 8);
    else
        return err_set(e, ERR_INVALID, "$.url: begins with neither http:// nor https://");
    size_t end = 0;
    while (end < rest.len && !strchr("/?#", rest.ptr[end]))
        end++;
    authority = str_first(rest, end);
    if (authority.len == 0)
        return err_set(e, ERR_INVALID, "$.url: names no host");
    if (str_cut(authority, '@', &authority, &tail))
        return err_set(e, ERR_INVALID,
                       "$.url: holds a user; an Authorization header is the place for that");
    return true;
}

/* RFC 9110 section 5.6.2 */
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return name.len > 0;
}

static bool is_ours(struct str name)
{
    static const char *const ours[] = {
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
    };
    for (size_t i = 0; i < countof(ours); i++)
        if (str_eq_nocase(name, str_of_c(ours[i])))
            return true;
    return str_eq_nocase(str_first(name, 9), STR("Windlass-"));
}

static bool is_header_value(const struct json_value *v)
{
    if (v->type != JSON_STRING || v->text.len > HEADER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < v->text.len; i++)
        if (((unsigned char)v->text.ptr[i] < ' ' && v->text.ptr[i] != '\t') ||
            v->text.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool read_headers(struct arena *a, const struct json_value *payload,
                         struct payload_http_input *input, bool *ret_has_type, struct err *e)
{
    const struct json_value *headers = payload_get(payload, "headers");
    if (headers == NULL)
        return true;
    if (headers->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$.headers: object of texts expected");
    if (headers->member_count > PAYLOAD_HTTP_HEADERS_MAX)
        return err_set(e, ERR_INVALID, "$.headers: %zu of at most %d", headers->member_count,
                       (int)PAYLOAD_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < headers->member_count; i++) {
        struct str name = headers->members[i].key;
        const struct json_value *value = &headers->members[i].value;
        int shown = (int)min_of(name.len, (size_t)60);
        if (!is_header_name(name))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is no name of a header", shown,
                           name.len ? name.ptr : "");
        if (is_ours(name))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is set by the runner", shown, name.ptr);
        if (!is_header_value(value))
            return err_set(e, ERR_INVALID,
                           "$.headers.%.*s: text of at most %d bytes without line ends expected",
                           shown, name.ptr, (int)HEADER_BYTES_MAX);
        *ret_has_type |= str_eq_nocase(name, STR("Content-Type"));
        /* The semicolon is libcurl's way to send a header without a value. */
        struct str line = value->text.len == 0
                              ? arena_printf(a, "%.*s;", STR_FMT(name))
                              : arena_printf(a, "%.*s: %.*s", STR_FMT(name), STR_FMT(value->text));
        input->headers[input->header_count++] = line.ptr;
    }
    return true;
}

static bool read_body(struct arena *a, const struct json_value *payload,
                      struct payload_http_input *input, bool has_type, struct err *e)
{
    const struct json_value *body = payload_get(payload, "body");
    if (body == NULL)
        return true;
    if (input->is_reading)
        return err_set(e, ERR_INVALID, "$.body: a %s has none", input->method);
    if (body->type == JSON_STRING) {
        input->body = arena_copy(a, body->text);
    } else {
        struct buf text;
        buf_init(&text, BODY_BYTES_MAX + 1);
        json_put_value(&text, body);
        bool has_failed = text.failed;
        input->body = arena_copy(a, buf_str(&text));
        buf_clear(&text);
        if (has_failed)
            return err_set(e, ERR_INVALID, "$.body: is longer than %d bytes", (int)BODY_BYTES_MAX);
    }
    if (input->body.len > BODY_BYTES_MAX)
        return err_set(e, ERR_INVALID, "$.body: is longer than %d bytes", (int)BODY_BYTES_MAX);
    if (!has_type)
        input->headers[input->header_count++] = body->type == JSON_STRING
                                                    ? "Content-Type: text/plain; charset=utf-8"
                                                    : "Content-Type: application/json";
    return true;
}

static bool read_expected(const struct json_value *payload, struct payload_http_input *input,
                          struct err *e)
{
    const struct json_value *v = payload_get(payload, "expected_status");
    if (v == NULL)
        return true;
    bool is_list = v->type == JSON_ARRAY;
    size_t count = is_list ? v->item_count : 1;
    const struct json_value *items = is_list ? v->items : v;
    if (count == 0 || count > PAYLOAD_HTTP_EXPECTED_MAX)
        return err_set(e, ERR_INVALID, "$.expected_status: 1 to %d expected, got %zu",
                       (int)PAYLOAD_HTTP_EXPECTED_MAX, count);
    for (size_t i = 0; i < count; i++) {
        int64_t status = 0;
        if (items[i].type != JSON_NUMBER || !json_to_i64(&items[i], &status) || status < 100 ||
            status > 599) {
            char at[24] = "";
            if (is_list)
                (void)snprintf(at, sizeof at, "[%zu]", i);
            return err_set(e, ERR_INVALID, "$.expected_status%s: status from 100 to 599 expected",
                           at);
        }
        input->expected[i] = status;
    }
    input->expected_count = count;
    return true;
}

static bool read_bounds(const struct json_value *payload, struct payload_http_input *input,
                        struct err *e)
{
    double timeout_s = TIMEOUT_S;
    input->kept_bytes = KEPT_BYTES;
    if (!payload_number(payload, "timeout_seconds", 0.001, TIMEOUT_S_MAX, &timeout_s, e) ||
        !payload_integer(payload, "max_response_bytes", 1, KEPT_BYTES_MAX, &input->kept_bytes, e) ||
        !payload_integer(payload, "follow_redirects", 0, REDIRECTS_MAX, &input->redirects, e))
        return false;
    if (input->redirects > 0 && !input->is_reading)
        return err_set(e, ERR_INVALID, "$.follow_redirects: with GET and HEAD only, not with %s",
                       input->method);
    input->timeout_ms = (int64_t)(timeout_s * 1000);
    return true;
}

/* The headers of a signature would stand twice. */
static bool read_signature(struct arena *a, const struct json_value *payload,
                           struct payload_http_input *input, struct err *e)
{
    if (!payload_name(a, payload, "sign_with", SECRET_NAME_MAX, &input->sign_with, e))
        return false;
    for (size_t i = 0; input->sign_with.len > 0 && i < input->header_count; i++) {
        struct str name, value;
        (void)str_cut(str_of_c(input->headers[i]), ':', &name, &value);
        if (str_eq_nocase(str_first(name, 8), STR("webhook-")))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is set by sign_with",
                           STR_FMT(str_first(name, 60)));
    }
    return true;
}

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "url",
                                         "method",
                                         "headers",
                                         "body",
                                         "expected_status",
                                         "timeout_seconds",
                                         "max_response_bytes",
                                         "follow_redirects",
                                         "sign_with" };
    struct payload_http_input *input = arena_new(a, struct payload_http_input);
    bool has_type = false;
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) && read_url(a, payload, input, e) &&
           read_method(a, payload, input, e) && read_headers(a, payload, input, &has_type, e) &&
           read_body(a, payload, input, has_type, e) && read_expected(payload, input, e) &&
           read_bounds(payload, input, e) && read_signature(a, payload, input, e);
}

const struct payload_schema payload_http_request = { "http.request", read_payload };
