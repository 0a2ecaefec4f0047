/*
 * audited: what somebody has done at a worker that no task tells: a change of a type or a queue, a
 * bulk action. The worker keeps the entry of the audit log with the change, and the mirror writes
 * it (mirror_record.h); this process writes it, too, before it answers, so that whoever asked can
 * read it. Both write one entry, since its id goes with the request.
 */
#pragma once
#include "gateway/await.h"
#include "json/writer.h"

struct audited_act {
    struct uuid id; /* of the entry */
    const char *action;
    struct str subject;
    struct str detail; /* a JSON object; ptr NULL: none */
    bool is_kept;      /* a worker has answered its last call: the mirror will write how it ended */
};
[[nodiscard]] struct audited_act audited_begin(const char *action, struct str subject,
                                               struct str detail);

/*
 * Before the first call of a worker: it is written down as begun, so that it is not lost with this
 * process. `fn` goes on then; where it cannot be written, the step fails. `shards` as of
 * audit_begin_step.
 */
enum gql_next audited_open(struct gql_step *step, const struct audited_act *act, size_t shards,
                           await_db_fn *fn);
/* Nothing was done, for certain: there is no entry, and the step fails as `why` says. */
enum gql_next audited_drop(struct gql_step *step, const struct audited_act *act,
                           const struct err *why);

/* The calls of a worker that an act takes. */
struct audited_call {
    bool is_last;
    bool is_counted;       /* a bulk action; then before this call: */
    int64_t done, refused; /* tasks */
};
/* The member "record" of the call's body: the entry as it stands when that is done. */
void audited_put_record(struct json_writer *w, const struct gql_step *step,
                        const struct audited_act *act, const struct audited_call *call);

/* step->results[0] holds the answer. Where the entry cannot be written now, the mirror will; where
 * it is not kept, the step fails and says so. */
void audited_finish(struct gql_step *step, const struct audited_act *act);
/*
 * It is known of some shards alone, a bit for each in `shards`: the entry, whose detail says that
 * it is unfinished, is no last word, and what the others tell later counts.
 */
enum gql_next audited_leave(struct gql_step *step, const struct audited_act *act, int64_t shards,
                            const struct err *why);
/* What was done before it broke off, as `why` says, with which the step fails then. */
enum gql_next audited_fail(struct gql_step *step, const struct audited_act *act,
                           const struct err *why);
