-- What callers of windlass.enqueue have committed.

-- :name inbox_read  :params limit int8, bytes_max int8
-- The oldest, as many as fit; one always does.
SELECT i.entry, i.task
FROM (SELECT n.entry, n.task, row_number() OVER (ORDER BY n.entry) AS place,
             sum(octet_length(n.task::text)) OVER (ORDER BY n.entry) AS bytes
      FROM (SELECT entry, task FROM worker.inbox ORDER BY entry LIMIT $1) AS n) AS i
WHERE i.bytes <= $2 OR i.place = 1
ORDER BY i.entry;

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
