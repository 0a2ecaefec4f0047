/*
 * command: runs what the allow-list names, by the spawner. One connection is one command; closing
 * it ends the command. Members, list and result: docs/task-types.md.
 */
#include "runner/types_priv.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/child.h"
#include "io/poll.h"
#include "payload/inputs.h"
#include "runner/runner_priv.h"
#include "runner/session.h"
#include "runner/spawner_wire.h"
#include "runner/tail.h"

enum {
    LOOK_MS = 2'000,  /* between two looks for a spawner that is away */
    BUSY_MS = 500,    /* until one that has no room is asked again */
    PACKETS_MAX = 16, /* taken in one turn of the loop */
    END_ARENA_BYTES = 1 << 20,
    LINE_BYTES_MAX = 500, /* of the last line, in the error */
    LINE_LOGGED_MAX = 8'000,
};

/* One output: its end for the result, its lines for the log. */
struct output {
    struct str stream;
    struct tail tail;
    struct buf line; /* without its end yet */
};

struct state {
    int connection; /* -1: none */
    struct io_poll *poll;
    struct output output, errors;
    int64_t started_us;
};

static bool is_offered(const struct runner *r)
{
    return r->spawner[0] != '\0';
}

/* ── the spawner ── */

/* Its name is free for anybody once it has ended; who listens was root, or is this very user. */
static bool is_spawner(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* Errors: LIMIT: it is there, and it or we have no room; UNAVAILABLE. */
static bool connect_to(const char *address, int *ret_fd, struct err *e)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    size_t len = min_of(strlen(address), sizeof name.sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(e, ERR_LIMIT, "cannot open a socket");
    memcpy(name.sun_path, address, len);
    if (name.sun_path[0] == '@')
        name.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (connect(fd, (const struct sockaddr *)&name, size) != 0)
        err_set_errno(e, errno == EAGAIN ? ERR_LIMIT : ERR_UNAVAILABLE,
                      "the spawner of commands cannot be reached");
    else if (!is_spawner(fd))
        err_set(e, ERR_UNAVAILABLE,
                "somebody else listens in the place of the spawner of commands");
    else {
        *ret_fd = fd;
        return true;
    }
    (void)close(fd);
    return false;
}

static bool is_there(const struct runner *r)
{
    int fd;
    struct err e;
    if (!connect_to(r->spawner, &fd, &e))
        return e.code == ERR_LIMIT;
    (void)close(fd);
    return true;
}

/* Nobody runs commands just now: the worker is asked for none until somebody does. */
static void spawner_lost(struct runner *r, const char *why)
{
    if (!io_timer_is_running(r->spawner_look))
        log_warn("command.spawner_away", "reason=%s", log_quote(str_of_c(why)));
    io_timer_start(r->spawner_look, LOOK_MS);
}

void type_command_look(void *owner)
{
    struct runner *r = owner;
    if (!is_there(r)) {
        io_timer_start(r->spawner_look, LOOK_MS);
        return;
    }
    log_info("command.spawner_back", "address=%s", log_quote(str_of_c(r->spawner)));
    runner_session_ask_anew(r->session);
}

static bool is_quiet(const struct runner *r)
{
    return io_timer_is_running(r->spawner_look);
}

/* ── how it ends ── */

static void succeed(struct attempt *t, int64_t code)
{
    const struct state *state = t->state;
    struct buf result;
    buf_init(&result, 0);
    struct json_writer w = json_writer_to(&result);
    json_begin_object(&w);
    json_key_c(&w, "exit_code");
    json_write_i64(&w, code);
    json_key_c(&w, "stdout");
    json_write_string(&w, tail_text(t->arena, &state->output.tail));
    json_key_c(&w, "stderr");
    json_write_string(&w, tail_text(t->arena, &state->errors.tail));
    json_key_c(&w, "is_truncated");
    json_write_bool(&w, state->output.tail.is_cut || state->errors.tail.is_cut);
    json_key_c(&w, "duration_ms");
    json_write_i64(&w, (clock_mono_us() - state->started_us) / CLOCK_MS);
    json_end_object(&w);
    attempt_complete(t, buf_str(&result));
    buf_clear(&result);
}

static void disappoint(struct attempt *t, struct str how, int64_t code)
{
    const struct state *state = t->state;
    struct str line = tail_last_line(t->arena, &state->errors.tail);
    char exit[IO_EXIT_TEXT_MAX];
    const char *what = exit;
    io_exit_format((struct io_exit){ .by_signal = str_eq_c(how, "signal"), .code = (int)code },
                   exit);
    if (str_eq_c(how, "timeout"))
        what = "took longer than the command may";
    else if (str_eq_c(how, "output"))
        what = "wrote more than the command may";
    attempt_fail(t,
                 arena_printf(t->arena, "%s%s%.*s", what, line.len > 0 ? ": " : "",
                              STR_FMT(str_first(line, LINE_BYTES_MAX))),
                 0);
}

/* Its guard has gone, perhaps by what it ran, and perhaps the spawner with it. */
static void lost(struct attempt *t, bool has_begun)
{
    bool is_away = !is_there(t->runner);
    if (is_away)
        spawner_lost(t->runner, "it has gone away");
    if (is_away && !has_begun)
        attempt_release(t);
    else
        attempt_fail(t, STR("the guard of the command has gone away"), 0);
}

static void stopped(struct attempt *t)
{
    spawner_lost(t->runner, "it ends");
    attempt_release(t);
}

static struct str text_of(const struct json_value *v)
{
    return v && v->type == JSON_STRING ? v->text : STR("");
}

/* The last packet: it was refused, or it has ended. */
static void end(struct attempt *t, char kind, struct str json)
{
    scoped(arena_destroyp) struct arena *a = arena_create(END_ARENA_BYTES);
    const struct json_value *v;
    struct err e;
    int64_t code = 0;
    if (!json_parse(a, json, &v, &e)) {
        lost(t, true);
        return;
    }
    struct str how = text_of(json_get_c(v, "how"));
    const struct json_value *number = json_get_c(v, "code"), *fatal = json_get_c(v, "is_fatal"),
                            *success = json_get_c(v, "is_success");
    if (number && number->type == JSON_NUMBER)
        (void)json_to_i64(number, &code);
    if (kind == 'r' && fatal && fatal->boolean)
        attempt_fail_for_good(t, text_of(json_get_c(v, "error")));
    else if (kind == 'r')
        attempt_fail(t, text_of(json_get_c(v, "error")), 0);
    else if (success && success->boolean)
        succeed(t, code);
    else if (str_eq_c(how, "stopped"))
        stopped(t);
    else
        disappoint(t, how, code);
}

/* ── while it runs ── */

static void tell_line(struct attempt *t, struct output *output)
{
    struct buf text;
    if (output->line.len == 0)
        return;
    buf_init(&text, 0);
    tail_put_valid(&text, buf_str(&output->line));
    attempt_log(t, output->stream, buf_str(&text));
    buf_clear(&text);
    buf_reset(&output->line);
}

static void take_output(struct attempt *t, struct output *output, struct str bytes)
{
    tail_add(&output->tail, bytes);
    while (bytes.len > 0) {
        struct str rest, line;
        bool is_whole = str_cut(bytes, '\n', &line, &rest);
        buf_put_str(&output->line, line);
        if (is_whole || output->line.len >= LINE_LOGGED_MAX)
            tell_line(t, output);
        bytes = is_whole ? rest : STR("");
    }
}

/* False: the attempt has ended. */
static bool take_in(struct attempt *t, struct str packet)
{
    struct state *state = t->state;
    switch (packet.ptr[0]) {
    case 'o':
        take_output(t, &state->output, str_from(packet, 1));
        return true;
    case 'e':
        take_output(t, &state->errors, str_from(packet, 1));
        return true;
    default:
        tell_line(t, &state->output);
        tell_line(t, &state->errors);
        end(t, packet.ptr[0], str_from(packet, 1));
        return false;
    }
}

static void readable(void *owner, int events)
{
    static char packet[SPAWNER_PIECE_BYTES + 1]; /* one thread, one at a time */
    struct attempt *t = owner;
    const struct state *state = t->state;
    (void)events;
    for (int i = 0; i < PACKETS_MAX; i++) {
        ssize_t got = recv(state->connection, packet, sizeof packet, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            lost(t, got == 0 || errno != ECONNRESET); /* reset: nobody has read the request */
            return;
        }
        if (!take_in(t, str_of(packet, (size_t)got)))
            return;
    }
}

/* ── how it begins ── */

static void write_request(const struct attempt *t, struct buf *out)
{
    const struct payload_command_input *input = t->input;
    struct json_writer w = json_writer_to(out);
    json_begin_object(&w);
    json_key_c(&w, "task");
    json_write_string(&w, t->id);
    json_key_c(&w, "attempt");
    json_write_i64(&w, t->attempt);
    json_key_c(&w, "payload");
    json_begin_object(&w);
    json_key_c(&w, "command");
    json_write_string(&w, input->command);
    json_key_c(&w, "args");
    json_begin_array(&w);
    for (size_t i = 0; i < input->arg_count; i++)
        json_write_string(&w, input->args[i]);
    json_end_array(&w);
    json_key_c(&w, "params");
    json_begin_object(&w);
    for (size_t i = 0; i < input->param_count; i++) {
        json_key(&w, input->names[i]);
        json_write_string(&w, input->values[i]);
    }
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
}

/* Errors: those of connect_to; INVALID: no spawner would take it. */
static bool begin(struct attempt *t, struct err *e)
{
    struct state *state = t->state;
    struct buf request;
    if (!connect_to(t->runner->spawner, &state->connection, e) ||
        !io_poll_create(t->runner->loop, state->connection, readable, t, &state->poll, e))
        return false;
    buf_init(&request, 0);
    write_request(t, &request);
    bool is_sent = send(state->connection, request.ptr, request.len, MSG_NOSIGNAL) > 0 ||
                   err_set_errno(e, errno == EMSGSIZE ? ERR_INVALID : ERR_UNAVAILABLE,
                                 "the spawner of commands does not take it");
    buf_clear(&request);
    io_poll_set(state->poll, IO_READABLE);
    return is_sent;
}

static void not_begun(struct attempt *t, const struct err *e)
{
    if (e->code == ERR_INVALID) {
        attempt_fail_for_good(t, str_of_c(e->message));
    } else if (e->code == ERR_LIMIT) {
        attempt_snooze(t, BUSY_MS);
    } else {
        spawner_lost(t->runner, e->message);
        attempt_release(t);
    }
}

static void start(struct attempt *t)
{
    struct state *state = arena_new(t->arena, struct state);
    struct err e;
    state->connection = -1;
    state->started_us = clock_mono_us();
    state->output.stream = STR("stdout");
    state->errors.stream = STR("stderr");
    tail_init(&state->output.tail);
    tail_init(&state->errors.tail);
    buf_init(&state->output.line, 0);
    buf_init(&state->errors.line, 0);
    t->state = state;
    if (!begin(t, &e))
        not_begun(t, &e);
}

static void stop(struct attempt *t)
{
    struct state *state = t->state;
    io_poll_destroy(state->poll);
    if (state->connection >= 0)
        (void)close(state->connection);
    tail_clear(&state->output.tail);
    tail_clear(&state->errors.tail);
    buf_clear(&state->output.line);
    buf_clear(&state->errors.line);
}

const struct task_type task_type_command = {
    .schema = &payload_command,
    .is_offered = is_offered,
    .is_quiet = is_quiet,
    .start = start,
    .stop = stop,
};
