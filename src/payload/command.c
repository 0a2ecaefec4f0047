/* command: the schema of command. Which commands there are, the allow-list says, not this. */
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"

enum {
    NAME_BYTES_MAX = 100,
    ARGS_MAX = 100,
    ARG_BYTES_MAX = 8192,
    PARAMS_MAX = 20,
    PARAM_BYTES_MAX = 4096,
    TOTAL_BYTES_MAX = 32 << 10, /* of arguments and parameters together */
};

static bool read_params(struct arena *a, const struct json_value *payload,
                        struct payload_command_input *input, struct err *e)
{
    const struct json_value *params = payload_get(payload, "params");
    if (params == NULL)
        return true;
    if (params->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$.params: object of texts expected, got %s",
                       json_type_name(params->type));
    if (params->member_count > PARAMS_MAX)
        return err_set(e, ERR_INVALID, "$.params: %zu of at most %d", params->member_count,
                       (int)PARAMS_MAX);
    input->names = arena_new_array(a, params->member_count, struct str);
    input->values = arena_new_array(a, params->member_count, struct str);
    for (size_t i = 0; i < params->member_count; i++) {
        struct str name = params->members[i].key;
        const struct json_value *value = &params->members[i].value;
        if (name.len > NAME_BYTES_MAX || !payload_is_name(name))
            return err_set(e, ERR_INVALID, "$.params.%.*s: is no name of a parameter",
                           STR_FMT(str_first(name, 60)));
        if (json_get(params, name) != value)
            return err_set(e, ERR_INVALID, "$.params.%.*s: is named twice", STR_FMT(name));
        if (value->type != JSON_STRING || value->text.len > PARAM_BYTES_MAX ||
            (value->text.len > 0 && memchr(value->text.ptr, '\0', value->text.len)))
            return err_set(e, ERR_INVALID,
                           "$.params.%.*s: text of at most %d bytes without U+0000 expected",
                           STR_FMT(name), (int)PARAM_BYTES_MAX);
        input->names[i] = arena_copy(a, name);
        input->values[i] = arena_copy(a, value->text);
    }
    input->param_count = params->member_count;
    return true;
}

static bool is_short_enough(const struct payload_command_input *input, struct err *e)
{
    size_t bytes = 0;
    for (size_t i = 0; i < input->arg_count; i++)
        bytes += input->args[i].len;
    for (size_t i = 0; i < input->param_count; i++)
        bytes += input->values[i].len;
    return bytes <= TOTAL_BYTES_MAX ||
           err_set(e, ERR_INVALID, "$: args and params are longer than %d bytes together",
                   (int)TOTAL_BYTES_MAX);
}

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "command", "args", "params" };
    struct payload_command_input *input = arena_new(a, struct payload_command_input);
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) &&
           payload_needs(payload, "command", "name of a command", e) &&
           payload_name(a, payload, "command", NAME_BYTES_MAX, &input->command, e) &&
           payload_texts(a, payload, "args", ARGS_MAX, ARG_BYTES_MAX, &input->args,
                         &input->arg_count, e) &&
           read_params(a, payload, input, e) && is_short_enough(input, e);
}

const struct payload_schema payload_command = { "command", read_payload };
