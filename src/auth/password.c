#include "auth/password.h"

#include <argon2.h>

#include "base/random.h"

enum { SALT_LEN = 16, HASH_LEN = 32 };

bool password_check(struct str password, struct str email, size_t length_min, struct err *e)
{
    size_t length = 0;
    for (size_t i = 0; i < password.len; i++)
        length += ((unsigned char)password.ptr[i] & 0xC0) != 0x80;
    if (!str_is_utf8(password))
        return err_set(e, ERR_INVALID, "the password is no Unicode text");
    if (length < length_min)
        return err_set(e, ERR_INVALID, "the password needs at least %zu characters", length_min);
    if (password.len > PASSWORD_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the password is longer than %d bytes", PASSWORD_BYTES_MAX);
    if (email.len > 0 && str_eq_nocase(str_trim(password), email))
        return err_set(e, ERR_INVALID, "the password must not be the email address");
    return true;
}

static bool told_by_argon2(int result, struct err *e)
{
    if (result == ARGON2_MEMORY_ALLOCATION_ERROR || result == ARGON2_THREAD_FAIL)
        return err_set(e, ERR_UNAVAILABLE, "no memory for a password hash");
    return result == ARGON2_OK ||
           err_set(e, ERR_INTERNAL, "argon2id: %s", argon2_error_message(result));
}

bool password_hash(struct str password, const struct password_params *params,
                   char ret_phc[PASSWORD_HASH_MAX], struct err *e)
{
    uint8_t salt[SALT_LEN];
    if (password.len > PASSWORD_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "the password is longer than %d bytes", PASSWORD_BYTES_MAX);
    random_bytes(salt, sizeof salt);
    return told_by_argon2(argon2id_hash_encoded(params->time, params->memory_kib,
                                                params->parallelism, password.ptr, password.len,
                                                salt, sizeof salt, HASH_LEN, ret_phc,
                                                PASSWORD_HASH_MAX),
                          e);
}

static bool read_param(struct str *text, char name, char end, uint32_t *ret_value)
{
    struct str head;
    uint64_t value = 0;
    if (text->len < 2 || text->ptr[0] != name || text->ptr[1] != '=' ||
        !str_cut(str_from(*text, 2), end, &head, text) || !str_to_u64(head, &value) || value == 0 ||
        value > UINT32_MAX)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

static bool read_params(struct str phc, struct password_params *ret_params)
{
    const struct str start = STR("$argon2id$v=19$");
    struct str rest = str_from(phc, start.len);
    return str_starts_with(phc, start) && read_param(&rest, 'm', ',', &ret_params->memory_kib) &&
           read_param(&rest, 't', ',', &ret_params->time) &&
           read_param(&rest, 'p', '$', &ret_params->parallelism);
}

bool password_verify(struct str password, struct str phc, bool *ret_is_match, struct err *e)
{
    struct password_params params;
    char text[PASSWORD_HASH_MAX];
    if (phc.len >= sizeof text || !read_params(phc, &params) ||
        params.memory_kib > PASSWORD_MEMORY_KIB_MAX || params.time > PASSWORD_TIME_MAX ||
        params.parallelism > PASSWORD_PARALLELISM_MAX)
        return err_set(e, ERR_INTERNAL, "a stored password hash is no argon2id hash of ours");
    memcpy(text, phc.ptr, phc.len);
    text[phc.len] = '\0';
    password = str_first(password, PASSWORD_BYTES_MAX + 1); /* as long as none can be */
    int result = argon2id_verify(text, password.ptr, password.len);
    if (result != ARGON2_VERIFY_MISMATCH && !told_by_argon2(result, e))
        return false;
    *ret_is_match = result == ARGON2_OK;
    return true;
}

void password_verify_nobody(struct str password, const struct password_params *params)
{
    static const uint8_t salt[SALT_LEN] = { 1 };
    uint8_t hash[HASH_LEN];
    password = str_first(password, PASSWORD_BYTES_MAX + 1);
    (void)argon2id_hash_raw(params->time, params->memory_kib, params->parallelism, password.ptr,
                            password.len, salt, sizeof salt, hash, sizeof hash);
}

bool password_needs_rehash(struct str phc, const struct password_params *params)
{
    struct password_params made;
    return !read_params(phc, &made) || made.memory_kib != params->memory_kib ||
           made.time != params->time || made.parallelism != params->parallelism;
}
