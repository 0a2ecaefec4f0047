/* sql: the schema of sql. Whether the statement is right, the database says. */
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"

#include "json/writer.h"

enum {
    NAME_BYTES_MAX = 100,
    STATEMENT_BYTES_MAX = 100'000,
    PARAMS_MAX = 64,
    ROWS_MAX = 10'000,
    TIMEOUT_S_MAX = 3600,
};

/* As PostgreSQL's own text forms; what is no scalar is JSON to it. */
static bool read_param(struct arena *a, const struct json_value *v, size_t index,
                       struct str *ret_text, struct err *e)
{
    switch (v->type) {
    case JSON_NULL:
        *ret_text = (struct str){ 0 };
        break;
    case JSON_BOOL:
        *ret_text = v->boolean ? STR("true") : STR("false");
        break;
    case JSON_NUMBER:
        *ret_text = arena_copy(a, v->text);
        break;
    case JSON_STRING:
        if (v->text.len > 0 && memchr(v->text.ptr, '\0', v->text.len))
            return err_set(e, ERR_INVALID, "$.params[%zu]: holds U+0000", index);
        *ret_text = arena_copy(a, v->text);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT: {
        struct buf text;
        buf_init(&text, 0);
        json_put_value(&text, v);
        *ret_text = arena_copy(a, buf_str(&text));
        buf_clear(&text);
        break;
    }
    }
    return true;
}

static bool read_params(struct arena *a, const struct json_value *payload,
                        struct payload_sql_input *input, struct err *e)
{
    const struct json_value *params = payload_get(payload, "params");
    if (params == NULL)
        return true;
    if (params->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "$.params: list expected, got %s",
                       json_type_name(params->type));
    if (params->item_count > PARAMS_MAX)
        return err_set(e, ERR_INVALID, "$.params: %zu of at most %d", params->item_count,
                       (int)PARAMS_MAX);
    input->params = arena_new_array(a, params->item_count, struct str);
    input->param_count = params->item_count;
    for (size_t i = 0; i < params->item_count; i++)
        if (!read_param(a, &params->items[i], i, &input->params[i], e))
            return false;
    return true;
}

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "connection", "statement", "params", "max_rows",
                                         "timeout_seconds" };
    struct payload_sql_input *input = arena_new(a, struct payload_sql_input);
    double timeout_s = 0;
    *ret_input = input;
    if (!payload_check(payload, known, countof(known), e) ||
        !payload_needs(payload, "connection", "name of a connection", e) ||
        !payload_name(a, payload, "connection", NAME_BYTES_MAX, &input->connection, e) ||
        !payload_needs(payload, "statement", "one SQL statement", e) ||
        !payload_text(a, payload, "statement", STATEMENT_BYTES_MAX, &input->statement, e) ||
        !read_params(a, payload, input, e) ||
        !payload_integer(payload, "max_rows", 1, ROWS_MAX, &input->rows_max, e) ||
        !payload_number(payload, "timeout_seconds", 0.001, TIMEOUT_S_MAX, &timeout_s, e))
        return false;
    input->timeout_ms = (int64_t)(timeout_s * 1000);
    return true;
}

const struct payload_schema payload_sql = { "sql", read_payload };
