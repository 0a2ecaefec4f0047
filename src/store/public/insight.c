#include "store/public/insight.h"

#include "store/public/insight_sql.h"

struct db_step insight_list_step(struct arena *a, int64_t ttl_us, int64_t pause_us)
{
    return (struct db_step){ &insight_list, insight_list_args(a, ttl_us, pause_us) };
}

struct db_step insight_added_step(struct arena *a, int64_t after_us)
{
    return (struct db_step){ &insight_added, insight_added_args(a, after_us) };
}

struct db_step insight_claim_step(struct arena *a, const int64_t *seen_us, int64_t claim_us)
{
    return (struct db_step){ &insight_claim, insight_claim_args(a, seen_us, claim_us) };
}

struct db_step insight_give_up_step(struct arena *a, bool is_failure)
{
    return (struct db_step){ &insight_give_up, insight_give_up_args(a, is_failure) };
}

struct db_step insight_store_step(struct arena *a, struct str found_json, bool is_failure)
{
    return (struct db_step){ &insight_store, insight_store_args(a, found_json, is_failure) };
}

struct db_step insight_dismiss_step(struct arena *a, struct uuid id, const struct str *reason,
                                    const int64_t *until_us)
{
    return (struct db_step){ &insight_dismiss, insight_dismiss_args(a, id, reason, until_us) };
}

struct db_step insight_purge_step(struct arena *a)
{
    return (struct db_step){ &insight_purge, insight_purge_args(a, INSIGHT_KEPT_S) };
}
