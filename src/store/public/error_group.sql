-- Failed tasks by what their errors have in common: which they are, and how many in each span. The
-- spans' lengths stand in gateway/spans.c, too.

-- :name error_group_sync  :params ids uuid[], from_ids uuid[], to_ids uuid[], shard int2
-- Makes groups and counts agree with the tasks of these ids, and of all of the shard from one id to
-- another; by the index of its own rows, but for shard 0, which is not in it. What
-- is asked about twice is counted once: the difference between the failures that are known and those
-- that the rows tell of is what counts. It stands behind what writes the rows, in their transaction,
-- and behind error_group_hold.
-- A count of a span that was deleted for its age does not come back when its tasks go.
-- The first and the last of a group are those of what it has left (known, and not among these) and of
-- what it gets. The array: the planner thinks it short, where it would think ranges of unknown ends to be
-- a ninth of the table; and so it takes each row by its id, and looks by a hash in what NOT IN names, instead
-- of reading both tables for a few ids, and of walking through all that has changed for each row.
WITH given AS MATERIALIZED (
    SELECT unnest(ARRAY(
        SELECT unnest($1::uuid[])
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
    )) AS id
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
    WHERE f.id = o.id AND o.id NOT IN (SELECT n.id FROM new AS n)
), made AS (
    SELECT DISTINCT ON (n.group_id) n.group_id, n.type, n.template, n.at AS last_at, n.id AS last_id,
           min(n.at) OVER (PARTITION BY n.group_id) AS first_at
    FROM new AS n
    ORDER BY n.group_id, n.at DESC
), named AS (
    INSERT INTO error_groups AS e (id, type, template, first_at, last_at, last_id)
    SELECT t.group_id, coalesce(t.type, x.type), coalesce(t.template, x.template),
           least(f.at, t.first_at), greatest(l.at, t.last_at),
           CASE WHEN l.at > t.last_at OR t.last_at IS NULL THEN l.id ELSE t.last_id END
    FROM (SELECT *
          FROM made AS m
          FULL JOIN (SELECT DISTINCT o.group_id FROM old AS o) AS g USING (group_id)) AS t
    LEFT JOIN error_groups AS x ON x.id = t.group_id
    LEFT JOIN LATERAL (
        SELECT k.at FROM task_failures AS k
        WHERE k.group_id = t.group_id AND k.id NOT IN (SELECT o.id FROM old AS o)
        ORDER BY k.at LIMIT 1
    ) AS f ON true
    LEFT JOIN LATERAL (
        SELECT k.at, k.id FROM task_failures AS k
        WHERE k.group_id = t.group_id AND k.id NOT IN (SELECT o.id FROM old AS o)
        ORDER BY k.at DESC LIMIT 1
    ) AS l ON true
    WHERE t.type IS NOT NULL OR x.type IS NOT NULL
    ON CONFLICT (id) DO UPDATE
    SET first_at = excluded.first_at, last_at = excluded.last_at, last_id = excluded.last_id
    WHERE (e.first_at, e.last_at, e.last_id) IS DISTINCT FROM
          (excluded.first_at, excluded.last_at, excluded.last_id)
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
-- The largest groups of those that failed since then, in the spans that cover that time, each range
-- after the one before it. OFFSET 0: range by range by the index, whatever the planner expects of
-- times that it does not know; and it shall not know them (SELECT of each), or it plans anew each time.
-- The type is looked at behind the sums, so that the planner does not sort for them what it can hash.
-- The first failure is looked up where there were others before that time: in the first span that
-- has some, since else all is passed that a page of the index holds of the group.
-- The last one, too, where a later span has some: a gateway that does not note it has counted them.
SELECT x.type, x.template, x.count, x.first_at, x.last_at, x.last_id AS sample_id
FROM (
    SELECT e.type, e.template, s.count,
           CASE WHEN e.first_at >= $4::timestamptz THEN e.first_at
                ELSE (SELECT t.at FROM task_failures AS t
                      WHERE t.group_id = s.group_id AND t.at >= $4::timestamptz
                        AND t.at < s.first_span + interval '1 second' *
                                   CASE WHEN s.first_span < ($3::timestamptz[])[1]
                                        THEN ($1::int4[])[1]
                                        ELSE ($1::int4[])[cardinality($1::int4[])] END
                      ORDER BY t.at LIMIT 1) END AS first_at,
           CASE WHEN e.last_at >= s.last_span THEN e.last_at
                ELSE (SELECT max(t.at) FROM task_failures AS t
                      WHERE t.group_id = s.group_id) END AS last_at,
           CASE WHEN e.last_at >= s.last_span THEN e.last_id
                ELSE (SELECT t.id FROM task_failures AS t
                      WHERE t.group_id = s.group_id ORDER BY t.at DESC LIMIT 1) END AS last_id
    FROM (
        SELECT y.group_id, sum(y.count) AS count, min(y.at) AS first_span,
               max(y.at) AS last_span
        FROM unnest((SELECT $1::int4[]), (SELECT $2::timestamptz[]), (SELECT $3::timestamptz[]))
             AS g (span_s, from_at, to_at)
        CROSS JOIN LATERAL (
            SELECT r.group_id, r.at, r.count
            FROM error_rollups AS r
            WHERE r.span_s = g.span_s AND r.at >= g.from_at AND r.at < g.to_at AND r.count > 0
            OFFSET 0
        ) AS y
        GROUP BY y.group_id
        HAVING $5::text IS NULL
            OR y.group_id IN (SELECT t.id FROM error_groups AS t WHERE t.type = $5::text)
        ORDER BY 2 DESC, 1
        LIMIT $6::int8
    ) AS s
    JOIN error_groups AS e ON e.id = s.group_id
    OFFSET 0
) AS x
WHERE x.first_at IS NOT NULL AND x.last_at IS NOT NULL
ORDER BY x.count DESC, x.last_at DESC, x.type, x.template;

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

-- :name error_group_stray  :params row_limit int8
-- Groups of which the first and the last are not so: of a time when error_groups did not have them,
-- or of what a gateway wrote that does not know them. It holds nobody up.
SELECT x.id
FROM error_groups AS x
CROSS JOIN LATERAL (SELECT t.at FROM task_failures AS t
                    WHERE t.group_id = x.id ORDER BY t.at LIMIT 1) AS f
CROSS JOIN LATERAL (SELECT t.at, t.id FROM task_failures AS t
                    WHERE t.group_id = x.id ORDER BY t.at DESC LIMIT 1) AS l
WHERE (x.first_at, x.last_at, x.last_id) IS DISTINCT FROM (f.at, l.at, l.id)
LIMIT $1::int8;

-- :name error_group_mend  :params ids int8[]
-- The first and the last of those, as they are by now. It stands as the next does.
UPDATE error_groups AS e
SET first_at = f.at, last_at = l.at, last_id = l.id
FROM unnest($1::int8[]) AS x (id)
CROSS JOIN LATERAL (SELECT t.at FROM task_failures AS t
                    WHERE t.group_id = x.id ORDER BY t.at LIMIT 1) AS f
CROSS JOIN LATERAL (SELECT t.at, t.id FROM task_failures AS t
                    WHERE t.group_id = x.id ORDER BY t.at DESC LIMIT 1) AS l
WHERE e.id = x.id AND (e.first_at, e.last_at, e.last_id) IS DISTINCT FROM (f.at, l.at, l.id);

-- :name error_group_forget  :params row_limit int8
-- Groups that have no task any more. It stands behind error_group_hold, in its transaction.
DELETE FROM error_groups AS e
USING (SELECT x.id
       FROM error_groups AS x
       WHERE NOT EXISTS (SELECT FROM task_failures AS f WHERE f.group_id = x.id)
       LIMIT $1::int8) AS o
WHERE e.id = o.id;
