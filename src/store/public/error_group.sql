-- Failed tasks by what their errors have in common: which they are, and how many in each span. The
-- spans' lengths stand in gateway/spans.c, too.

-- :name error_group_sync  :params ids uuid[], from_ids uuid[], to_ids uuid[], shard int2
-- Makes groups and counts agree with the tasks of these ids, and of all of the shard from one id to
-- another; by the index of its own rows, but for shard 0, which is not in it. What
-- is asked about twice is counted once: the difference between the failures that are known and those
-- that the rows tell of is what counts. It stands behind what writes the rows, in their transaction,
-- and behind error_group_hold.
-- A count of a span that was deleted for its age does not come back when its tasks go.
WITH given AS MATERIALIZED (
    SELECT unnest($1::uuid[]) AS id
    UNION
    SELECT f.id
    FROM unnest($2::uuid[], $3::uuid[]) AS g (from_id, to_id)
    JOIN task_failures AS f ON f.id >= g.from_id AND f.id <= g.to_id AND f.shard = 0
    WHERE $4::int2 = 0
    UNION
    SELECT f.id
    FROM unnest($2::uuid[], $3::uuid[]) AS g (from_id, to_id)
    JOIN task_failures AS f ON f.id >= g.from_id AND f.id <= g.to_id
                           AND f.shard = $4::int2 AND f.shard > 0
    UNION
    SELECT t.id
    FROM unnest($2::uuid[], $3::uuid[]) AS g (from_id, to_id)
    JOIN tasks AS t ON t.status = 'failed' AND t.id >= g.from_id AND t.id <= g.to_id AND t.shard = 0
    WHERE $4::int2 = 0
    UNION
    SELECT t.id
    FROM unnest($2::uuid[], $3::uuid[]) AS g (from_id, to_id)
    JOIN tasks AS t ON t.status = 'failed' AND t.id >= g.from_id AND t.id <= g.to_id
                   AND t.shard = $4::int2 AND t.shard > 0
), old AS MATERIALIZED (
    SELECT f.id, f.group_id, f.at
    FROM given AS g
    JOIN task_failures AS f ON f.id = g.id
), new AS MATERIALIZED (
    SELECT t.id, t.type, t.error_template AS template, t.finished_at AS at, t.shard,
           ('x' || left(md5(t.type || E'\n' || t.error_template), 16))::bit(64)::int8 AS group_id
    FROM given AS g
    JOIN tasks AS t ON t.id = g.id
    WHERE t.status = 'failed' AND t.error_template IS NOT NULL AND t.finished_at IS NOT NULL
), gone AS (
    DELETE FROM task_failures AS f
    USING old AS o
    WHERE f.id = o.id AND NOT EXISTS (SELECT FROM new AS n WHERE n.id = o.id)
), named AS (
    INSERT INTO error_groups (id, type, template)
    SELECT DISTINCT ON (n.group_id) n.group_id, n.type, n.template FROM new AS n
    ON CONFLICT (id) DO NOTHING
), put AS (
    INSERT INTO task_failures AS f (id, group_id, at, shard)
    SELECT n.id, n.group_id, n.at, n.shard FROM new AS n
    ON CONFLICT (id) DO UPDATE
    SET group_id = excluded.group_id, at = excluded.at, shard = excluded.shard
    WHERE (f.group_id, f.at, f.shard) IS DISTINCT FROM
          (excluded.group_id, excluded.at, excluded.shard)
), changes AS (
    SELECT s.span_s, date_bin(s.span_s * interval '1 second', d.at, timestamptz 'epoch') AS at,
           d.group_id, sum(d.count)::int4 AS count
    FROM (SELECT o.group_id, o.at, -1 AS count FROM old AS o
          UNION ALL
          SELECT n.group_id, n.at, 1 FROM new AS n) AS d,
         unnest('{60,300,3600,86400,864000}'::int4[]) AS s (span_s)
    GROUP BY 1, 2, 3
    HAVING sum(d.count) <> 0
)
INSERT INTO error_rollups AS r (span_s, at, group_id, count)
SELECT c.span_s, c.at, c.group_id, c.count
FROM changes AS c
WHERE c.count > 0
   OR EXISTS (SELECT FROM error_rollups AS x
              WHERE x.span_s = c.span_s AND x.at = c.at AND x.group_id = c.group_id)
ORDER BY 1, 2, 3
ON CONFLICT (span_s, at, group_id) DO UPDATE SET count = r.count + excluded.count;

-- :name error_group_list  :params spans int4[], from_ats timestamptz[], to_ats timestamptz[], since timestamptz, task_type text?, row_limit int8
-- The largest groups of those that failed since then, in the spans that cover that time. OFFSET 0:
-- range by range by the index, whatever the planner expects of times that it does not know. The
-- type is looked at behind the sums, so that the planner does not sort for them what it can hash.
SELECT x.type, x.template, x.count, f.at AS first_at, l.at AS last_at, l.id AS sample_id
FROM (
    SELECT s.group_id, s.count, e.type, e.template
    FROM (
        SELECT y.group_id, sum(y.count) AS count
        FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[])
             AS g (span_s, from_at, to_at)
        CROSS JOIN LATERAL (
            SELECT r.group_id, r.count
            FROM error_rollups AS r
            WHERE r.span_s = g.span_s AND r.at >= g.from_at AND r.at < g.to_at
            OFFSET 0
        ) AS y
        GROUP BY y.group_id
        HAVING sum(y.count) > 0
        OFFSET 0
    ) AS s
    JOIN error_groups AS e ON e.id = s.group_id
    WHERE $5::text IS NULL OR e.type = $5::text
    ORDER BY s.count DESC, s.group_id
    LIMIT $6::int8
) AS x
CROSS JOIN LATERAL (
    SELECT t.at FROM task_failures AS t
    WHERE t.group_id = x.group_id AND t.at >= $4::timestamptz
    ORDER BY t.at LIMIT 1
) AS f
CROSS JOIN LATERAL (
    SELECT t.at, t.id FROM task_failures AS t
    WHERE t.group_id = x.group_id AND t.at >= $4::timestamptz
    ORDER BY t.at DESC LIMIT 1
) AS l
ORDER BY x.count DESC, l.at DESC, x.type, x.template;

-- :name error_group_expire  :params span_s int4, before timestamptz, row_limit int8
DELETE FROM error_rollups AS r
USING (SELECT x.span_s, x.at, x.group_id
       FROM error_rollups AS x
       WHERE x.span_s = $1::int4 AND x.at < $2::timestamptz
       ORDER BY x.at
       LIMIT $3::int8
       FOR UPDATE SKIP LOCKED) AS o
WHERE r.span_s = o.span_s AND r.at = o.at AND r.group_id = o.group_id;

-- :name error_group_hold
-- Until the transaction ends nobody else changes failures, groups or counts: the keepers of several
-- shards would each count the same difference.
SELECT pg_advisory_xact_lock(hashtextextended('public.error_groups', 0));

-- :name error_group_forget  :params row_limit int8
-- Groups that have no task any more. It stands behind error_group_hold, in its transaction.
DELETE FROM error_groups AS e
USING (SELECT x.id
       FROM error_groups AS x
       WHERE NOT EXISTS (SELECT FROM task_failures AS f WHERE f.group_id = x.id)
       LIMIT $1::int8) AS o
WHERE e.id = o.id;
