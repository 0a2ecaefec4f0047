/* lease_read: what a call of a session says. */
#include "base/random.h"
#include "worker/door.h"
#include "worker/lease_priv.h"
#include "worker/session_door.h"
#include "worker/worker_priv.h"

enum {
    DELAY_MAX_MS = INT32_MAX, /* 24 days */
    ACKS_MAX = 5'000,
    HELD_MAX = SESSION_SLOTS_MAX,
    ERROR_MAX = 16 * 1024,
};

static bool read_ack(struct leasing *l, const struct json_value *v, size_t i, struct err *e)
{
    static const char *const members[] = { "task",        "fence", "outcome", "result", "error",
                                           "retry_in_ms", "logs",  "spawn",   NULL };
    struct lease_ack *ack = &l->acks[i];
    struct str fence, word;
    char at[40];
    snprintf(at, sizeof at, "acks[%zu].", i);
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "acks[%zu]: is no object", i);
    if (!json_only(v, at, members, e))
        return false;
    if (!door_id(v, at, "task", &ack->task, e))
        return door_is_bad(e) ? false : door_missing(e, at, "task");
    if (!door_text(v, at, "fence", SHARD_NUMBER_MAX, &fence, e))
        return door_is_bad(e) ? false : door_missing(e, at, "fence");
    if (!shard_number_parse(&l->w->shard, fence, &ack->fence))
        return err_set(e, ERR_INVALID, "%sfence: is none", at);
    if (!door_text(v, at, "outcome", SHARD_NUMBER_MAX, &word, e))
        return door_is_bad(e) ? false : door_missing(e, at, "outcome");
    if (!lease_word_of(word, &ack->word))
        return err_set(e, ERR_INVALID, "%soutcome: is none", at);
    ack->has_delay = door_int(v, at, "retry_in_ms", 0, DELAY_MAX_MS, &ack->delay_ms, e);
    const struct json_value *error = json_get_c(v, "error"), *result = json_get_c(v, "result");
    if (door_is_bad(e))
        return false;
    if (error && error->type != JSON_STRING && error->type != JSON_NULL)
        return err_set(e, ERR_INVALID, "%serror: is no string", at);
    if (error && error->type == JSON_STRING) {
        ack->has_error = true;
        ack->error = str_first_whole(error->text, ERROR_MAX);
    }
    ack->has_result = result && result->type != JSON_NULL;
    if (ack->has_result)
        ack->result = door_json_text(l->r->arena, result);
    if (ack->result.len > l->w->shard.options.payload_max)
        return err_set(e, ERR_LIMIT, "%sresult: is longer than %zu bytes", at,
                       l->w->shard.options.payload_max);
    random_ids(&ack->chance, sizeof ack->chance);
    if (!logs_read(l->r->arena, json_get_c(v, "logs"), at, &ack->logs, e) ||
        !spawn_read(l->w, l->r, json_get_c(v, "spawn"), at, ack->task, &ack->spawn, e))
        return false;
    if (ack->spawn.count > 0 && ack->word != LEASE_COMPLETE)
        return err_set(e, ERR_INVALID, "%sspawn: comes with the outcome complete alone", at);
    return ack->spawn.count == 0 || session_may_create(l->r) ||
           err_set(e, ERR_INVALID, "%sspawn: a token that makes tasks has the scope API, too", at);
}

bool leasing_read_acks(struct leasing *l, const struct json_value *list, struct err *e)
{
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > ACKS_MAX)
        return err_set(e, ERR_INVALID, "acks: are no list of at most %d", ACKS_MAX);
    l->acks = arena_new_array(l->r->arena, list->item_count, struct lease_ack);
    for (size_t i = 0; i < list->item_count; i++) {
        l->acks[i].session = l->wait.session->number;
        l->acks[i].answer = LEASE_STALE;
        if (!read_ack(l, &list->items[i], i, e))
            return false;
    }
    l->ack_count = list->item_count;
    return true;
}

bool leasing_read_held(struct leasing *l, const struct json_value *list, struct err *e)
{
    static const char *const members[] = { "task", "fence", NULL };
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > HELD_MAX)
        return err_set(e, ERR_INVALID, "held: is no list of at most %d", HELD_MAX);
    l->says_held = true;
    l->held = arena_new_array(l->r->arena, list->item_count, struct lease_held);
    for (size_t i = 0; i < list->item_count; i++) {
        struct lease_held *held = &l->held[l->held_count++];
        struct str fence;
        char at[40];
        snprintf(at, sizeof at, "held[%zu].", i);
        if (!json_only(&list->items[i], at, members, e))
            return false;
        if (!door_id(&list->items[i], at, "task", &held->task, e))
            return door_is_bad(e) ? false : door_missing(e, at, "task");
        if (!door_text(&list->items[i], at, "fence", SHARD_NUMBER_MAX, &fence, e))
            return door_is_bad(e) ? false : door_missing(e, at, "fence");
        if (!shard_number_parse(&l->w->shard, fence, &held->fence))
            return err_set(e, ERR_INVALID, "%sfence: is none", at);
    }
    return true;
}

bool leasing_read_quiet(struct leasing *l, const struct json_value *list, struct err *e)
{
    const struct shard *s = &l->w->shard;
    struct session *session = l->wait.session;
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > session->type_count)
        return err_set(e, ERR_INVALID, "quiet: is no list of at most %zu", session->type_count);
    l->quiet = arena_new_array(l->r->arena, list->item_count, uint32_t);
    for (size_t i = 0; i < list->item_count; i++) {
        const struct json_value *name = &list->items[i];
        uint32_t type;
        if (name->type != JSON_STRING || !shard_find_type(s, name->text, &type) ||
            !session_slot_of(session, type))
            return err_set(e, ERR_INVALID, "quiet[%zu]: is no type of this session", i);
        l->quiet[l->quiet_count++] = type;
    }
    return true;
}

void leasing_tell_quiet(const struct leasing *l, struct session *session)
{
    for (size_t i = 0; i < session->type_count; i++)
        session->types[i].is_quiet = false;
    for (size_t i = 0; i < l->quiet_count; i++)
        session_slot_of(session, l->quiet[i])->is_quiet = true; /* its types never change */
}
