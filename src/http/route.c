#include "base/mem.h"
#include "http/server_priv.h"

static struct route route_of(const struct http_route *given, const struct http_limits *limits)
{
    struct str path = str_of_c(given->path);
    bool is_prefix = path.len && path.ptr[path.len - 1] == '*';
    return (struct route){
        .path = str_first(path, path.len - is_prefix),
        .is_prefix = is_prefix,
        .methods = given->methods | (given->methods & HTTP_METHOD_GET ? HTTP_METHOD_HEAD : 0U),
        .body_bytes_max = given->body_bytes_max ? given->body_bytes_max : limits->body_bytes,
        .fn = given->fn,
        .owner = given->owner,
    };
}

static int compare_routes(const void *one, const void *other)
{
    const struct route *a = one, *b = other;
    if (a->is_prefix != b->is_prefix)
        return a->is_prefix - b->is_prefix;
    return (a->path.len < b->path.len) - (a->path.len > b->path.len);
}

void http_route_table_init(struct http_server *s, const struct http_server_options *options)
{
    s->route_count = options->route_count;
    s->routes = mem_zalloc(s->route_count, sizeof *s->routes);
    for (size_t i = 0; i < s->route_count; i++)
        s->routes[i] = route_of(&options->routes[i], &s->limits);
    qsort(s->routes, s->route_count, sizeof *s->routes, compare_routes);
}

static bool matches(const struct route *route, struct str path)
{
    return route->is_prefix ? str_starts_with(path, route->path) : str_eq(path, route->path);
}

const struct route *http_route_find(const struct http_server *s, struct str path,
                                    enum http_method method, unsigned *ret_allowed)
{
    const struct route *best = NULL; /* of those that match, the most exact one decides */
    *ret_allowed = 0;
    for (size_t i = 0; i < s->route_count; i++) {
        const struct route *route = &s->routes[i];
        if (!matches(route, path))
            continue;
        if (best && (route->is_prefix != best->is_prefix || route->path.len != best->path.len))
            break;
        best = route;
        if (route->methods & method)
            return route;
        *ret_allowed |= route->methods;
    }
    return NULL;
}
