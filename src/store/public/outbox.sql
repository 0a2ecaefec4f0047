-- What was accepted while a worker was away.

-- :name outbox_add  :params ids uuid[], kinds outbox_kind[], subject_ids uuid[], bodies text[], are_sent bool[], are_apart bool[], shard int2
-- What steps aside at once is offered at once.
INSERT INTO outbox AS o (id, kind, subject_id, body, sent_at, created_at, shard, apart_until)
SELECT g.id, g.kind, g.subject_id, g.body::json, CASE WHEN g.is_sent THEN now() END, now(),
       $7::int2, CASE WHEN g.is_apart THEN now() END
FROM unnest($1::uuid[], $2::outbox_kind[], $3::uuid[], $4::text[], $5::bool[], $6::bool[])
     AS g (id, kind, subject_id, body, is_sent, is_apart)
ON CONFLICT (subject_id) DO NOTHING;

-- :name outbox_take  :params rows_max int8, bytes_max int8, shard int2
-- The oldest ones of that shard, at least one, marked as sent before they are, anew where they were
-- already: so whose mark it is can be told (outbox_put_off). Only where there is
-- none: those that have stepped aside and whose time has come, the longest due first, in their order.
-- What somebody else marks at this moment is left out.
WITH ordinary AS MATERIALIZED (
    SELECT o.id, o.body, o.sent_at, row_number() OVER (ORDER BY o.id) AS n
    FROM outbox AS o
    WHERE o.shard = $3::int2 AND o.apart_until IS NULL
    ORDER BY o.id
    LIMIT $1::int8
), apart AS MATERIALIZED (
    SELECT o.id, o.body, o.sent_at, row_number() OVER (ORDER BY o.apart_until, o.id) AS n
    FROM outbox AS o
    WHERE o.shard = $3::int2 AND o.apart_until <= now() AND NOT EXISTS (SELECT FROM ordinary)
    ORDER BY o.apart_until, o.id
    LIMIT $1::int8
), oldest AS MATERIALIZED (
    SELECT x.id, x.n, x.sent_at, sum(octet_length(x.body::text)) OVER (ORDER BY x.n) AS bytes
    FROM (SELECT y.id, y.body, y.sent_at, y.n FROM ordinary AS y
          UNION ALL
          SELECT y.id, y.body, y.sent_at, y.n FROM apart AS y) AS x
), taken AS (
    UPDATE outbox AS o
    SET sent_at = now()
    FROM oldest AS x
    WHERE o.id = x.id AND (x.n = 1 OR x.bytes <= $2::int8) AND o.sent_at IS NOT DISTINCT FROM x.sent_at
    RETURNING o.id, o.kind, o.subject_id, o.body, o.apart_until IS NOT NULL AS is_apart,
              x.sent_at IS NOT NULL AS was_sent, o.sent_at
)
SELECT t.id, t.kind, t.subject_id, t.body, t.is_apart, t.was_sent, (extract(epoch FROM t.sent_at) * 1000000)::int8
FROM taken AS t
ORDER BY t.id;

-- :name outbox_put_off  :params ids uuid[], mark_us int8
-- The worker has said that it has not taken them: ordinary ones again, which can be cancelled, and
-- expire, unless somebody else has sent them since.
UPDATE outbox AS o SET sent_at = NULL
WHERE o.id = ANY ($1::uuid[]) AND (extract(epoch FROM o.sent_at) * 1000000)::int8 = $2::int8;

-- :name outbox_part  :params misdirected uuid[], refused uuid[], gone uuid[], wait_s int8, mark_us int8
-- Those that the worker says are another shard's step aside, so that others go on, and are offered
-- again later. So are refused ones that depend on what waits here still, since the worker cannot know
-- of that. It has none of them for certain: they can be cancelled, and expire, unless somebody else
-- has sent them since. It stands before outbox_refuse and outbox_done, which then pass them over.
UPDATE outbox AS o
SET apart_until = now() + $4::int8 * interval '1 second',
    sent_at = CASE WHEN (extract(epoch FROM o.sent_at) * 1000000)::int8 = $5::int8 THEN NULL ELSE o.sent_at END
WHERE o.id = ANY ($1::uuid[])
   OR (o.id = ANY ($2::uuid[])
       AND EXISTS (SELECT
                   FROM json_array_elements_text(
                            CASE WHEN json_typeof(o.body->'depends_on') = 'array'
                                 THEN o.body->'depends_on' END) AS d (id)
                   JOIN outbox AS x ON x.subject_id = d.id::uuid
                   WHERE x.id <> ALL ($3::uuid[])));

-- :name outbox_find  :params ids uuid[], shard int2, count_max int8
-- Those of them that wait there, whether they have stepped aside, and how many have in all. Those
-- that the worker has, or is to get, as far as is known: what is handed over meanwhile is among them.
SELECT o.subject_id, true, o.apart_until IS NOT NULL, a.count
FROM outbox AS o
CROSS JOIN (SELECT count(*) AS count
            FROM (SELECT FROM outbox AS x WHERE x.apart_until IS NOT NULL LIMIT $3::int8) AS y) AS a
WHERE o.subject_id = ANY ($1::uuid[]) AND o.shard = $2::int2 AND o.kind = 'task'
UNION ALL
SELECT t.id, false, false, 0
FROM tasks AS t
WHERE t.id = ANY ($1::uuid[]) AND t.shard = $2::int2
  AND (t.accepted OR (t.version = 0 AND t.status <> 'failed'));

-- :name outbox_apart
SELECT count(*) FROM outbox AS o WHERE o.apart_until IS NOT NULL;

-- :name outbox_done  :params ids uuid[]
DELETE FROM outbox AS o
WHERE o.id = ANY ($1::uuid[]) AND (o.apart_until IS NULL OR o.apart_until <= now());

-- :name outbox_refuse_tasks  :params ids uuid[], errors text[], duplicates uuid[]
-- What the worker would not take stays visible as failed, with the reason; where another task holds
-- its idempotency key, with that one (an id of zeroes is none). Where it knows nothing of a task
-- that this one depends on, since that one failed here, this is the reason, as the worker would tell
-- it; one that is refused beside it has stepped this one aside (outbox_part), but for a duplicate.
WITH given AS (
    SELECT g.id, g.error, nullif(g.other, '00000000-0000-0000-0000-000000000000') AS other
    FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS g (id, error, other)
), failed AS (
    SELECT DISTINCT ON (g.id) g.id, k.id AS on_id,
           'the task ' || k.id || ', which this one depends on, '
           || CASE WHEN coalesce(s.other, k.duplicate_of) IS NOT NULL
                   THEN 'was not made: the task ' || coalesce(s.other, k.duplicate_of)
                        || ' held its idempotency key'
                   WHEN k.state = 'cancelled' THEN 'was cancelled'
                   ELSE 'has failed' END AS error
    FROM given AS g
    JOIN tasks AS w ON w.id = g.id
    CROSS JOIN unnest(w.depends_on) AS d (id)
    JOIN tasks AS k ON k.id = d.id AND k.version = 0
    LEFT JOIN given AS s ON s.id = k.id
    WHERE (k.status = 'failed' OR s.other IS NOT NULL) AND g.other IS NULL AND g.error LIKE 'depends_on[%'
    ORDER BY g.id, k.id
)
UPDATE tasks AS t
SET status = 'failed', error = coalesce(f.error, g.error), finished_at = now(), updated_at = now(),
    state = CASE WHEN g.other IS NULL THEN 'dead'::task_state ELSE 'cancelled'::task_state END,
    duplicate_of = g.other,
    why = CASE WHEN f.id IS NOT NULL
               THEN jsonb_build_object('code', 'DEPENDENCY', 'text', f.error,
                                       'blocked_by', jsonb_build_array(f.on_id)) END
FROM given AS g LEFT JOIN failed AS f ON f.id = g.id
WHERE t.id = g.id AND t.version = 0
  AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = g.id AND o.apart_until > now());

-- :name outbox_refuse_job  :params id uuid
UPDATE jobs AS j SET status = 'failed', next_run = NULL, updated_at = now()
WHERE j.id = $1::uuid AND j.version = 0;

-- :name outbox_expire  :params kept_s int8, error text, apart_error text, row_limit int8
-- What has waited for too long, and the worker cannot know of, stays visible as failed; their number.
WITH old AS (
    SELECT o.id
    FROM outbox AS o
    WHERE o.sent_at IS NULL AND o.created_at < now() - $1::int8 * interval '1 second'
    ORDER BY o.id
    LIMIT $4::int8
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM outbox AS o USING old AS x WHERE o.id = x.id
    RETURNING o.subject_id, CASE WHEN o.apart_until IS NULL THEN $2::text ELSE $3::text END AS error
), failed AS (
    UPDATE tasks AS t
    SET status = 'failed', state = 'dead', error = g.error, finished_at = now(), updated_at = now()
    FROM gone AS g
    WHERE t.id = g.subject_id AND t.version = 0
), failed_jobs AS (
    UPDATE jobs AS j SET status = 'failed', next_run = NULL, updated_at = now()
    FROM gone AS g
    WHERE j.id = g.subject_id AND j.version = 0
)
SELECT count(*) FROM gone;

-- :name outbox_move  :params ids uuid[], shards int8[], mark_us int8
-- Their queues have gone to other shards, and the one that they waited for has refused them: the new
-- one knows nothing of them yet, so they can be cancelled, and expire. What somebody else has sent
-- since is his.
WITH moved AS (
    UPDATE outbox AS o SET shard = g.shard, apart_until = NULL, sent_at = NULL
    FROM unnest($1::uuid[], $2::int8[]) AS g (id, shard)
    WHERE o.subject_id = g.id AND (extract(epoch FROM o.sent_at) * 1000000)::int8 = $3::int8
    RETURNING o.subject_id AS id, o.shard
), moved_jobs AS (
    UPDATE jobs AS j SET shard = g.shard FROM moved AS g WHERE j.id = g.id AND j.version = 0
)
UPDATE tasks AS t SET shard = g.shard FROM moved AS g WHERE t.id = g.id AND t.version = 0;

-- :name outbox_cancel  :params id uuid, create_id uuid, cancel_id uuid, actor_id uuid, actor_label text
-- Only what was never sent: of the others nobody but the worker knows. No record of the worker's
-- will tell the audit log of it: who made it, and when, and who cancelled it, is written here, as
-- gateway/mirror_record.c does. An id of the log begins with its moment.
WITH gone AS (
    DELETE FROM outbox AS o
    WHERE o.subject_id = $1::uuid AND o.kind = 'task' AND o.sent_at IS NULL
    RETURNING o.subject_id, o.body, o.created_at
), changed AS (
    UPDATE tasks AS t
    SET status = 'failed', state = 'cancelled', finished_at = now(), updated_at = now()
    FROM gone AS g
    WHERE t.id = g.subject_id AND t.version = 0
    RETURNING t.id, t.type, t.queue, t.priority, t.created_by, g.body->>'actor' AS made_by,
              g.created_at AS made_at
), actors AS (
    SELECT u.id FROM users AS u
    WHERE u.id = $4::uuid OR u.id = (SELECT c.created_by FROM changed AS c) FOR KEY SHARE OF u
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT (lpad(to_hex((extract(epoch FROM c.made_at) * 1000)::int8), 12, '0')
            || substr(replace($2::uuid::text, '-', ''), 13))::uuid,
           (SELECT a.id FROM actors AS a WHERE a.id = c.created_by),
           left(coalesce(c.made_by, ''), 400), 'task.create', 'task:' || c.id,
           jsonb_build_object('type', c.type, 'queue', c.queue, 'priority', c.priority), c.made_at
    FROM changed AS c
    UNION ALL
    SELECT $3::uuid, (SELECT a.id FROM actors AS a WHERE a.id = $4::uuid), $5::text, 'task.cancel',
           'task:' || c.id, jsonb_build_object('type', c.type), now()
    FROM changed AS c
)
SELECT c.id FROM changed AS c;

-- :name outbox_withdraw  :params id uuid, create_id uuid, delete_id uuid, actor_id uuid, actor_label text
-- A job, as outbox_cancel does with a task. Its row goes, as that of a job that the worker deletes.
WITH gone AS (
    DELETE FROM outbox AS o
    WHERE o.subject_id = $1::uuid AND o.kind = 'job' AND o.sent_at IS NULL
    RETURNING o.subject_id, o.body, o.created_at
), dropped AS (
    DELETE FROM jobs AS j
    USING gone AS g
    WHERE j.id = g.subject_id AND j.version = 0
    RETURNING j.id, j.name, j.schedule, j.task_type, j.queue, j.created_by,
              g.body->>'actor' AS made_by, g.created_at AS made_at
), actors AS (
    SELECT u.id FROM users AS u
    WHERE u.id = $4::uuid OR u.id = (SELECT d.created_by FROM dropped AS d) FOR KEY SHARE OF u
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT (lpad(to_hex((extract(epoch FROM d.made_at) * 1000)::int8), 12, '0')
            || substr(replace($2::uuid::text, '-', ''), 13))::uuid,
           (SELECT a.id FROM actors AS a WHERE a.id = d.created_by),
           left(coalesce(d.made_by, ''), 400), 'job.create', 'job:' || d.id,
           jsonb_build_object('after', jsonb_build_object('name', d.name, 'schedule', d.schedule,
                                                          'taskType', d.task_type, 'queue', d.queue)),
           d.made_at
    FROM dropped AS d
    UNION ALL
    SELECT $3::uuid, (SELECT a.id FROM actors AS a WHERE a.id = $4::uuid), $5::text, 'job.delete',
           'job:' || d.id, '{"after": {"deleted": true}}', now()
    FROM dropped AS d
)
SELECT d.id FROM dropped AS d;
