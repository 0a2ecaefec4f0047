/*
 * mail: hands one message to a mail server, by libcurl. It blocks: for a thread of its own, in a
 * process that has made an http_client, by which libcurl is initialised.
 * Source: RFC 5321, RFC 3207 (STARTTLS), RFC 8314.
 */
#pragma once
#include <stdatomic.h>

#include "base/err.h"
#include "base/str.h"

struct http_mail {
    const char *url;             /* smtps://HOST[:PORT] or smtp://HOST[:PORT] */
    bool is_plain_allowed;       /* else smtp:// without STARTTLS is refused */
    const char *ca_file;         /* "": the machine's authorities */
    const char *user, *password; /* "": none */
    const char *from;
    const char *const *recipients;
    size_t recipient_count;
    struct str message; /* lines ended by CRLF */
    int64_t timeout_ms;
    const atomic_bool *is_stopped; /* ends it soon once it is true */
};

struct http_mail_reply {
    int status;        /* of the reply that decided; 0: the server never said anything */
    char text[160];    /* the last line that it said */
    char refusal[160]; /* the last one of a 4xx or 5xx; "": none */
};

/* Errors: TIMEOUT, CANCELLED, UNAVAILABLE; the reply tells whether the server refused it. */
[[nodiscard]] bool http_mail_send(const struct http_mail *mail, struct http_mail_reply *ret_reply,
                                  struct err *e);
