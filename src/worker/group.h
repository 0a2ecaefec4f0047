/*
 * group: tasks of type task.group, which the worker itself runs. A group and its children are made
 * in one batch; it is blocked, holds no slot and is leased to nobody. It depends on its children,
 * but unlike other tasks it does not fail when one of them does: when all have ended it is
 * gathered, which reads how they ended and finishes it with that as its result.
 *
 *   made with its children ──▶ blocked ──▶ (the last child ends) ──▶ read ──▶ finished
 *                                 ▲                                    │
 *                                 └── a child was opened again ◀───────┘
 *
 * A child's id follows from the group's: its time, the child's place, and a hash. So a child is
 * known by its id alone, and the same group never makes two of one.
 * Source: docs/decisions/0023-groups-in-the-worker.md, docs/task-types.md "task.group".
 */
#pragma once
#include "worker/shard_priv.h"
#include "worker/task_view.h"

struct groups;
struct json_value;

[[nodiscard]] struct groups *groups_create(struct shard *s);
void groups_destroy(struct groups *groups); /* accepts NULL */
/* Leading begins: those whose children have all ended are gathered. */
void groups_start(struct groups *groups);
void groups_clear(struct groups *groups);

[[nodiscard]] bool group_is(const struct shard *s, uint32_t type);
/* The same of a task. */
[[nodiscard]] bool group_is_live(const struct shard *s, const struct live *task);
/* The payload of a new group, and of its children by their types' schemas. `place` begins errors.
 * Errors: INVALID. */
[[nodiscard]] bool group_check(const struct shard *s, const struct json_value *payload,
                               const char *place, struct err *e);

/* How many children a task of that type would bring, by its `payload`, which may be wrong. */
[[nodiscard]] size_t group_children_wanted(const struct shard *s, uint32_t type,
                                           const struct json_value *payload);

[[nodiscard]] struct uuid group_child_id(struct uuid group, size_t index);
[[nodiscard]] bool group_has_child(struct uuid group, struct uuid id);

/*
 * For `apply`, before the group itself is put: makes its children, which wait for what the group
 * was already said to wait for (deps), lets it wait for them, and adds them to view->depends_on,
 * until the batch is undone. False: its payload is wrong, `ret_error` (in the batch's arena) says
 * how, and nothing was done.
 */
[[nodiscard]] bool group_expand(struct batch *b, struct task_view *view, struct str *ret_error);
/* For `apply`: a blocked group waits for nothing any more. */
void group_ended(struct batch *b, struct uuid group);
/* For `apply`, before deps_left: the children that a blocked group waits for, in the batch's arena.
 */
[[nodiscard]] size_t group_open_children(struct batch *b, struct uuid group,
                                         const struct uuid **ret_children);
/* For `apply`: their group has finished without them; they are cancelled. */
void group_give_up(struct batch *b, const struct uuid *children, size_t count);
