-- How far the mirror has come, which gateway keeps it, and the figures that are exact at its cursor.

-- :name mirror_async
-- For this transaction: the truth is elsewhere, and the cursor tells what was lost in a crash.
SELECT set_config('synchronous_commit', 'off', true);

-- :name mirror_hold  :params name text, holder text, lease_ms int8
-- Takes the lease, or renews it; changes nothing while another gateway's runs.
INSERT INTO mirror AS m (name, holder, lease_until)
VALUES ($1::text, $2::text, now() + $3::int8 * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
WHERE m.holder IS NULL OR m.holder = excluded.holder OR m.lease_until IS NULL
   OR m.lease_until < now();

-- :name mirror_read  :params name text, holder text, shard int2
SELECT m.cursor, m.generation, m.snapshot_after, m.snapshot_cursor,
       coalesce(m.holder = $2::text, false), m.updated_at,
       (SELECT count(*) FROM outbox AS o WHERE o.shard = $3::int2 AND o.apart_until IS NULL),
       (SELECT o.created_at FROM outbox AS o WHERE o.shard = $3::int2 AND o.apart_until IS NULL
        ORDER BY o.id LIMIT 1),
       coalesce(m.audit_asked_at > coalesce(m.audit_began_at, '-infinity')
                OR m.audit_began_at > coalesce(m.audited_at, '-infinity'), false), m.audited_at,
       EXISTS (SELECT FROM outbox AS o WHERE o.shard = $3::int2 AND o.apart_until <= now()),
       EXISTS (SELECT FROM outbox AS o WHERE o.shard = $3::int2 AND o.apart_until IS NOT NULL)
FROM mirror AS m WHERE m.name = $1::text;

-- :name mirror_release  :params name text, holder text
UPDATE mirror AS m SET holder = NULL, lease_until = NULL
WHERE m.name = $1::text AND m.holder = $2::text;

-- :name mirror_keep  :params name text, holder text
-- As mirror_advance, for what moves no cursor.
UPDATE mirror AS m
SET cursor = CASE WHEN m.holder = $2::text THEN m.cursor END
WHERE m.name = $1::text;

-- :name mirror_advance  :params name text, holder text, cursor text, next text
-- A cursor is never null: where the lease is another's, or the cursor another, the whole
-- transaction fails. It comes first in it.
UPDATE mirror AS m
SET cursor = CASE WHEN m.holder = $2::text AND m.cursor = $3::text THEN $4::text END,
    updated_at = now()
WHERE m.name = $1::text;

-- :name mirror_snapshot_begin  :params name text, holder text, snapshot_cursor text
UPDATE mirror AS m
SET cursor = CASE WHEN m.holder = $2::text THEN m.cursor END,
    generation = m.generation + 1, snapshot_cursor = $3::text, snapshot_after = NULL
WHERE m.name = $1::text;

-- :name mirror_snapshot_page  :params name text, holder text, snapshot_cursor text, after uuid?
UPDATE mirror AS m
SET cursor = CASE WHEN m.holder = $2::text AND m.snapshot_cursor = $3::text THEN m.cursor END,
    snapshot_after = $4::uuid
WHERE m.name = $1::text;

-- :name mirror_snapshot_end  :params name text, holder text, snapshot_cursor text
UPDATE mirror AS m
SET cursor = CASE WHEN m.holder = $2::text AND m.snapshot_cursor = $3::text THEN $3::text END,
    snapshot_cursor = NULL, snapshot_after = NULL, updated_at = now()
WHERE m.name = $1::text;

-- :name mirror_count_clear  :params shard int2
DELETE FROM task_counts AS c WHERE c.shard = $1::int2;

-- :name mirror_count_add  :params types text[], statuses task_status[], counts int8[], shard int2
INSERT INTO task_counts AS c (type, status, count, shard)
SELECT g.type, g.status, g.count, $4::int2
FROM unnest($1::text[], $2::task_status[], $3::int8[]) AS g (type, status, count)
ON CONFLICT (type, status, shard) DO UPDATE SET count = c.count + excluded.count;

-- :name mirror_rollup_load  :params spans int4[], ats timestamptz[], types text[], shard int2
SELECT r.span_s, r.at, r.type, r.created, r.completed, r.failed, r.wait, r.run, r.wait_max,
       r.run_max
FROM unnest($1::int4[], $2::timestamptz[], $3::text[]) AS g (span_s, at, type)
JOIN task_rollups AS r ON r.span_s = g.span_s AND r.at = g.at AND r.type = g.type
                      AND r.shard = $4::int2;

-- :name mirror_rollup_store  :params spans int4[], ats timestamptz[], types text[], created int8[], completed int8[], failed int8[]
-- :params waits text[], runs text[], wait_maxima float8[], run_maxima float8[], shard int2
-- Whole rows, from the memory of the one that keeps the mirror.
INSERT INTO task_rollups AS r (span_s, at, type, created, completed, failed, wait, run, wait_max,
                               run_max, shard)
SELECT g.span_s, g.at, g.type, g.created, g.completed, g.failed, g.wait, g.run,
       nullif(g.wait_max, -1), nullif(g.run_max, -1), $11::int2
FROM unnest($1::int4[], $2::timestamptz[], $3::text[], $4::int8[], $5::int8[], $6::int8[],
            $7::text[], $8::text[], $9::float8[], $10::float8[])
     AS g (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max)
ON CONFLICT (span_s, at, type, shard) DO UPDATE
SET created = excluded.created, completed = excluded.completed, failed = excluded.failed,
    wait = excluded.wait, run = excluded.run, wait_max = excluded.wait_max,
    run_max = excluded.run_max;

-- :name mirror_rollup_gap  :params since timestamptz, shard int2
-- What happened from then until now is not known: the worker keeps no older changes.
INSERT INTO task_rollups AS r (span_s, at, type, is_gap, shard)
SELECT s.span_s, g.at, '', true, $2::int2
FROM unnest(ARRAY[60, 300, 3600, 86400, 864000]) AS s (span_s),
     generate_series(to_timestamp(floor(extract(epoch FROM greatest($1::timestamptz,
                                                                    now() - interval '31 days'))
                                        / s.span_s) * s.span_s),
                     now(), s.span_s * interval '1 second') AS g (at)
ON CONFLICT (span_s, at, type, shard) DO UPDATE SET is_gap = true;
