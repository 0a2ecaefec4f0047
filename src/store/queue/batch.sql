-- What one batch of the dispatcher writes: one implicit transaction, one Sync. Empty texts, numbers
-- and ids of zero and the first instant of 1970 stand for null, which arrays of values cannot carry;
-- so does an array without elements, for all rows. Where a statement may get many rows, its arrays
-- are unnested in a list of columns: in FROM, each of them would be stored in memory of its own and
-- read back, row by row, which costs as much as putting the rows into the table.

-- :name batch_limits  :params lock_timeout text, statement_timeout text
-- For a transaction that may wait for longer or shorter than the lane's others.
SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true);

-- :name batch_limits_async  :params lock_timeout text, statement_timeout text
-- For what may be lost with the host: it is written again.
SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
       set_config('synchronous_commit', 'off', true);

-- :name batch_log  :params shard int2, seq int8, n int4, epoch int8, at timestamptz, ops bytea, ids bytea
-- :params arguments bytea, extra text
-- The guard: whoever else leads has put a row at this number.
INSERT INTO worker.change_log (shard, seq, n, epoch, at, ops, ids, args, extra)
VALUES ($1::int2, $2, $3::int4, $4, $5, $6, $7, $8, nullif($9, ''));

-- :name batch_log_epoch  :params shard int2, seq int8, epoch int8, at timestamptz, ops bytea, ids bytea
-- The first row of a leader, while he is still the one who took the lease last: whoever has taken it
-- since has put rows before it, or will find this one before his own.
INSERT INTO worker.change_log (shard, seq, n, epoch, at, ops, ids, args)
SELECT $1::int2, $2::int8, 1, $3::int8, $4::timestamptz, $5::bytea, $6::bytea, ''
FROM worker.shard AS s WHERE s.id = $1::int2 AND s.epoch = $3::int8
RETURNING seq;

-- :name batch_types  :params ids int4[], names text[]
INSERT INTO worker.task_type (id, name)
SELECT u.id, u.name FROM unnest($1::int4[], $2::text[]) AS u (id, name);

-- :name batch_queues  :params ids int4[], names text[]
INSERT INTO worker.queue (id, name)
SELECT u.id, u.name FROM unnest($1::int4[], $2::text[]) AS u (id, name);

-- :name batch_tasks  :params ids uuid[], seqs int8[], types int4[], priorities int4[], max_attempts int4[]
-- :params timeouts int4[], run_ats timestamptz[], scheduled_fors timestamptz[], job_ids uuid[]
-- :params creators uuid[], queues text[], actors text[], keys text[], depends_on text[], payloads text[]
-- :params at timestamptz, key_hashes int8[]
-- Without `run_ats`, all may run at once.
INSERT INTO worker.task (id, seq, type, priority, max_attempts, timeout_s, run_at, created_at,
                         scheduled_for, job_id, created_by, queue, actor, idempotency_key,
                         depends_on, payload, key_hash)
SELECT u.id, u.seq, u.type, u.priority::int2, u.max_attempts, u.timeout_s, coalesce(u.run_at, $16),
       $16, nullif(u.scheduled_for, 'epoch'),
       nullif(u.job_id, '00000000-0000-0000-0000-000000000000'),
       nullif(u.created_by, '00000000-0000-0000-0000-000000000000'), u.queue, u.actor,
       nullif(u.key, ''), coalesce(u.depends_on::uuid[], '{}'), u.payload::json,
       nullif(u.key_hash, 0)
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int8[]) AS seq, unnest($3::int4[]) AS type,
             unnest($4::int4[]) AS priority, unnest($5::int4[]) AS max_attempts,
             unnest($6::int4[]) AS timeout_s, unnest($7::timestamptz[]) AS run_at,
             unnest($8::timestamptz[]) AS scheduled_for, unnest($9::uuid[]) AS job_id,
             unnest($10::uuid[]) AS created_by, unnest($11::text[]) AS queue,
             unnest($12::text[]) AS actor, unnest($13::text[]) AS key,
             unnest($14::text[]) AS depends_on, unnest($15::text[]) AS payload,
             unnest($17::int8[]) AS key_hash) AS u;

-- :name batch_task  :params id uuid, seq int8, type int4, priority int2, max_attempts int4, timeout int4
-- :params run_at timestamptz, scheduled_for timestamptz, job_id uuid, creator uuid, queue text
-- :params actor text, key text, depends_on text, payload text, at timestamptz, key_hash int8
-- The same of one alone, as an idle system's are: arrays make it half as long again.
INSERT INTO worker.task (id, seq, type, priority, max_attempts, timeout_s, run_at, created_at,
                         scheduled_for, job_id, created_by, queue, actor, idempotency_key,
                         depends_on, payload, key_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $16, nullif($8, 'epoch'),
        nullif($9, '00000000-0000-0000-0000-000000000000'),
        nullif($10, '00000000-0000-0000-0000-000000000000'), $11, $12, nullif($13, ''),
        $14::text::uuid[], $15::text::json, nullif($17, 0));

-- :name batch_done  :params ids uuid[], seqs int8[], fences int8[], states int4[], attempts int4[]
-- :params max_attempts int4[], started_ats timestamptz[], results text[], has_errors bool[]
-- :params errors text[], whys text[], workers text[], at timestamptz
INSERT INTO worker.task_done (id, seq, fence, state, attempt, max_attempts, started_at,
                              finished_at, result, error, why, worker)
SELECT u.id, u.seq, u.fence, u.state::int2, u.attempt, u.max_attempts,
       nullif(u.started_at, 'epoch'), $13, nullif(u.result, '')::json,
       CASE WHEN u.has_error THEN u.error END, nullif(u.why, ''), nullif(u.worker, '')
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int8[]) AS seq, unnest($3::int8[]) AS fence,
             unnest($4::int4[]) AS state, unnest($5::int4[]) AS attempt,
             unnest($6::int4[]) AS max_attempts, unnest($7::timestamptz[]) AS started_at,
             unnest($8::text[]) AS result, unnest($9::bool[]) AS has_error,
             unnest($10::text[]) AS error, unnest($11::text[]) AS why,
             unnest($12::text[]) AS worker) AS u;

-- :name batch_attempts  :params ids uuid[], fences int8[], seqs int8[], attempts int4[], outcomes int4[]
-- :params started_ats timestamptz[], workers text[], has_errors bool[], errors text[], at timestamptz
INSERT INTO worker.attempt (task_id, fence, seq, attempt, outcome, started_at, ended_at, worker,
                            error)
SELECT u.id, u.fence, u.seq, u.attempt, u.outcome::int2, u.started_at, $10, u.worker,
       CASE WHEN u.has_error THEN u.error END
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int8[]) AS fence, unnest($3::int8[]) AS seq,
             unnest($4::int4[]) AS attempt, unnest($5::int4[]) AS outcome,
             unnest($6::timestamptz[]) AS started_at, unnest($7::text[]) AS worker,
             unnest($8::bool[]) AS has_error, unnest($9::text[]) AS error) AS u;

-- :name batch_reopen  :params ids uuid[], seqs int8[], count int8
-- All of them, as they ended at those numbers, or none: one that is missing divides by zero, which
-- undoes the batch.
WITH gone AS (
    DELETE FROM worker.task_done AS d USING unnest($1::uuid[], $2::int8[]) AS u (id, seq)
    WHERE d.id = u.id AND d.seq = u.seq
    RETURNING d.id
)
SELECT 1 / (CASE WHEN count(*) = $3 THEN 1 ELSE 0 END) FROM gone;

-- :name batch_drop  :params ids uuid[], seqs int8[], remembered uuid[], count int8
-- Finished tasks that are taken out one by one, all or none as above. Ids that may be sent again are
-- remembered, with how they were made.
WITH gone AS (
    DELETE FROM worker.task_done AS d USING unnest($1::uuid[], $2::int8[]) AS u (id, seq)
    WHERE d.id = u.id AND d.seq = u.seq
    RETURNING d.id
), logs AS (
    DELETE FROM worker.task_log WHERE task_id = ANY ($1::uuid[])
), attempts AS (
    DELETE FROM worker.attempt WHERE task_id = ANY ($1::uuid[])
), tasks AS (
    DELETE FROM worker.task WHERE id = ANY ($1::uuid[])
    RETURNING id, seq, type, priority, created_at, job_id, created_by, queue, actor
), kept AS (
    INSERT INTO worker.task_gone (id, seq, type, priority, created_at, job_id, created_by, queue,
                                  actor)
    SELECT u.id, t.seq, t.type, t.priority, t.created_at, t.job_id, t.created_by, t.queue, t.actor
    FROM unnest($3::uuid[]) AS u (id) LEFT JOIN tasks AS t ON t.id = u.id
)
SELECT 1 / (CASE WHEN count(*) = $4 THEN 1 ELSE 0 END) FROM gone;

-- :name batch_day_drop  :params day int4
SELECT worker.day_drop($1);

-- :name batch_sessions  :params numbers int8[], ids uuid[], secrets text[], workers text[], hosts text[]
-- :params versions text[], types text[], ttls int8[], at timestamptz
INSERT INTO worker.session (number, id, secret_hash, worker, host, version, types, ttl_ms,
                            created_at)
SELECT u.number, u.id, decode(u.secret, 'hex'), u.worker, u.host, u.version, u.types::json,
       u.ttl_ms, $9
FROM unnest($1::int8[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::int8[])
     AS u (number, id, secret, worker, host, version, types, ttl_ms);

-- :name batch_sessions_ended  :params numbers int8[]
DELETE FROM worker.session WHERE number = ANY ($1::int8[]);

-- :name batch_checkpoints  :params ids uuid[], seqs int8[], checkpoints text[]
-- Each task once.
INSERT INTO worker.checkpoint AS c (task_id, seq, value)
SELECT u.id, u.seq, u.checkpoint::json
FROM unnest($1::uuid[], $2::int8[], $3::text[]) AS u (id, seq, checkpoint)
ON CONFLICT (task_id) DO UPDATE SET seq = excluded.seq, value = excluded.value;

-- :name batch_checkpoints_gone  :params ids uuid[]
DELETE FROM worker.checkpoint WHERE task_id = ANY ($1::uuid[]);
