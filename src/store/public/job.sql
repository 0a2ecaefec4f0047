-- Jobs: what lists beside the job's own row show.

-- :name job_recent_runs  :params ids uuid[], count int8
-- Of each job the newest runs, the newest first; `n` counts the ids from 1.
SELECT p.n, t.id, t.status, coalesce(t.scheduled_for, t.run_at) AS scheduled_for, t.started_at,
       extract(epoch FROM t.finished_at - t.started_at)::float8 AS run_seconds
FROM unnest($1::uuid[]) WITH ORDINALITY AS p(id, n)
CROSS JOIN LATERAL (
    SELECT x.id, x.status, x.scheduled_for, x.run_at, x.started_at, x.finished_at
    FROM tasks AS x
    WHERE x.job_id = p.id
    ORDER BY x.id DESC
    LIMIT $2::int8
) AS t
ORDER BY p.n, t.id DESC;
