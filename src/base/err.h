/*
 * err: one error, told once. err_set at the cause, err_in on the way up, log or answer at the top.
 * Source: docs/style.md section 4; how codes become HTTP and GraphQL answers: docs/errors.md.
 */
#pragma once
#include "base/base.h"

enum err_code {
    ERR_NONE,
    ERR_INVALID, /* the caller's input is wrong */
    ERR_NOT_FOUND,
    ERR_CONFLICT, /* with what is stored */
    ERR_UNAUTHENTICATED,
    ERR_DENIED,
    ERR_LIMIT, /* a named limit was passed */
    ERR_RATE,  /* too often; later it would work */
    ERR_TIMEOUT,
    ERR_UNAVAILABLE, /* `origin` tells who */
    ERR_CANCELLED,
    ERR_INTERNAL,    /* a bug or the unforeseen; its text is never shown to a user */
    ERR_MISDIRECTED, /* it belongs to another shard of the queue */
    ERR_CODE_COUNT
};

/* Who was unavailable. */
enum err_origin { ERR_ORIGIN_SELF, ERR_ORIGIN_DATABASE, ERR_ORIGIN_WORKER, ERR_ORIGIN_AI };

struct err {
    enum err_code code;
    enum err_origin origin;
    int line; /* where it was born */
    const char *file;
    char message[192]; /* for the user: lower case, no full stop, no secrets */
    char context[256]; /* for the operator, inside out: "parse cron; load jobs; start worker" */
};

/* What the functions below return, in a form that lets analysers see it in the caller. */
static inline bool err_false(bool always_false)
{
    (void)always_false;
    return false;
}

/* Sets the error and returns false, so that a function can end with it. */
#define err_set(e, error_code, ...)                                                                \
    err_false(err_set_at((e), (error_code), ERR_ORIGIN_SELF, __FILE__, __LINE__, __VA_ARGS__))
/* The same, for what another part could not do: `err_set_from(e, ERR_ORIGIN_DATABASE, …)`. */
#define err_set_from(e, error_origin, error_code, ...)                                             \
    err_false(err_set_at((e), (error_code), (error_origin), __FILE__, __LINE__, __VA_ARGS__))
/* Appends ": strerror(errno)"; call it on the line after the system call, before anything else. */
#define err_set_errno(e, error_code, ...)                                                          \
    err_false(err_set_errno_at((e), (error_code), __FILE__, __LINE__, __VA_ARGS__))

bool err_set_at(struct err *e, enum err_code code, enum err_origin origin, const char *file,
                int line, const char *fmt, ...) like_printf(6, 7);
bool err_set_errno_at(struct err *e, enum err_code code, const char *file, int line,
                      const char *fmt, ...) like_printf(5, 6);

/* Adds what was being done; returns false. Never changes code or message. */
bool err_in(struct err *e, const char *fmt, ...) like_printf(2, 3);

/* "invalid", "not-found", …: stable, for logs. */
const char *err_code_name(enum err_code code);

/* An expression of one flat type for "%s" in logs: "message (context) at file:line". Thread-local.
 */
const char *err_text(const struct err *e);
