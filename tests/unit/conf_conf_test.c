#include "conf/conf.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "conf/table.h"
#include "test.h"

/* A list of texts that ends in NULL. */
#define LIST(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static bool load(const char *const *flags, const char *const *environment, struct conf **ret_conf,
                 enum conf_source *ret_culprit, struct err *e)
{
    int count = 0;
    while (flags[count])
        count++;
    const struct conf_load_args args = { .command = CONF_FOR_UP,
                                         .command_name = "up",
                                         .argc = count,
                                         .argv = flags,
                                         .environment = environment };
    return conf_load(&args, ret_conf, ret_culprit, e);
}

static struct conf *must_load(const char *const *flags, const char *const *environment)
{
    struct conf *c = NULL;
    struct err e;
    if (!load(flags, environment, &c, NULL, &e))
        fail_msg("%s", e.message);
    return c;
}

static void assert_refused(const char *const *flags, const char *const *environment,
                           enum conf_source culprit, const char *message)
{
    struct conf *c = NULL;
    enum conf_source blamed = CONF_FROM_DEFAULT;
    struct err e = { 0 };
    assert_false(load(flags, environment, &c, &blamed, &e));
    assert_null(c);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.message, message);
    assert_int_equal(blamed, culprit);
}

/* Texts that live as long as the test, and a folder of its own. */
static struct arena *texts;
static char folder[] = "/tmp/windlass-conf-test-XXXXXX";

static const char *with(const char *before, const char *value)
{
    return arena_printf(texts, "%s%s", before, value).ptr;
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
    const char *path = with(with(folder, "/"), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    texts = arena_create(1 << 20);
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = { "windlass.conf", "secret" };
    for (size_t i = 0; i < countof(names); i++)
        (void)unlink(with(with(folder, "/"), names[i]));
    arena_destroy(texts);
    return rmdir(folder);
}

/* Names, defaults and bounds of options.def. */
static void the_table_is_consistent(void **state)
{
    (void)state;
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        const struct conf_option *o = conf_option(id);
        bool has_bounds = o->type == CONF_TYPE_INTEGER || o->type == CONF_TYPE_DURATION ||
                          o->type == CONF_TYPE_BYTES;
        assert_int_equal(conf_find(str_of_c(o->name)), id); /* no name twice */
        assert_int_equal(has_bounds, o->max > 0);
        assert_true(o->min <= o->max);
        assert_int_equal(o->type == CONF_TYPE_CHOICE, o->choices != NULL);
        assert_true(o->commands != 0);
        assert_int_equal(o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789-")], '\0');
        assert_true(strncmp(o->name, "no-", 3) != 0);
        assert_false(str_ends_with(str_of_c(o->name), STR("-file")));
        assert_true(o->help[0] && o->help[strlen(o->help) - 1] != '.');
        if (o->is_secret)
            assert_true(o->type == CONF_TYPE_STRING || /* no message quotes those */
                        o->type == CONF_TYPE_SHARD_TEXTS);
    }
}

/* The enums of conf.h against the choices of options.def. */
static void choices_are_numbered_as_the_header_says(void **state)
{
    (void)state;
    static const struct {
        enum conf_id id;
        int choice;
        const char *flag;
    } cases[] = {
        { CONF_ENV, CONF_ENV_DEVELOPMENT, "--env=development" },
        { CONF_ENV, CONF_ENV_PRODUCTION, "--env=production" },
        { CONF_SCHEMA, CONF_SCHEMA_AUTO, "--schema=auto" },
        { CONF_SCHEMA, CONF_SCHEMA_SYNCHRONISE, "--schema=synchronise" },
        { CONF_SCHEMA, CONF_SCHEMA_MIGRATE, "--schema=migrate" },
        { CONF_SCHEMA, CONF_SCHEMA_CHECK, "--schema=check" },
        { CONF_LOG_SQL, CONF_SWITCH_AUTO, "--log-sql=auto" },
        { CONF_LOG_SQL, CONF_SWITCH_ON, "--log-sql=on" },
        { CONF_LOG_SQL, CONF_SWITCH_OFF, "--log-sql=off" },
        { CONF_GQL_INTROSPECTION, CONF_SWITCH_OFF, "--gql-introspection=off" },
        { CONF_GQL_GET, CONF_SWITCH_ON, "--gql-get=on" },
        { CONF_TRUSTED_DOCUMENTS_MODE, CONF_TRUSTED_DOCUMENTS_PREFER,
          "--trusted-documents-mode=prefer" },
        { CONF_TRUSTED_DOCUMENTS_MODE, CONF_TRUSTED_DOCUMENTS_ONLY,
          "--trusted-documents-mode=only" },
        { CONF_LOG_FORMAT, CONF_LOG_FORMAT_AUTO, "--log-format=auto" },
        { CONF_LOG_FORMAT, CONF_LOG_FORMAT_TEXT, "--log-format=text" },
        { CONF_LOG_FORMAT, CONF_LOG_FORMAT_LOGFMT, "--log-format=logfmt" },
        { CONF_LOG_FORMAT, CONF_LOG_FORMAT_JSON, "--log-format=json" },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        scoped(conf_destroyp) struct conf *c = must_load(LIST(cases[i].flag), LIST());
        assert_int_equal(conf_choice(c, cases[i].id), cases[i].choice);
    }
}

static void a_flag_beats_the_environment_beats_the_file_beats_the_default(void **state)
{
    (void)state;
    const char *path = write_file("windlass.conf", "# comment\n\n port = 3 \nlisten=::1\n", 0644);
    const char *config = with("--config=", path);
    scoped(conf_destroyp) struct conf *none = must_load(LIST(), LIST());
    assert_int_equal(conf_int(none, CONF_PORT), 8080);
    assert_str(conf_origin(none, CONF_PORT), "default");
    assert_false(conf_is_given(none, CONF_PORT));
    scoped(conf_destroyp) struct conf *file = must_load(LIST(config), LIST());
    assert_int_equal(conf_int(file, CONF_PORT), 3);
    assert_str(conf_origin(file, CONF_PORT), with(path, ":3"));
    assert_str(conf_str(file, CONF_LISTEN), "::1");
    scoped(conf_destroyp) struct conf *alias = must_load(LIST(config), LIST("PORT=2"));
    assert_int_equal(conf_int(alias, CONF_PORT), 2);
    assert_str(conf_origin(alias, CONF_PORT), "PORT");
    for (int swap = 0; swap < 2; swap++) { /* our own name beats the conventional one */
        scoped(conf_destroyp) struct conf *own =
            must_load(LIST(config),
                      swap ? LIST("WINDLASS_PORT=5", "PORT=2") : LIST("PORT=2", "WINDLASS_PORT=5"));
        assert_int_equal(conf_int(own, CONF_PORT), 5);
        assert_str(conf_origin(own, CONF_PORT), "WINDLASS_PORT");
    }
    scoped(conf_destroyp) struct conf *flag =
        must_load(LIST("--port=1"), LIST("WINDLASS_PORT=5", with("WINDLASS_CONFIG=", path)));
    assert_int_equal(conf_int(flag, CONF_PORT), 1);
    assert_int_equal(conf_source(flag, CONF_PORT), CONF_FROM_FLAG);
    assert_str(conf_origin(flag, CONF_PORT), "--port");
    assert_str(conf_str(flag, CONF_LISTEN), "::1");
    scoped(conf_destroyp) struct conf *unset = must_load(LIST(), LIST("WINDLASS_PORT=", "PORT="));
    assert_int_equal(conf_int(unset, CONF_PORT), 8080);
}

static void reads_flags_in_every_form(void **state)
{
    (void)state;
    const char *const flags[] = { "one", "--port",   "7",  "--no-db-prepare", "--data=/x=y",
                                  "-",   "--port=9", "--", "--port=1" };
    const struct conf_load_args args = { .command = CONF_FOR_UP,
                                         .command_name = "up",
                                         .argc = countof(flags),
                                         .argv = flags,
                                         .operand_count_max = 3 };
    scoped(conf_destroyp) struct conf *c = NULL;
    struct err e;
    assert_true(conf_load(&args, &c, NULL, &e));
    assert_int_equal(conf_int(c, CONF_PORT), 9); /* the last one counts */
    assert_false(conf_bool(c, CONF_DB_PREPARE));
    assert_string_equal(conf_cstr(c, CONF_DATA), "/x=y");
    assert_int_equal(conf_operand_count(c), 3);
    assert_str(conf_operand(c, 0), "one");
    assert_str(conf_operand(c, 1), "-");
    assert_str(conf_operand(c, 2), "--port=1");
}

static void refuses_flags_it_does_not_know(void **state)
{
    (void)state;
    static const struct {
        const char *flags[2], *message;
    } cases[] = {
        { { "--prot=1" }, "--prot: unknown option; did you mean --port?" },
        { { "--zzzzzz" }, "--zzzzzz: unknown option" },
        { { "-p" }, "-p: unknown option" },
        { { "--json" }, "--json: not an option of `windlass up`" },
        { { "--no-port" }, "--no-port: unknown option" },
        { { "--no-db-prepare=on" }, "--no-db-prepare: takes no value" },
        { { "--port" }, "--port: the value is missing: --port=NUMBER" },
        { { "--port", "http" }, "--port: \"http\" is no whole number from 0 to 65535" },
        { { "--port=" }, "--port: the value is empty" },
        { { "--port-file=x" }, "--port-file: unknown option" },
        { { "extra" }, "\"extra\": unexpected argument of `windlass up`" },
    };
    for (size_t i = 0; i < countof(cases); i++)
        assert_refused(LIST(cases[i].flags[0], cases[i].flags[1]), LIST(), CONF_FROM_FLAG,
                       cases[i].message);
    struct conf *c = NULL;
    struct err e = { 0 };
    const struct conf_load_args args = {
        .command = CONF_FOR_UP, .command_name = "up", .operand_count_min = 1, .operand_count_max = 1
    };
    assert_false(conf_load(&args, &c, NULL, &e));
    assert_string_equal(e.message, "`windlass up` needs 1 argument");
}

static void refuses_variables_and_keys_it_does_not_know(void **state)
{
    (void)state;
    assert_refused(LIST(), LIST("WINDLASS_PROT=1"), CONF_FROM_ENVIRONMENT,
                   "WINDLASS_PROT: unknown variable; did you mean WINDLASS_PORT?");
    assert_refused(LIST(), LIST("WINDLASS_JSON=1"), CONF_FROM_ENVIRONMENT,
                   "WINDLASS_JSON: unknown variable");
    assert_refused(LIST(), LIST("WINDLASS_PORT=x"), CONF_FROM_ENVIRONMENT,
                   "WINDLASS_PORT: \"x\" is no whole number from 0 to 65535");
    scoped(conf_destroyp) struct conf *c =
        must_load(LIST(), LIST("WINDLASSES=1", "XWINDLASS_PORT=1", "WINDLASS_URL=http://x", "A"));
    assert_int_equal(conf_int(c, CONF_PORT), 8080);
    static const struct {
        const char *text, *message; /* behind the file's name */
    } files[] = {
        { "\nprot = 1\n", ":2: unknown key prot; did you mean port?" },
        { "json = on\n", ":1: json cannot be set in a file" },
        { "config = x\n", ":1: config cannot be set in a file" },
        { "port 1\n", ":1: expected `key = value`" },
        { "= 1\n", ":1: the key before = is missing" },
        { "port = 1\n#\nport = 2\n", NULL },
        { "port = 1 # no comment\n",
          ":1: port: \"1 # no comment\" is no whole number from 0 to 65535" },
        { "port = \xff\n", " is no text in UTF-8" },
        { "\xef\xbb\xbf" /* a byte order mark is passed over */ "prot = 1\n",
          ":1: unknown key prot; did you mean port?" },
    };
    for (size_t i = 0; i < countof(files); i++) {
        const char *path = write_file("windlass.conf", files[i].text, 0644);
        char message[256];
        if (files[i].message)
            snprintf(message, sizeof message, "%s%s", path, files[i].message);
        else
            snprintf(message, sizeof message, "%s:3: port was already given at %s:1", path, path);
        assert_refused(LIST(with("--config=", path)), LIST(), CONF_FROM_FILE, message);
    }
    assert_refused(LIST("--config=/nowhere"), LIST(), CONF_FROM_FILE,
                   "/nowhere cannot be opened: No such file or directory");
    assert_refused(LIST("--config=/"), LIST(), CONF_FROM_FILE, "/ is no regular file");
}

/* Also a value that another source overrides. */
static void checks_every_value_given(void **state)
{
    (void)state;
    assert_refused(LIST("--port=1"), LIST("PORT=none"), CONF_FROM_ENVIRONMENT,
                   "PORT: \"none\" is no whole number from 0 to 65535");
    static const struct {
        const char *flag, *message;
    } cases[] = {
        { "--port=65536", "--port: \"65536\" is no whole number from 0 to 65535" },
        { "--port=-1", "--port: \"-1\" is no whole number from 0 to 65535" },
        { "--port=99999999999999999999",
          "--port: \"99999999999999999999\" is no whole number from 0 to 65535" },
        { "--drain-timeout=30",
          "--drain-timeout: \"30\" is no time such as 250ms, 30s, 5m, 12h or 7d from 0 to 10m" },
        { "--drain-timeout=11m",
          "--drain-timeout: \"11m\" is no time such as 250ms, 30s, 5m, 12h or 7d from 0 to 10m" },
        { "--header-timeout=0", "--header-timeout: \"0\" is no time such as 250ms, 30s, 5m, 12h or "
                                "7d from 100ms to 10m" },
        { "--drain-timeout=99999999999999d", "--drain-timeout: \"99999999999999d\" is no time such "
                                             "as 250ms, 30s, 5m, 12h or 7d from 0 to 10m" },
        { "--body-limit=1MB",
          "--body-limit: \"1MB\" is no size such as 512, 64KiB or 1MiB from 1KiB to 1GiB" },
        { "--db-prepare=maybe", "--db-prepare: \"maybe\" is neither on nor off" },
        { "--log-level=trace", "--log-level: \"trace\" is none of debug|info|warn|error" },
        { "--log-level=debug|info",
          "--log-level: \"debug|info\" is none of debug|info|warn|error" },
        { "--listen=a b", "--listen: \"a b\" is no host name or address, nor unix:/path" },
        { "--listen=256.1.1.1",
          "--listen: \"256.1.1.1\" is no host name or address, nor unix:/path" },
        { "--listen=unix:run",
          "--listen: \"unix:run\" is no host name or address, nor unix:/path" },
        { "--listen=unix:/", "--listen: \"unix:/\" is no host name or address, nor unix:/path" },
        { "--data=", "--data: the value is empty" },
        { "--data=~/windlass", "--data: \"~\" is not expanded here; write the whole path" },
        { "--shard-queues=0:email", "--shard-queues: entry 1 does not begin with a shard's number, "
                                    "1 to 15, and a colon" },
        { "--shard-database-urls=1:postgres://a;1:postgres://b",
          "--shard-database-urls: shard 1 is given twice" },
        { "--trusted-proxies=10.0.0.0/33",
          "--trusted-proxies: \"10.0.0.0/33\" is no address and no address/bits" },
        { "--trusted-proxies=::1,,::2",
          "--trusted-proxies: \"\" is no address and no address/bits" },
        { "--trusted-proxies=::1,here",
          "--trusted-proxies: \"here\" is no address and no address/bits" },
        { "--cors-origins=https://a.example,b.example",
          "--cors-origins: \"b.example\" is no origin such as https://example.com" },
        { "--cors-origins=https://a.example/",
          "--cors-origins: \"https://a.example/\" is no origin such as https://example.com" },
        { "--cors-origins=https://a.example,,http://b.example",
          "--cors-origins: \"\" is no origin such as https://example.com" },
        { "--cors-origins=*", "--cors-origins: \"*\" is no origin such as https://example.com" },
        { "--public-url=ops.example.com",
          "--public-url: \"ops.example.com\" is no URL such as https://ops.example.com:8443" },
        { "--public-url=https://x/a?b",
          "--public-url: \"https://x/a?b\" is no URL such as https://ops.example.com:8443" },
        { "--public-url=https://x//a",
          "--public-url: \"https://x//a\" is no URL such as https://ops.example.com:8443" },
        { "--public-url=https://x/a/../b",
          "--public-url: \"https://x/a/../b\" is no URL such as https://ops.example.com:8443" },
        { "--public-url=https://u:p@x",
          "--public-url: \"https://u:p@x\" is no URL such as https://ops.example.com:8443" },
        { "--public-url=https://x:0",
          "--public-url: \"https://x:0\" is no URL such as https://ops.example.com:8443" },
        { "--public-url=https://[::1]x",
          "--public-url: \"https://[::1]x\" is no URL such as https://ops.example.com:8443" },
    };
    for (size_t i = 0; i < countof(cases); i++)
        assert_refused(LIST(cases[i].flag), LIST(), CONF_FROM_FLAG, cases[i].message);
}

static void reads_values_of_every_type(void **state)
{
    (void)state;
    scoped(conf_destroyp) struct conf *c =
        must_load(LIST("--drain-timeout=250ms", "--header-timeout=2m", "--session-lifetime=7d",
                       "--keep-alive-timeout=0", "--login-window=1h", "--body-limit=64KiB",
                       "--header-limit=2048", "--argon2-memory=1GiB", "--listen=localhost",
                       "--trusted-proxies=10.0.0.0/8, ::1 ,fe80::/10",
                       "--public-url=https://[::1]:8443/ops/", "--db-prepare=false"),
                  LIST());
    assert_int_equal(conf_duration_us(c, CONF_DRAIN_TIMEOUT), 250'000);
    assert_int_equal(conf_duration_us(c, CONF_HEADER_TIMEOUT), 120'000'000);
    assert_int_equal(conf_duration_us(c, CONF_SESSION_LIFETIME), INT64_C(604'800'000'000));
    assert_int_equal(conf_duration_us(c, CONF_KEEP_ALIVE_TIMEOUT), 0);
    assert_int_equal(conf_bytes(c, CONF_BODY_LIMIT), 65536);
    assert_int_equal(conf_bytes(c, CONF_HEADER_LIMIT), 2048);
    assert_int_equal(conf_bytes(c, CONF_ARGON2_MEMORY), 1 << 30);
    assert_string_equal(conf_cstr(c, CONF_PUBLIC_URL),
                        "https://[::1]:8443/ops"); /* no last slash */
    assert_false(conf_bool(c, CONF_DB_PREPARE));
}

static void takes_a_socket_to_listen_on_whose_path_fits(void **state)
{
    (void)state;
    char flag[200] = "--listen=unix:/";
    size_t start = strlen(flag) - 1;
    memset(flag + strlen(flag), 'x', 106);
    scoped(conf_destroyp) struct conf *c = must_load(LIST(flag), LIST());
    assert_int_equal(strlen(flag + start), 107);
    assert_string_equal(conf_cstr(c, CONF_LISTEN), flag + strlen("--listen="));
    flag[strlen(flag)] = 'x';
    assert_refused(LIST(flag), LIST(), CONF_FROM_FLAG,
                   "--listen: \"unix:/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" "
                   "is no host name or address, nor unix:/path");
}

static void finds_the_data_folder_by_who_runs_it(void **state)
{
    (void)state;
    scoped(conf_destroyp) struct conf *home = must_load(LIST(), LIST("HOME=/home/me"));
    scoped(conf_destroyp) struct conf *xdg =
        must_load(LIST(), LIST("HOME=/home/me", "XDG_DATA_HOME=/d"));
    bool is_root = geteuid() == 0;
    assert_str(conf_str(home, CONF_DATA),
               is_root ? "/var/lib/windlass" : "/home/me/.local/share/windlass");
    assert_str(conf_str(xdg, CONF_DATA), is_root ? "/var/lib/windlass" : "/d/windlass");
}

static void reads_a_secret_from_a_file_of_its_own(void **state)
{
    (void)state;
    const char *path = write_file("secret", "postgres://me:hush@db/app\n", 0600);
    const char *config =
        write_file("windlass.conf", with(with("database-url-file = ", path), "\n"), 0644);
    const char *const *lists[][2] = {
        { LIST(with("--database-url-file=", path)), LIST() },
        { LIST("--database-url-file", path), LIST() },
        { LIST(), LIST(with("WINDLASS_DATABASE_URL_FILE=", path)) },
        { LIST(), LIST(with("DATABASE_URL_FILE=", path)) },
        { LIST(with("--config=", config)), LIST() },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    for (size_t i = 0; i < countof(lists); i++) {
        scoped(conf_destroyp) struct conf *c = must_load(lists[i][0], lists[i][1]);
        assert_string_equal(conf_cstr(c, CONF_DATABASE_URL), "postgres://me:hush@db/app");
        assert_str(conf_shown(c, CONF_DATABASE_URL, a), "postgres://me:********@db/app");
        assert_true(str_ends_with(conf_origin(c, CONF_DATABASE_URL), str_of_c(path)));
    }
    assert_refused(LIST(), LIST(with("DATABASE_URL_FILE=", path), "DATABASE_URL=x"),
                   CONF_FROM_ENVIRONMENT,
                   "DATABASE_URL_FILE and DATABASE_URL both give the same secret; keep one");
}

static void refuses_a_secret_that_others_may_read(void **state)
{
    (void)state;
    char message[256];
    const char *path = write_file("secret", "hush", 0604);
    snprintf(message, sizeof message,
             "DATABASE_URL_FILE: %s may be read by others (mode 604); chmod 600 it", path);
    assert_refused(LIST(), LIST(with("DATABASE_URL_FILE=", path)), CONF_FROM_ENVIRONMENT, message);
    path = write_file("secret", "\n", 0600);
    snprintf(message, sizeof message, "DATABASE_URL_FILE: %s is empty", path);
    assert_refused(LIST(), LIST(with("DATABASE_URL_FILE=", path)), CONF_FROM_ENVIRONMENT, message);
    assert_refused(LIST(), LIST("DATABASE_URL_FILE=/nowhere"), CONF_FROM_ENVIRONMENT,
                   "DATABASE_URL_FILE: /nowhere cannot be opened: No such file or directory");
}

static void masks_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *value, *shown;
    } cases[] = {
        { "postgres://me:p@ss:w/rd@db:5432/app", "postgres://me:********@db:5432/app" },
        { "postgres://me@db/app", "postgres://me@db/app" },
        { "postgres:///app", "postgres:///app" },
        { "postgres://me@db/app?password=hush", "********" },
        { "host=db password=hush", "********" },
        { "1:postgres://me:hush@a/w1;2:postgres://b/w2", "********" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    for (size_t i = 0; i < countof(cases); i++) {
        scoped(conf_destroyp) struct conf *c =
            must_load(LIST(), LIST(with("DATABASE_URL=", cases[i].value)));
        assert_str(conf_str(c, CONF_DATABASE_URL), cases[i].value);
        assert_str(conf_shown(c, CONF_DATABASE_URL, a), cases[i].shown);
    }
    scoped(conf_destroyp) struct conf *none = must_load(LIST(), LIST());
    assert_str(conf_shown(none, CONF_DATABASE_URL, a), "");
}

static void refuses_a_file_that_is_too_long(void **state)
{
    (void)state;
    static char text[64 * 1024 + 2];
    memset(text, '#', sizeof text - 1);
    char message[256];
    const char *path = write_file("windlass.conf", text, 0644);
    snprintf(message, sizeof message, "%s is longer than 65536 bytes", path);
    assert_refused(LIST(with("--config=", path)), LIST(), CONF_FROM_FILE, message);
    text[sizeof text - 2] = '\0';
    scoped(conf_destroyp) struct conf *c =
        must_load(LIST(with("--config=", write_file("windlass.conf", text, 0644))), LIST());
    assert_false(conf_is_given(c, CONF_PORT));
}

static size_t open_fd_count(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Each of the two files it may open fails once, then both are there. */
static void gives_back_what_it_opened_however_it_ends(void **state)
{
    (void)state;
    const char *secret = write_file("secret", "hush", 0600);
    const char *file = write_file("windlass.conf", "port = 1\n", 0600);
    const size_t before = open_fd_count();
    struct rlimit limit, none;
    struct conf *c = NULL;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct err by_file = { 0 }, by_secret = { 0 };
    const char *const *flags = LIST(with("--config=", file));
    const char *const *environment = LIST(with("DATABASE_URL_FILE=", secret));
    bool is_file_read = load(flags, LIST(), &c, NULL, &by_file);
    bool is_secret_read = load(LIST(), environment, &c, NULL, &by_secret);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(is_file_read);
    assert_false(is_secret_read);
    assert_non_null(strstr(by_file.message, "cannot be opened: Too many open files"));
    assert_non_null(strstr(by_secret.message, "cannot be opened: Too many open files"));
    assert_int_equal(open_fd_count(), before);
    conf_destroy(must_load(flags, environment));
    assert_int_equal(open_fd_count(), before);
}

static void help_shows_every_flag_within_its_width(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    conf_help(&b, CONF_FOR_UP);
    struct str left = buf_str(&b), line;
    while (left.len > 0) {
        (void)str_cut(left, '\n', &line, &left);
        if (line.len > 100)
            fail_msg("longer than 100 columns: %.*s", STR_FMT(line));
    }
    for (enum conf_id id = 0; id < CONF_COUNT; id++) {
        char flag[80];
        bool is_off = conf_option(id)->type == CONF_TYPE_BOOL &&
                      strcmp(conf_option(id)->default_text, "on") == 0;
        snprintf(flag, sizeof flag, "\n  --%s%s%s", is_off ? "no-" : "", conf_option(id)->name,
                 conf_option(id)->type == CONF_TYPE_BOOL ? " " : "=");
        bool is_there = str_find(buf_str(&b), str_of_c(flag)) >= 0;
        if (is_there != conf_takes(CONF_FOR_UP, id))
            fail_msg("%s", flag);
    }
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_consistent),
        cmocka_unit_test(choices_are_numbered_as_the_header_says),
        cmocka_unit_test(a_flag_beats_the_environment_beats_the_file_beats_the_default),
        cmocka_unit_test(reads_flags_in_every_form),
        cmocka_unit_test(refuses_flags_it_does_not_know),
        cmocka_unit_test(refuses_variables_and_keys_it_does_not_know),
        cmocka_unit_test(checks_every_value_given),
        cmocka_unit_test(reads_values_of_every_type),
        cmocka_unit_test(takes_a_socket_to_listen_on_whose_path_fits),
        cmocka_unit_test(finds_the_data_folder_by_who_runs_it),
        cmocka_unit_test(reads_a_secret_from_a_file_of_its_own),
        cmocka_unit_test(refuses_a_secret_that_others_may_read),
        cmocka_unit_test(masks_secrets),
        cmocka_unit_test(refuses_a_file_that_is_too_long),
        cmocka_unit_test(gives_back_what_it_opened_however_it_ends),
        cmocka_unit_test(help_shows_every_flag_within_its_width),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
