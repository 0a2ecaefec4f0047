/* What the workers of several shards tell, as one list. */
#include "base/map.h"
#include "gateway/told_priv.h"

/* How a member of two objects of one name becomes one; the others are as the first has them, or the
 * owner. */
static const struct merged {
    const char *name;
    bool is_sum; /* else the least of them that is not null */
} merged[] = {
    { "running", true },
    { "waiting", true },
    { "oldest_waiting_us", false },
};

static bool number_of(const struct json_value *v, int64_t *ret_number)
{
    return v != NULL && v->type == JSON_NUMBER && json_to_i64(v, ret_number);
}

static struct json_value merge_member(struct arena *a, const struct merged *how,
                                      const struct json_value *one, const struct json_value *other)
{
    int64_t x, y;
    bool has_x = number_of(one, &x), has_y = number_of(other, &y);
    if (!has_y)
        return *one;
    if (!has_x)
        return *other;
    return json_of_i64(a, how->is_sum ? x + y : min_of(x, y));
}

static void merge_into(struct arena *a, struct json_value *object, const struct json_value *other)
{
    struct json_member *members = arena_new_array(a, object->member_count, struct json_member);
    for (size_t i = 0; i < object->member_count; i++) {
        members[i] = object->members[i];
        for (size_t k = 0; k < countof(merged); k++)
            if (str_eq_c(members[i].key, merged[k].name))
                members[i].value = merge_member(a, &merged[k], &object->members[i].value,
                                                json_get(other, members[i].key));
    }
    *object = json_of_members(members, object->member_count);
}

/* An empty one where there is none, or no body. */
static const struct json_value *list_of(const struct json_value *body, const char *name)
{
    static const struct json_value none = { .type = JSON_ARRAY };
    const struct json_value *list = json_get(body, str_of_c(name));
    return list != NULL && list->type == JSON_ARRAY ? list : &none;
}

static size_t items_max(const struct json_value *const *bodies, size_t count, const char *list)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most += list_of(bodies[i], list)->item_count;
    return most;
}

static struct json_value merge_objects(struct arena *a, const struct told_kind_of *l,
                                       const struct json_value *const *bodies, size_t count,
                                       const struct shard_map *queues)
{
    scoped(map_destroyp) struct map *by_name = map_create(); /* a shard may tell of 10,000 */
    struct json_value *items =
        arena_new_array(a, items_max(bodies, count, l->list), struct json_value);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct json_value *list = list_of(bodies[i], l->list);
        for (size_t k = 0; k < list->item_count; k++) {
            struct str name =
                l->name != NULL ? json_get_text(&list->items[k], str_of_c(l->name)) : STR("");
            struct json_value *same = l->name != NULL ? map_get(by_name, name) : NULL;
            if (same != NULL) {
                bool is_owners = l->is_owned && shard_map_of_queue(queues, name) == i;
                const struct json_value was = *same;
                if (is_owners)
                    *same = list->items[k];
                merge_into(a, same, is_owners ? &was : &list->items[k]);
                continue;
            }
            items[n] = list->items[k];
            if (l->name != NULL)
                (void)map_put(by_name, name, &items[n]);
            n++;
        }
    }
    return json_of_items(items, n);
}

static struct json_value merge_words(struct arena *a, const char *name,
                                     const struct json_value *const *bodies, size_t count)
{
    scoped(map_destroyp) struct map *known = map_create();
    struct json_value *items =
        arena_new_array(a, items_max(bodies, count, name), struct json_value);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct json_value *list = list_of(bodies[i], name);
        for (size_t k = 0; k < list->item_count; k++) {
            if (map_get(known, list->items[k].text) != NULL)
                continue;
            items[n] = list->items[k];
            (void)map_put(known, list->items[k].text, &items[n++]);
        }
    }
    return json_of_items(items, n);
}

struct json_value told_merge(struct arena *a, enum told_what what,
                             const struct json_value *const *bodies, size_t count,
                             const struct shard_map *queues)
{
    const struct told_kind_of *l = &told_kinds[what];
    struct json_member *members = arena_new_array(a, 2, struct json_member);
    members[0] =
        (struct json_member){ str_of_c(l->list), merge_objects(a, l, bodies, count, queues) };
    if (l->beside == NULL)
        return json_of_members(members, 1);
    members[1] =
        (struct json_member){ str_of_c(l->beside), merge_words(a, l->beside, bodies, count) };
    return json_of_members(members, 2);
}
