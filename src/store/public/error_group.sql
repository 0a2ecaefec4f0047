-- Failed tasks by what their errors have in common.

-- :name error_group_list  :params since timestamptz, task_type text?, row_limit int8
-- The largest groups of those that failed since then. The index on when tasks failed bounds what is
-- looked at; the caller bounds the time.
SELECT t.type, t.error_template, count(*) AS count, min(t.finished_at) AS first_at,
       max(t.finished_at) AS last_at, max(t.id::text)::uuid AS sample_id
FROM tasks AS t
WHERE t.status = 'failed'
  AND t.finished_at >= $1::timestamptz
  AND t.error_template IS NOT NULL
  AND ($2::text IS NULL OR t.type = $2::text)
GROUP BY t.type, t.error_template
ORDER BY count(*) DESC, max(t.finished_at) DESC, t.type, t.error_template
LIMIT $3::int8;
