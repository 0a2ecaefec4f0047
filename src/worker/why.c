#include "worker/why.h"

#include "base/clock.h"
#include "json/writer.h"
#include "worker/deps.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/task_view.h"

enum { NAME_SHOWN = 80, KEY_SHOWN = 60 };

struct why {
    struct arena *a;
    struct shard *s;
    const struct live *task;
    const struct task_view *view;
    struct live_lane lane;
    struct live_standing standing;
    int64_t now_us;
    /* the answer */
    const char *code;
    struct str text;
    int64_t expected_us; /* 0: not known */
    const struct uuid *blocked_by;
    size_t blocked_count;
};

typedef bool reason_fn(struct why *w); /* whether it is the reason */

static bool say(struct why *w, const char *code, struct str text)
{
    w->code = code;
    w->text = text;
    return true;
}

static bool depends(struct why *w)
{
    char id[UUID_TEXT_LEN + 1];
    if (w->task->state != LIVE_BLOCKED)
        return false;
    w->blocked_count = deps_blocked_by(w->s->deps, w->task->id, &w->blocked_by);
    if (w->blocked_count == 0)
        return say(w, "DEPENDENCY", STR("It waits for a task that has just failed."));
    uuid_format(w->blocked_by[0], id);
    return say(w, "DEPENDENCY",
               w->blocked_count == 1 ? arena_printf(w->a, "It waits for task %s.", id)
                                     : arena_printf(w->a, "It waits for %zu tasks, one of them %s.",
                                                    w->blocked_count, id));
}

static bool is_not_due(struct why *w)
{
    char at[CLOCK_TEXT_MAX];
    const struct live *t = w->task;
    if (t->at_us <= w->now_us)
        return false;
    w->expected_us = t->at_us;
    clock_format(t->at_us, at);
    return t->attempt > 0
               ? say(w, "RETRY_BACKOFF",
                     arena_printf(w->a, "After attempt %d of %d the next one is due at %s.",
                                  t->attempt, t->max_attempts, at))
               : say(w, "NOT_DUE", arena_printf(w->a, "It is due at %s.", at));
}

static bool say_paused(struct why *w, const char *what, struct str name, const struct pause *pause)
{
    if (!pause->is_on)
        return false;
    struct str by =
        pause->actor.len > 0 ? arena_printf(w->a, " by %.*s", STR_FMT(pause->actor)) : STR("");
    struct str reason =
        pause->reason.len > 0 ? arena_printf(w->a, ": %.*s", STR_FMT(pause->reason)) : STR(".");
    return say(w, "PAUSED",
               arena_printf(w->a, "The %s %.*s is paused%.*s%.*s", what, STR_FMT(name), STR_FMT(by),
                            STR_FMT(reason)));
}

static bool is_paused(struct why *w)
{
    const struct shard *s = w->s;
    return say_paused(w, "type", s->types[w->lane.type].name,
                      &settings_of_type(s, w->lane.type)->pause) ||
           say_paused(w, "queue", s->queues[w->lane.queue].name,
                      &settings_of_queue(s, w->lane.queue)->pause);
}

static bool has_no_worker(struct why *w)
{
    uint32_t slots, used;
    if (session_set_slots(w->s->sessions, w->lane.type, &slots, &used) > 0)
        return false;
    return say(w, "NO_WORKER",
               arena_printf(w->a, "No worker that is connected takes tasks of type %.*s.",
                            STR_FMT(str_first(w->s->types[w->lane.type].name, NAME_SHOWN))));
}

static bool is_limited(struct why *w)
{
    const struct type_settings *d = settings_of_type(w->s, w->lane.type);
    int64_t max = d->numbers[SETTING_MAX_RUNNING];
    int64_t max_per_key = d->numbers[SETTING_MAX_RUNNING_PER_KEY];
    if (max > 0 && w->standing.type_running >= max)
        return say(w, "CONCURRENCY_LIMIT",
                   arena_printf(w->a, "%u of at most %lld tasks of its type run (max_running).",
                                w->standing.type_running, (long long)max));
    if (max_per_key == 0 || w->lane.key == 0 || w->standing.key_running < max_per_key)
        return false;
    struct str key = settings_key_text(w->a, w->s, w->lane.type, w->view->payload);
    return say(w, "CONCURRENCY_LIMIT",
               arena_printf(w->a,
                            "%u of at most %lld tasks with its key run (max_running_per_key; "
                            "%.*s is %.*s).",
                            w->standing.key_running, (long long)max_per_key, STR_FMT(d->key_path),
                            STR_FMT(str_first(key, KEY_SHOWN))));
}

/* Those before it in its lane take theirs first. */
static int64_t rated_us(const struct why *w, int64_t token_us, double rate_per_s)
{
    double behind_us = (double)w->standing.ahead / rate_per_s * CLOCK_S;
    return token_us == 0 ? 0 : w->now_us + token_us - clock_mono_us() + (int64_t)behind_us;
}

/* The later one of the two that it may need. */
static bool is_rated(struct why *w)
{
    const struct type_settings *d = settings_of_type(w->s, w->lane.type);
    const struct live_standing *st = &w->standing;
    const char *about = st->is_estimate ? "about " : "";
    int64_t type_us = rated_us(w, st->token_us, d->rates[SETTING_RATE]);
    int64_t key_us = rated_us(w, st->key_token_us, d->rates[SETTING_RATE_PER_KEY]);
    w->expected_us = max_of(type_us, key_us);
    if (w->expected_us == 0)
        return false;
    if (type_us > key_us)
        return say(w, "RATE_LIMIT",
                   arena_printf(w->a,
                                "%g tasks of its type may begin in a second; %s%zu stand before "
                                "it.",
                                d->rates[SETTING_RATE], about, st->ahead));
    struct str key = settings_key_text(w->a, w->s, w->lane.type, w->view->payload);
    return say(w, "RATE_LIMIT",
               arena_printf(w->a,
                            "%g tasks with its key may begin in a second (rate_per_key_per_s; %.*s "
                            "is %.*s); %s%zu of them stand before it.",
                            d->rates[SETTING_RATE_PER_KEY], STR_FMT(d->key_path),
                            STR_FMT(str_first(key, KEY_SHOWN)), about, st->ahead));
}

/* Lanes take turns: as many of each of the others as of its own go before it, or so. */
static bool is_behind(struct why *w)
{
    const struct live_standing *st = &w->standing;
    uint32_t slots, used;
    (void)session_set_slots(w->s->sessions, w->lane.type, &slots, &used);
    size_t others = st->lanes > 1 ? st->lanes - 1 : 0;
    size_t ahead = min_of(st->ahead + others * (st->ahead + 1), st->type_ready - 1);
    bool is_exact = others == 0 && !st->is_estimate && !st->has_more_urgent;
    const char *urgent = st->has_more_urgent ? ", and more urgent ones of its type" : "";
    struct str busy =
        used >= slots ? arena_printf(w->a, "All %u slots for its type are busy. ", slots) : STR("");
    if (w->task->crashes > 0)
        return say(w, "BEHIND_OTHERS",
                   STR("Its lease was lost before: it waits for a worker that runs nothing else."));
    return say(w, "BEHIND_OTHERS",
               arena_printf(w->a, "%.*s%s%zu tasks stand before it%s.", STR_FMT(busy),
                            is_exact ? "" : "About ", ahead, urgent));
}

static struct str text_of(const struct why *w)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer j = json_writer_to(&out);
    json_begin_object(&j);
    json_key_c(&j, "code");
    json_write_string(&j, str_of_c(w->code));
    json_key_c(&j, "text");
    json_write_string(&j, w->text);
    json_put_time(&j, "expected_at_us", w->expected_us);
    json_key_c(&j, "blocked_by");
    json_begin_array(&j);
    for (size_t i = 0; i < w->blocked_count; i++) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(w->blocked_by[i], id);
        json_write_string(&j, str_of(id, UUID_TEXT_LEN));
    }
    json_end_array(&j);
    json_end_object(&j);
    struct str text = arena_copy(w->a, buf_str(&out));
    buf_clear(&out);
    return text;
}

struct str why_of_waiting(struct arena *a, struct shard *s, const struct live *task,
                          const struct task_view *view)
{
    static reason_fn *const reasons[] = { depends,    is_not_due, is_paused, has_no_worker,
                                          is_limited, is_rated,   is_behind };
    if (!task || (task->state != LIVE_WAITING && task->state != LIVE_BLOCKED))
        return STR("");
    struct why w = { .a = a,
                     .s = s,
                     .task = task,
                     .view = view,
                     .lane = live_lane_of(s->live, task),
                     .standing = live_standing_of(s->live, task, clock_mono_us()),
                     .now_us = shard_now_us(s) };
    for (size_t i = 0; i < countof(reasons); i++)
        if (reasons[i](&w))
            break;
    return text_of(&w);
}
