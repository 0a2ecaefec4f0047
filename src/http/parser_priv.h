/*
 * parser: from a connection's bytes to requests, by llhttp and by the rules that llhttp leaves to
 * its caller. It knows nothing of sockets. Source: RFC 9112.
 */
#pragma once
#include <llhttp.h>

#include "http/limits.h"
#include "http/request_priv.h"

enum parser_event {
    PARSER_MORE,     /* all bytes are consumed; feed more */
    PARSER_HEAD,     /* the fields are there and sound; call http_parser_limit_body, then go on */
    PARSER_COMPLETE, /* the whole request is there; set the next `request`, then go on */
    PARSER_REFUSED,  /* `refused` and `why` tell; nothing more may be fed */
};

struct parser {
    llhttp_t llhttp;
    const struct http_limits *limits;
    struct request *request; /* the one being read; the caller sets it before feeding */

    enum http_refused refused;
    const char *why;
    const char *fed;   /* the bytes that llhttp reads now ... */
    uint64_t fed_at;   /* ... and where they stand in the connection */
    uint64_t begun_at; /* this request's first byte */
    uint64_t method_end, target_end;
    size_t header_bytes; /* of names, values, trailers and chunk extensions */
    size_t body_limit;
    uint64_t body_got;  /* octets of content, for the least rate */
    unsigned crlf_seen; /* octets of empty lines before the request */
    bool has_begun, has_method, has_target, has_version;
    bool is_name_open, is_head_done, is_complete;
};

void http_parser_init(struct parser *p, const struct http_limits *limits);
/* Consumes from the front of `bytes` until something is to be told. */
[[nodiscard]] enum parser_event http_parser_feed(struct parser *p, struct str *bytes);
/* After PARSER_HEAD. False when the body is announced larger: refused. */
[[nodiscard]] bool http_parser_limit_body(struct parser *p, size_t bytes_max);
/* A part of a request has been read, and not all of it. */
[[nodiscard]] static inline bool http_parser_is_within_request(const struct parser *p)
{
    return !p->is_complete && (p->has_begun || p->crlf_seen);
}
[[nodiscard]] static inline bool http_parser_is_within_body(const struct parser *p)
{
    return p->is_head_done && !p->is_complete;
}
