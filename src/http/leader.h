/*
 * leader: several peers of which one leads and answers, and the others refuse with 503. Calls go to
 * the one that led last; whoever makes them tells how they ended, and goes on to the next where one
 * does not lead or cannot be reached. Each address has a client and a breaker of its own.
 * Thread: the loop's.
 */
#pragma once
#include "http/client.h"

struct http_leader;

enum { HTTP_LEADER_ADDRESSES_MAX = 16 };

/* `list`: one or more as http_peer_parse takes them, comma between; `options` are each one's.
 * Errors: INVALID, naming the setting as `name`. */
[[nodiscard]] bool http_leader_create(struct io_loop *loop, const char *name, struct str list,
                                      const struct http_client_options *options,
                                      struct http_leader **ret_leader, struct err *e);
void http_leader_destroy(struct http_leader *leader); /* as http_client_destroy; accepts NULL */
[[nodiscard]] size_t http_leader_count(const struct http_leader *leader);

/*
 * Starts a call of `path` at the address that is to be asked; where its breaker refuses, at the
 * next one. `options->url` is left to this.
 *
 * Errors: as http_client_call, when none took it.
 */
[[nodiscard]] bool http_leader_call(struct http_leader *leader, const char *path,
                                    const struct http_call_options *options, size_t *ret_address,
                                    struct http_call **ret_call, struct err *e);

/* Of a 503 of one who leads all the same, "true": he has too much to do, and nobody else would. */
#define HTTP_LEADS "Windlass-Leads"
/* Whether that is what he says who does not lead. NULL: no answer came, which says nothing. */
[[nodiscard]] bool http_leader_has_said_no(const struct http_reply *reply);
/* A call was answered by one who leads, or led when it began. */
void http_leader_found(struct http_leader *leader);
/* It does not lead (`has_said_so`), or did not answer: the next one is asked from now on, unless
 * somebody has found so already. */
void http_leader_pass(struct http_leader *leader, size_t address, bool has_said_so);
/* All have said that they do not lead since one last did: so nobody does. */
[[nodiscard]] bool http_leader_is_none(const struct http_leader *leader);

/* Of the one that is to be asked; since when, wall. */
[[nodiscard]] enum http_breaker_state http_leader_breaker(const struct http_leader *leader,
                                                          int64_t *ret_since_us);
/* Of all clients together; the breaker of the one that is to be asked. */
[[nodiscard]] struct http_client_stats http_leader_stats(const struct http_leader *leader);
