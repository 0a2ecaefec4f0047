/*
 * setup: the first user of an empty installation, and what the installation alone knows.
 * SQL: setup.sql.
 */
#pragma once
#include "base/sha256.h"
#include "db/conn.h"
#include "db/pool.h"

/* At start, on a blocking connection. *ret_is_open: nobody has an account yet; then the token whose
 * digest this is lets the first one be made. */
[[nodiscard]] bool setup_offer(struct db_conn *conn, const uint8_t token_hash[SHA256_LEN],
                               bool *ret_is_open, struct err *e);
/* At start: the secret of that name, made when it is not there yet. */
[[nodiscard]] bool setup_secret(struct db_conn *conn, struct str name,
                                uint8_t ret_secret[SHA256_LEN], struct err *e);

[[nodiscard]] struct db_step setup_is_open_step(void);
[[nodiscard]] bool setup_read_is_open(const struct db_rows *rows);

struct setup_user {
    uint8_t setup_token_hash[SHA256_LEN];
    struct uuid id;
    struct str email, name, password_hash;
    struct uuid session_id;
    uint8_t session_token_hash[SHA256_LEN];
    struct str address;
    const struct str *user_agent;
    int64_t lifetime_s;
};
/* Two steps of one call: the lock, then the user; the outcome is the second's. */
enum { SETUP_STEPS = 2 };
void setup_create_steps(struct arena *a, const struct setup_user *user,
                        struct db_step ret_steps[SETUP_STEPS]);

enum setup_outcome { SETUP_DONE, SETUP_IS_OVER, SETUP_WRONG_TOKEN };
[[nodiscard]] enum setup_outcome setup_read(const struct db_rows *rows, int64_t *ret_expires_at_us);
