/*
 * mirror_audit: the proof that the mirror's tables are what the worker holds. The gateway that
 * keeps them compares, each mirror-audit and when it is asked to: counters and jobs, then the tasks
 * of one day after another, by sums. What is otherwise is written anew and told. It looks at what
 * stands still, so changes that stream meanwhile are neither waited for nor taken for damage.
 * Source: docs/protocol.md "Sums".   Thread: the first loop's.
 */
#pragma once
#include "gateway/mirror_priv.h"

struct mirror_audit;

[[nodiscard]] struct mirror_audit *mirror_audit_create(struct mirror *m);
void mirror_audit_destroy(struct mirror_audit *audit); /* accepts NULL */

/* The table's state, with the lease in hand: begins what is due, and anew what another gateway has
 * begun and not ended. */
void mirror_audit_look(struct mirror_audit *audit, const struct mirror_state *state);
/* The mirror takes these changes, and has not stored them yet. */
void mirror_audit_take(struct mirror_audit *audit, const struct feed_batch *batch);
/* The mirror does not follow the feed any more: what runs is given up. Accepts NULL. */
void mirror_audit_stop(struct mirror_audit *audit);
