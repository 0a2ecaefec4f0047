-- What the mirror's tables hold, to be compared with what the worker says that it holds.

-- :name mirror_audit_days
-- The days (of ids, counted from 1970) that there are rows of, of whatever shard: one descent of the
-- index a day.
WITH RECURSIVE held AS (
    (SELECT t.id FROM tasks AS t ORDER BY t.id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.id FROM tasks AS t
            WHERE t.id >= (lpad(to_hex((d.day + 1) * 86400000), 12, '0') || repeat('0', 20))::uuid
            ORDER BY t.id LIMIT 1)
    FROM held AS h
    CROSS JOIN LATERAL (SELECT ('x' || encode(substring(uuid_send(h.id) FROM 1 FOR 6), 'hex'))
                                   ::bit(48)::int8 / 86400000 AS day) AS d
    WHERE h.id IS NOT NULL AND d.day < 3257812 -- the last of an id
)
SELECT ('x' || encode(substring(uuid_send(h.id) FROM 1 FOR 6), 'hex'))::bit(48)::int8 / 86400000
FROM held AS h WHERE h.id IS NOT NULL;

-- :name mirror_audit_sums  :params from_id uuid, to_id uuid, rows_max int8, shard int2
-- In the order of the index, at most rows_max rows; the caller goes on behind the last one. By the
-- index of the shard's own rows, but for shard 0, which is not in it: that passes those of others.
-- What the worker never had (version 0, or of another shard) counts nowhere but in `rows`.
WITH part AS MATERIALIZED (
    (SELECT t.id, t.version, t.status, t.shard FROM tasks AS t
     WHERE $4::int2 = 0 AND t.id > $1::uuid AND t.id <= $2::uuid
     ORDER BY t.id LIMIT $3::int8)
    UNION ALL
    (SELECT t.id, t.version, t.status, t.shard FROM tasks AS t
     WHERE t.shard = $4::int2 AND t.shard > 0 AND t.id > $1::uuid AND t.id <= $2::uuid
     ORDER BY t.id LIMIT $3::int8)
), bounds AS (
    SELECT (SELECT p.id FROM part AS p ORDER BY p.id DESC LIMIT 1) AS last,
           (SELECT count(*) FROM part AS p) AS count
)
SELECT get_byte(uuid_send(p.id), 15) & 15, count(*),
       sum(('x' || left(encode(sha256(convert_to(
           p.id || ':' || p.version || ':' || p.status, 'UTF8')), 'hex'), 8))::bit(32)::int8)::int8,
       max(p.version), b.last, b.count
FROM bounds AS b LEFT JOIN part AS p ON p.version > 0 AND p.shard = $4::int2
WHERE b.count > 0
GROUP BY 1, b.last, b.count;

-- :name mirror_audit_figures  :params name text, shard int2
-- All of one moment, rows of three kinds: the cursor, counters, jobs.
SELECT 0, m.cursor, '', 0 FROM mirror AS m WHERE m.name = $1::text
UNION ALL
SELECT 1, c.type, c.status::text, c.count FROM task_counts AS c
WHERE c.shard = $2::int2
UNION ALL
SELECT 2, j.id::text, j.status::text, j.version FROM jobs AS j
WHERE j.shard = $2::int2;

-- :name mirror_audit_compare  :params after_id uuid, last_id uuid, ids uuid[], versions int8[], statuses task_status[], shard int2, rows_max int8
-- The rows of that range that are otherwise than told, with the version that they have (null: they
-- are missing), and whether they were told of at all. Those of version 0 were never the worker's,
-- those of another shard are not this one's; by the same indexes. Each with the last id that was looked at: the range's,
-- or that of the last of rows_max rows; a row without an id where none is otherwise.
WITH part AS MATERIALIZED (
    (SELECT t.id, t.version, t.status, t.shard FROM tasks AS t
     WHERE $6::int2 = 0 AND t.id > $1::uuid AND t.id <= $2::uuid
     ORDER BY t.id LIMIT $7::int8)
    UNION ALL
    (SELECT t.id, t.version, t.status, t.shard FROM tasks AS t
     WHERE t.shard = $6::int2 AND t.shard > 0 AND t.id > $1::uuid AND t.id <= $2::uuid
     ORDER BY t.id LIMIT $7::int8)
), bounds AS (
    SELECT coalesce((SELECT p.id FROM part AS p ORDER BY p.id OFFSET $7::int8 - 1), $2::uuid) AS last
)
SELECT d.id, d.version, d.is_told, b.last
FROM bounds AS b
LEFT JOIN (
    SELECT coalesce(t.id, g.id) AS id, t.version, g.id IS NOT NULL AS is_told
    FROM part AS t
    FULL JOIN unnest($3::uuid[], $4::int8[], $5::task_status[]) AS g (id, version, status)
        ON g.id = t.id
    WHERE t.id IS NULL OR (t.shard = $6::int2
                           AND CASE WHEN g.id IS NULL THEN t.version > 0
                                    ELSE g.version <> t.version OR g.status <> t.status END)
) AS d ON d.id <= b.last;

-- :name mirror_audit_clear_tasks  :params ids uuid[], versions int8[]
-- As they were found, and not those that a change has come to since.
DELETE FROM tasks AS t USING unnest($1::uuid[], $2::int8[]) AS g (id, version)
WHERE t.id = g.id AND t.version = g.version;

-- :name mirror_audit_clear_jobs  :params ids uuid[], versions int8[]
DELETE FROM jobs AS j USING unnest($1::uuid[], $2::int8[]) AS g (id, version)
WHERE j.id = g.id AND j.version = g.version;

-- :name mirror_audit_ask  :params names text[]
UPDATE mirror AS m SET audit_asked_at = clock_timestamp() WHERE m.name = ANY ($1::text[]);

-- :name mirror_audit_begin  :params name text
UPDATE mirror AS m SET audit_began_at = clock_timestamp() WHERE m.name = $1::text;

-- :name mirror_audit_end  :params name text, report text
UPDATE mirror AS m SET audit = $2::jsonb, audited_at = clock_timestamp() WHERE m.name = $1::text;

-- :name mirror_audit_read  :params names text[]
SELECT m.name, m.audit_asked_at, m.audit_began_at, m.audited_at, m.audit FROM mirror AS m
WHERE m.name = ANY ($1::text[])
ORDER BY m.name;
