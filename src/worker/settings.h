/*
 * settings: how the tasks of a type are run, and who has paused what and why. Each change is one
 * number of the log, one row, one event; a change counts from the batch on in which it stands.
 * Source: docs/protocol.md "Types and queues".   Thread: the loop's.
 */
#pragma once
#include "worker/shard_priv.h"

struct db_rows;
struct json_value;

enum {
    SETTINGS_REASON_MAX = 1'000, /* bytes of why something is paused */
    SETTINGS_PATH_MAX = 200,     /* of a key path */
    SETTINGS_RUNNING_MAX = 1'000'000,
    SETTINGS_BURST_MAX = 1'000'000,
    SETTINGS_RATE_MAX = 100'000, /* tasks a second */
    SETTINGS_ATTEMPTS_MAX = 1'000,
    SETTINGS_TIMEOUT_MAX_S = 30 * 86'400,
};

/* The least rate: one task in about a quarter of an hour. */
static const double settings_rate_min = 0.001;

/* Those that are whole numbers; 0: not set. */
enum setting {
    SETTING_MAX_RUNNING,
    SETTING_MAX_RUNNING_PER_KEY,
    SETTING_BURST,
    SETTING_BURST_PER_KEY,
    SETTING_MAX_ATTEMPTS,
    SETTING_TIMEOUT_S,
    SETTING_RETENTION_DAYS,
    SETTING_COUNT
};

/* Starts a second; 0: not set. */
enum setting_rate { SETTING_RATE, SETTING_RATE_PER_KEY, SETTING_RATE_COUNT };

struct pause {
    bool is_on, has_user;
    struct uuid user;         /* who, where the gateway knows */
    struct str actor, reason; /* who, as people know them */
};

/* Never changed: another change makes another one. It owns its texts. */
struct type_settings {
    int64_t version;
    struct pause pause;
    struct str actor; /* who made the last change */
    struct str key_path;
    int64_t numbers[SETTING_COUNT];
    double rates[SETTING_RATE_COUNT];
};

struct queue_settings {
    int64_t version;
    struct pause pause;
    struct str actor;
};

/* What an update names; the rest stays. */
struct type_wish {
    bool has_number[SETTING_COUNT], has_rate[SETTING_RATE_COUNT], has_path, has_pause, has_reason;
    struct type_settings to; /* texts are the caller's */
};

/* Reads the member `settings` of an update. Errors: INVALID, naming the member and its range. */
[[nodiscard]] bool type_wish_read(const struct shard *s, const struct json_value *settings,
                                  struct type_wish *ret_wish, struct err *e);
/* For `apply`. False: INVALID, what is wished does not fit together; nothing was changed. */
[[nodiscard]] bool settings_change_type(struct batch *b, uint32_t type,
                                        const struct type_wish *wish, struct err *e);

/* For `apply`: a queue is paused (then `pause` says by whom) or resumed, by `actor`. One that is so
 * already is left as it is. */
void settings_pause_queue(struct batch *b, uint32_t queue, const struct pause *pause,
                          struct str actor);

/* While loading: a row of load_types or load_queues, whose type or queue is known. */
void settings_load_type(struct shard *s, const struct db_rows *rows, size_t row);
void settings_load_queue(struct shard *s, const struct db_rows *rows, size_t row);
void settings_free_type(struct type_settings *settings);   /* accepts NULL */
void settings_free_queue(struct queue_settings *settings); /* accepts NULL */

/* Never NULL: what stands when nothing is set. */
[[nodiscard]] const struct type_settings *settings_of_type(const struct shard *s, uint32_t type);
/* What a new task gets that names none; `otherwise` where the type has no setting. */
[[nodiscard]] uint32_t settings_or(const struct shard *s, uint32_t type, enum setting setting,
                                   uint32_t otherwise);
/* How long finished tasks of the type are kept, at most as long as all others. */
[[nodiscard]] int64_t settings_retention_us(const struct shard *s, uint32_t type);

[[nodiscard]] const struct queue_settings *settings_of_queue(const struct shard *s, uint32_t queue);
/* The partition key of a payload: a hash of the value at the type's key_path, where that is a text,
 * a number or a boolean; 0: none. */
[[nodiscard]] uint64_t settings_key_of(const struct shard *s, uint32_t type, struct str payload);
/* The value itself, as JSON, in the arena; empty: none. */
[[nodiscard]] struct str settings_key_text(struct arena *out, const struct shard *s, uint32_t type,
                                           struct str payload);

/* The objects of docs/protocol.md; a type's counts are as they are committed. */
void settings_put_type(struct json_writer *w, const struct shard *s, uint32_t type);
void settings_put_queue(struct json_writer *w, const struct shard *s, uint32_t queue);
/* `"types": […]` and `"queues": […]`, all of them: in an object that is open. */
void settings_put_types(struct json_writer *w, const struct shard *s);
void settings_put_queues(struct json_writer *w, const struct shard *s);
/* The queues that were summed up. */
struct live_queue_sweep;
void settings_put_queues_of(struct json_writer *w, const struct shard *s,
                            const struct live_queue_sweep *sweep);
/* The event of an OP_TYPE or OP_QUEUE as the settings are now, out of the tables. False: there is
 * none. */
[[nodiscard]] bool settings_put_event(const struct shard *s, struct buf *out, int64_t seq,
                                      int64_t at_us, const struct change *change);
