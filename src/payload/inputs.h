/*
 * inputs: what payload_schema.read makes of each type's payload. All texts end in NUL and live in
 * the arena of the read.
 */
#pragma once
#include "json/json.h"

struct payload_sleep_input {
    double seconds;
};

struct payload_fail_input {
    struct str message;
    bool is_fatal;
    int64_t times; /* attempts that fail */
};

enum {
    PAYLOAD_HTTP_HEADERS_MAX = 50,
    PAYLOAD_HTTP_EXPECTED_MAX = 20,
};

struct payload_http_input {
    const char *method;
    bool is_reading; /* GET and HEAD, which may be sent twice */
    struct str url;
    const char *headers[PAYLOAD_HTTP_HEADERS_MAX + 1]; /* "Name: value", Content-Type included */
    size_t header_count;
    struct str body;
    int64_t expected[PAYLOAD_HTTP_EXPECTED_MAX];
    size_t expected_count; /* 0: any 2xx */
    int64_t timeout_ms, kept_bytes, redirects;
    struct str sign_with; /* the name of a secret; empty: not signed */
};

struct payload_command_input {
    struct str command; /* the entry's name in the allow-list */
    struct str *args;
    size_t arg_count;
    struct str *names, *values; /* of `params` */
    size_t param_count;
};

struct payload_sql_input {
    struct str connection, statement;
    struct str *params; /* as PostgreSQL reads them; `ptr` NULL: null */
    size_t param_count;
    int64_t rows_max, timeout_ms; /* 0: the connection's own */
};

struct payload_email_address {
    struct str address, name; /* name: empty where there is none */
};

struct payload_email_input {
    struct payload_email_address *to, *cc, *bcc, *reply_to;
    size_t to_count, cc_count, bcc_count, reply_to_count;
    struct str subject, text, html;
    struct str *header_names, *header_values;
    size_t header_count;
};

enum { PAYLOAD_GROUP_CHILDREN_MAX = 1'000 };

struct payload_group_child {
    struct str type, queue, payload; /* queue: ptr NULL: the group's; payload: JSON */
    const struct json_value
        *payload_value;              /* NULL: none is given; lives as long as what was read */
    int priority;                    /* low, normal, high; -1: the group's */
    int64_t max_attempts, timeout_s; /* 0: what the type has */
};

struct payload_group_input {
    struct payload_group_child *children;
    size_t child_count;
    bool ignores_failures;
};
