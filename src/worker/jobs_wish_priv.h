/* jobs_wish_priv: what a request says of a job, for jobs_wish.c and the files of a call. */
#pragma once
#include "worker/jobs_priv.h"

/* What a request says of a job; absent: an empty text, a negative number. */
struct job_wish {
    struct job_text text;
    int64_t priority, misfire, overlap, max_attempts, fail_after, timeout_s, jitter_s;
    bool is_paused, has_creator;
    struct uuid created_by;
};

/*
 * Reads `v`, the request's "job". Errors: INVALID and LIMIT, naming the member; whether schedule
 * and zone are good is for job_read_schedule to say.
 */
[[nodiscard]] bool job_wish_read(struct arena *a, const struct shard *s, const struct json_value *v,
                                 struct job_wish *ret_wish, struct err *e);
/* What the wish leaves of `d`, which gets a text of its own. */
void job_wish_merge(const struct job_wish *wish, struct job_data *d);
