-- Tasks as callers see them. Columns in the order that src/worker/read.c takes them.

-- :name read_tasks  :params ids uuid[]
SELECT t.id, t.seq, t.type, t.priority, t.max_attempts, t.timeout_s, t.run_at, t.created_at,
       t.scheduled_for, t.job_id, t.created_by, t.queue, t.actor, t.idempotency_key, t.depends_on,
       t.payload, d.seq, d.state, d.attempt, d.max_attempts, d.started_at, d.finished_at,
       d.result, d.error, d.why, d.worker, coalesce(t.key_hash, 0)
FROM worker.task AS t LEFT JOIN worker.task_done AS d ON d.id = t.id
WHERE t.id = ANY ($1::uuid[]);

-- :name read_ends  :params ids uuid[]
-- The same of finished ones, without their bodies.
SELECT t.id, t.seq, t.type, t.priority, t.max_attempts, t.timeout_s, t.run_at, t.created_at,
       t.scheduled_for, t.job_id, t.created_by, t.queue, t.actor, t.idempotency_key, t.depends_on,
       '', d.seq, d.state, d.attempt, d.max_attempts, d.started_at, d.finished_at,
       NULL::json, NULL::text, d.why, NULL::text, coalesce(t.key_hash, 0)
FROM worker.task AS t LEFT JOIN worker.task_done AS d ON d.id = t.id
WHERE t.id = ANY ($1::uuid[]);

-- :name read_gone  :params ids uuid[]
-- Those that were deleted.
SELECT g.id FROM worker.task_gone AS g WHERE g.id = ANY ($1::uuid[]);

-- :name read_made  :params ids uuid[]
-- Of those that were deleted, how they were made.
SELECT g.id, g.seq, g.type, g.priority, g.created_at, g.job_id, g.created_by, g.queue, g.actor
FROM worker.task_gone AS g WHERE g.id = ANY ($1::uuid[]) AND g.seq IS NOT NULL;

-- :name read_page  :params after uuid, limit int8
SELECT t.id, t.seq, t.type, t.priority, t.max_attempts, t.timeout_s, t.run_at, t.created_at,
       t.scheduled_for, t.job_id, t.created_by, t.queue, t.actor, t.idempotency_key, t.depends_on,
       t.payload, d.seq, d.state, d.attempt, d.max_attempts, d.started_at, d.finished_at,
       d.result, d.error, d.why, d.worker, coalesce(t.key_hash, 0)
FROM worker.task AS t LEFT JOIN worker.task_done AS d ON d.id = t.id
WHERE t.id > $1 ORDER BY t.id LIMIT $2;

-- :name read_bodies  :params ids uuid[]
-- What a lease holds beside what memory knows.
SELECT t.id, t.payload, t.idempotency_key, t.job_id, t.scheduled_for,
       (SELECT c.value FROM worker.checkpoint AS c WHERE c.task_id = t.id)
FROM worker.task AS t WHERE t.id = ANY ($1::uuid[]);

-- :name read_attempts  :params id uuid
SELECT a.attempt, a.worker, a.started_at, a.ended_at, a.outcome, a.error
FROM worker.attempt AS a WHERE a.task_id = $1 ORDER BY a.fence;

-- :name read_log  :params shard int2, from_seq int8, to_seq int8
-- From the row that holds the first number on.
SELECT l.seq, l.n, l.at, encode(l.ops, 'hex'), encode(l.ids, 'hex'), encode(l.args, 'hex'),
       coalesce(l.extra, '')
FROM worker.change_log AS l
WHERE l.shard = $1::int2 AND l.seq < $3
  AND l.seq >= coalesce((SELECT k.seq FROM worker.change_log AS k
                         WHERE k.shard = $1::int2 AND k.seq <= $2 ORDER BY k.seq DESC LIMIT 1), $2)
ORDER BY l.seq LIMIT 100;

-- :name read_errors  :params ids uuid[]
SELECT a.task_id, a.seq, a.error FROM worker.attempt AS a WHERE a.task_id = ANY ($1::uuid[]);

-- :name read_acks  :params ids uuid[], fences int8[]
-- Of acknowledgements that changed nothing: is there such a task, and did one end this lease before?
-- An attempt that was lost or timed out was not ended by its executor: what he says then is stale.
SELECT u.n - 1, t.id IS NOT NULL,
       coalesce(a.outcome IN (1, 4), d.fence = u.fence, false) -- OUTCOME_FAILED, OUTCOME_CANCELLED
FROM unnest($1::uuid[], $2::int8[]) WITH ORDINALITY AS u (id, fence, n)
LEFT JOIN worker.task AS t ON t.id = u.id
LEFT JOIN worker.task_done AS d ON d.id = u.id
LEFT JOIN worker.attempt AS a ON a.task_id = u.id AND a.fence = u.fence;

-- :name read_deps  :params ids uuid[]
-- Of tasks that others are to wait for; -1: not finished.
SELECT t.id, coalesce(d.state, -1)
FROM worker.task AS t LEFT JOIN worker.task_done AS d ON d.id = t.id
WHERE t.id = ANY ($1::uuid[]);
