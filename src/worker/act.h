/*
 * act: what a person does to a task: cancel it, retry it, make it due now, delete it. Judged on
 * what memory knows of unfinished tasks and on what the tables said of finished ones, then done, in
 * the `apply` of an intent; a dry run only judges, at a view's moment.
 */
#pragma once
#include "worker/standing.h"
#include "worker/task_view.h"

enum act_kind { ACT_CANCEL, ACT_RETRY, ACT_PROMOTE, ACT_DELETE };

/* One task that something is to be done to. */
struct act {
    enum act_kind kind;
    struct uuid id;
    struct str by;               /* the person who does it, as people know them; empty: nobody */
    int64_t version;             /* it must still be at; 0: at any */
    bool is_read;                /* the tables were asked */
    const struct task_view *row; /* a finished one as they have it; NULL: none, or unfinished */
    uint64_t drops;              /* shard.drops at that time */
    const struct standings *standings;
};

enum act_verdict {
    ACT_WILL,    /* it can be done */
    ACT_AS_IS,   /* it is so already; the error says how, for callers who mind */
    ACT_REFUSED, /* NOT_FOUND, CONFLICT */
    ACT_LOOK     /* the tables must be asked (again) */
};

[[nodiscard]] enum act_verdict act_judge(const struct act *act, const struct shard *s,
                                         int64_t now_us, struct err *e);
/* In `apply`, after WILL, in the same turn. Not for ACT_DELETE: delete_put is its own. */
void act_do(const struct act *act, struct batch *b);
