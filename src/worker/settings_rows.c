/* settings_rows: what is set as rows of the tables: stored with a batch, and loaded. */
#include "base/mem.h"
#include "db/rows.h"
#include "json/members.h"
#include "json/writer.h"
#include "store/queue/settings_sql.h"
#include "worker/settings_priv.h"

/* ── rows and events ── */

/* ── storing ── */

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

static void put_row_head(struct json_writer *w, const struct set_row *row, int64_t version,
                         const struct pause *pause, struct str actor)
{
    json_put_i64(w, "id", row->number);
    json_put_i64(w, "was", row->was);
    json_put_i64(w, "version", version);
    json_put_pause(w, pause);
    json_put_maybe_text(w, "paused_actor", pause->actor.len > 0, pause->actor);
    json_key_c(w, "actor");
    json_write_string(w, actor);
}

static void put_type_row(struct json_writer *w, const struct shard *s, const struct set_row *row)
{
    const struct type_settings *d = settings_of_type(s, row->number);
    put_row_head(w, row, d->version, &d->pause, d->actor);
    json_put_maybe_text(w, "key_path", d->key_path.len > 0, d->key_path);
    for (size_t i = 0; i < SETTING_RATE_COUNT; i++)
        json_put_rate(w, setting_rates[i], d->rates[i]);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        json_put_i64_set(w, setting_numbers[i].name, d->numbers[i]);
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

void settings_note_type(struct batch *b, uint32_t type, int64_t was)
{
    note_row(b, &rows_of(b)->types, type, was);
}

void settings_note_queue(struct batch *b, uint32_t queue, int64_t was)
{
    note_row(b, &rows_of(b)->queues, queue, was);
}

/* ── loading ── */

static struct pause pause_of(const struct db_rows *rows, size_t row, size_t actor)
{
    struct pause pause = { .is_on = db_rows_bool(rows, row, 3),
                           .has_user = !db_rows_is_null(rows, row, 4),
                           .actor = db_rows_text(rows, row, actor),
                           .reason = db_rows_text(rows, row, 5) };
    if (pause.has_user)
        pause.user = db_rows_uuid(rows, row, 4);
    return pause;
}

void settings_load_type(struct shard *s, const struct db_rows *rows, size_t row)
{
    uint32_t type = (uint32_t)db_rows_i64(rows, row, 0);
    struct type_settings d = {
        .version = db_rows_i64(rows, row, 2),
        .pause = pause_of(rows, row, 15),
        .actor = db_rows_text(rows, row, 6),
        .key_path = db_rows_text(rows, row, 9),
        .rates = { [SETTING_RATE] = db_rows_double(rows, row, 10),
                   [SETTING_RATE_PER_KEY] = db_rows_double(rows, row, 16) },
        .numbers = { [SETTING_MAX_RUNNING] = db_rows_i64(rows, row, 7),
                     [SETTING_MAX_RUNNING_PER_KEY] = db_rows_i64(rows, row, 8),
                     [SETTING_BURST] = db_rows_i64(rows, row, 11),
                     [SETTING_BURST_PER_KEY] = db_rows_i64(rows, row, 17),
                     [SETTING_MAX_ATTEMPTS] = db_rows_i64(rows, row, 12),
                     [SETTING_TIMEOUT_S] = db_rows_i64(rows, row, 13),
                     [SETTING_RETENTION_DAYS] = db_rows_i64(rows, row, 14) },
    };
    if (d.version > 0)
        settings_set_type(s, type, &d);
}

void settings_load_queue(struct shard *s, const struct db_rows *rows, size_t row)
{
    uint32_t queue = (uint32_t)db_rows_i64(rows, row, 0);
    struct queue_settings d = {
        .version = db_rows_i64(rows, row, 2),
        .pause = pause_of(rows, row, 7),
        .actor = db_rows_text(rows, row, 6),
    };
    if (d.version > 0)
        settings_set_queue(s, queue, &d);
}
