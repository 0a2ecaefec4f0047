/* api_input: what people type in. */
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include "cmd/api_priv.h"

enum { LINE_BYTES_MAX = 1024 };

bool api_read_line(struct api *api, struct str *ret_line, struct err *e)
{
    char line[LINE_BYTES_MAX];
    bool is_read = fgets(line, sizeof line, stdin) != NULL;
    struct str text = is_read ? str_of_c(line) : (struct str){ 0 };
    if (str_ends_with(text, STR("\n")))
        text.len--;
    *ret_line = arena_copy(api->arena, text);
    explicit_bzero(line, sizeof line);
    return text.len > 0 || err_set(e, ERR_INVALID, "nothing was entered");
}

/* ── a terminal that shows nothing ── */

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static struct termios usual; /* for the handler */

/* Whoever ends us here gets his terminal back as it was. */
static void on_ending(int signum)
{
    const struct sigaction as_usual = { .sa_handler = SIG_DFL };
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual);
    (void)sigaction(signum, &as_usual, NULL);
    (void)raise(signum); /* once the handler has returned */
}

/* One that is ignored stays so; `was` is what stood. */
static void catch_signals(struct sigaction *was)
{
    const struct sigaction caught = { .sa_handler = on_ending };
    for (size_t i = 0; i < countof(ending_signals); i++)
        if (sigaction(ending_signals[i], NULL, &was[i]) == 0 && was[i].sa_handler != SIG_IGN)
            (void)sigaction(ending_signals[i], &caught, NULL);
}

static void release_signals(const struct sigaction *was)
{
    for (size_t i = 0; i < countof(ending_signals); i++)
        (void)sigaction(ending_signals[i], &was[i], NULL);
}

bool api_read_password(struct api *api, const char *what, struct str *ret_password, struct err *e)
{
    struct termios silent;
    struct sigaction was[countof(ending_signals)] = { 0 };
    bool is_terminal = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &usual) == 0;
    if (!is_terminal)
        return api_read_line(api, ret_password, e);
    silent = usual;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", what);
    catch_signals(was);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bool is_read = api_read_line(api, ret_password, e);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual);
    release_signals(was);
    fputc('\n', stderr);
    return is_read;
}
