/*
 * email: one message to a mail server, on a thread of its own. Its Message-ID is made of the task's
 * id, so that a repetition can be told. Members and result: docs/task-types.md.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/mail.h"
#include "io/detached.h"
#include "payload/inputs.h"
#include "runner/runner_priv.h"
#include "runner/types_priv.h"

enum { TIMEOUT_MS = 60'000 };

/* The thread's, until it is done. */
struct work {
    struct arena *arena; /* of what follows */
    struct http_mail mail;
    struct buf message;
    struct str message_id;
    atomic_bool is_stopped;
    /* What it found. */
    bool is_sent;
    struct http_mail_reply reply;
    struct err err;
};

struct state {
    struct io_detached *thread; /* NULL: none */
    struct work *work;
};

/* ── on the thread ── */

static void do_work(void *data)
{
    struct work *work = data;
    work->is_sent = http_mail_send(&work->mail, &work->reply, &work->err);
}

static void discard(void *data)
{
    struct work *work = data;
    buf_clear(&work->message);
    arena_destroy(work->arena);
}

/* ── on the loop ── */

static void succeed(struct attempt *t, const struct work *work)
{
    struct buf result;
    buf_init(&result, 0);
    struct json_writer w = json_writer_to(&result);
    json_begin_object(&w);
    json_key_c(&w, "message_id");
    json_write_string(&w, work->message_id);
    json_key_c(&w, "recipients");
    json_write_u64(&w, work->mail.recipient_count);
    json_key_c(&w, "reply");
    json_write_string(&w, str_of_c(work->reply.text));
    json_end_object(&w);
    attempt_complete(t, buf_str(&result));
    buf_clear(&result);
}

/* A 5xx is the server's last word on it; all else may be otherwise later. */
static void done(void *owner)
{
    struct attempt *t = owner;
    struct state *state = t->state;
    const struct work *work = state->work;
    state->thread = NULL; /* it has begun to go */
    if (work->is_sent) {
        succeed(t, work);
        return;
    }
    struct str error = work->reply.refusal[0]
                           ? arena_printf(t->arena, "the mail server said: %s", work->reply.refusal)
                           : arena_printf(t->arena, "mail server: %s", work->err.message);
    if (work->reply.status >= 500 && work->err.code == ERR_UNAVAILABLE)
        attempt_fail_for_good(t, error);
    else
        attempt_fail(t, error, 0);
}

static void add_recipients(struct arena *a, struct http_mail *mail, const char **recipients,
                           const struct payload_email_address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        recipients[mail->recipient_count++] = arena_cstr(a, addresses[i].address);
}

static struct str domain_of(struct str address)
{
    struct str local, domain;
    (void)str_cut(address, '@', &local, &domain);
    return domain;
}

static struct work *make_work(const struct attempt *t, const struct mailer *mailer)
{
    const struct payload_email_input *input = t->input;
    struct arena *a = arena_create(0);
    struct work *work = arena_new(a, struct work);
    const char **recipients =
        arena_new_array(a, input->to_count + input->cc_count + input->bcc_count, const char *);
    work->arena = a;
    atomic_init(&work->is_stopped, false);
    work->mail = (struct http_mail){
        .url = arena_cstr(a, str_of_c(mailer->url)),
        .is_plain_allowed = mailer->is_plain_allowed,
        .ca_file = arena_cstr(a, str_of_c(mailer->ca_file)),
        .user = arena_cstr(a, str_of_c(mailer->user)),
        .password = arena_cstr(a, str_of_c(mailer->password)),
        .from = arena_cstr(a, mailer->from.address),
        .recipients = recipients,
        .timeout_ms = TIMEOUT_MS,
        .is_stopped = &work->is_stopped,
    };
    add_recipients(a, &work->mail, recipients, input->to, input->to_count);
    add_recipients(a, &work->mail, recipients, input->cc, input->cc_count);
    add_recipients(a, &work->mail, recipients, input->bcc, input->bcc_count);
    work->message_id = arena_printf(a, "windlass.%.*s@%.*s", STR_FMT(t->id),
                                    STR_FMT(domain_of(mailer->from.address)));
    buf_init(&work->message, 0);
    mail_text_write(&work->message, &mailer->from, input, work->message_id, clock_wall_us());
    work->mail.message = buf_str(&work->message);
    return work;
}

static void start(struct attempt *t)
{
    struct state *state = arena_new(t->arena, struct state);
    t->state = state;
    state->work = make_work(t, t->runner->mailer);
    const struct io_detached_spec spec = {
        .work = do_work, .done = done, .discard = discard, .data = state->work, .owner = t
    };
    state->thread = io_detached_start(t->runner->loop, &spec);
    if (!state->thread)
        attempt_fail(t, STR("no thread or descriptor is left"), 0);
}

static void stop(struct attempt *t)
{
    const struct state *state = t->state;
    if (!state->thread)
        return;
    atomic_store(&state->work->is_stopped, true);
    io_detached_abandon(state->thread);
}

static bool is_offered(const struct runner *r)
{
    return r->mailer != NULL;
}

const struct task_type task_type_email = {
    .schema = &payload_email,
    .is_offered = is_offered,
    .start = start,
    .stop = stop,
};
