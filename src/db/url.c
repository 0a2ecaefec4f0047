#include "db/url_priv.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "db/conn.h"

/* libpq quotes parts of a URL that it cannot read; a password may be among them. */
bool db_url_check(const char *url, struct err *e)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!options)
        return err_set(e, ERR_INVALID,
                       "the database URL cannot be read (postgresql://user:password@host/name; "
                       "special characters in a password are written as %%XX)");
    PQconninfoFree(options);
    return true;
}

PGconn *db_url_connect(const char *url, const char *database, const char *application_name,
                       int64_t connect_timeout_ms)
{
    enum { LIBPQ_LEAST_S = 2 }; /* libpq takes 1 for 2 */
    char timeout[24];
    int64_t timeout_s = (connect_timeout_ms + 999) / 1000;
    snprintf(timeout, sizeof timeout, "%d", (int)max_of(timeout_s, (int64_t)LIBPQ_LEAST_S));
    /*
     * Before dbname: defaults, which the URL may change. After it: what we rely on. Only the first
     * dbname is read as a URL, and a value that is NULL is passed over.
     */
    const char *const names[] = { "connect_timeout",
                                  "keepalives_idle",
                                  "keepalives_interval",
                                  "keepalives_count",
                                  "tcp_user_timeout",
                                  "fallback_application_name",
                                  "dbname",
                                  "dbname",
                                  "client_encoding",
                                  NULL };
    const char *const values[] = { timeout,          "30", "10",     "3",    "15000",
                                   application_name, url,  database, "UTF8", NULL };
    static_assert(countof(names) == countof(values), "a value for each name");
    return PQconnectdbParams(names, values, 1);
}

bool db_session_check(const PGconn *conn, struct err *e)
{
    const char *date_style = PQparameterStatus(conn, "DateStyle");
    if (date_style && !str_starts_with(str_of_c(date_style), STR("ISO")))
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                            "the database's DateStyle is \"%s\" and must be ISO "
                            "(alter role … set datestyle to iso)",
                            date_style);
    return true;
}

bool db_url_describe(struct arena *a, struct str url, struct str *ret_text, struct err *e)
{
    static const char *const shown[] = { "host", "hostaddr", "port", "dbname", "user", "sslmode" };
    const char *text = arena_cstr(a, url);
    if (!db_url_check(text, e))
        return false;
    PQconninfoOption *options = PQconninfoParse(text, NULL);
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < countof(shown); i++)
        for (PQconninfoOption *o = options; o && o->keyword; o++)
            if (o->val && strcmp(o->keyword, shown[i]) == 0)
                buf_printf(&b, "%s%s=%s", b.len ? " " : "", shown[i], o->val);
    PQconninfoFree(options);
    *ret_text = arena_copy(a, buf_str(&b));
    buf_clear(&b);
    return true;
}

bool db_url_variables(struct arena *a, struct str url, const char *const **ret_variables,
                      struct err *e)
{
    const char *text = arena_cstr(a, url);
    size_t count = 0, all = 0;
    if (!db_url_check(text, e))
        return false;
    PQconninfoOption *options = PQconninfoParse(text, NULL);
    while (options && options[all].keyword)
        all++;
    const char **variables = arena_new_array(a, all + 1, const char *);
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (o->val && o->envvar)
            variables[count++] = arena_printf(a, "%s=%s", o->envvar, o->val).ptr;
    PQconninfoFree(options);
    *ret_variables = variables;
    return true;
}
