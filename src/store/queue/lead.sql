-- Who leads, and what a new leader reads.

-- :name lead_alone
-- Before lead_make, in its transaction: two shards cannot both find the table empty.
SELECT pg_advisory_xact_lock(hashtextextended('worker.shard', 0));

-- :name lead_make  :params shard int2
INSERT INTO worker.shard (id) SELECT $1::int2
WHERE NOT EXISTS (SELECT FROM worker.shard AS o WHERE o.id <> $1)
ON CONFLICT (id) DO NOTHING;

-- :name lead_look  :params shard int2, leader text, lease_us int8
-- Whether the lease is free, or ours from before, or its holder is gone: a process that was killed
-- has lost its session at once, one that lives would have renewed by now, on another if need be.
-- That is courtesy; the log's key alone keeps two leaders apart. Always one row: whether there is
-- such a shard, and another one that is here.
SELECT coalesce(s.epoch, 0),
       s.leader IS NULL OR s.lease_until IS NULL OR s.lease_until < clock_timestamp()
       OR s.leader = $2
       OR (s.lease_until < clock_timestamp() + $3 * interval '1 microsecond' * 5 / 8
           AND s.leader_pid IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
                           WHERE a.pid = s.leader_pid
                             AND (a.backend_start IS NULL OR a.backend_start = s.leader_since))),
       coalesce(s.ckpt_seq, 0), coalesce(s.is_leaving, false),
       coalesce(s.standby_until < clock_timestamp() + interval '1 s', true),
       coalesce(s.lease_until, 'epoch'),
       s.id IS NOT NULL, coalesce(o.id, -1)
FROM (SELECT min(a.id) FILTER (WHERE a.id <> $1::int2) AS id FROM worker.shard AS a) AS o
LEFT JOIN worker.shard AS s ON s.id = $1::int2;

-- :name lead_stand_by  :params shard int2, epoch int8
UPDATE worker.shard AS s SET standby_until = clock_timestamp() + interval '2 s'
WHERE s.id = $1::int2 AND s.epoch = $2;

-- :name lead_take  :params shard int2, epoch int8, lease_until timestamptz, leader text, lease_us int8
-- What was looked at must be so still.
UPDATE worker.shard AS s
SET epoch = s.epoch + 1, leader = $4,
    lease_until = clock_timestamp() + $5 * interval '1 microsecond',
    leader_pid = pg_backend_pid(),
    leader_since = (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a),
    is_leaving = false, standby_until = NULL
WHERE s.id = $1::int2 AND s.epoch = $2 AND coalesce(s.lease_until, 'epoch') = $3
RETURNING s.epoch, s.ckpt_seq;

-- :name lead_end_writers  :params shard int2, epoch int8, leader text, age_us int8, lease_until timestamptz
-- Ends the sessions of a leader that is no more and whose transaction does not end: one that was
-- stopped in the middle of sending it leaves a session that waits for the rest, for ever, and holds
-- the log's end, or rows of `shard` or of the checkpoint. Behind a pooler that session need not be
-- the one that last renewed, so it is not leader_pid that tells, but who holds locks on what the
-- worker alone writes: in this database, of this role, in a transaction that is older than any that
-- still moves, as one is that began before the clock was set back. Only while the caller leads, or
-- nobody does: the lease is over, or still the one which the caller saw unrenewed for all its time.
SELECT count(*) FILTER (WHERE pg_terminate_backend(w.pid))
FROM (SELECT DISTINCT a.pid
      FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.datid = l.database
      WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock'
        AND l.relation IN ('worker.change_log'::regclass, 'worker.shard'::regclass,
                           'worker.task_live'::regclass)
        AND a.datname = current_database() AND a.usename = current_user
        AND a.pid <> pg_backend_pid()
        AND (a.xact_start < clock_timestamp() - $4 * interval '1 microsecond'
             OR a.xact_start > clock_timestamp())) AS w
WHERE EXISTS (SELECT FROM worker.shard AS s
              WHERE s.id = $1::int2 AND s.epoch = $2
                AND (s.leader IS NULL OR s.leader = $3 OR s.lease_until < clock_timestamp()
                     OR s.lease_until = $5));

-- :name lead_renew  :params shard int2, epoch int8, lease_us int8
UPDATE worker.shard AS s
SET lease_until = clock_timestamp() + $3 * interval '1 microsecond',
    leader_pid = pg_backend_pid(),
    leader_since = (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a)
-- A renewal may come after the lease was given back, on the other connection.
WHERE s.id = $1::int2 AND s.epoch = $2 AND s.leader IS NOT NULL
RETURNING s.epoch;

-- :name lead_leave_row  :params shard int2, epoch int8
-- Whether somebody is there who may be given a moment to see it.
UPDATE worker.shard AS s SET is_leaving = true
WHERE s.id = $1::int2 AND s.epoch = $2 AND s.leader IS NOT NULL
RETURNING coalesce(s.standby_until > clock_timestamp(), false);

-- :name lead_give_back  :params shard int2, epoch int8
UPDATE worker.shard AS s
SET lease_until = NULL, leader = NULL, leader_pid = NULL, leader_since = NULL, is_leaving = false
WHERE s.id = $1::int2 AND s.epoch = $2;

-- :name lead_log_end  :params shard int2
-- The number that the next change will have.
SELECT coalesce((SELECT l.seq + l.n FROM worker.change_log AS l WHERE l.shard = $1::int2
                 ORDER BY l.seq DESC LIMIT 1), 1);

-- :name lead_row  :params shard int2, seq int8
SELECT l.epoch, l.n, encode(l.ops, 'hex'), encode(l.ids, 'hex')
FROM worker.change_log AS l WHERE l.shard = $1::int2 AND l.seq = $2;

-- :name load_types  :params after int4
SELECT t.id, t.name, t.version, t.is_paused, t.paused_by, coalesce(t.paused_reason, ''), t.actor,
       coalesce(t.max_running, 0), coalesce(t.max_running_per_key, 0), coalesce(t.key_path, ''),
       coalesce(t.rate_per_s, 0), coalesce(t.burst, 0), coalesce(t.max_attempts, 0),
       coalesce(t.timeout_s, 0), coalesce(t.retention_days, 0), coalesce(t.paused_actor, ''),
       coalesce(t.rate_per_key_per_s, 0), coalesce(t.burst_per_key, 0)
FROM worker.task_type AS t WHERE t.id > $1 ORDER BY t.id LIMIT 10000;

-- :name load_queues  :params after int4
SELECT q.id, q.name, q.version, q.is_paused, q.paused_by, coalesce(q.paused_reason, ''), q.actor,
       coalesce(q.paused_actor, '')
FROM worker.queue AS q WHERE q.id > $1 ORDER BY q.id LIMIT 10000;

-- :name load_sessions  :params after int8
SELECT s.number, s.id, encode(s.secret_hash, 'hex'), s.worker, s.types, s.ttl_ms,
       s.host, s.created_at
FROM worker.session AS s WHERE s.number > $1 ORDER BY s.number LIMIT 10000;

-- :name load_begin  :params shard int2
SELECT s.ckpt_seq FROM worker.shard AS s WHERE s.id = $1::int2;

-- :name load_counters  :params shard int2
-- One statement, so that they are of one moment; a row without a counter where there is none.
SELECT s.ckpt_seq, coalesce(c.type, -1), coalesce(c.status, 0), coalesce(c.count, 0)
FROM worker.shard AS s LEFT JOIN worker.counter AS c ON true WHERE s.id = $1::int2;

-- :name load_live  :params after uuid
-- Nothing that makes the planner think of its compiler (jit): a page would take ten times as long.
SELECT l.id, l.version, l.type, l.state, l.priority, l.flags, l.crashes, l.attempt, l.max_attempts,
       l.timeout_s, l.session, l.fence, l.at_us, coalesce(l.idempotency_key, ''),
       coalesce(l.queue, -1), coalesce(l.key_hash, 0), l.progress
FROM worker.task_live AS l WHERE l.id > $1 ORDER BY l.id LIMIT 20000;

-- :name load_log  :params shard int2, after int8, until int8
SELECT l.seq, l.n, l.at, encode(l.ops, 'hex'), encode(l.ids, 'hex'), encode(l.args, 'hex'),
       coalesce(l.extra, '')
FROM worker.change_log AS l
WHERE l.shard = $1::int2 AND l.seq >= $2 AND l.seq < $3
ORDER BY l.seq LIMIT 50;

-- :name load_blocked  :params ids uuid[]
-- What blocked tasks still wait for, and how that ended (-1: it has not); 5 is STATE_SUCCEEDED. One
-- that is gone has succeeded: what failed is kept until all that wait for it have failed.
SELECT t.id, u.dep, coalesce(d.state, -1)
FROM worker.task AS t CROSS JOIN unnest(t.depends_on) AS u (dep)
JOIN worker.task AS k ON k.id = u.dep
LEFT JOIN worker.task_done AS d ON d.id = u.dep
WHERE t.id = ANY ($1::uuid[]) AND d.state IS DISTINCT FROM 5;

-- :name load_checkpoints  :params after uuid
SELECT c.task_id FROM worker.checkpoint AS c WHERE c.task_id > $1 ORDER BY c.task_id LIMIT 20000;

-- :name load_tasks  :params ids uuid[]
SELECT t.id, t.type, t.priority, t.max_attempts, t.timeout_s, t.run_at,
       coalesce(t.idempotency_key, ''), t.job_id IS NOT NULL,
       t.queue, coalesce(t.key_hash, 0)
FROM worker.task AS t WHERE t.id = ANY ($1::uuid[]);
