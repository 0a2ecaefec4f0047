/* settings_priv: what the files of settings share: settings.c (what stands, and changes),
 * settings_wish.c (what an update asks for), settings_rows.c (the tables) and settings_view.c (what
 * others see). */
#pragma once
#include "json/writer.h"
#include "worker/settings.h"

/* ── settings.c ── */

struct setting_number {
    const char *name;
    int64_t max; /* 0: it depends */
};
extern const struct setting_number setting_numbers[SETTING_COUNT];
extern const char *const setting_rates[SETTING_RATE_COUNT];

/* A copy of it stands from now on; the caller has what stood. */
void settings_set_type(struct shard *s, uint32_t type, const struct type_settings *settings);
void settings_set_queue(struct shard *s, uint32_t queue, const struct queue_settings *settings);
/* What the installation keeps, and so the most that a type may. */
[[nodiscard]] int64_t settings_retention_days(const struct shard *s);

/* ── settings_wish.c ── */

/* What will stand, where `now` does; its texts belong to these. Errors: INVALID, it does not fit
 * together. */
[[nodiscard]] bool type_wish_merge(const struct type_settings *now, const struct type_wish *wish,
                                   struct type_settings *ret_settings, struct err *e);

/* ── settings_rows.c ── */

/* The batch stores its row as it stands at the batch's end; `was` is the version that it has. */
void settings_note_type(struct batch *b, uint32_t type, int64_t was);
void settings_note_queue(struct batch *b, uint32_t queue, int64_t was);

/* ── settings_view.c ── */

/* The log names a type or a queue by its number, in the id's last four bytes. */
[[nodiscard]] struct uuid settings_id_of(uint32_t number);
void settings_put_type_event(struct buf *out, const struct shard *s, int64_t seq, int64_t at_us,
                             uint32_t type);
void settings_put_queue_event(struct buf *out, const struct shard *s, int64_t seq, int64_t at_us,
                              uint32_t queue);
/* Members of an object that is open; what is not set is null. */
void json_put_i64_set(struct json_writer *w, const char *key, int64_t value);
void json_put_rate(struct json_writer *w, const char *key, double rate_per_s);
void json_put_pause(struct json_writer *w, const struct pause *pause);
