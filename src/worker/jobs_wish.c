#include "worker/jobs_wish_priv.h"

#include "rules/zone.h"
#include "worker/door.h"

enum {
    NAME_CHARS_MAX = 200,
    NAME_BYTES_MAX = 4 * NAME_CHARS_MAX,
    TEXT_MAX = 200, /* bytes of a task type and a queue */
    ATTEMPTS_MAX = 1'000,
    TIMEOUT_MAX_S = 30 * 86'400,
    JITTER_MAX_S = 86'400,
    FAIL_AFTER_MAX = 1'000'000,
};

/* ── reading ── */

static size_t count_chars(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool read_name(const struct json_value *v, struct job_wish *wish, struct err *e)
{
    if (door_text(v, "job.", "name", NAME_BYTES_MAX, &wish->text.name, e) &&
        count_chars(wish->text.name) > NAME_CHARS_MAX)
        err_set(e, ERR_INVALID, "job.name: has more than %d characters", NAME_CHARS_MAX);
    return !door_is_bad(e);
}

static bool read_choices(const struct json_value *v, struct job_wish *wish, struct err *e)
{
    struct str text;
    enum rule_priority priority;
    enum rule_misfire misfire;
    enum rule_overlap overlap;
    if (door_text(v, "job.", "priority", TEXT_MAX, &text, e)) {
        if (!rule_priority_of(text, &priority))
            return err_set(e, ERR_INVALID, "job.priority: is none of low, normal and high");
        wish->priority = priority;
    }
    if (!door_is_bad(e) && door_text(v, "job.", "misfire_policy", TEXT_MAX, &text, e)) {
        if (!rule_misfire_of(text, &misfire))
            return err_set(e, ERR_INVALID,
                           "job.misfire_policy: is none of skip, run-once and run-all");
        wish->misfire = misfire;
    }
    if (!door_is_bad(e) && door_text(v, "job.", "overlap_policy", TEXT_MAX, &text, e)) {
        if (!rule_overlap_of(text, &overlap))
            return err_set(e, ERR_INVALID,
                           "job.overlap_policy: is none of allow, skip and cancel-running");
        wish->overlap = overlap;
    }
    return !door_is_bad(e);
}

static bool read_payload(struct arena *a, size_t max, const struct json_value *v,
                         struct job_wish *wish, struct err *e)
{
    const struct json_value *payload = json_get_c(v, "payload");
    if (payload == NULL || payload->type == JSON_NULL)
        return true;
    wish->text.payload = door_json_text(a, payload);
    return wish->text.payload.len <= max ||
           err_set(e, ERR_LIMIT, "job.payload: is longer than %zu bytes", max);
}

static bool read_numbers(const struct json_value *v, struct job_wish *wish, struct err *e)
{
    static const struct {
        const char *name;
        int64_t min, max;
        size_t offset;
    } numbers[] = {
        { "max_attempts", 1, ATTEMPTS_MAX, offsetof(struct job_wish, max_attempts) },
        { "fail_after", 0, FAIL_AFTER_MAX, offsetof(struct job_wish, fail_after) },
        { "timeout_s", 1, TIMEOUT_MAX_S, offsetof(struct job_wish, timeout_s) },
        { "jitter_s", 0, JITTER_MAX_S, offsetof(struct job_wish, jitter_s) },
    };
    for (size_t i = 0; i < countof(numbers); i++) {
        int64_t *number = (int64_t *)(void *)((char *)wish + numbers[i].offset);
        if (!door_int(v, "job.", numbers[i].name, numbers[i].min, numbers[i].max, number, e) &&
            door_is_bad(e))
            return false;
    }
    return true;
}

bool job_wish_read(struct arena *a, const struct shard *s, const struct json_value *v,
                   struct job_wish *ret_wish, struct err *e)
{
    static const char *const members[] = {
        "id",        "name",           "schedule",       "time_zone",    "task_type",  "payload",
        "priority",  "misfire_policy", "overlap_policy", "max_attempts", "fail_after", "queue",
        "timeout_s", "jitter_s",       "created_by",     "is_paused",    NULL
    };
    struct job_wish *wish = ret_wish;
    *wish = (struct job_wish){ .priority = -1,
                               .misfire = -1,
                               .overlap = -1,
                               .max_attempts = -1,
                               .fail_after = -1,
                               .timeout_s = -1,
                               .jitter_s = -1 };
    if (v == NULL || v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "job: is no object");
    if (!json_only(v, "job.", members, e) || !read_name(v, wish, e))
        return false;
    door_text(v, "job.", "schedule", CRON_TEXT_MAX, &wish->text.schedule, e);
    if (!door_is_bad(e))
        door_text(v, "job.", "time_zone", ZONE_NAME_MAX, &wish->text.time_zone, e);
    if (!door_is_bad(e))
        door_text(v, "job.", "task_type", TEXT_MAX, &wish->text.task_type, e);
    if (!door_is_bad(e))
        door_text(v, "job.", "queue", TEXT_MAX, &wish->text.queue, e);
    if (!door_is_bad(e))
        wish->has_creator = door_id(v, "job.", "created_by", &wish->created_by, e);
    if (!door_is_bad(e))
        door_flag(v, "job.", "is_paused", &wish->is_paused, e);
    return !door_is_bad(e) && read_choices(v, wish, e) && read_numbers(v, wish, e) &&
           read_payload(a, s->options.payload_max, v, wish, e);
}

/* ── merging ── */

static struct str first_of(struct str wanted, struct str otherwise)
{
    return wanted.len > 0 ? wanted : otherwise;
}

static int64_t or_else(int64_t wanted, int64_t otherwise)
{
    return wanted >= 0 ? wanted : otherwise;
}

void job_wish_merge(const struct job_wish *wish, struct job_data *d)
{
    const struct job_text text = {
        .name = first_of(wish->text.name, d->text->name),
        .schedule = first_of(wish->text.schedule, d->text->schedule),
        .time_zone = first_of(wish->text.time_zone, d->text->time_zone),
        .task_type = first_of(wish->text.task_type, d->text->task_type),
        .queue = first_of(wish->text.queue, d->text->queue),
        .payload = first_of(wish->text.payload, d->text->payload),
    };
    d->text = job_text_create(&text);
    d->priority = (enum rule_priority)or_else(wish->priority, d->priority);
    d->misfire = (enum rule_misfire)or_else(wish->misfire, d->misfire);
    d->overlap = (enum rule_overlap)or_else(wish->overlap, d->overlap);
    d->max_attempts = (uint32_t)or_else(wish->max_attempts, d->max_attempts);
    d->fail_after = (uint32_t)or_else(wish->fail_after, d->fail_after);
    d->timeout_s = (uint32_t)or_else(wish->timeout_s, d->timeout_s);
    d->jitter_s = (uint32_t)or_else(wish->jitter_s, d->jitter_s);
}
