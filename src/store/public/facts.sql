-- What the gateway itself knows of tasks and jobs: the facts that the analyst works on. All from
-- the mirror's tables; counts and roll-ups are kept there, nothing is counted here.

-- :name facts_overview
SELECT coalesce(sum(c.count) FILTER (WHERE c.status = 'pending'), 0)::int8,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'in-progress'), 0)::int8,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'completed'), 0)::int8,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'failed'), 0)::int8,
       (SELECT count(*) FROM jobs AS j WHERE j.status = 'active'),
       (SELECT count(*) FROM jobs AS j WHERE j.status = 'paused'),
       (SELECT count(*) FROM jobs AS j WHERE j.status = 'failed')
FROM task_counts AS c;

-- :name facts_totals  :params types text[]
SELECT c.type,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'pending'), 0)::int8,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'in-progress'), 0)::int8,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'completed'), 0)::int8,
       coalesce(sum(c.count) FILTER (WHERE c.status = 'failed'), 0)::int8
FROM task_counts AS c
WHERE c.type = ANY ($1::text[])
GROUP BY c.type
ORDER BY c.type;

-- :name facts_types  :params since timestamptz, row_limit int8
-- The busiest types: those with most to tell of lately, then those with most tasks.
SELECT x.type
FROM (
    SELECT r.type, sum(r.created + r.completed + r.failed) AS lately, 0::numeric AS ever
    FROM task_rollups AS r
    WHERE r.span_s = 3600
      AND r.at >= $1::timestamptz
      AND r.type <> ''
    GROUP BY r.type
    UNION ALL
    SELECT c.type, 0, sum(c.count)
    FROM task_counts AS c
    GROUP BY c.type
) AS x
GROUP BY x.type
ORDER BY sum(x.lately) DESC, sum(x.ever) DESC, x.type
LIMIT $2::int8;

-- :name facts_rollups  :params types text[], since timestamptz
-- Hours, counted from `since`.
SELECT r.type, (extract(epoch FROM r.at - $2::timestamptz) / 3600)::int8 AS bucket,
       r.created, r.completed, r.failed, r.wait, r.run
FROM task_rollups AS r
WHERE r.span_s = 3600
  AND r.at >= $2::timestamptz
  AND r.type = ANY ($1::text[])
ORDER BY r.type, r.at;

-- :name facts_jobs  :params row_limit int8
SELECT j.id, j.name, j.status, j.schedule, j.time_zone,
       (extract(epoch FROM j.last_run) * 1000000)::int8,
       (extract(epoch FROM j.next_run) * 1000000)::int8,
       j.consecutive_failures
FROM jobs AS j
ORDER BY j.consecutive_failures DESC, j.id
LIMIT $1::int8;

-- :name facts_errors  :params look_max int8, row_limit int8
-- Of the newest failed tasks, those that failed within a day, by what their errors have in common.
SELECT f.type, f.template, count(*),
       (extract(epoch FROM min(f.finished_at)) * 1000000)::int8,
       (extract(epoch FROM max(f.finished_at)) * 1000000)::int8
FROM (
    SELECT t.type, left(coalesce(t.error_template, t.error), 250) AS template,
           coalesce(t.finished_at, t.updated_at) AS finished_at
    FROM tasks AS t
    WHERE t.status = 'failed' AND t.state <> 'cancelled'
    ORDER BY t.id DESC
    LIMIT $1::int8
) AS f
WHERE f.finished_at > now() - interval '1 day' AND f.template IS NOT NULL
GROUP BY f.type, f.template
ORDER BY count(*) DESC, f.type, f.template
LIMIT $2::int8;

-- :name facts_oldest  :params look_max int8
-- How long the longest waiting of the oldest pending tasks has been due; null: none is.
SELECT extract(epoch FROM now() - min(p.run_at))::float8
FROM (SELECT t.run_at FROM tasks AS t
      WHERE t.status = 'pending'
      ORDER BY t.id
      LIMIT $1::int8) AS p
WHERE p.run_at <= now();
