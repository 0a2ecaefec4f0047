/* createUser, updateUser, deleteUser. */
#include "gateway/access.h"
#include "gateway/bindings.h"
#include "gateway/check.h"
#include "gateway/users.h"
#include "store/public/user.h"

static size_t password_chars_min(const struct gql_step *step)
{
    return (size_t)conf_int(await_request(step)->loop->gateway->conf, CONF_PASSWORD_LENGTH_MIN);
}

static bool is_email_taken(const struct db_reply *reply)
{
    return reply->err->code == ERR_CONFLICT && strcmp(reply->constraint, USER_EMAIL_TAKEN) == 0;
}

static void fail_write(struct gql_step *step, const struct db_reply *reply)
{
    struct err e;
    if (is_email_taken(reply)) {
        err_set(&e, ERR_CONFLICT, "input.email: another account has this address");
        (void)gql_step_fail(step, &e);
    } else {
        (void)gql_step_fail(step, reply->err);
    }
}

/* ── createUser: check --> hash --> write and read back ── */

static void user_created(struct gql_step *step, const struct db_reply *reply)
{
    if (reply->err != NULL) {
        fail_write(step, reply);
        return;
    }
    step->results[0] = gql_object(users_object(step, reply->rows[1]));
    gql_step_finish(step);
}

static void create_hashed(struct gql_step *step, struct gate_job *job)
{
    struct user_new *user = step->host;
    user->password_hash = str_of_c(job->new_hash);
    struct db_step steps[] = { user_create_step(step->arena, user,
                                                &await_request(step)->credential->owner),
                               users_by_id_step(step, user->id) };
    (void)await_db_any(step, DB_LANE_WRITE, steps, countof(steps), user_created);
}

static bool read_role(const struct gql_value *value, enum user_role *ret_role)
{
    enum role role;
    if (!role_parse(value->text, &role))
        return false;
    *ret_role = (enum user_role)role;
    return true;
}

static enum gql_next resolve_create(struct gql_step *step)
{
    const struct gql_value *input = gql_arg(step, "input");
    struct str password = gql_input(input, "password")->text;
    struct user_new *user = arena_new(step->arena, struct user_new);
    struct gate_job *job = arena_new(step->arena, struct gate_job);
    const struct gql_value *role = gql_input(input, "role");
    struct err e;
    step->host = user;
    user->id = uuid_v7();
    if (gql_is_null(role) || !read_role(role, &user->role)) {
        err_set(&e, ERR_INVALID, "input.role: must not be null");
        return gql_step_fail(step, &e);
    }
    if (!check_email("input.email", gql_input(input, "email")->text, step->arena, &user->email,
                     &e) ||
        !check_name("input.name", gql_input(input, "name")->text, &user->name, &e) ||
        !check_password("input.password", password, user->email, password_chars_min(step), &e))
        return gql_step_fail(step, &e);
    job->new_password = password;
    return await_gate(step, job, create_hashed);
}

/*
 * ── updateUser:
 *
 *   check --> (own email or password) --> find --> compare, hash --> write and read back
 *     |`----> (another's password) -----> find ------------> hash ----^
 *     `-----> (neither) ----------------------------------------------^
 */

struct update {
    struct user_change change;
    struct str email, name, password_hash, hash_before;
    enum user_role role;
    struct uuid session_id;
    struct str password, current_password;
    bool is_self;
};

static void user_updated(struct gql_step *step, const struct db_reply *reply)
{
    const struct update *update = step->host;
    struct err e;
    if (reply->err != NULL) {
        fail_write(step, reply);
        return;
    }
    enum user_outcome outcome = user_read_outcome(reply->rows[0]);
    if (db_rows_count(reply->rows[1]) == 0)
        outcome = USER_NOT_FOUND; /* deleted while the statement waited for the row */
    switch (outcome) {
    case USER_DONE:
        gateway_forget(await_request(step)->loop, update->change.id, (struct uuid){ 0 });
        step->results[0] = gql_object(users_object(step, reply->rows[1]));
        gql_step_finish(step);
        return;
    case USER_NOT_FOUND:
        err_set(&e, ERR_NOT_FOUND, "id: there is no such user");
        break;
    case USER_LAST_ADMIN:
        err_set(&e, ERR_CONFLICT, "input.role: the last ADMIN cannot be demoted");
        break;
    case USER_PASSWORD_CHANGED:
        err_set(&e, ERR_CONFLICT, "input.currentPassword: the password has just been changed");
        break;
    }
    (void)gql_step_fail(step, &e);
}

static enum gql_next write_update(struct gql_step *step)
{
    const struct update *update = step->host;
    struct db_step steps[] = { user_update_step(step->arena, &update->change,
                                                &await_request(step)->credential->owner),
                               users_by_id_step(step, update->change.id) };
    return await_db_any(step, DB_LANE_WRITE, steps, countof(steps), user_updated);
}

static void update_hashed(struct gql_step *step, struct gate_job *job)
{
    struct update *update = step->host;
    struct err e;
    if (!job->is_match) {
        err_set(&e, ERR_INVALID, "input.currentPassword: wrong");
        (void)gql_step_fail(step, &e);
        return;
    }
    /* Without a new one it may be the current password under newer parameters: no change. */
    if (job->has_new_hash && update->password.ptr != NULL) {
        update->password_hash = str_of_c(job->new_hash);
        update->change.password_hash = &update->password_hash;
    }
    (void)write_update(step);
}

static void update_found(struct gql_step *step, const struct db_reply *reply)
{
    struct update *update = step->host;
    struct gate_job *job = arena_new(step->arena, struct gate_job);
    struct user_password found;
    struct err e;
    if (!user_read_password(reply->rows[0], &found)) {
        err_set(&e, ERR_NOT_FOUND, "id: there is no such user");
        (void)gql_step_fail(step, &e);
        return;
    }
    if (update->password.ptr != NULL && update->change.email == NULL &&
        !check_password("input.password", update->password, found.email, password_chars_min(step),
                        &e)) {
        (void)gql_step_fail(step, &e);
        return;
    }
    job->new_password = update->password;
    if (update->is_self) {
        update->hash_before = arena_copy(step->arena, found.hash);
        update->change.password_hash_before = &update->hash_before;
        job->compare = GATE_HASH;
        job->hash = update->hash_before;
        job->password = update->current_password;
        job->account = binding_id(step->arena, found.id).text;
    }
    (void)await_gate(step, job, update_hashed);
}

/* An absent field stays; null clears nothing here, for all of them are required. */
static bool read_change(const struct gql_value *input, const char *name, struct str *ret_text,
                        const struct str **ret_given, struct err *e)
{
    const struct gql_value *value = gql_input(input, name);
    if (value->kind == GQL_ABSENT)
        return true;
    if (value->kind == GQL_NULL)
        return err_set(e, ERR_INVALID, "input.%s: must not be null", name);
    *ret_text = value->text;
    *ret_given = ret_text;
    return true;
}

static bool read_update(struct gql_step *step, struct update *update, struct err *e)
{
    const struct gql_value *input = gql_arg(step, "input");
    struct user_change *change = &update->change;
    const struct str *password = NULL, *current = NULL, *role = NULL;
    struct str role_text;
    if (!users_read_id("id", gql_arg(step, "id"), &change->id, e) ||
        !read_change(input, "email", &update->email, &change->email, e) ||
        !read_change(input, "name", &update->name, &change->name, e) ||
        !read_change(input, "password", &update->password, &password, e) ||
        !read_change(input, "currentPassword", &update->current_password, &current, e) ||
        !read_change(input, "role", &role_text, &role, e))
        return false;
    if (role != NULL && read_role(gql_input(input, "role"), &update->role))
        change->role = &update->role;
    if ((change->email != NULL &&
         !check_email("input.email", update->email, step->arena, &update->email, e)) ||
        (change->name != NULL && !check_name("input.name", update->name, &update->name, e)) ||
        (password != NULL && !check_password("input.password", update->password, update->email,
                                             password_chars_min(step), e)))
        return false;
    bool needs_current = update->is_self && (change->email != NULL || password != NULL);
    return !needs_current || current != NULL ||
           err_set(e, ERR_INVALID,
                   "input.currentPassword: needed to change one's own email or password");
}

static enum gql_next resolve_update(struct gql_step *step)
{
    const struct credential *c = await_request(step)->credential;
    struct update *update = arena_new(step->arena, struct update);
    struct uuid id;
    struct err e;
    step->host = update;
    update->is_self = uuid_parse(gql_arg(step, "id")->text, &id) && access_is_self(c, id);
    if (!read_update(step, update, &e))
        return gql_step_fail(step, &e);
    if (c->kind == CREDENTIAL_SESSION) {
        update->session_id = c->id;
        update->change.keep_session_id = &update->session_id;
    }
    if (update->password.ptr != NULL || (update->is_self && update->change.email != NULL)) {
        struct db_step find = user_password_by_id_step(step->arena, update->change.id);
        return await_db(step, DB_LANE_READ, &find, 1, update_found);
    }
    return write_update(step);
}

/* ── deleteUser ── */

static void user_deleted(struct gql_step *step, const struct db_reply *reply)
{
    const struct uuid *id = step->host;
    struct err e;
    switch (user_read_outcome(reply->rows[0])) {
    case USER_DONE:
        gateway_forget(await_request(step)->loop, *id, (struct uuid){ 0 });
        step->results[0] = gql_bool(true);
        gql_step_finish(step);
        return;
    case USER_LAST_ADMIN:
        err_set(&e, ERR_CONFLICT, "id: the last ADMIN cannot be deleted");
        break;
    case USER_NOT_FOUND:
    case USER_PASSWORD_CHANGED:
        err_set(&e, ERR_NOT_FOUND, "id: there is no such user");
        break;
    }
    (void)gql_step_fail(step, &e);
}

static enum gql_next resolve_delete(struct gql_step *step)
{
    struct uuid *id = arena_new(step->arena, struct uuid);
    struct err e;
    step->host = id;
    if (!users_read_id("id", gql_arg(step, "id"), id, &e))
        return gql_step_fail(step, &e);
    struct db_step gone =
        user_delete_step(step->arena, *id, &await_request(step)->credential->owner);
    return await_db(step, DB_LANE_WRITE, &gone, 1, user_deleted);
}

const struct gateway_binding bindings_user_changes[] = {
    { "Mutation.createUser", { .resolve = resolve_create, .prepare = users_prepare } },
    { "Mutation.updateUser", { .resolve = resolve_update, .prepare = users_prepare } },
    { "Mutation.deleteUser", { .resolve = resolve_delete } },
    { 0 },
};
