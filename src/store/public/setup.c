#include "store/public/setup.h"

#include "base/random.h"
#include "store/public/setup_sql.h"

static struct str bytes_of(const uint8_t hash[SHA256_LEN])
{
    return str_of((const char *)hash, SHA256_LEN);
}

bool setup_offer(struct db_conn *conn, const uint8_t token_hash[SHA256_LEN], bool *ret_is_open,
                 struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(conn, &setup_token_offer, setup_token_offer_args(a, bytes_of(token_hash)),
                     &rows, e))
        return err_in(e, "offer the setup token");
    *ret_is_open = db_rows_count(rows) > 0;
    return true;
}

bool setup_secret(struct db_conn *conn, struct str name, uint8_t ret_secret[SHA256_LEN],
                  struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(4096);
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    uint8_t fresh[SHA256_LEN];
    random_bytes(fresh, sizeof fresh);
    if (!db_conn_run(conn, &setup_secret_make, setup_secret_make_args(a, name, bytes_of(fresh)),
                     NULL, e) ||
        !db_conn_run(conn, &setup_secret_read, setup_secret_read_args(a, name), &rows, e))
        return err_in(e, "find the secret \"%.*s\"", STR_FMT(name));
    if (db_rows_count(rows) != 1)
        return err_set(e, ERR_INTERNAL, "the secret \"%.*s\" is gone", STR_FMT(name));
    sha256(db_rows_text(rows, 0, 0),
           ret_secret); /* of the server's text form: any length will do */
    return true;
}

struct db_step setup_is_open_step(void)
{
    return (struct db_step){ &setup_is_open, NULL };
}

bool setup_read_is_open(const struct db_rows *rows)
{
    return db_rows_bool(rows, 0, 0);
}

void setup_create_steps(struct arena *a, const struct setup_user *user,
                        struct db_step ret_steps[SETUP_STEPS])
{
    ret_steps[0] = (struct db_step){ &setup_lock, NULL };
    ret_steps[1] = (struct db_step){
        &setup_create,
        setup_create_args(a, bytes_of(user->setup_token_hash), user->id, user->email, user->name,
                          user->password_hash, user->session_id, bytes_of(user->session_token_hash),
                          user->address, user->user_agent, user->lifetime_s, uuid_v7())
    };
}

enum setup_outcome setup_read(const struct db_rows *rows, int64_t *ret_expires_at_us)
{
    if (!db_rows_bool(rows, 0, 0))
        return SETUP_IS_OVER;
    if (db_rows_is_null(rows, 0, 1))
        return SETUP_WRONG_TOKEN;
    *ret_expires_at_us = db_rows_time(rows, 0, 1);
    return SETUP_DONE;
}
