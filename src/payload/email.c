/*
 * email: the schema of email. Nothing that could end a line of the message's head passes, and no
 * address that SMTP would read otherwise.  Source: RFC 5321 section 4.1.2, RFC 5322 section 2.2.
 */
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"

enum {
    ADDRESSES_MAX = 100, /* of to, cc and bcc each */
    REPLY_TO_MAX = 10,
    LOCAL_BYTES_MAX = 64,
    DOMAIN_BYTES_MAX = 253,
    NAME_BYTES_MAX = 200,
    SUBJECT_BYTES_MAX = 900,
    CONTENT_BYTES_MAX = 1 << 20,
    HEADERS_MAX = 20,
    HEADER_NAME_MAX = 60,
    HEADER_BYTES_MAX = 900,
};

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A dot-string, the only form of a local part that is not quoted. */
static bool is_local_part(struct str text)
{
    if (text.len == 0 || text.len > LOCAL_BYTES_MAX || text.ptr[0] == '.' ||
        text.ptr[text.len - 1] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_dot = c == '.' && text.ptr[i - 1] != '.'; /* the first one is none */
        if (!is_alnum(c) && !is_dot && (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", c)))
            return false;
    }
    return true;
}

static bool is_domain(struct str text)
{
    if (text.len == 0 || text.len > DOMAIN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool at_edge = i == 0 || i + 1 == text.len || text.ptr[i - 1] == '.' ||
                       text.ptr[i + 1] == '.'; /* of a label */
        if (!is_alnum(c) && (at_edge || (c != '-' && c != '.')))
            return false;
    }
    return true;
}

bool payload_is_address(struct str text)
{
    struct str local, domain;
    return str_cut(text, '@', &local, &domain) && is_local_part(local) && is_domain(domain);
}

/* Nothing that ends or hides a part of a line. */
static bool is_line(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* "ada@example.org" or {"address": "ada@example.org", "name": "Ada"} */
static bool read_address(struct arena *a, const struct json_value *v, const char *at,
                         struct payload_email_address *ret_address, struct err *e)
{
    const struct json_value *address = v, *name = NULL;
    if (v->type == JSON_OBJECT) {
        for (size_t i = 0; i < v->member_count; i++)
            if (!str_eq_c(v->members[i].key, "address") && !str_eq_c(v->members[i].key, "name"))
                return err_set(e, ERR_INVALID, "$.%s.%.*s: unknown member; known: address, name",
                               at, STR_FMT(str_first(v->members[i].key, 40)));
        address = payload_get(v, "address");
        name = payload_get(v, "name");
    }
    if (address == NULL || address->type != JSON_STRING || !payload_is_address(address->text))
        return err_set(e, ERR_INVALID,
                       "$.%s: address like ada@example.org expected, ASCII and without quotes", at);
    if (name &&
        (name->type != JSON_STRING || name->text.len > NAME_BYTES_MAX || !is_line(name->text)))
        return err_set(e, ERR_INVALID,
                       "$.%s.name: text of at most %d bytes without line ends expected", at,
                       (int)NAME_BYTES_MAX);
    ret_address->address = arena_copy(a, address->text);
    ret_address->name = name ? arena_copy(a, name->text) : STR("");
    return true;
}

static bool read_addresses(struct arena *a, const struct json_value *payload, const char *key,
                           size_t most, struct payload_email_address **ret_addresses,
                           size_t *ret_count, struct err *e)
{
    const struct json_value *v = payload_get(payload, key);
    if (v == NULL)
        return true;
    bool is_list = v->type == JSON_ARRAY;
    size_t count = is_list ? v->item_count : 1;
    const struct json_value *items = is_list ? v->items : v;
    if (count > most)
        return err_set(e, ERR_INVALID, "$.%s: %zu of at most %zu", key, count, most);
    *ret_addresses = arena_new_array(a, count, struct payload_email_address);
    for (size_t i = 0; i < count; i++) {
        char at[40];
        (void)snprintf(at, sizeof at, is_list ? "%s[%zu]" : "%s", key, i);
        if (!read_address(a, &items[i], at, &(*ret_addresses)[i], e))
            return false;
    }
    *ret_count = count;
    return true;
}

static bool is_ours(struct str name)
{
    static const char *const ours[] = {
        "From",          "Sender",     "To",       "Cc",           "Bcc",         "Subject",
        "Date",          "Message-ID", "Reply-To", "MIME-Version", "Return-Path", "Received",
        "Auto-Submitted"
    };
    for (size_t i = 0; i < countof(ours); i++)
        if (str_eq_nocase(name, str_of_c(ours[i])))
            return true;
    return str_eq_nocase(str_first(name, 8), STR("Content-")) ||
           str_eq_nocase(str_first(name, 7), STR("Resent-")) ||
           str_eq_nocase(str_first(name, 9), STR("Windlass-"));
}

static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_alnum(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    return name.len > 0 && name.len <= HEADER_NAME_MAX;
}

static bool read_headers(struct arena *a, const struct json_value *payload,
                         struct payload_email_input *input, struct err *e)
{
    const struct json_value *headers = payload_get(payload, "headers");
    if (headers == NULL)
        return true;
    if (headers->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$.headers: object of texts expected, got %s",
                       json_type_name(headers->type));
    if (headers->member_count > HEADERS_MAX)
        return err_set(e, ERR_INVALID, "$.headers: %zu of at most %d", headers->member_count,
                       (int)HEADERS_MAX);
    input->header_names = arena_new_array(a, headers->member_count, struct str);
    input->header_values = arena_new_array(a, headers->member_count, struct str);
    for (size_t i = 0; i < headers->member_count; i++) {
        struct str name = headers->members[i].key, shown = str_first(name, HEADER_NAME_MAX);
        const struct json_value *value = &headers->members[i].value;
        if (!is_header_name(name))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is no name of a header",
                           STR_FMT(shown));
        if (is_ours(name))
            return err_set(e, ERR_INVALID, "$.headers.%.*s: is set by the runner", STR_FMT(shown));
        if (value->type != JSON_STRING || value->text.len > HEADER_BYTES_MAX ||
            !is_line(value->text))
            return err_set(e, ERR_INVALID,
                           "$.headers.%.*s: text of at most %d bytes without line ends expected",
                           STR_FMT(shown), (int)HEADER_BYTES_MAX);
        input->header_names[i] = arena_copy(a, name);
        input->header_values[i] = arena_copy(a, value->text);
    }
    input->header_count = headers->member_count;
    return true;
}

static bool read_contents(struct arena *a, const struct json_value *payload,
                          struct payload_email_input *input, struct err *e)
{
    if (!payload_needs(payload, "subject", "text", e) ||
        !payload_text(a, payload, "subject", SUBJECT_BYTES_MAX, &input->subject, e))
        return false;
    if (!is_line(input->subject))
        return err_set(e, ERR_INVALID, "$.subject: holds a line end or another control");
    if (!payload_text(a, payload, "text", CONTENT_BYTES_MAX, &input->text, e) ||
        !payload_text(a, payload, "html", CONTENT_BYTES_MAX, &input->html, e))
        return false;
    return input->text.len + input->html.len > 0 ||
           err_set(e, ERR_INVALID, "$.text: missing; text or html expected");
}

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "to",   "cc",   "bcc",      "subject",
                                         "text", "html", "reply_to", "headers" };
    struct payload_email_input *input = arena_new(a, struct payload_email_input);
    *ret_input = input;
    if (!payload_check(payload, known, countof(known), e) ||
        !read_addresses(a, payload, "to", ADDRESSES_MAX, &input->to, &input->to_count, e) ||
        !read_addresses(a, payload, "cc", ADDRESSES_MAX, &input->cc, &input->cc_count, e) ||
        !read_addresses(a, payload, "bcc", ADDRESSES_MAX, &input->bcc, &input->bcc_count, e))
        return false;
    if (input->to_count + input->cc_count + input->bcc_count == 0)
        return err_set(e, ERR_INVALID, "$.to: missing; address or list of addresses expected");
    return read_contents(a, payload, input, e) &&
           read_addresses(a, payload, "reply_to", REPLY_TO_MAX, &input->reply_to,
                          &input->reply_to_count, e) &&
           read_headers(a, payload, input, e);
}

const struct payload_schema payload_email = { "email", read_payload };
