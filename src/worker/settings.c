#include "worker/settings.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "json/json.h"
#include "worker/door.h"
#include "worker/settings_priv.h"

/* A payload when parsed, at most. */
enum { PARSED_TIMES = 32, PARSED_MORE = 64 << 10 };

const struct setting_number setting_numbers[SETTING_COUNT] = {
    [SETTING_MAX_RUNNING] = { "max_running", SETTINGS_RUNNING_MAX },
    [SETTING_MAX_RUNNING_PER_KEY] = { "max_running_per_key", SETTINGS_RUNNING_MAX },
    [SETTING_BURST] = { "burst", SETTINGS_BURST_MAX },
    [SETTING_BURST_PER_KEY] = { "burst_per_key", SETTINGS_BURST_MAX },
    [SETTING_MAX_ATTEMPTS] = { "max_attempts", SETTINGS_ATTEMPTS_MAX },
    [SETTING_TIMEOUT_S] = { "timeout_s", SETTINGS_TIMEOUT_MAX_S },
    [SETTING_RETENTION_DAYS] = { "retention_days", 0 },
};

const char *const setting_rates[SETTING_RATE_COUNT] = {
    [SETTING_RATE] = "rate_per_s",
    [SETTING_RATE_PER_KEY] = "rate_per_key_per_s",
};

/* ── what stands ── */

static const struct type_settings nothing_set = { .actor = STR("") };

const struct type_settings *settings_of_type(const struct shard *s, uint32_t type)
{
    assert(type < s->type_count);
    return s->types[type].settings ? s->types[type].settings : &nothing_set;
}

uint32_t settings_or(const struct shard *s, uint32_t type, enum setting setting, uint32_t otherwise)
{
    int64_t value = settings_of_type(s, type)->numbers[setting];
    return value > 0 ? (uint32_t)value : otherwise;
}

static const struct queue_settings not_paused = { .actor = STR("") };

const struct queue_settings *settings_of_queue(const struct shard *s, uint32_t queue)
{
    assert(queue < s->queues_known);
    return s->queues[queue].settings ? s->queues[queue].settings : &not_paused;
}

/* NULL: there is no value that can be a key. */
static const struct json_value *key_value(struct arena *a, struct str path, struct str payload)
{
    const struct json_value *value;
    struct str name;
    struct err e;
    if (!json_parse(a, payload, &value, &e))
        return NULL;
    for (bool more = true; more && value;) {
        more = str_cut(path, '.', &name, &path);
        value = json_get(value, name);
    }
    bool is_scalar = value && (value->type == JSON_STRING || value->type == JSON_NUMBER ||
                               value->type == JSON_BOOL);
    return is_scalar ? value : NULL;
}

uint64_t settings_key_of(const struct shard *s, uint32_t type, struct str payload)
{
    scoped(arena_destroyp) struct arena *a = NULL;
    struct str path = settings_of_type(s, type)->key_path;
    if (path.len == 0)
        return 0;
    a = arena_create(payload.len * PARSED_TIMES + PARSED_MORE);
    const struct json_value *value = key_value(a, path, payload);
    if (!value)
        return 0;
    uint8_t digest[SHA256_LEN];
    uint64_t hash;
    sha256(door_json_text(a, value), digest);
    memcpy(&hash, digest, sizeof hash);
    return hash > 0 ? hash : 1;
}

struct str settings_key_text(struct arena *out, const struct shard *s, uint32_t type,
                             struct str payload)
{
    scoped(arena_destroyp) struct arena *a = arena_create(payload.len * PARSED_TIMES + PARSED_MORE);
    struct str path = settings_of_type(s, type)->key_path;
    const struct json_value *value = path.len > 0 ? key_value(a, path, payload) : NULL;
    return value ? door_json_text(out, value) : STR("");
}

/* How the core shall run them from now on. */
static void put_limits(struct shard *s, uint32_t type)
{
    const struct type_settings *d = settings_of_type(s, type);
    const struct live_limits limits = {
        .is_paused = d->pause.is_on,
        .max_running = (uint32_t)d->numbers[SETTING_MAX_RUNNING],
        .max_running_per_key = (uint32_t)d->numbers[SETTING_MAX_RUNNING_PER_KEY],
        .rate_per_s = d->rates[SETTING_RATE],
        .burst = (uint32_t)d->numbers[SETTING_BURST],
        .rate_per_key_per_s = d->rates[SETTING_RATE_PER_KEY],
        .burst_per_key = (uint32_t)d->numbers[SETTING_BURST_PER_KEY],
    };
    live_set_limits(s->live, type, &limits, clock_mono_us());
}

int64_t settings_retention_days(const struct shard *s)
{
    return (s->options.retention_us + CLOCK_DAY_US - 1) / CLOCK_DAY_US;
}

int64_t settings_retention_us(const struct shard *s, uint32_t type)
{
    int64_t own_us = settings_of_type(s, type)->numbers[SETTING_RETENTION_DAYS] * CLOCK_DAY_US;
    return own_us > 0 ? min_of(own_us, s->options.retention_us) : s->options.retention_us;
}

/* ── changing ── */

static void free_text(struct str text)
{
    if (text.len > 0)
        mem_free((void *)(uintptr_t)text.ptr);
}

static struct str own(struct str text)
{
    return text.len > 0 ? str_of(mem_cstr(text), text.len) : STR("");
}

void settings_free_type(struct type_settings *settings)
{
    if (!settings)
        return;
    free_text(settings->actor);
    free_text(settings->key_path);
    free_text(settings->pause.actor);
    free_text(settings->pause.reason);
    mem_free(settings);
}

static struct type_settings *create(const struct type_settings *like)
{
    struct type_settings *made = mem_new(struct type_settings);
    *made = *like;
    made->actor = own(like->actor);
    made->key_path = own(like->key_path);
    made->pause.actor = own(like->pause.actor);
    made->pause.reason = own(like->pause.reason);
    return made;
}

void settings_set_type(struct shard *s, uint32_t type, const struct type_settings *settings)
{
    s->types[type].settings = create(settings);
    put_limits(s, type);
}

struct replaced {
    uint32_t type;
    struct type_settings *was;
};

static void put_back(struct shard *s, void *data)
{
    const struct replaced *r = data;
    settings_free_type(s->types[r->type].settings);
    s->types[r->type].settings = r->was;
    put_limits(s, r->type);
}

static void let_go(struct shard *s, void *data)
{
    const struct replaced *r = data;
    (void)s;
    settings_free_type(r->was);
}

bool settings_change_type(struct batch *b, uint32_t type, const struct type_wish *wish,
                          struct err *e)
{
    struct shard *s = b->s;
    struct type_settings d;
    if (!type_wish_merge(settings_of_type(s, type), wish, &d, e))
        return false;
    settings_note_type(b, type, d.version);
    struct replaced *r = arena_new(b->a, struct replaced);
    *r = (struct replaced){ type, s->types[type].settings };
    d.version = batch_put(b, &(struct change){ .op = OP_TYPE, .id = settings_id_of(type) });
    settings_set_type(s, type, &d);
    batch_on_undo(b, put_back, r);
    batch_on_commit(b, let_go, r);
    settings_put_type_event(&b->events, s, d.version, b->at_us, type);
    batch_event_end(b);
    return true;
}

/* ── queues ── */

void settings_free_queue(struct queue_settings *settings)
{
    if (!settings)
        return;
    free_text(settings->actor);
    free_text(settings->pause.actor);
    free_text(settings->pause.reason);
    mem_free(settings);
}

static void set_queue(struct shard *s, uint32_t queue, struct queue_settings *settings)
{
    s->queues[queue].settings = settings;
    live_pause_queue(s->live, queue, settings && settings->pause.is_on);
}

static struct queue_settings *create_queue(const struct queue_settings *like)
{
    struct queue_settings *made = mem_new(struct queue_settings);
    *made = *like;
    made->actor = own(like->actor);
    made->pause.actor = own(like->pause.actor);
    made->pause.reason = own(like->pause.reason);
    return made;
}

void settings_set_queue(struct shard *s, uint32_t queue, const struct queue_settings *settings)
{
    set_queue(s, queue, create_queue(settings));
}

struct replaced_queue {
    uint32_t queue;
    struct queue_settings *was;
};

static void put_queue_back(struct shard *s, void *data)
{
    const struct replaced_queue *r = data;
    settings_free_queue(s->queues[r->queue].settings);
    set_queue(s, r->queue, r->was);
}

static void let_queue_go(struct shard *s, void *data)
{
    const struct replaced_queue *r = data;
    (void)s;
    settings_free_queue(r->was);
}

void settings_pause_queue(struct batch *b, uint32_t queue, const struct pause *pause,
                          struct str actor)
{
    struct shard *s = b->s;
    const struct queue_settings *now = settings_of_queue(s, queue);
    if (now->pause.is_on == pause->is_on)
        return;
    settings_note_queue(b, queue, now->version);
    struct replaced_queue *r = arena_new(b->a, struct replaced_queue);
    *r = (struct replaced_queue){ queue, s->queues[queue].settings };
    struct queue_settings d = { .pause = *pause, .actor = actor };
    d.version = batch_put(b, &(struct change){ .op = OP_QUEUE, .id = settings_id_of(queue) });
    settings_set_queue(s, queue, &d);
    batch_on_undo(b, put_queue_back, r);
    batch_on_commit(b, let_queue_go, r);
    settings_put_queue_event(&b->events, s, d.version, b->at_us, queue);
    batch_event_end(b);
}
