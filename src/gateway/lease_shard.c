#include "gateway/lease_shard.h"

#include "base/buf.h"
#include "base/uuid.h"
#include "json/writer.h"

enum { PARSED_TIMES = 24 }; /* a body when parsed, at most */

bool lease_shard_of_session(struct str text, size_t shard_count, size_t *ret_shard,
                            struct str *ret_id)
{
    struct str number, id;
    struct uuid uuid;
    uint64_t shard = 0;
    if (!str_cut(text, '.', &number, &id))
        id = text;
    else if (!str_to_u64(number, &shard) || shard == 0 || shard >= shard_count)
        return false;
    if (!uuid_parse(id, &uuid))
        return false;
    *ret_shard = (size_t)shard;
    *ret_id = id;
    return true;
}

const struct json_value *lease_shard_parse(struct arena *a, struct str body)
{
    const struct json_value *object;
    struct err e;
    arena_raise_budget(a, body.len * PARSED_TIMES);
    return json_parse(a, body, &object, &e) && object->type == JSON_OBJECT ? object : NULL;
}

/* The object with that member replaced; NULL: without it. */
static struct str rewrite(struct arena *a, const struct json_value *object, struct str key,
                          const struct json_value *value)
{
    struct json_member *members = arena_new_array(a, object->member_count, struct json_member);
    size_t count = 0;
    struct buf out;
    for (size_t i = 0; i < object->member_count; i++) {
        bool is_it = str_eq(object->members[i].key, key);
        if (is_it && value == NULL)
            continue;
        members[count] = object->members[i];
        if (is_it)
            members[count].value = *value;
        count++;
    }
    const struct json_value changed = json_of_members(members, count);
    buf_init(&out, 0);
    json_put_value(&out, &changed);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

bool lease_shard_read(struct arena *a, struct str body, size_t shard_count,
                      struct lease_shard *ret_shard, struct err *e)
{
    *ret_shard = (struct lease_shard){ .body = body };
    const struct json_value *object = shard_count > 1 ? lease_shard_parse(a, body) : NULL;
    const struct json_value *session = json_get_c(object, "session");
    struct str id;
    if (object == NULL || session == NULL || session->type != JSON_STRING ||
        str_find_char(session->text, '.') < 0)
        return true;
    if (!lease_shard_of_session(session->text, shard_count, &ret_shard->shard, &id))
        return err_set(e, ERR_NOT_FOUND, "there is no such session");
    const struct json_value inside = json_of_string(id);
    ret_shard->body = rewrite(a, object, STR("session"), &inside);
    return true;
}

bool lease_shard_read_opening(struct arena *a, struct str body, const struct json_value *object,
                              size_t shard_count, struct lease_shard *ret_shard, struct err *e)
{
    *ret_shard = (struct lease_shard){ .body = body };
    const struct json_value *number = json_get_c(object, "shard");
    int64_t shard = 0;
    if (number == NULL)
        return true;
    bool is_good =
        number->type == JSON_NULL || (number->type == JSON_NUMBER && json_to_i64(number, &shard));
    if (!is_good || shard < 0 || (size_t)shard >= shard_count)
        return err_set(e, ERR_INVALID, "shard: must be 0 to %zu, see GET /v1/shards",
                       shard_count - 1);
    ret_shard->shard = (size_t)shard;
    ret_shard->body = rewrite(a, object, STR("shard"), NULL);
    return true;
}

struct str lease_shard_answer(struct arena *a, size_t shard, struct str body)
{
    const struct json_value *object = shard > 0 ? lease_shard_parse(a, body) : NULL;
    const struct json_value *session = json_get_c(object, "session");
    if (object == NULL || session == NULL || session->type != JSON_STRING)
        return body;
    const struct json_value outside =
        json_of_string(arena_printf(a, "%zu.%.*s", shard, STR_FMT(session->text)));
    return rewrite(a, object, STR("session"), &outside);
}

struct str lease_shard_list(struct arena *a, size_t shard_count)
{
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < shard_count; i++)
        buf_printf(&out, "%s{\"shard\":%zu}", i > 0 ? "," : "", i);
    struct str text = arena_printf(a, "{\"shards\":[%.*s]}", STR_FMT(buf_str(&out)));
    buf_clear(&out);
    return text;
}
