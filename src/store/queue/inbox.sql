-- What callers of windlass.enqueue have committed.

-- :name inbox_read  :params limit int8, bytes_max int8
-- The oldest, as many as fit; one always does. One after the other, so that no more is read of large
-- ones than is given, and one.
WITH RECURSIVE page AS (
    (SELECT n.entry, n.task, octet_length(n.task::text)::int8 AS bytes, 1 AS place
     FROM worker.inbox AS n ORDER BY n.entry LIMIT 1)
    UNION ALL
    SELECT n.entry, n.task, p.bytes + octet_length(n.task::text), p.place + 1
    FROM page AS p CROSS JOIN LATERAL (SELECT i.entry, i.task FROM worker.inbox AS i
                                       WHERE i.entry > p.entry ORDER BY i.entry LIMIT 1) AS n
    WHERE p.place < $1 AND p.bytes < $2
)
SELECT p.entry, p.task FROM page AS p WHERE p.bytes <= $2 OR p.place = 1 ORDER BY p.place;

-- :name inbox_take  :params entries uuid[], count int8
-- In the batch that makes their tasks; all or none, as in batch_reopen.
WITH taken AS (
    DELETE FROM worker.inbox WHERE entry = ANY ($1::uuid[]) RETURNING entry
)
SELECT 1 / (CASE WHEN count(*) = $2 THEN 1 ELSE 0 END) FROM taken;

-- :name inbox_settle  :params entries uuid[], errors text[]
-- Those that make no task: kept with their error, or gone where that is empty.
WITH gone AS (
    DELETE FROM worker.inbox AS i USING unnest($1::uuid[], $2::text[]) AS u (entry, error)
    WHERE i.entry = u.entry
    RETURNING i.entry, i.task, u.error
)
INSERT INTO worker.inbox_refused (entry, task, error)
SELECT g.entry, g.task, g.error FROM gone AS g WHERE g.error <> '';

-- :name inbox_sweep  :params before timestamptz
DELETE FROM worker.inbox_refused WHERE refused_at < $1;
