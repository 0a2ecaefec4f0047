/* login: a session of the API for this user of the machine, kept in a file of mode 0600. */
#include <unistd.h>

#include "client/session.h"
#include "cmd/api_priv.h"

static bool find_email(struct api *api, struct str *ret_email, struct err *e)
{
    if (conf_operand_count(api->conf) > 0) {
        *ret_email = conf_operand(api->conf, 0);
        return true;
    }
    if (!isatty(STDIN_FILENO))
        return api_usage(api, e, "the email is missing: windlass login EMAIL");
    fputs("Email: ", stderr);
    return api_read_line(api, ret_email, e);
}

static bool login(struct api *api, struct err *e)
{
    const struct json_value *data;
    const char *path;
    struct str email, password;
    if (!session_path(api->arena, &path, e) || !find_email(api, &email, e) ||
        !api_read_password(api, "Password", &password, e))
        return false;
    struct json_writer *w = api_variables(api);
    json_key_c(w, "email");
    json_write_string(w, email);
    json_key_c(w, "password");
    json_write_string(w, password);
    if (!api_ask(api,
                 "mutation($email: String!, $password: String!) { login(email: $email, "
                 "password: $password) { token expiresAt user { name role } } }",
                 &data, e) ||
        !session_store(path, api->url, api_text(data, "login.token"), e))
        return false;
    buf_printf(&api->out, "signed in at %.*s as %.*s (%.*s) until %.*s\n", STR_FMT(api->url),
               STR_FMT(api_text(data, "login.user.name")),
               STR_FMT(api_text(data, "login.user.role")),
               STR_FMT(api_text(data, "login.expiresAt")));
    return true;
}

/* The environment's token comes first with every command, so it is its session that ends; what
 * `login` keeps is another. */
static bool logout_of_token(struct api *api, struct err *e)
{
    const struct json_value *data;
    if (!api_ask(api, "mutation { logout }", &data, e))
        return false;
    buf_printf(&api->out,
               "ended the session of WINDLASS_TOKEN; what `windlass login` keeps for %.*s stays: "
               "unset WINDLASS_TOKEN and run `windlass logout` to end that\n",
               STR_FMT(api->url));
    return true;
}

/* The session ends at the gateway, and is forgotten here, also where the gateway has lost it. */
bool cmd_logout(struct api *api, struct err *e)
{
    const struct json_value *data;
    const char *path;
    if (conf_str(api->conf, CONF_TOKEN).len > 0)
        return logout_of_token(api, e);
    if (!session_path(api->arena, &path, e))
        return false;
    bool is_ended = api_ask(api, "mutation { logout }", &data, e);
    if (!is_ended && e->code != ERR_UNAUTHENTICATED)
        return false;
    if (!session_store(path, api->url, (struct str){ 0 }, e))
        return false;
    buf_put_c(&api->out, "signed out\n");
    return true;
}

int cmd_login(const struct conf *conf)
{
    return api_run_as_nobody(conf, login);
}
