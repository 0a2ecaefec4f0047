/*
 * insight: what the analyst found, for the dashboard, and who computes it. An insight is known
 * again by its type and by what its data name as its subject: job_id, type, figure, of an
 * error-pattern the error. SQL: insight.sql.
 */
#pragma once
#include "db/pool.h"

enum {
    INSIGHT_KEPT_S = 90 * 24 * 60 * 60, /* after it was resolved */
};

/* Of insight_list_step, insight_added_step and insight_dismiss_step; the first four say of the run.
 */
enum insight_column {
    INSIGHT_GENERATED_AT, /* null: never */
    INSIGHT_IS_FRESH,
    INSIGHT_IS_PAUSING, /* ai failed just now */
    INSIGHT_IS_CLAIMED,
    INSIGHT_ID, /* null: there are none, and the row tells of the run alone */
    INSIGHT_TYPE,
    INSIGHT_TITLE,
    INSIGHT_DESCRIPTION,
    INSIGHT_SEVERITY,
    INSIGHT_DATA,
    INSIGHT_CONFIDENCE,
    INSIGHT_RECOMMENDATIONS,
    INSIGHT_STATE,
    INSIGHT_DISMISSED_REASON,
    INSIGHT_CREATED_AT,
    INSIGHT_UPDATED_AT,
};
[[nodiscard]] struct db_step insight_list_step(struct arena *a, int64_t ttl_us, int64_t pause_us);

/* The same columns, of those that were added after that time. */
[[nodiscard]] struct db_step insight_added_step(struct arena *a, int64_t after_us);

/* A row: the caller is the one to compute them. `seen_us` NULL: he saw none. */
[[nodiscard]] struct db_step insight_claim_step(struct arena *a, const int64_t *seen_us,
                                                int64_t claim_us);
/* He could not. */
[[nodiscard]] struct db_step insight_give_up_step(struct arena *a, bool is_failure);
/* `found_json`: an array of {id, type, title, description, severity, data, confidence,
 * recommendations}. `is_failure`: ai was out of reach, and they were found without it. */
[[nodiscard]] struct db_step insight_store_step(struct arena *a, struct str found_json,
                                                bool is_failure);

/* No row: there is none that is open or dismissed. */
[[nodiscard]] struct db_step insight_dismiss_step(struct arena *a, struct uuid id,
                                                  const struct str *reason,
                                                  const int64_t *until_us);
[[nodiscard]] struct db_step insight_purge_step(struct arena *a);
