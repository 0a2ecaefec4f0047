/* bulk_priv: a call of many tasks, as bulk_read.c reads it and bulk_door.c carries it out. */
#pragma once
#include "http/server.h"
#include "worker/act.h"
#include "worker/record.h"
#include "worker/standing.h"

enum bulk_item_state { BULK_OPEN, BULK_LOOK, BULK_DONE, BULK_REFUSED };

/* What a task has become, for the answer. */
struct bulk_became {
    int64_t version, at_us;
    enum rule_state state; /* STATE_COUNT: it runs on, and shall stop */
    uint32_t attempt, max_attempts;
};

struct bulk;

struct bulk_item {
    struct intent intent;
    struct bulk *bulk;
    struct act act;
    struct task_view row;
    struct bulk_became became;
    enum bulk_item_state state;
    const char *reason;
};

struct bulk {
    struct worker *w;
    struct http_request *r;
    enum act_kind kind;
    bool is_dry;
    struct str actor;
    struct record record;
    bool is_recorded;      /* as open */
    struct intent closing; /* its end is recorded */
    struct bulk_item *items;
    size_t count;
    size_t from, to; /* the chunk */
    unsigned passes; /* over it */
    size_t open;     /* intents that are out */
    struct standings standings;
    struct view moment;
    struct err broke; /* what ended it */
};

/* Its action, actor and items, of the body. Errors: INVALID, LIMIT. */
[[nodiscard]] bool bulk_read(struct bulk *q, const struct json_value *body, struct err *e);
[[nodiscard]] const char *bulk_action_name(enum act_kind kind);
