/*
 * told: what the workers alone know: their executors, the settings of task types, the queues. All
 * shards are asked each time, and what they say is one list; what each told last is kept in the
 * process, for while it is out of reach. A change that a feed or a mutation's answer tells goes
 * into what is kept.
 *
 *   ask each --> (answers) --> keep --> merge --> result
 *         `----- away -----> what is kept --^ `-- nobody ever told: WORKER_UNAVAILABLE
 *
 * Source: docs/protocol.md "Task types and queues", "Leases".
 */
#pragma once
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "json/writer.h"

enum told_what { TOLD_WORKERS, TOLD_TYPES, TOLD_QUEUES, TOLD_COUNT };

/* What is kept, shared by all loops. */
struct told;

[[nodiscard]] struct told *told_create(size_t shard_count);
void told_destroy(struct told *told); /* accepts NULL */

/* Makes the field's result of what a worker says, or all together, which may be anything: false
 * where it is no such thing. `is_fresh`: all said so just now. */
typedef bool told_read_fn(struct gql_step *step, const struct json_value *body, bool is_fresh,
                          struct gql_value *ret_result);
/* Answers a field of one parent. */
enum gql_next told_ask(struct gql_step *step, enum told_what what, told_read_fn *read);

/* One type or queue of a shard as it is now, into the list that is kept, if there is one.
 * Thread: any. */
void told_put(struct told *told, size_t shard, enum told_what what,
              const struct json_value *object);
/* Changes were missed, or the shard's numbers began anew. Thread: any. */
void told_forget(struct told *told, size_t shard);
/* Asks for types and queues, so that there is something to go on with. Thread: the loop's. */
void told_refresh(struct gateway_loop *loop, size_t shard);
/* "paused: task type email, queue bulk", of what is kept; empty: none is. Thread: any. */
[[nodiscard]] struct str told_paused(struct told *told, struct arena *a);

/* What several shards told, as one: `bodies` by shard, NULL of those that never told. Types and
 * queues of one name are one, their numbers added up; the rest is as the first one says it, which
 * for a type is the same in all, or, of a queue, the one that owns it. */
[[nodiscard]] struct json_value told_merge(struct arena *a, enum told_what what,
                                           const struct json_value *const *bodies, size_t count,
                                           const struct shard_map *queues);

/* ── types and queues as objects of the API ── */

enum told_kind { TOLD_TEXT, TOLD_BOOL, TOLD_WHOLE, TOLD_NUMBER, TOLD_USER };
/* A member that an object has: of that kind, or null where it may be. A list of them ends with a
 * NULL name; the first is the object's own name. */
struct told_member {
    const char *name;
    enum told_kind kind;
    bool is_nullable;
};

struct told_object {
    const struct json_value *json;
    const struct told_member *members;
    bool is_fresh;
};

/* NULL where a member is not as it should be. */
[[nodiscard]] struct told_object *told_object_read(struct arena *a, const struct json_value *json,
                                                   const struct told_member *members,
                                                   bool is_fresh);
/* Those of the body's list of that name. False where one of them is not as it should be. `only`:
 * the one of that name; ptr NULL: all. */
[[nodiscard]] bool told_objects_read(struct arena *a, const struct json_value *body,
                                     const char *list, const struct told_member *members,
                                     struct str only, bool is_fresh, struct gql_value *ret_list);

/* Getters of members; gql_binding.data is BINDING_NUMBER of its place in the list. */
gql_get_fn told_get_text, told_get_bool, told_get_whole, told_get_number;
/* LIVE, or CACHE where it is what was kept. */
gql_get_fn told_get_source;
/* A DataSource. */
[[nodiscard]] struct gql_value told_source(bool is_fresh);
/* The resolver of a member that is a user's id, whose prepare is users_prepare; null where the user
 * is gone. */
gql_resolve_fn told_resolve_user;

/* ── changes of them ── */

enum { TOLD_REASON_CHARS_MAX = 500 }; /* why something is paused */

/* The members "actor" and "user" of a request: who asks. */
void told_write_actor(struct json_writer *w, const struct gql_step *step);

/* A change that is made at all shards, at once; where one owns the thing, when that one has made
 * it. */
struct told_change {
    enum told_what what; /* TOLD_TYPES, TOLD_QUEUES */
    bool is_owned;
    size_t owner;     /* the shard, where one owns it */
    const char *path; /* "/v1/types:update" */
    struct str body;
    const struct told_member *members;
    const char *action; /* of the row in the audit log, and its subject */
    struct str subject;
    struct str detail;            /* a JSON object with a member, or none */
    void (*words)(struct err *e); /* puts a worker's refusal into the API's; NULL: as it is */
};
/* Answers with the object as all have it now, when the audit log tells; see audited.h. Where one
 * fails, what the others have done is told there, and by the error. The change lives as long
 * as the step. */
enum gql_next told_change(struct gql_step *step, const struct told_change *change);
