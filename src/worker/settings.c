#include "worker/settings.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "db/rows.h"
#include "json/json.h"
#include "store/queue/settings_sql.h"
#include "worker/door.h"
#include "worker/task_view.h"

/* A payload when parsed, at most. */
enum { PARSED_TIMES = 32, PARSED_MORE = 64 << 10 };

static const int64_t day_us = INT64_C(86'400) * CLOCK_S;

static const struct {
    const char *name;
    int64_t max; /* 0: it depends */
} numbers[SETTING_COUNT] = {
    [SETTING_MAX_RUNNING] = { "max_running", SETTINGS_RUNNING_MAX },
    [SETTING_MAX_RUNNING_PER_KEY] = { "max_running_per_key", SETTINGS_RUNNING_MAX },
    [SETTING_BURST] = { "burst", SETTINGS_BURST_MAX },
    [SETTING_MAX_ATTEMPTS] = { "max_attempts", SETTINGS_ATTEMPTS_MAX },
    [SETTING_TIMEOUT_S] = { "timeout_s", SETTINGS_TIMEOUT_MAX_S },
    [SETTING_RETENTION_DAYS] = { "retention_days", 0 },
};

static const char at[] = "settings.";

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
        .rate_per_s = d->rate_per_s,
        .burst = (uint32_t)d->numbers[SETTING_BURST],
    };
    live_set_limits(s->live, type, &limits, clock_mono_us());
}

static int64_t retention_days(const struct shard *s)
{
    return (s->options.retention_us + day_us - 1) / day_us;
}

int64_t settings_retention_us(const struct shard *s, uint32_t type)
{
    int64_t own_us = settings_of_type(s, type)->numbers[SETTING_RETENTION_DAYS] * day_us;
    return own_us > 0 ? min_of(own_us, s->options.retention_us) : s->options.retention_us;
}

/* ── reading a wish ── */

static bool read_numbers(const struct shard *s, const struct json_value *v, struct type_wish *wish,
                         struct err *e)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        int64_t max = numbers[i].max > 0 ? numbers[i].max : retention_days(s);
        wish->has_number[i] = json_get(v, str_of_c(numbers[i].name)) != NULL;
        if (!door_int(v, at, numbers[i].name, 1, max, &wish->to.numbers[i], e) && door_is_bad(e))
            return false;
    }
    return true;
}

static bool read_rate(const struct json_value *v, struct type_wish *wish, struct err *e)
{
    const struct json_value *rate = json_get_c(v, "rate_per_s");
    wish->has_rate = rate != NULL;
    if (!rate || rate->type == JSON_NULL)
        return true;
    if (rate->type != JSON_NUMBER || !json_to_double(rate, &wish->to.rate_per_s))
        return err_set(e, ERR_INVALID, "%srate_per_s: is no number", at);
    if (wish->to.rate_per_s < settings_rate_min || wish->to.rate_per_s > SETTINGS_RATE_MAX)
        return err_set(e, ERR_INVALID, "%srate_per_s: is not within %g and %d", at,
                       settings_rate_min, SETTINGS_RATE_MAX);
    return true;
}

static bool read_path(const struct json_value *v, struct type_wish *wish, struct err *e)
{
    wish->has_path = json_get_c(v, "key_path") != NULL;
    struct str path = STR(""), name;
    if (!door_text(v, at, "key_path", SETTINGS_PATH_MAX, &path, e))
        return !door_is_bad(e);
    wish->to.key_path = path;
    for (bool more = true; more;) {
        more = str_cut(path, '.', &name, &path);
        if (name.len == 0)
            return err_set(e, ERR_INVALID, "%skey_path: has an empty name between its dots", at);
    }
    return true;
}

static bool read_pause(const struct json_value *v, struct type_wish *wish, struct err *e)
{
    wish->has_pause = door_flag(v, at, "is_paused", &wish->to.pause.is_on, e);
    wish->has_reason = json_get_c(v, "paused_reason") != NULL;
    if (!door_is_bad(e))
        door_text(v, at, "paused_reason", SETTINGS_REASON_MAX, &wish->to.pause.reason, e);
    return !door_is_bad(e);
}

static bool is_known(struct str name)
{
    static const struct str others[] = { STR("is_paused"), STR("paused_reason"), STR("key_path"),
                                         STR("rate_per_s") };
    for (size_t i = 0; i < countof(others); i++)
        if (str_eq(name, others[i]))
            return true;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (str_eq_c(name, numbers[i].name))
            return true;
    return false;
}

bool type_wish_read(const struct shard *s, const struct json_value *settings,
                    struct type_wish *ret_wish, struct err *e)
{
    *ret_wish = (struct type_wish){ 0 };
    if (!settings || settings->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "settings: is no object");
    for (size_t i = 0; i < settings->member_count; i++)
        if (!is_known(settings->members[i].key))
            return err_set(e, ERR_INVALID, "%s%.*s: is no setting", at,
                           STR_FMT(str_first(settings->members[i].key, 60)));
    return read_numbers(s, settings, ret_wish, e) && read_rate(settings, ret_wish, e) &&
           read_path(settings, ret_wish, e) && read_pause(settings, ret_wish, e);
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

/* What will stand; its texts belong to others. */
static struct type_settings merge(const struct type_settings *now, const struct type_wish *wish)
{
    struct type_settings d = *now;
    d.actor = wish->to.actor;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (wish->has_number[i])
            d.numbers[i] = wish->to.numbers[i];
    if (wish->has_rate)
        d.rate_per_s = wish->to.rate_per_s;
    if (wish->has_path)
        d.key_path = wish->to.key_path;
    if (wish->has_pause && !wish->to.pause.is_on)
        d.pause = (struct pause){ 0 };
    if (wish->has_pause && wish->to.pause.is_on && !now->pause.is_on)
        d.pause = wish->to.pause;
    if (wish->has_reason)
        d.pause.reason = wish->to.pause.reason;
    return d;
}

static bool fits(const struct type_settings *d, struct err *e)
{
    if (d->numbers[SETTING_MAX_RUNNING_PER_KEY] > 0 && d->key_path.len == 0)
        return err_set(e, ERR_INVALID, "%smax_running_per_key: needs a key_path", at);
    if (d->numbers[SETTING_BURST] > 0 && d->rate_per_s <= 0)
        return err_set(e, ERR_INVALID, "%sburst: needs a rate_per_s", at);
    if (d->pause.reason.len > 0 && !d->pause.is_on)
        return err_set(e, ERR_INVALID, "%spaused_reason: the type is not paused", at);
    return true;
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

/* ── rows and events ── */

/* Of a type or a queue. */
struct set_row {
    struct set_row *next;
    uint32_t number;
    int64_t was; /* the version that its row has */
};

struct set_rows {
    struct set_row *first;
    size_t count;
};

struct settings_rows {
    struct set_rows types, queues;
};

static void put_number(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, str_of_c(key));
    json_write_i64(w, value);
}

static void put_set(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, str_of_c(key));
    if (value > 0)
        json_write_i64(w, value);
    else
        json_write_null(w);
}

static void put_text_set(struct json_writer *w, const char *key, struct str text)
{
    json_key(w, str_of_c(key));
    if (text.len > 0)
        json_write_string(w, text);
    else
        json_write_null(w);
}

static void put_rate(struct json_writer *w, double rate_per_s)
{
    json_key_c(w, "rate_per_s");
    if (rate_per_s > 0)
        json_write_double(w, rate_per_s);
    else
        json_write_null(w);
}

static void put_pause(struct json_writer *w, const struct pause *pause)
{
    json_key_c(w, "is_paused");
    json_write_bool(w, pause->is_on);
    if (pause->is_on && pause->has_user) {
        json_put_id(w, "paused_by", pause->user);
    } else {
        json_key_c(w, "paused_by");
        json_write_null(w);
    }
    put_text_set(w, "paused_reason", pause->reason);
}

static void put_row_head(struct json_writer *w, const struct set_row *row, int64_t version,
                         const struct pause *pause, struct str actor)
{
    put_number(w, "id", row->number);
    put_number(w, "was", row->was);
    put_number(w, "version", version);
    put_pause(w, pause);
    put_text_set(w, "paused_actor", pause->actor);
    json_key_c(w, "actor");
    json_write_string(w, actor);
}

static void put_type_row(struct json_writer *w, const struct shard *s, const struct set_row *row)
{
    const struct type_settings *d = settings_of_type(s, row->number);
    put_row_head(w, row, d->version, &d->pause, d->actor);
    put_text_set(w, "key_path", d->key_path);
    put_rate(w, d->rate_per_s);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        put_set(w, numbers[i].name, d->numbers[i]);
}

static void put_queue_row(struct json_writer *w, const struct shard *s, const struct set_row *row)
{
    const struct queue_settings *d = settings_of_queue(s, row->number);
    put_row_head(w, row, d->version, &d->pause, d->actor);
}

typedef void put_row_fn(struct json_writer *w, const struct shard *s, const struct set_row *row);

static struct str rows_text(struct batch *b, const struct set_rows *rows, put_row_fn *put_row)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_array(&w);
    for (const struct set_row *row = rows->first; row; row = row->next) {
        json_begin_object(&w);
        put_row(&w, b->s, row);
        json_end_object(&w);
    }
    json_end_array(&w);
    struct str text = arena_copy(b->a, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void settings_steps(struct batch *b, void *data)
{
    const struct settings_rows *rows = data;
    if (rows->types.count > 0)
        batch_step(b, &settings_types,
                   settings_types_args(b->a, rows_text(b, &rows->types, put_type_row),
                                       (int64_t)rows->types.count));
    if (rows->queues.count > 0)
        batch_step(b, &settings_queues,
                   settings_queues_args(b->a, rows_text(b, &rows->queues, put_queue_row),
                                        (int64_t)rows->queues.count));
}

static const struct batch_section_kind settings_section = { "settings",
                                                            sizeof(struct settings_rows),
                                                            settings_steps };

static struct settings_rows *rows_of(struct batch *b)
{
    return batch_section(b, &settings_section);
}

static void note_row(struct batch *b, struct set_rows *rows, uint32_t number, int64_t was)
{
    for (const struct set_row *row = rows->first; row; row = row->next)
        if (row->number == number)
            return;
    struct set_row *row = arena_new(b->a, struct set_row);
    *row = (struct set_row){ .next = rows->first, .number = number, .was = was };
    rows->first = row;
    rows->count++;
}

/* The log names a type or a queue by its number, in the id's last four bytes. */
static struct uuid id_of(uint32_t number)
{
    struct uuid id = { 0 };
    for (unsigned i = 0; i < 4; i++)
        id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    return id;
}

static uint32_t number_of(struct uuid id)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < 4; i++)
        number = number << 8 | id.bytes[12 + i];
    return number;
}

void settings_put_type(struct json_writer *w, const struct shard *s, uint32_t type)
{
    const struct type_settings *d = settings_of_type(s, type);
    json_begin_object(w);
    json_key_c(w, "type");
    json_write_string(w, s->types[type].name);
    json_put_number(w, "version", d->version);
    put_pause(w, &d->pause);
    put_set(w, "max_running", d->numbers[SETTING_MAX_RUNNING]);
    put_set(w, "max_running_per_key", d->numbers[SETTING_MAX_RUNNING_PER_KEY]);
    put_text_set(w, "key_path", d->key_path);
    put_rate(w, d->rate_per_s);
    put_set(w, "burst", d->numbers[SETTING_BURST]);
    put_number(w, "max_attempts",
               settings_or(s, type, SETTING_MAX_ATTEMPTS, SHARD_ATTEMPTS_DEFAULT));
    put_number(w, "timeout_s", settings_or(s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S));
    put_number(w, "retention_days",
               min_of((int64_t)settings_or(s, type, SETTING_RETENTION_DAYS, UINT32_MAX),
                      retention_days(s)));
    put_number(w, "running", s->types[type].counts[STATUS_IN_PROGRESS]);
    put_number(w, "waiting", s->types[type].counts[STATUS_PENDING]);
    json_end_object(w);
}

void settings_put_types(struct json_writer *w, const struct shard *s)
{
    json_key_c(w, "types");
    json_begin_array(w);
    for (uint32_t i = 0; i < s->type_count; i++)
        settings_put_type(w, s, i);
    json_end_array(w);
}

static void put_type_event(struct buf *out, const struct shard *s, int64_t seq, int64_t at_us,
                           uint32_t type)
{
    struct json_writer w = event_begin(out, seq, at_us, "type");
    json_key_c(&w, "type");
    settings_put_type(&w, s, type);
    json_key_c(&w, "actor");
    json_write_string(&w, settings_of_type(s, type)->actor);
    json_end_object(&w);
}

static void put_queue(struct json_writer *w, const struct shard *s, uint32_t queue,
                      const struct live_queue_sums *sums)
{
    const struct queue_settings *d = settings_of_queue(s, queue);
    json_begin_object(w);
    json_key_c(w, "queue");
    json_write_string(w, s->queues[queue].name);
    json_put_number(w, "version", d->version);
    put_pause(w, &d->pause);
    put_number(w, "waiting", (int64_t)sums->waiting);
    put_number(w, "running", (int64_t)sums->running);
    json_put_time(w, "oldest_waiting_us", sums->oldest_us);
    json_end_object(w);
}

static struct live_queue_sums *sums_of(const struct shard *s)
{
    struct live_queue_sums *sums = mem_zalloc(s->queues_known + 1, sizeof *sums);
    live_queue_sums(s->live, sums, s->queues_known);
    return sums;
}

void settings_put_queue(struct json_writer *w, const struct shard *s, uint32_t queue)
{
    scoped(mem_freep) struct live_queue_sums *sums = sums_of(s);
    put_queue(w, s, queue, &sums[queue]);
}

void settings_put_queues(struct json_writer *w, const struct shard *s)
{
    scoped(mem_freep) struct live_queue_sums *sums = sums_of(s);
    json_key_c(w, "queues");
    json_begin_array(w);
    for (uint32_t i = 0; i < s->queues_known; i++)
        put_queue(w, s, i, &sums[i]);
    json_end_array(w);
}

static void put_queue_event(struct buf *out, const struct shard *s, int64_t seq, int64_t at_us,
                            uint32_t queue)
{
    struct json_writer w = event_begin(out, seq, at_us, "queue");
    json_key_c(&w, "queue");
    settings_put_queue(&w, s, queue);
    json_key_c(&w, "actor");
    json_write_string(&w, settings_of_queue(s, queue)->actor);
    json_end_object(&w);
}

bool settings_put_event(const struct shard *s, struct buf *out, int64_t seq, int64_t at_us,
                        const struct change *change)
{
    uint32_t number = number_of(change->id);
    if (change->op == OP_TYPE && number < s->type_count)
        put_type_event(out, s, seq, at_us, number);
    else if (change->op == OP_QUEUE && number < s->queues_known)
        put_queue_event(out, s, seq, at_us, number);
    else
        return false;
    return true;
}

bool settings_change_type(struct batch *b, uint32_t type, const struct type_wish *wish,
                          struct err *e)
{
    struct shard *s = b->s;
    struct type_settings d = merge(settings_of_type(s, type), wish);
    if (!fits(&d, e))
        return false;
    note_row(b, &rows_of(b)->types, type, d.version);
    struct replaced *r = arena_new(b->a, struct replaced);
    *r = (struct replaced){ type, s->types[type].settings };
    d.version = batch_put(b, &(struct change){ .op = OP_TYPE, .id = id_of(type) });
    s->types[type].settings = create(&d);
    put_limits(s, type);
    batch_on_undo(b, put_back, r);
    batch_on_commit(b, let_go, r);
    put_type_event(&b->events, s, d.version, b->at_us, type);
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
    note_row(b, &rows_of(b)->queues, queue, now->version);
    struct replaced_queue *r = arena_new(b->a, struct replaced_queue);
    *r = (struct replaced_queue){ queue, s->queues[queue].settings };
    struct queue_settings d = { .pause = *pause, .actor = actor };
    d.version = batch_put(b, &(struct change){ .op = OP_QUEUE, .id = id_of(queue) });
    set_queue(s, queue, create_queue(&d));
    batch_on_undo(b, put_queue_back, r);
    batch_on_commit(b, let_queue_go, r);
    put_queue_event(&b->events, s, d.version, b->at_us, queue);
    batch_event_end(b);
}

/* ── loading ── */

void settings_load_type(struct shard *s, const struct db_rows *rows, size_t row)
{
    uint32_t type = (uint32_t)db_rows_i64(rows, row, 0);
    struct type_settings d = {
        .version = db_rows_i64(rows, row, 2),
        .pause = { .is_on = db_rows_bool(rows, row, 3),
                   .has_user = !db_rows_is_null(rows, row, 4),
                   .actor = db_rows_text(rows, row, 15),
                   .reason = db_rows_text(rows, row, 5) },
        .actor = db_rows_text(rows, row, 6),
        .key_path = db_rows_text(rows, row, 9),
        .rate_per_s = db_rows_double(rows, row, 10),
        .numbers = { [SETTING_MAX_RUNNING] = db_rows_i64(rows, row, 7),
                     [SETTING_MAX_RUNNING_PER_KEY] = db_rows_i64(rows, row, 8),
                     [SETTING_BURST] = db_rows_i64(rows, row, 11),
                     [SETTING_MAX_ATTEMPTS] = db_rows_i64(rows, row, 12),
                     [SETTING_TIMEOUT_S] = db_rows_i64(rows, row, 13),
                     [SETTING_RETENTION_DAYS] = db_rows_i64(rows, row, 14) },
    };
    if (d.pause.has_user)
        d.pause.user = db_rows_uuid(rows, row, 4);
    if (d.version == 0)
        return;
    s->types[type].settings = create(&d);
    put_limits(s, type);
}

void settings_load_queue(struct shard *s, const struct db_rows *rows, size_t row)
{
    uint32_t queue = (uint32_t)db_rows_i64(rows, row, 0);
    struct queue_settings d = {
        .version = db_rows_i64(rows, row, 2),
        .pause = { .is_on = db_rows_bool(rows, row, 3),
                   .has_user = !db_rows_is_null(rows, row, 4),
                   .actor = db_rows_text(rows, row, 7),
                   .reason = db_rows_text(rows, row, 5) },
        .actor = db_rows_text(rows, row, 6),
    };
    if (d.pause.has_user)
        d.pause.user = db_rows_uuid(rows, row, 4);
    if (d.version > 0)
        set_queue(s, queue, create_queue(&d));
}
