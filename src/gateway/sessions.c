/* setup, login, logout, sessions, revokeSession. */
#include "auth/token.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/headers.h"
#include "gateway/users.h"
#include "http/cookie.h"
#include "store/public/session.h"
#include "store/public/setup.h"
#include "store/public/user.h"

enum { USER_AGENT_CHARS_MAX = 512 };

/* ── Session: what setup and login give ── */

struct session_view {
    struct str token;
    struct user_row *user;
    int64_t expires_at_us;
};

static void get_token(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct session_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(view->token);
}

static void get_user(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct session_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_object(view->user);
}

static void get_expires(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct session_view *view = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, view->expires_at_us);
}

static void set_cookie(struct request *r, struct str token)
{
    const struct gateway *gw = r->loop->gateway;
    const struct http_cookie cookie = { .name = STR(HEADERS_COOKIE),
                                        .value = token,
                                        .path = gw->cookie_path,
                                        .max_age_s =
                                            str_is_empty(token) ? 0 : gw->session_lifetime_s,
                                        .is_secure = gw->is_https,
                                        .is_http_only = true,
                                        .same_site = HTTP_SAME_SITE_STRICT };
    bool is_good = http_cookie_format(r->arena, &cookie, &r->set_cookie);
    assert(is_good);
}

/* The caller is signed in: the answer shows the user and sets the cookie. */
static void signed_in(struct gql_step *step, const struct token *token, struct uuid user_id,
                      int64_t expires_at_us, struct db_rows *user_rows)
{
    struct request *r = await_request(step);
    struct session_view *view = arena_new(step->arena, struct session_view);
    r->self = user_id;
    view->token = arena_copy(step->arena, str_of_c(token->text));
    view->user = users_object(step, user_rows);
    view->expires_at_us = expires_at_us;
    set_cookie(r, view->token);
    step->results[0] = gql_object(view);
    gql_step_finish(step);
}

/* What a browser calls itself, cut to what the table takes; NULL: it does not say. */
static const struct str *user_agent(const struct gql_step *step)
{
    struct str text = await_request(step)->user_agent;
    if (str_is_empty(text) || !str_is_utf8(text))
        return NULL;
    struct str *agent = arena_new(step->arena, struct str);
    *agent = arena_copy(step->arena, str_first_whole(text, USER_AGENT_CHARS_MAX));
    return agent;
}

/* ── login: find the account --> compare --> make a session and read the user ── */

struct login {
    struct str email, password, hash;
    struct str address;
    const struct str *user_agent;
    struct user_password found;
    struct str new_hash;
    struct token token;
};

static void login_failed(struct gql_step *step, struct login *login)
{
    struct request *r = await_request(step);
    struct err e;
    log_info("login.failed", "req=%.*s address=%.*s", STR_FMT(r->id), STR_FMT(login->address));
    err_set(&e, ERR_UNAUTHENTICATED, "wrong email or password");
    (void)gql_step_fail(step, &e);
}

static void login_stored(struct gql_step *step, const struct db_reply *reply)
{
    struct login *login = step->host;
    int64_t expires_at_us;
    if (!session_read_created(reply->rows[0], &expires_at_us))
        login_failed(step, login); /* the password was changed, or the account deleted, meanwhile */
    else
        signed_in(step, &login->token, login->found.id, expires_at_us, reply->rows[1]);
}

static void login_compared(struct gql_step *step, struct gate_job *job)
{
    struct login *login = step->host;
    if (!job->is_match) {
        login_failed(step, login);
        return;
    }
    login->token = token_make(TOKEN_SESSION);
    login->new_hash = str_of_c(job->new_hash);
    struct session_new session = {
        .id = uuid_v7(),
        .user_id = login->found.id,
        .password_hash = login->hash,
        .new_password_hash = job->has_new_hash ? &login->new_hash : NULL,
        .address = login->address,
        .user_agent = login->user_agent,
        .lifetime_s = await_request(step)->loop->gateway->session_lifetime_s,
    };
    memcpy(session.token_hash, login->token.hash, sizeof session.token_hash);
    struct db_step steps[] = { session_create_step(step->arena, &session),
                               users_by_id_step(step, login->found.id) };
    (void)await_db(step, DB_LANE_WRITE, steps, countof(steps), login_stored);
}

static void login_found(struct gql_step *step, const struct db_reply *reply)
{
    struct login *login = step->host;
    struct gate_job *job = arena_new(step->arena, struct gate_job);
    bool is_there = user_read_password(reply->rows[0], &login->found);
    if (is_there)
        login->hash = arena_copy(step->arena, login->found.hash);
    /* Not as it was typed: lower() of the database may know more spellings of it than we do. */
    job->account = is_there ? binding_id(step->arena, login->found.id).text : login->email;
    job->address = login->address;
    job->compare = is_there ? GATE_HASH : GATE_NOBODY;
    job->password = login->password;
    job->hash = login->hash;
    (void)await_gate(step, job, login_compared);
}

static enum gql_next resolve_login(struct gql_step *step)
{
    struct login *login = arena_new(step->arena, struct login);
    struct err e;
    step->host = login;
    login->password = gql_arg(step, "password")->text;
    login->address = await_request(step)->address;
    login->user_agent = user_agent(step);
    if (!check_email("email", gql_arg(step, "email")->text, step->arena, &login->email, &e))
        return gql_step_fail(step, &e);
    struct db_step find = user_password_by_email_step(step->arena, login->email);
    return await_db(step, DB_LANE_READ, &find, 1, login_found);
}

/* ── setup: check --> hash --> lock, make the user and a session, read the user ── */

struct setup {
    struct setup_user user;
    struct token session;
};

static void setup_stored(struct gql_step *step, const struct db_reply *reply)
{
    struct setup *setup = step->host;
    struct gateway *gw = await_request(step)->loop->gateway;
    int64_t expires_at_us;
    struct err e;
    switch (setup_read(reply->rows[1], &expires_at_us)) {
    case SETUP_DONE:
        atomic_store(&gw->has_users, true);
        signed_in(step, &setup->session, setup->user.id, expires_at_us, reply->rows[2]);
        return;
    case SETUP_IS_OVER:
        atomic_store(&gw->has_users, true);
        err_set(&e, ERR_CONFLICT, "this installation has been set up already");
        break;
    case SETUP_WRONG_TOKEN:
        err_set(&e, ERR_DENIED, "token: not a setup token of this installation");
        break;
    }
    (void)gql_step_fail(step, &e);
}

static void setup_hashed(struct gql_step *step, struct gate_job *job)
{
    struct setup *setup = step->host;
    struct db_step steps[SETUP_STEPS + 1];
    setup->user.password_hash = str_of_c(job->new_hash);
    setup_create_steps(step->arena, &setup->user, steps);
    steps[SETUP_STEPS] = users_by_id_step(step, setup->user.id);
    (void)await_db(step, DB_LANE_WRITE, steps, countof(steps), setup_stored);
}

static bool read_setup(struct gql_step *step, struct setup_user *user, struct err *e)
{
    const struct gateway *gw = await_request(step)->loop->gateway;
    struct str password = gql_arg(step, "password")->text;
    enum token_kind kind;
    if (atomic_load(&gw->has_users))
        return err_set(e, ERR_CONFLICT, "this installation has been set up already");
    if (!token_parse(str_trim(gql_arg(step, "token")->text), &kind, user->setup_token_hash) ||
        kind != TOKEN_SETUP)
        return err_set(e, ERR_DENIED, "token: not a setup token of this installation");
    return check_email("email", gql_arg(step, "email")->text, step->arena, &user->email, e) &&
           check_name("name", gql_arg(step, "name")->text, &user->name, e) &&
           check_password("password", password, user->email,
                          (size_t)conf_int(gw->conf, CONF_PASSWORD_LENGTH_MIN), e);
}

static enum gql_next resolve_setup(struct gql_step *step)
{
    struct setup *setup = arena_new(step->arena, struct setup);
    struct setup_user *user = &setup->user;
    struct gate_job *job = arena_new(step->arena, struct gate_job);
    struct err e;
    step->host = setup;
    if (!read_setup(step, user, &e))
        return gql_step_fail(step, &e);
    setup->session = token_make(TOKEN_SESSION);
    user->id = uuid_v7();
    user->session_id = uuid_v7();
    memcpy(user->session_token_hash, setup->session.hash, sizeof user->session_token_hash);
    user->address = await_request(step)->address;
    user->user_agent = user_agent(step);
    user->lifetime_s = await_request(step)->loop->gateway->session_lifetime_s;
    job->new_password = gql_arg(step, "password")->text;
    return await_gate(step, job, setup_hashed);
}

/* ── logout, revokeSession ── */

struct ending {
    struct uuid id;
    bool is_logout;
};

static void session_ended(struct gql_step *step, const struct db_reply *reply)
{
    const struct ending *ending = step->host;
    struct request *r = await_request(step);
    struct err e;
    if (db_rows_count(reply->rows[0]) == 0) {
        if (ending->is_logout)
            err_set(&e, ERR_UNAUTHENTICATED, "this session has ended already");
        else
            err_set(&e, ERR_NOT_FOUND, "id: you have no such session");
        (void)gql_step_fail(step, &e);
        return;
    }
    gateway_forget(r->loop, (struct uuid){ 0 }, ending->id);
    if (uuid_eq(ending->id, r->credential->id))
        set_cookie(r, STR(""));
    step->results[0] = gql_bool(true);
    gql_step_finish(step);
}

static enum gql_next end_session(struct gql_step *step, struct uuid id, bool is_logout)
{
    struct ending *ending = arena_new(step->arena, struct ending);
    const char *action = is_logout ? "session.logout" : "session.revoke";
    struct db_step end =
        session_revoke_step(step->arena, id, &await_request(step)->credential->owner, action);
    *ending = (struct ending){ id, is_logout };
    step->host = ending;
    return await_db(step, DB_LANE_WRITE, &end, 1, session_ended);
}

static enum gql_next resolve_logout(struct gql_step *step)
{
    const struct credential *c = await_request(step)->credential;
    struct err e;
    if (c->kind == CREDENTIAL_SESSION)
        return end_session(step, c->id, true);
    err_set(&e, ERR_INVALID, "an API token has no session to end; revokeApiToken ends the token");
    return gql_step_fail(step, &e);
}

static enum gql_next resolve_revoke(struct gql_step *step)
{
    struct uuid id;
    struct err e;
    if (!users_read_id("id", gql_arg(step, "id"), &id, &e))
        return gql_step_fail(step, &e);
    return end_session(step, id, false);
}

/* ── sessions ── */

struct session_row {
    const struct db_rows *rows;
    size_t row;
};

static void got_sessions(struct gql_step *step, const struct db_reply *reply)
{
    struct db_rows *rows = reply->rows[0];
    size_t count = db_rows_count(rows);
    void **objects = arena_new_array(step->arena, count, void *);
    db_rows_keep(rows, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct session_row *row = arena_new(step->arena, struct session_row);
        *row = (struct session_row){ rows, i };
        objects[i] = row;
    }
    step->results[0] = gql_objects(objects, count);
    gql_step_finish(step);
}

static enum gql_next resolve_sessions(struct gql_step *step)
{
    struct db_step list =
        session_list_step(step->arena, await_request(step)->credential->owner.user_id);
    return await_db(step, DB_LANE_READ, &list, 1, got_sessions);
}

static void get_cell(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct session_row *session = parent;
    size_t column = (size_t)binding_number(f);
    (void)ctx;
    if (!db_rows_is_null(session->rows, session->row, column))
        *ret_value = gql_text(db_rows_text(session->rows, session->row, column));
}

static void get_cell_time(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct session_row *session = parent;
    const struct request *r = ctx;
    size_t column = (size_t)binding_number(f);
    *ret_value = binding_time(r->arena, db_rows_time(session->rows, session->row, column));
}

static void get_is_current(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct session_row *session = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = gql_bool(
        uuid_eq(db_rows_uuid(session->rows, session->row, SESSION_LIST_ID), r->credential->id));
}

const struct gateway_binding bindings_sessions[] = {
    { "Mutation.setup", { .resolve = resolve_setup, .prepare = users_prepare_below } },
    { "Mutation.login", { .resolve = resolve_login, .prepare = users_prepare_below } },
    { "Mutation.logout", { .resolve = resolve_logout } },
    { "Mutation.revokeSession", { .resolve = resolve_revoke } },
    { "Query.sessions", { .resolve = resolve_sessions } },
    { "Session.token", { .get = get_token } },
    { "Session.user", { .get = get_user } },
    { "Session.expiresAt", { .get = get_expires } },
    { "LoginSession.id", { .get = get_cell, .data = BINDING_NUMBER(SESSION_LIST_ID) } },
    { "LoginSession.current", { .get = get_is_current } },
    { "LoginSession.address", { .get = get_cell, .data = BINDING_NUMBER(SESSION_LIST_ADDRESS) } },
    { "LoginSession.userAgent",
      { .get = get_cell, .data = BINDING_NUMBER(SESSION_LIST_USER_AGENT) } },
    { "LoginSession.createdAt",
      { .get = get_cell_time, .data = BINDING_NUMBER(SESSION_LIST_CREATED_AT) } },
    { "LoginSession.lastSeenAt",
      { .get = get_cell_time, .data = BINDING_NUMBER(SESSION_LIST_LAST_SEEN_AT) } },
    { "LoginSession.expiresAt",
      { .get = get_cell_time, .data = BINDING_NUMBER(SESSION_LIST_EXPIRES_AT) } },
    { 0 },
};
