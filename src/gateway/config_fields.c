/* Query.effectiveConfig: the settings that this process runs with, as `windlass config show` tells
 * them. */
#include "gateway/await.h"
#include "gateway/bindings.h"

/* A ConfigEntry. */
struct entry {
    struct str name, value, origin;
};

static enum gql_next resolve_config(struct gql_step *step)
{
    const struct conf *conf = await_request(step)->loop->gateway->conf;
    struct entry *entries = arena_new_array(step->arena, CONF_COUNT, struct entry);
    void **objects = arena_new_array(step->arena, CONF_COUNT, void *);
    size_t count = 0;
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        if (!conf_is_setting(id))
            continue;
        entries[count] = (struct entry){ conf_name(id), conf_shown(conf, id, step->arena),
                                         conf_origin(conf, id) };
        objects[count] = &entries[count];
        count++;
    }
    step->results[0] = gql_objects(objects, count);
    return GQL_DONE;
}

static void get_name(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct entry *entry = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(entry->name);
}

static void get_value(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct entry *entry = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(entry->value);
}

static void get_origin(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct entry *entry = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(entry->origin);
}

const struct gateway_binding bindings_config[] = {
    { "Query.effectiveConfig", { .resolve = resolve_config } },
    { "ConfigEntry.name", { .get = get_name } },
    { "ConfigEntry.value", { .get = get_value } },
    { "ConfigEntry.origin", { .get = get_origin } },
    { 0 },
};
