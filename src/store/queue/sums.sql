-- Sums of what tasks are, a day of ids at a time, for whoever keeps a copy.

-- :name sums_day  :params shard int2, day int4, changes_max int8
-- All of one moment: what the tables hold but for those changed since the checkpoint, and the log
-- from there on, which tells what these have become. Rows of three kinds, told by the first column:
--   0  the checkpoint, how many changes came after it
--   1  the log
--   2  a bucket: its number, count, sum, newest version
-- Where more than changes_max came after the checkpoint, the first kind alone.
WITH point AS MATERIALIZED (
    SELECT s.ckpt_seq,
           (SELECT coalesce(sum(l.n), 0) FROM worker.change_log AS l
            WHERE l.shard = $1::int2 AND l.seq >= s.ckpt_seq) AS changes
    FROM worker.shard AS s WHERE s.id = $1::int2
), tail AS MATERIALIZED (
    SELECT l.seq, l.n, l.ops, l.ids, l.args
    FROM point AS p JOIN worker.change_log AS l ON l.shard = $1::int2 AND l.seq >= p.ckpt_seq
    WHERE p.changes <= $3
), changed AS MATERIALIZED (
    SELECT DISTINCT encode(substring(t.ids FROM 16 * i + 1 FOR 16), 'hex')::uuid AS id
    FROM tail AS t CROSS JOIN LATERAL generate_series(0, t.n - 1) AS i
), held AS (
    SELECT d.id, d.seq AS version, CASE d.state WHEN 5 THEN 'completed' ELSE 'failed' END AS status
    FROM worker.task_done AS d
    WHERE d.id >= worker.day_bound($2) AND d.id < worker.day_bound($2 + 1)
    UNION ALL
    SELECT l.id, l.version, CASE l.state WHEN 2 THEN 'in-progress' ELSE 'pending' END
    FROM worker.task_live AS l
    WHERE l.id >= worker.day_bound($2) AND l.id < worker.day_bound($2 + 1)
)
SELECT 0 AS kind, p.ckpt_seq AS number, p.changes::int8 AS count, 0::int8 AS sum, '' AS ops,
       '' AS ids, '' AS args
FROM point AS p
UNION ALL
SELECT 1, t.seq, t.n, 0, encode(t.ops, 'hex'), encode(t.ids, 'hex'), encode(t.args, 'hex')
FROM tail AS t
UNION ALL
SELECT 2, get_byte(uuid_send(h.id), 15) & 15, count(*),
       sum(('x' || left(encode(sha256(convert_to(
           h.id || ':' || h.version || ':' || h.status, 'UTF8')), 'hex'), 8))::bit(32)::int8)::int8,
       max(h.version)::text, '', ''
FROM held AS h
WHERE (SELECT p.changes FROM point AS p) <= $3
  AND NOT EXISTS (SELECT FROM changed AS c WHERE c.id = h.id)
GROUP BY get_byte(uuid_send(h.id), 15) & 15
ORDER BY 1, 2;
