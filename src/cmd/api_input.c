/* api_input: what people type in. */
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

bool api_read_password(struct api *api, const char *what, struct str *ret_password, struct err *e)
{
    struct termios usual, silent;
    bool is_terminal = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &usual) == 0;
    if (!is_terminal)
        return api_read_line(api, ret_password, e);
    silent = usual;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", what);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bool is_read = api_read_line(api, ret_password, e);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual);
    fputc('\n', stderr);
    return is_read;
}
