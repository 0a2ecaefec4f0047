#include "cmd/spawner_priv.h"

#include "base/buf.h"
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"
#include "runner/private_file.h"

enum {
    ENTRIES_MAX = 1000,
    NAME_BYTES_MAX = 100,
    ARGV_MAX = 100,
    PARAMS_MAX = 20,
    TEXT_BYTES_MAX = 8192,
    ENV_MAX = 50,
    FOLDER_BYTES_MAX = 1000,
    TIMEOUT_S = 300,
    TIMEOUT_S_MAX = 86'400,
    GRACE_S = 2,
    GRACE_S_MAX = 8, /* a runner that cancels does not wait longer, and neither does the worker */
    OUTPUT_BYTES = 16 << 20,
    CODES_MAX = 255,
    CPU_S = 600,
    PROCESSES = 256,
    OPEN_FILES = 256,
    ATTEMPT_MAX = 1'000'000,
};

#define MEMORY_BYTES (INT64_C(4) << 30)
#define FILE_BYTES (INT64_C(1) << 30)
#define BYTES_MAX (INT64_C(1) << 50)
#define PATH "PATH=/usr/local/bin:/usr/bin:/bin"

/* ── the list ── */

static bool read_argv(struct arena *a, const struct json_value *v, struct spawner_entry *entry,
                      struct err *e)
{
    struct str args = STR("none");
    if (!payload_needs(v, "argv", "list of texts", e) ||
        !payload_texts(a, v, "argv", ARGV_MAX, TEXT_BYTES_MAX, &entry->argv, &entry->argv_count,
                       e) ||
        !payload_text(a, v, "args", 10, &args, e))
        return false;
    if (entry->argv_count == 0 || entry->argv[0].len < 2 || entry->argv[0].ptr[0] != '/')
        return err_set(e, ERR_INVALID, "$.argv[0]: path of a program from / on expected");
    if (!str_eq_c(args, "none") && !str_eq_c(args, "append"))
        return err_set(e, ERR_INVALID, "$.args: none or append expected");
    entry->are_args_appended = str_eq_c(args, "append");
    return true;
}

/* Each stands in an argument; the program itself is nobody's choice. */
static bool read_params(struct arena *a, const struct json_value *v, struct spawner_entry *entry,
                        struct err *e)
{
    if (!payload_texts(a, v, "params", PARAMS_MAX, NAME_BYTES_MAX, &entry->params,
                       &entry->param_count, e))
        return false;
    for (size_t i = 0; i < entry->param_count; i++) {
        struct str mark = arena_printf(a, "{%.*s}", STR_FMT(entry->params[i]));
        bool stands = false;
        if (!payload_is_name(entry->params[i]))
            return err_set(e, ERR_INVALID, "$.params[%zu]: is no name", i);
        for (size_t k = 0; k < entry->argv_count; k++)
            stands |= k > 0 && str_find(entry->argv[k], mark) >= 0;
        if (!stands || str_find(entry->argv[0], mark) >= 0)
            return err_set(e, ERR_INVALID, "$.params[%zu]: %.*s must stand in an argument of argv",
                           i, STR_FMT(mark));
    }
    return true;
}

static bool read_env(struct arena *a, const struct json_value *v, struct spawner_entry *entry,
                     struct err *e)
{
    const struct json_value *env = payload_get(v, "env");
    bool has_path = false;
    size_t count = env && env->type == JSON_OBJECT ? env->member_count : 0;
    if (env && env->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "$.env: object of texts expected");
    if (count > ENV_MAX)
        return err_set(e, ERR_INVALID, "$.env: %zu of at most %d", count, (int)ENV_MAX);
    entry->env = arena_new_array(a, count + 1, const char *);
    for (size_t i = 0; i < count; i++) {
        const struct json_member *m = &env->members[i];
        if (!payload_is_name(m->key) || m->value.type != JSON_STRING ||
            m->value.text.len > TEXT_BYTES_MAX ||
            (m->value.text.len > 0 && memchr(m->value.text.ptr, '\0', m->value.text.len)))
            return err_set(e, ERR_INVALID, "$.env.%.*s: a plain name and a text expected",
                           STR_FMT(str_first(m->key, 60)));
        has_path |= str_eq_c(m->key, "PATH");
        entry->env[entry->env_count++] =
            arena_printf(a, "%.*s=%.*s", STR_FMT(m->key), STR_FMT(m->value.text)).ptr;
    }
    if (!has_path)
        entry->env[entry->env_count++] = PATH;
    return true;
}

static bool read_codes(const struct json_value *v, struct spawner_entry *entry, struct err *e)
{
    const struct json_value *codes = payload_get(v, "success_codes");
    entry->success_count = 1; /* 0 */
    if (codes == NULL)
        return true;
    if (codes->type != JSON_ARRAY || codes->item_count == 0 ||
        codes->item_count > SPAWNER_CODES_MAX)
        return err_set(e, ERR_INVALID, "$.success_codes: list of 1 to %d exit codes expected",
                       (int)SPAWNER_CODES_MAX);
    for (size_t i = 0; i < codes->item_count; i++)
        if (codes->items[i].type != JSON_NUMBER ||
            !json_to_i64(&codes->items[i], &entry->success_codes[i]) ||
            entry->success_codes[i] < 0 || entry->success_codes[i] > CODES_MAX)
            return err_set(e, ERR_INVALID, "$.success_codes[%zu]: exit code from 0 to %d expected",
                           i, (int)CODES_MAX);
    entry->success_count = codes->item_count;
    return true;
}

static bool read_limits(const struct json_value *v, bool is_other_user, struct spawner_entry *entry,
                        struct err *e)
{
    static const struct json_value none = { .type = JSON_NULL };
    static const struct {
        const char *name;
        int resource;
        int64_t standard, max;
    } limits[] = {
        { "cpu_seconds", RLIMIT_CPU, CPU_S, 10 * TIMEOUT_S_MAX },
        { "memory_bytes", RLIMIT_AS, MEMORY_BYTES, BYTES_MAX },
        { "file_bytes", RLIMIT_FSIZE, FILE_BYTES, BYTES_MAX },
        { "open_files", RLIMIT_NOFILE, OPEN_FILES, 1 << 20 },
        { "processes", RLIMIT_NPROC, PROCESSES, 1 << 20 },
    };
    static const char *known[countof(limits)];
    static_assert(countof(limits) < SPAWNER_LIMITS_MAX, "room for these and the core file's");
    const struct json_value *object = payload_get(v, "limits");
    struct err wrong = { 0 };
    for (size_t i = 0; i < countof(limits); i++)
        known[i] = limits[i].name;
    if (!object)
        object = &none;
    if (!payload_check(object, known, countof(known), &wrong))
        return err_set(e, ERR_INVALID, "$.limits: %.150s", wrong.message);
    entry->limits[entry->limit_count++] = (struct spawner_limit){ RLIMIT_CORE, 0 };
    for (size_t i = 0; i < countof(limits); i++) {
        int64_t value = limits[i].standard;
        if (!payload_integer(object, limits[i].name, 1, limits[i].max, &value, &wrong))
            return err_set(e, ERR_INVALID, "$.limits: %.150s", wrong.message);
        /* The kernel counts a user's processes: of one who has others, only when it is asked for.
         */
        if (limits[i].resource == RLIMIT_NPROC && !is_other_user &&
            !payload_get(object, limits[i].name))
            continue;
        entry->limits[entry->limit_count++] =
            (struct spawner_limit){ limits[i].resource, (rlim_t)value };
    }
    return true;
}

static bool read_entry(struct arena *a, const struct json_member *m, bool is_other_user,
                       struct spawner_entry *entry, struct err *e)
{
    static const char *const known[] = { "argv",          "params",        "args",
                                         "cwd",           "env",           "timeout_seconds",
                                         "grace_seconds", "success_codes", "max_output_bytes",
                                         "limits" };
    const struct json_value *v = &m->value;
    struct str folder = STR("/");
    double timeout_s = TIMEOUT_S, grace_s = GRACE_S;
    entry->name = arena_copy(a, m->key);
    entry->output_bytes_max = OUTPUT_BYTES;
    if (m->key.len > NAME_BYTES_MAX || !payload_is_name(m->key))
        return err_set(e, ERR_INVALID, "$: letters, digits, '.', '_' and '-' expected as its name");
    if (!payload_check(v, known, countof(known), e) || !read_argv(a, v, entry, e) ||
        !read_params(a, v, entry, e) || !payload_text(a, v, "cwd", FOLDER_BYTES_MAX, &folder, e) ||
        !read_env(a, v, entry, e) ||
        !payload_number(v, "timeout_seconds", 0.001, TIMEOUT_S_MAX, &timeout_s, e) ||
        !payload_number(v, "grace_seconds", 0, GRACE_S_MAX, &grace_s, e) ||
        !payload_integer(v, "max_output_bytes", 0, BYTES_MAX, &entry->output_bytes_max, e) ||
        !read_codes(v, entry, e) || !read_limits(v, is_other_user, entry, e))
        return false;
    if (folder.ptr[0] != '/')
        return err_set(e, ERR_INVALID, "$.cwd: path from / on expected");
    entry->folder = folder.ptr;
    entry->timeout_ms = max_of((int64_t)(timeout_s * 1000), INT64_C(1));
    entry->grace_ms = (int64_t)(grace_s * 1000);
    return true;
}

bool spawner_list_read(struct arena *a, const char *path, bool is_other_user,
                       struct spawner_list *ret_list, struct err *e)
{
    const struct json_value *object;
    struct spawner_list list = { 0 };
    if (!private_file_read(a, path, &object, e))
        return false;
    if (object->member_count > ENTRIES_MAX)
        return err_set(e, ERR_INVALID, "%s: %zu commands of at most %d", path, object->member_count,
                       (int)ENTRIES_MAX);
    list.entries = arena_new_array(a, object->member_count, struct spawner_entry);
    for (size_t i = 0; i < object->member_count; i++) {
        const struct json_member *m = &object->members[i];
        if (!read_entry(a, m, is_other_user, &list.entries[list.count++], e))
            return err_in(e, "read command %.*s of %s", STR_FMT(str_first(m->key, 60)), path);
    }
    *ret_list = list;
    return true;
}

const struct spawner_entry *spawner_list_find(const struct spawner_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->entries[i].name, name))
            return &list->entries[i];
    return NULL;
}

/* ── a request ── */

static bool has_param(const struct spawner_entry *entry, struct str name)
{
    for (size_t i = 0; i < entry->param_count; i++)
        if (str_eq(entry->params[i], name))
            return true;
    return false;
}

static struct str param_of(const struct payload_command_input *input, struct str name)
{
    for (size_t i = 0; i < input->param_count; i++)
        if (str_eq(input->names[i], name))
            return input->values[i];
    return STR(""); /* check_params has seen that all are there */
}

/* The request's parameters are the entry's, one for one. */
static bool check_params(const struct spawner_entry *entry,
                         const struct payload_command_input *input, struct err *e)
{
    for (size_t i = 0; i < input->param_count; i++)
        if (!has_param(entry, input->names[i]))
            return err_set(e, ERR_INVALID, "$.params.%.*s: the command has no such parameter",
                           STR_FMT(input->names[i]));
    for (size_t i = 0; i < entry->param_count; i++) {
        bool is_given = false;
        for (size_t k = 0; k < input->param_count; k++)
            is_given |= str_eq(input->names[k], entry->params[i]);
        if (!is_given)
            return err_set(e, ERR_INVALID, "$.params.%.*s: missing; the command needs it",
                           STR_FMT(entry->params[i]));
    }
    return true;
}

/* Cuts at the first parameter: what stands before it, its name, what is left. False: none. */
static bool cut_at_param(const struct spawner_entry *entry, struct str text, struct str *ret_head,
                         struct str *ret_name, struct str *ret_tail)
{
    for (size_t at = 0; at < text.len; at++) {
        struct str from = str_from(text, at + 1);
        ptrdiff_t end = text.ptr[at] == '{' ? str_find_char(from, '}') : -1;
        if (end < 0 || !has_param(entry, str_first(from, (size_t)end)))
            continue; /* a brace of the program's own */
        *ret_head = str_first(text, at);
        *ret_name = str_first(from, (size_t)end);
        *ret_tail = str_from(from, (size_t)end + 1);
        return true;
    }
    return false;
}

/* A value that begins an argument must not make an option of it. */
static bool fill_in(struct arena *a, const struct spawner_entry *entry, struct str text,
                    const struct payload_command_input *input, const char **ret_arg, struct err *e)
{
    struct str head, name;
    struct buf out;
    bool is_option = false;
    buf_init(&out, 0);
    while (!is_option && cut_at_param(entry, text, &head, &name, &text)) {
        struct str value = param_of(input, name);
        buf_put_str(&out, head);
        is_option = out.len == 0 && value.len > 0 && value.ptr[0] == '-';
        buf_put_str(&out, value);
    }
    buf_put_str(&out, text);
    *ret_arg = arena_cstr(a, buf_str(&out));
    buf_clear(&out);
    return !is_option ||
           err_set(e, ERR_INVALID, "$.params.%.*s: begins with '-', which would make it an option",
                   STR_FMT(name));
}

static bool build_argv(struct arena *a, const struct payload_command_input *input,
                       struct spawner_order *order, struct err *e)
{
    const struct spawner_entry *entry = order->entry;
    size_t count = 0;
    order->argv = arena_new_array(a, entry->argv_count + input->arg_count + 1, const char *);
    if (input->arg_count > 0 && !entry->are_args_appended)
        return err_set(e, ERR_INVALID, "$.args: the command takes none");
    if (!check_params(entry, input, e))
        return false;
    for (size_t i = 0; i < entry->argv_count; i++)
        if (!fill_in(a, entry, entry->argv[i], input, &order->argv[count++], e))
            return false;
    for (size_t i = 0; i < input->arg_count; i++)
        order->argv[count++] = input->args[i].ptr;
    return true;
}

/* What it is told of its task, so that it can know a repetition. */
static bool build_env(struct arena *a, const struct json_value *request,
                      struct spawner_order *order, struct err *e)
{
    const struct spawner_entry *entry = order->entry;
    struct str task = STR("");
    int64_t attempt = 1;
    size_t count = entry->env_count;
    if (!payload_name(a, request, "task", NAME_BYTES_MAX, &task, e) ||
        !payload_integer(request, "attempt", 1, ATTEMPT_MAX, &attempt, e))
        return false;
    order->env = arena_new_array(a, count + 3, const char *);
    memcpy(order->env, entry->env, count * sizeof *order->env);
    order->env[count++] = arena_printf(a, "WINDLASS_TASK=%.*s", STR_FMT(task)).ptr;
    order->env[count++] = arena_printf(a, "WINDLASS_ATTEMPT=%lld", (long long)attempt).ptr;
    return true;
}

bool spawner_order_read(struct arena *a, const struct spawner_list *list, struct str request,
                        struct spawner_order *ret_order, struct err *e)
{
    const struct json_value *v;
    const void *input;
    struct spawner_order order = { 0 };
    if (!json_parse(a, request, &v, e) ||
        !payload_command.read(a, json_get_c(v, "payload") ? json_get_c(v, "payload") : v, &input,
                              e))
        return false;
    const struct payload_command_input *command = input;
    order.entry = spawner_list_find(list, command->command);
    if (!order.entry)
        return err_set(e, ERR_NOT_FOUND, "$.command: there is no command \"%.*s\" here",
                       STR_FMT(command->command));
    if (!build_argv(a, command, &order, e) || !build_env(a, v, &order, e))
        return false;
    *ret_order = order;
    return true;
}
