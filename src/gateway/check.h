/*
 * check: what people may type into an account, and the form in which it is kept. Every refusal
 * names the field and says what would be accepted.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum {
    CHECK_EMAIL_BYTES_MAX = 254, /* RFC 5321 4.5.3.1.3, less the brackets */
    CHECK_NAME_CHARS_MAX = 200,
    CHECK_TASK_TYPES_MAX = 100,
    CHECK_SEARCH_BYTES_MAX = 500,
};

/*
 * Trimmed, ASCII letters in lower case; letters beyond ASCII are allowed on both sides (RFC 6531).
 * No spaces, invisible characters, or letters that the database's lower() makes ASCII of.
 * No quoted local parts, comments or address literals. `field` is its path: "input.email".
 */
[[nodiscard]] bool check_email(const char *field, struct str text, struct arena *a,
                               struct str *ret_email, struct err *e);
/* Trimmed; 1 to CHECK_NAME_CHARS_MAX characters, none that control, are invisible or turn the
 * direction of the text. */
[[nodiscard]] bool check_name(const char *field, struct str text, struct str *ret_name,
                              struct err *e);
/* As it is: 1 to `chars_max` characters, none that control. For names that programs use: a task's
 * type, a queue, a key. */
[[nodiscard]] bool check_label(const char *field, struct str text, size_t chars_max, struct err *e);
/* A new password for the account of that address; see auth/password.h. */
[[nodiscard]] bool check_password(const char *field, struct str password, struct str email,
                                  size_t chars_min, struct err *e);
/* What is looked for in texts: at most CHECK_SEARCH_BYTES_MAX, no U+0000, which none has. */
[[nodiscard]] bool check_search(const char *field, struct str text, struct err *e);
/* Code points of well-formed UTF-8. */
[[nodiscard]] size_t check_chars(struct str text);
