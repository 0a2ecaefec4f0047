-- The dashboard's figures. Tasks are never counted here: their counts and roll-ups come from the
-- feed's events.

-- :name stats_totals
-- Beyond 20,000 users and messages are estimated, as the planner does, from rows a page when the
-- server last looked, and from the pages that there are now: counting them costs more than the figure
-- is worth. Where it has not looked yet they are counted, however many they are.
SELECT CASE WHEN u.estimate > 20000 THEN u.estimate::int8
            ELSE (SELECT count(*) FROM users) END AS users,
       CASE WHEN m.estimate > 20000 THEN m.estimate::int8
            ELSE (SELECT count(*) FROM chat_messages) END AS messages,
       j.active, j.paused, j.failed
FROM (SELECT c.reltuples / nullif(c.relpages, 0) * pg_relation_size(c.oid)
             / current_setting('block_size')::int8 AS estimate
      FROM pg_class AS c WHERE c.oid = 'users'::regclass) AS u,
     (SELECT c.reltuples / nullif(c.relpages, 0) * pg_relation_size(c.oid)
             / current_setting('block_size')::int8 AS estimate
      FROM pg_class AS c WHERE c.oid = 'chat_messages'::regclass) AS m,
     (SELECT count(*) FILTER (WHERE x.status = 'active') AS active,
             count(*) FILTER (WHERE x.status = 'paused') AS paused,
             count(*) FILTER (WHERE x.status = 'failed') AS failed
      FROM jobs AS x) AS j;

-- :name stats_oldest
-- The oldest task that waits is looked for among the first of the open ones.
SELECT extract(epoch FROM now() - min(o.since))::float8 AS oldest_pending_seconds
FROM (SELECT CASE WHEN t.status = 'pending' AND t.run_at <= now()
                  THEN greatest(t.run_at, t.created_at) END AS since
      FROM tasks AS t
      WHERE t.status IN ('pending', 'in-progress')
      ORDER BY t.id
      LIMIT 1000) AS o;

-- :name stats_task_counts
-- Of all shards together, in the order of bytes, in which the gateway merges types.
SELECT c.type, c.status, sum(c.count)::int8 AS count
FROM task_counts AS c
GROUP BY c.type, c.status
ORDER BY c.type COLLATE "C";

-- :name stats_rollups  :params spans int4[], from_ats timestamptz[], to_ats timestamptz[]
-- The roll-ups of all types together, of each span that begin from one time on and before the
-- other; `n` counts the ranges from 1. OFFSET 0: range by range by the index, whatever the planner
-- expects of times that it does not know.
SELECT g.n, '', x.created, x.completed, x.failed, x.wait, x.run, x.wait_max, x.run_max
FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[])
     WITH ORDINALITY AS g (span_s, from_at, to_at, n)
CROSS JOIN LATERAL (
    SELECT r.created, r.completed, r.failed, r.wait, r.run, r.wait_max, r.run_max
    FROM task_rollups AS r
    WHERE r.type = '' AND r.span_s = g.span_s AND r.at >= g.from_at AND r.at < g.to_at
    OFFSET 0
) AS x;

-- :name stats_type_rollups  :params spans int4[], from_ats timestamptz[], to_ats timestamptz[]
-- The same of each type, in the order of bytes; only what is told of types.
SELECT g.n, x.type, x.created, x.completed, x.failed, '{}', x.run, NULL, x.run_max
FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[])
     WITH ORDINALITY AS g (span_s, from_at, to_at, n)
CROSS JOIN LATERAL (
    SELECT r.type, r.created, r.completed, r.failed, r.run, r.run_max
    FROM task_rollups AS r
    WHERE r.span_s = g.span_s AND r.at >= g.from_at AND r.at < g.to_at AND r.type <> ''
    OFFSET 0
) AS x
ORDER BY x.type COLLATE "C";

-- :name stats_expire  :params span_s int4, before timestamptz, row_limit int8
-- The oldest of one span. What another gateway deletes just now is left to it.
DELETE FROM task_rollups AS r
USING (SELECT x.span_s, x.at, x.type, x.shard
       FROM task_rollups AS x
       WHERE x.span_s = $1::int4 AND x.at < $2::timestamptz
       ORDER BY x.at
       LIMIT $3::int8
       FOR UPDATE SKIP LOCKED) AS o
WHERE r.span_s = o.span_s AND r.at = o.at AND r.type = o.type AND r.shard = o.shard;

-- ── trends ──

-- :name stats_trend_tasks  :params span_s int4, from_at timestamptz, to_at timestamptz, task_type text
-- Of one type, or of '', which is all together. A gap is a time that nobody counted: the row of all
-- tells.
SELECT date_part('epoch', r.at)::int8 AS at_s, r.created, r.completed, r.failed, r.is_gap,
       r.type = $4::text AS is_counted
FROM task_rollups AS r
WHERE r.type IN ($4::text, '') AND r.span_s = $1::int4
  AND r.at >= $2::timestamptz AND r.at < $3::timestamptz
  AND (r.type = $4::text OR r.is_gap);

-- :name stats_trend_times  :params span_s int4, from_at timestamptz, to_at timestamptz, task_type text, has_wait bool, has_run bool
-- All in one row, since 1,500 of them cost more than they hold: the times, eight bytes each, which
-- are cheaper than any text of them, and "{0,12,3}{1}", the histograms, in the same order, which is
-- none. One a span and shard.
SELECT encode(string_agg(timestamptz_send(r.at), ''), 'hex') AS ats,
       string_agg(CASE WHEN $5::bool THEN r.wait END, '') AS wait,
       string_agg(CASE WHEN $6::bool THEN r.run END, '') AS run
FROM task_rollups AS r
WHERE r.type = $4::text AND r.span_s = $1::int4
  AND r.at >= $2::timestamptz AND r.at < $3::timestamptz;

-- :name stats_trend_users  :params from_at timestamptz, to_at timestamptz, bucket_s int8
-- The index on their time tells all.
SELECT date_part('epoch', x.at)::int8 AS at_s, x.count
FROM (SELECT date_bin($3::int8 * interval '1 second', u.created_at, $1::timestamptz) AS at,
             count(*) AS count
      FROM users AS u
      WHERE u.created_at >= $1::timestamptz AND u.created_at < $2::timestamptz
      GROUP BY 1) AS x;

-- :name stats_trend_messages  :params from_at timestamptz, to_at timestamptz, bucket_s int8
SELECT date_part('epoch', x.at)::int8 AS at_s, x.count
FROM (SELECT date_bin($3::int8 * interval '1 second', m.timestamp, $1::timestamptz) AS at,
             count(*) AS count
      FROM chat_messages AS m
      WHERE m.timestamp >= $1::timestamptz AND m.timestamp < $2::timestamptz
      GROUP BY 1) AS x;
