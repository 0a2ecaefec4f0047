/*
 * Subscription.taskLog: the lines of a task that are kept, then new ones as they come, until the
 * task has finished. The worker is asked for more only when all that came was told, so who is slow
 * holds one answer, and what the worker drops meanwhile is told as a gap.
 */
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/subscription.h"
#include "gateway/task_log.h"
#include "gateway/users.h"
#include "io/timer.h"

/* Lines that were kept come at no more than this, so that a client can keep up. */
enum { BURST_BYTES = 64 << 10, BURST_PAUSE_MS = 20, LINE_AROUND_BYTES = 200 };

struct watch {
    struct event_source base;
    struct gateway_loop *loop;
    struct task_log_wait wait;
    struct task_log_page *page; /* NULL: the worker is asked */
    size_t at;                  /* the next line of it to tell */
    size_t burst;               /* bytes told without a pause */
    struct io_timer *pause;
    struct err failure; /* ends the subscription */
};

/* A TaskLogLine. */
struct line {
    struct uuid task;
    struct task_log_line told; /* its texts are the page's */
};

static void got_page(struct task_log_wait *wait, struct task_log_page *page, const struct err *e)
{
    struct watch *w = container_of(wait, struct watch, wait);
    if (page == NULL) {
        w->failure = *e;
    } else {
        w->page = page;
        w->at = 0;
        memcpy(wait->after, page->next, sizeof wait->after);
    }
    w->base.wake(w->base.waker);
}

static void paused(void *owner)
{
    struct watch *w = owner;
    w->burst = 0;
    w->base.wake(w->base.waker);
}

static void tell(struct watch *w, struct arena *a, void **ret_event)
{
    struct line *line = arena_new(a, struct line);
    *line = (struct line){ w->wait.task, w->page->lines[w->at++] };
    w->page->refs++;
    arena_defer(a, task_log_page_unref, w->page);
    w->burst += line->told.text.len + LINE_AROUND_BYTES;
    *ret_event = line;
}

static bool next_line(struct event_source *base, struct arena *a, void **ret_event, struct err *e)
{
    struct watch *w = container_of(base, struct watch, base);
    if (w->failure.code != ERR_NONE) {
        *e = w->failure;
        return false;
    }
    if (w->page == NULL || io_timer_is_running(w->pause))
        return true;
    if (w->at < w->page->count && w->burst < BURST_BYTES) {
        tell(w, a, ret_event);
    } else if (w->at < w->page->count) {
        io_timer_start(w->pause, BURST_PAUSE_MS);
    } else if (w->page->is_finished) {
        base->is_over = true;
    } else {
        w->burst = w->page->count == 0 ? 0 : w->burst;
        task_log_page_unref(take(w->page));
        task_log_ask(w->loop->task_logs, &w->wait);
    }
    return true;
}

static void close_watch(struct event_source *base)
{
    struct watch *w = container_of(base, struct watch, base);
    task_log_leave(&w->wait);
    io_timer_destroy(w->pause);
    task_log_page_unref(w->page);
}

/* A place is the worker's to understand; here it must fit into a path. */
static bool read_after(const struct gql_value *after, char ret_place[TASK_LOG_PLACE_MAX],
                       struct err *e)
{
    static const char in_places[] = "0123456789:";
    if (gql_is_null(after))
        return true;
    bool is_good = after->text.len > 0 && after->text.len < TASK_LOG_PLACE_MAX;
    for (size_t i = 0; is_good && i < after->text.len; i++)
        is_good = memchr(in_places, after->text.ptr[i], sizeof in_places - 1) != NULL;
    if (!is_good)
        return err_set(e, ERR_INVALID, "after: is no place of a line of a task's log");
    memcpy(ret_place, after->text.ptr, after->text.len);
    return true;
}

static enum gql_next subscribe_log(struct gql_step *step)
{
    static const struct event_source_class class = { next_line, close_watch };
    struct watch *w = arena_new(step->arena, struct watch);
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &w->wait.task, &e) ||
        !read_after(gql_arg(step, "after"), w->wait.after, &e))
        return gql_step_fail(step, &e);
    w->base.class = &class;
    w->loop = await_request(step)->loop;
    w->wait.fn = got_page;
    w->pause = io_timer_create(w->loop->io, paused, w);
    list_init(&w->wait.node);
    task_log_ask(w->loop->task_logs, &w->wait);
    step->results[0] = gql_object(&w->base);
    return GQL_DONE;
}

/* ── TaskLogLine ── */

static void get_event(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

static void get_task(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct line *line = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_id(r->arena, line->task);
}

static void get_attempt(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct line *line = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(line->told.attempt);
}

static void get_at(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct line *line = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, line->told.at_us);
}

static void get_stream(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct line *line = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(line->told.stream);
}

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct line *line = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(line->told.text);
}

static void get_place(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct line *line = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(line->told.place);
}

const struct gateway_binding bindings_task_log[] = {
    { "Subscription.taskLog", { .get = get_event, .subscribe = subscribe_log } },
    { "TaskLogLine.taskId", { .get = get_task } },
    { "TaskLogLine.attempt", { .get = get_attempt } },
    { "TaskLogLine.at", { .get = get_at } },
    { "TaskLogLine.stream", { .get = get_stream } },
    { "TaskLogLine.text", { .get = get_text } },
    { "TaskLogLine.place", { .get = get_place } },
    { 0 },
};
