/*
 * pg_run: the private PostgreSQL of support/pg.h for script tests; tests/support/pg.sh is its
 * user. It prints the URL of a new database, then obeys lines of standard input: database, kill,
 * stop, launch, wait, suspend, resume; each is answered "ok", "database" with a URL. It ends, and
 * the server with it, when standard input does.
 */
#include "base/str.h"
#include "support/pg.h"

struct command {
    const char *name;
    void (*run)(struct pg_server *server);
};

static const struct command commands[] = {
    { "kill", pg_server_kill }, { "stop", pg_server_stop },       { "launch", pg_server_launch },
    { "wait", pg_server_wait }, { "suspend", pg_server_suspend }, { "resume", pg_server_resume },
};

static bool obey(struct pg_server *server, struct str line)
{
    if (str_eq_c(line, "database")) {
        puts(pg_server_database(server));
        return true;
    }
    for (size_t i = 0; i < countof(commands); i++) {
        if (str_eq_c(line, commands[i].name)) {
            commands[i].run(server);
            puts("ok");
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct pg_options options = { .settings = argc > 1 ? argv[1] : NULL };
    scoped(pg_server_destroyp) struct pg_server *server = pg_server_start(&options);
    puts(pg_server_database(server));
    (void)fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (!obey(server, str_trim(str_of_c(line)))) {
            fprintf(stderr, "pg_run: no such command: %s", line);
            return 2;
        }
        (void)fflush(stdout);
    }
    return 0;
}
