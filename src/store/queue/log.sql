-- Lines that executors wrote, in rows of [[at_us, stream, text], …]; `last` is the number of a row's
-- last line, so that the first one is known by their count.

-- :name log_put  :params ids uuid[], bases int8[], lasts int8[], attempts int4[], lines text[], source int4
-- A row may have been written by a call whose answer was lost.
INSERT INTO worker.task_log (task_id, base, last, source, attempt, lines)
SELECT u.id, u.base, u.last, $6::int2, u.attempt, u.lines::json
FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int4[], $5::text[])
     AS u (id, base, last, attempt, lines)
ON CONFLICT DO NOTHING;

-- :name log_trim  :params ids uuid[], bases int8[], firsts int8[]
-- Rows whose lines are all older than the first that is kept.
DELETE FROM worker.task_log AS l
USING unnest($1::uuid[], $2::int8[], $3::int8[]) AS u (id, base, first)
WHERE l.task_id = u.id AND l.base = u.base AND l.last < u.first;

-- :name log_page  :params id uuid, base int8, last int8, limit int8
-- Lines behind a place; one row of nulls where there are none, and no row where there is no task.
SELECT l.base, l.last, l.attempt, l.lines
FROM worker.task AS t
LEFT JOIN LATERAL (SELECT k.base, k.last, k.source, k.attempt, k.lines FROM worker.task_log AS k
                   WHERE k.task_id = $1 AND (k.base, k.last) > ($2, $3)
                   ORDER BY k.base, k.last, k.source LIMIT $4) AS l ON true
WHERE t.id = $1 ORDER BY l.base, l.last, l.source;

-- :name log_all  :params id uuid, bytes_max int8
-- The newest lines of all attempts.
SELECT n.base, n.last, n.attempt, n.lines
FROM (SELECT l.base, l.last, l.source, l.attempt, l.lines,
             sum(length(l.lines::text)) OVER (ORDER BY l.base DESC, l.last DESC, l.source DESC) AS total
      FROM worker.task_log AS l WHERE l.task_id = $1) AS n
WHERE n.total <= $2 ORDER BY n.base, n.last, n.source;
