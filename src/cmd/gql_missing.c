/* gql missing: what the gateway's GraphQL API lacks of a contract. */
#include "cmd/cmd.h"

#include "gateway/gateway.h"
#include "gql/tool.h"
#include "io/file.h"

enum { CONTRACT_BYTES_MAX = 16 << 20 };

static struct gql_schema *schema_of(struct str sdl, const char *what, struct arena *a,
                                    struct err *e)
{
    static const struct gql_schema_options options = { 0 };
    struct gql_errors errors = { .arena = a };
    struct gql_schema *schema = gql_schema_create(sdl, &options, &errors);
    const struct gql_error *first = errors.first;
    if (schema == NULL)
        (void)err_set(e, ERR_INVALID, "%s: line %u: %.*s", what,
                      first->location_count > 0 ? first->locations[0].line : 0,
                      STR_FMT(first->message));
    return schema;
}

static int compare(struct str contract, const char *path)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    struct buf lines;
    struct err e;
    scoped(gql_schema_destroyp) struct gql_schema *have =
        schema_of(gateway_api(), "the API of this program", a, &e);
    if (have == NULL)
        return cmd_fail(CMD_FAILURE, &e);
    scoped(gql_schema_destroyp) struct gql_schema *want = schema_of(contract, path, a, &e);
    if (want == NULL)
        return cmd_fail(CMD_USAGE, &e);
    buf_init(&lines, 0);
    bool is_complete = gql_schema_compare(have, want, &lines) == 0;
    int exit_code = cmd_print(&lines);
    buf_clear(&lines);
    return exit_code == CMD_OK && !is_complete ? CMD_FAILURE : exit_code;
}

int cmd_gql_missing(const struct conf *conf)
{
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    const char *path = arena_cstr(a, conf_operand(conf, 0));
    struct buf text;
    struct err e;
    buf_init(&text, CONTRACT_BYTES_MAX);
    int exit_code =
        io_file_read(path, &text, &e) ? compare(buf_str(&text), path) : cmd_fail(CMD_USAGE, &e);
    buf_clear(&text);
    return exit_code;
}
