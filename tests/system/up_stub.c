/*
 * up_stub: the real supervisor over services that do as a test says, to see what no well-behaved
 * service shows. STUB_MODE holds words, SERVICE.WORD for one of the services:
 *
 *   refuse    it ends at once, with the exit code for bad settings
 *   noise     it writes what is no line of our log, in pieces and at length
 *   stubborn  it does not hear SIGTERM
 *   late      it is ready LATE_MS after its start
 *   silent    it never says that it is ready
 *   slow      it takes SLOW_MS to end
 *   token     it tells a setup token
 *
 * and "migrate.fail": migrate ends with exit code 1.
 *
 * A service answers each request with its process id: GET /crash ends it by an abort, GET /slow
 * takes SLOW_MS and is answered also after SIGTERM.
 */
#include "cmd/cmd.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/notify.h"
#include "io/stream.h"

enum { SOCKETS_MAX = 64, SLOW_MS = 1500, LATE_MS = 1000, LONG_LINE_BYTES = 40'000 };

static volatile sig_atomic_t is_stopping;

static bool has_mode(const char *service, const char *word)
{
    char wanted[64];
    const char *mode = getenv("STUB_MODE");
    snprintf(wanted, sizeof wanted, "%s.%s", service, word);
    return mode && strstr(mode, wanted);
}

static void pass_ms(int duration_ms)
{
    for (int waited_ms = 0; waited_ms < duration_ms; waited_ms += 10)
        (void)usleep(10'000); /* a signal cuts one of them short */
}

static void on_sigterm(int signum)
{
    (void)signum;
    is_stopping = 1;
}

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void make_noise(void)
{
    static char line[LONG_LINE_BYTES];
    memset(line, 'x', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    say("half of ");
    (void)usleep(50'000);
    say("a line\n");
    say(line);
}

static void answer(int client)
{
    char request[4096], text[64];
    ssize_t got = read(client, request, sizeof request - 1);
    request[max_of(got, (ssize_t)0)] = '\0';
    if (strstr(request, "GET /crash")) {
        say("last words without a line end");
        abort();
    }
    if (strstr(request, "GET /slow"))
        pass_ms(SLOW_MS);
    int len = snprintf(text, sizeof text, "%d", (int)getpid());
    dprintf(client, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len,
            text);
    close(client);
}

static void serve(struct pollfd *sockets, size_t count)
{
    while (!is_stopping) {
        if (poll(sockets, count, 100) <= 0)
            continue;
        for (size_t i = 0; i < count && !is_stopping; i++) {
            int client = sockets[i].revents ? accept(sockets[i].fd, NULL, NULL) : -1;
            if (client >= 0)
                answer(client);
        }
    }
}

static bool tell_ready(const char *name, struct err *e)
{
    if (has_mode(name, "silent"))
        return true;
    if (has_mode(name, "late"))
        pass_ms(LATE_MS);
    log_info("stub.ready", "name=%s", name);
    return io_notify_send(has_mode(name, "token")
                              ? STR("READY=1\nX_WINDLASS_SETUP_TOKEN=stub-token\nSTATUS=serving\n")
                              : STR("READY=1\nSTATUS=serving\n"),
                          e);
}

static int run_service(const struct conf *conf, const char *name)
{
    struct err e;
    struct pollfd sockets[SOCKETS_MAX];
    int fds[SOCKETS_MAX];
    size_t count = 0;
    cmd_log_setup(conf, name);
    if (has_mode(name, "refuse"))
        return CMD_BAD_SETTINGS;
    if (has_mode(name, "noise"))
        make_noise();
    if (!io_listen_inherited(fds, countof(fds), &count, &e) || count == 0)
        return CMD_FAILURE;
    for (size_t i = 0; i < count; i++)
        sockets[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
    (void)signal(SIGTERM, has_mode(name, "stubborn") ? SIG_IGN : on_sigterm);
    if (!tell_ready(name, &e))
        return cmd_fail(CMD_FAILURE, &e);
    serve(sockets, count);
    if (has_mode(name, "slow"))
        pass_ms(SLOW_MS);
    log_info("stub.stopped", "reason=SIGTERM");
    return CMD_OK;
}

static int run_gateway(const struct conf *conf)
{
    return run_service(conf, "gateway");
}

static int run_worker(const struct conf *conf)
{
    return run_service(conf, "worker");
}

static int run_runner(const struct conf *conf)
{
    return run_service(conf, "runner");
}

static int run_ai(const struct conf *conf)
{
    return run_service(conf, "ai");
}

/* STUB_MODE never names a secret, so the environment can be shown. */
static int run_migrate(const struct conf *conf)
{
    cmd_log_setup(conf, "migrate");
    log_info("migrate.done", "action=%.*s", STR_FMT(conf_operand(conf, 0)));
    return has_mode("migrate", "fail") ? CMD_FAILURE : CMD_OK;
}

int main(int argc, char **argv, char **environment)
{
    static const struct {
        const char *name;
        unsigned options;
        size_t operand_count;
        int (*run)(const struct conf *conf);
    } commands[] = {
        { "up", CONF_FOR_UP, 0, cmd_up },
        { "gateway", CONF_FOR_GATEWAY, 0, run_gateway },
        { "worker", CONF_FOR_WORKER, 0, run_worker },
        { "runner", CONF_FOR_RUNNER, 0, run_runner },
        { "ai", CONF_FOR_AI, 0, run_ai },
        { "migrate", CONF_FOR_MIGRATE, 1, run_migrate },
    };
    for (size_t i = 0; argc > 1 && i < countof(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct conf *conf = NULL;
        struct err e;
        const struct conf_load_args args = { .command = commands[i].options,
                                             .command_name = argv[1],
                                             .argc = argc - 2,
                                             .argv = (const char *const *)argv + 2,
                                             .operand_count_min = commands[i].operand_count,
                                             .operand_count_max = commands[i].operand_count,
                                             .environment = (const char *const *)environment };
        if (!conf_load(&args, &conf, NULL, &e))
            return cmd_fail(CMD_BAD_SETTINGS, &e);
        int exit_code = commands[i].run(conf);
        conf_destroy(conf);
        return exit_code;
    }
    return CMD_USAGE;
}
