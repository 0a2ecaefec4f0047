/* audit_filter: which entries of the audit log are meant, for Query.auditLog and its export. */
#pragma once
#include "schema/entities.h"
#include "store/select.h"

struct audit_filter {
    struct str subject, action, search; /* ptr NULL: any */
    bool has_actor, has_from, has_to;
    struct uuid actor_id;
    int64_t from_us, to_us; /* from ≤ at < to */
};

/* There is text to look for. */
[[nodiscard]] static inline bool audit_filter_has_search(const struct audit_filter *f)
{
    return f->search.ptr != NULL && !str_is_empty(str_trim(f->search));
}
/* Errors: INVALID, naming the member. */
[[nodiscard]] bool audit_filter_check(const struct audit_filter *f, struct err *e);
/* In the arena. `*ret_is_indexed`: one index gives the rows in the order of their ids. */
[[nodiscard]] const struct select_filter *
audit_filter_select(const struct audit_filter *f, struct arena *a, bool *ret_is_indexed);
