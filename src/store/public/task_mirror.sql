-- The gateway's copies of the worker's tasks and jobs. Rows come as one array a column, in the
-- order of the columns here; task_mirror.c knows that order. Enums, jsonb and uuid[] travel as text.

-- :name task_mirror_put  :params ids uuid[], types text[], statuses text[], states text[], priorities text[]
-- :params payloads text[], results text[], errors text[], error_templates text[], queues text[], attempts int4[], max_attempts int4[]
-- :params progresses float8[], run_ats timestamptz[], started_ats timestamptz[], finished_ats timestamptz[], timeouts int4[]
-- :params idempotency_keys text[], depends_ons text[], job_ids uuid[], scheduled_fors timestamptz[], created_bys uuid[], whys text[]
-- :params versions int8[], created_ats timestamptz[], updated_ats timestamptz[], accepted bool, shard int2, is_forced bool, are_found bool
-- Whole rows. One that is there already (this gateway or another wrote it at the creation) gets what
-- may change of a task, where it is older; forced, in any case. An array may be shorter than the
-- others: the rest of it is null. Found ones: as in job_mirror_upsert.
INSERT INTO tasks AS t (id, type, status, state, priority, payload, result, error, error_template,
                        queue, attempt, max_attempts, progress, run_at, started_at, finished_at,
                        timeout_seconds, idempotency_key, depends_on, job_id, scheduled_for,
                        created_by, why, version, created_at, updated_at, accepted, shard)
SELECT g.id, g.type, g.status::task_status, g.state::task_state,
       coalesce(g.priority, 'normal')::task_priority,
       coalesce(g.payload, '{}')::jsonb, g.result::jsonb, g.error, g.error_template,
       coalesce(g.queue, 'default'), coalesce(g.attempt, 0), coalesce(g.max_attempts, 5),
       g.progress, coalesce(g.run_at, g.created_at, now()), g.started_at, g.finished_at,
       coalesce(g.timeout_seconds, 300), g.idempotency_key, coalesce(g.depends_on, '{}')::uuid[],
       g.job_id, g.scheduled_for, g.created_by, g.why::jsonb, g.version,
       coalesce(g.created_at, now()), coalesce(g.updated_at, now()), $27::bool, $28::int2
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
            $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int4[], $12::int4[],
            $13::float8[], $14::timestamptz[], $15::timestamptz[], $16::timestamptz[],
            $17::int4[], $18::text[], $19::text[], $20::uuid[], $21::timestamptz[], $22::uuid[],
            $23::text[], $24::int8[], $25::timestamptz[], $26::timestamptz[])
     AS g (id, type, status, state, priority, payload, result, error, error_template, queue,
           attempt, max_attempts, progress, run_at, started_at, finished_at, timeout_seconds,
           idempotency_key, depends_on, job_id, scheduled_for, created_by, why, version,
           created_at, updated_at)
WHERE NOT $30::bool
   OR EXISTS (SELECT FROM mirror AS m
              WHERE m.name = CASE WHEN $28::int2 > 0 THEN 'tasks-' || $28::int2 ELSE 'tasks' END
                AND coalesce(nullif(split_part(coalesce(m.snapshot_cursor, m.cursor), ':', 2), '')::int8, 0)
                    <= g.version
              FOR SHARE)
ON CONFLICT (id) DO UPDATE
SET status = excluded.status, state = excluded.state, priority = excluded.priority,
    result = excluded.result, error = excluded.error, error_template = excluded.error_template,
    queue = excluded.queue, attempt = excluded.attempt, max_attempts = excluded.max_attempts,
    progress = excluded.progress, run_at = excluded.run_at, started_at = excluded.started_at,
    finished_at = excluded.finished_at, timeout_seconds = excluded.timeout_seconds,
    why = excluded.why, version = excluded.version, created_at = excluded.created_at,
    updated_at = excluded.updated_at, accepted = excluded.accepted
WHERE t.version < excluded.version OR $29::bool;

-- :name task_mirror_add  :params ids uuid[], versions int8[], payloads text[], keys text[], types text[], states text[]
-- :params priorities text[], queues text[], max_attempts int4[], timeouts int4[], created_bys uuid[], run_ats timestamptz[]
-- :params created_ats timestamptz[], updated_ats timestamptz[], one_type text?, one_state task_state?, one_priority task_priority?
-- :params one_queue text?, one_max_attempts int4?, one_timeout int4?, one_created_by uuid?, one_run_at timestamptz?
-- :params one_created_at timestamptz?, one_updated_at timestamptz?, shard int2
-- Whole rows of new tasks, none of which is there: what a task has later stands at its default. A
-- value that all rows have comes once, beside an empty array. ON CONFLICT would cost a third more:
-- PostgreSQL looks into the key's index first, takes a lock and writes the log twice for each row;
-- unnest in FROM would store all rows once more. It is a transaction of its own, as mirror_async.
INSERT INTO tasks (id, version, payload, idempotency_key, type, state, priority, queue,
                   max_attempts, timeout_seconds, created_by, run_at, created_at, updated_at, shard)
SELECT g.id, g.version, g.payload::jsonb, g.key, coalesce(g.type, $15::text),
       coalesce(g.state::task_state, $16::task_state),
       coalesce(g.priority::task_priority, $17::task_priority), coalesce(g.queue, $18::text),
       coalesce(g.max_attempts, $19::int4), coalesce(g.timeout, $20::int4),
       coalesce(g.created_by, $21::uuid), coalesce(g.run_at, $22::timestamptz),
       coalesce(g.created_at, $23::timestamptz), coalesce(g.updated_at, $24::timestamptz), $25::int2
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int8[]) AS version, unnest($3::text[]) AS payload,
             unnest($4::text[]) AS key, unnest($5::text[]) AS type, unnest($6::text[]) AS state,
             unnest($7::text[]) AS priority, unnest($8::text[]) AS queue,
             unnest($9::int4[]) AS max_attempts, unnest($10::int4[]) AS timeout,
             unnest($11::uuid[]) AS created_by, unnest($12::timestamptz[]) AS run_at,
             unnest($13::timestamptz[]) AS created_at, unnest($14::timestamptz[]) AS updated_at
     ) AS g
WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL;

-- :name task_mirror_versions  :params after_id uuid, last_id uuid, row_limit int8
-- Of whatever shard: an id is of one.
SELECT t.id, t.version FROM tasks AS t
WHERE t.id > $1::uuid AND t.id <= $2::uuid
ORDER BY t.id LIMIT $3::int8;

-- :name task_mirror_update  :params ids uuid[], told int8[], statuses text[], states text[], priorities text[]
-- :params results text[], errors text[], error_templates text[], queues text[], attempts int4[], max_attempts int4[], progresses float8[]
-- :params run_ats timestamptz[], started_ats timestamptz[], finished_ats timestamptz[], timeouts int4[], whys text[], versions int8[]
-- :params created_ats timestamptz[], updated_ats timestamptz[]
-- `told` has a bit for each of the columns from status on, in the order of the parameters: those
-- that the change tells. The version guard makes a repeat harmless. Answers the ids that have no row.
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::text[],
                         $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::int4[], $11::int4[], $12::float8[], $13::timestamptz[],
                         $14::timestamptz[], $15::timestamptz[], $16::int4[], $17::text[],
                         $18::int8[], $19::timestamptz[], $20::timestamptz[])
         AS g (id, told, status, state, priority, result, error, error_template, queue, attempt,
               max_attempts, progress, run_at, started_at, finished_at, timeout_seconds, why,
               version, created_at, updated_at)
), changed AS (
    UPDATE tasks AS t
    SET status = CASE WHEN g.told & 1 <> 0 THEN g.status::task_status ELSE t.status END,
        state = CASE WHEN g.told & 2 <> 0 THEN g.state::task_state ELSE t.state END,
        priority = CASE WHEN g.told & 4 <> 0 THEN g.priority::task_priority
                        ELSE t.priority END,
        result = CASE WHEN g.told & 8 <> 0 THEN g.result::jsonb ELSE t.result END,
        error = CASE WHEN g.told & 16 <> 0 THEN g.error ELSE t.error END,
        error_template = CASE WHEN g.told & 32 <> 0 THEN g.error_template
                              ELSE t.error_template END,
        queue = CASE WHEN g.told & 64 <> 0 THEN g.queue ELSE t.queue END,
        attempt = CASE WHEN g.told & 128 <> 0 THEN g.attempt ELSE t.attempt END,
        max_attempts = CASE WHEN g.told & 256 <> 0 THEN g.max_attempts ELSE t.max_attempts END,
        progress = CASE WHEN g.told & 512 <> 0 THEN g.progress ELSE t.progress END,
        run_at = CASE WHEN g.told & 1024 <> 0 THEN g.run_at ELSE t.run_at END,
        started_at = CASE WHEN g.told & 2048 <> 0 THEN g.started_at ELSE t.started_at END,
        finished_at = CASE WHEN g.told & 4096 <> 0 THEN g.finished_at ELSE t.finished_at END,
        timeout_seconds = CASE WHEN g.told & 8192 <> 0 THEN g.timeout_seconds
                               ELSE t.timeout_seconds END,
        why = CASE WHEN g.told & 16384 <> 0 THEN g.why::jsonb ELSE t.why END,
        version = g.version,
        created_at = CASE WHEN g.told & 65536 <> 0 THEN g.created_at ELSE t.created_at END,
        updated_at = CASE WHEN g.told & 131072 <> 0 THEN g.updated_at ELSE t.updated_at END,
        accepted = true
    FROM given AS g
    WHERE t.id = g.id AND t.version < g.version
    RETURNING t.id
)
SELECT g.id FROM given AS g
WHERE NOT EXISTS (SELECT FROM changed AS c WHERE c.id = g.id)
  AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.id = g.id);

-- :name task_mirror_cut  :params after_id uuid, last_id uuid, row_offset int8, shard int2
-- The id that so many of the shard's rows stand before; no row: there are no more than that. In the
-- two halves of task_mirror_drop_ranges.
(SELECT t.id FROM tasks AS t
 WHERE t.id > $1::uuid AND t.id <= $2::uuid AND t.shard = $4::int2 AND t.shard > 0
 ORDER BY t.id OFFSET $3::int8 LIMIT 1)
UNION ALL
(SELECT t.id FROM tasks AS t
 WHERE t.id > $1::uuid AND t.id <= $2::uuid AND t.shard = 0 AND $4::int2 = 0
 ORDER BY t.id OFFSET $3::int8 LIMIT 1);

-- :name task_mirror_drop  :params ids uuid[]
DELETE FROM tasks AS t WHERE t.id = ANY ($1::uuid[]);

-- :name task_mirror_drop_ranges  :params froms uuid[], tos uuid[], shard int2
-- What still waits in the outbox is not the worker's to drop. By the index of the shard's own rows,
-- but for shard 0, which is not in it: one of the two halves ends at once. So below.
WITH dropped AS (
    DELETE FROM tasks AS t
    USING unnest($1::uuid[], $2::uuid[]) AS g (from_id, to_id)
    WHERE t.id >= g.from_id AND t.id < g.to_id AND t.shard = $3::int2 AND t.shard > 0
      AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = t.id)
)
DELETE FROM tasks AS t
USING unnest($1::uuid[], $2::uuid[]) AS g (from_id, to_id)
WHERE t.id >= g.from_id AND t.id < g.to_id AND t.shard = 0 AND $3::int2 = 0
  AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject_id = t.id);

-- :name task_mirror_prune  :params after_id uuid, last_id uuid, ids uuid[], version int8, is_forced bool, shard int2
-- Rows of a snapshot's page that the page does not show are gone from the worker. Those that
-- changed since the snapshot began are newer than it, those of version 0 were never the worker's.
-- NOT IN: one look into a table of hashes a row, however many rows the planner expects.
WITH pruned AS (
    DELETE FROM tasks AS t
    WHERE t.id > $1::uuid AND t.id <= $2::uuid AND t.version > 0
      AND (t.version < $4::int8 OR $5::bool) AND t.shard = $6::int2 AND t.shard > 0
      AND t.id NOT IN (SELECT g.id FROM unnest($3::uuid[]) AS g (id))
)
DELETE FROM tasks AS t
WHERE t.id > $1::uuid AND t.id <= $2::uuid AND t.version > 0
  AND (t.version < $4::int8 OR $5::bool) AND t.shard = 0 AND $6::int2 = 0
  AND t.id NOT IN (SELECT g.id FROM unnest($3::uuid[]) AS g (id));

-- :name job_mirror_upsert  :params ids uuid[], names text[], schedules text[], time_zones text[], statuses text[], last_runs timestamptz[]
-- :params next_runs timestamptz[], task_types text[], payloads text[], priorities text[], misfires text[]
-- :params overlaps text[], max_attempts int4[], fail_afters int4[], failures int4[], queues text[], timeouts int4[], jitters int4[]
-- :params created_bys uuid[], versions int8[], created_ats timestamptz[], updated_ats timestamptz[], accepted bool, is_forced bool, shard int2, are_known bool, are_found bool
-- Those that are known have a row, or were deleted meanwhile: a row that is not there is not made
-- again. FOR UPDATE: one that is being deleted is waited for, and then passed over. Of those that an
-- answer was found with the same is known once the shard's mirror has come past their version: until
-- then it will hear of their end. FOR SHARE: it does not come past it meanwhile.
INSERT INTO jobs AS j (id, name, schedule, time_zone, status, last_run, next_run, task_type,
                       payload, priority, misfire_policy, overlap_policy, max_attempts, fail_after,
                       consecutive_failures, queue, timeout_seconds, jitter_seconds, created_by,
                       version, created_at, updated_at, accepted, shard)
SELECT g.id, g.name, g.schedule, coalesce(g.time_zone, 'UTC'), g.status::job_status,
       g.last_run, g.next_run,
       g.task_type, coalesce(g.payload, '{}')::jsonb, coalesce(g.priority, 'normal')::task_priority,
       coalesce(g.misfire_policy, 'run-once')::misfire_policy,
       coalesce(g.overlap_policy, 'skip')::overlap_policy,
       coalesce(g.max_attempts, 3), coalesce(g.fail_after, 0),
       coalesce(g.consecutive_failures, 0), coalesce(g.queue, 'default'),
       coalesce(g.timeout_seconds, 300), coalesce(g.jitter_seconds, 0), g.created_by, g.version,
       coalesce(g.created_at, now()), coalesce(g.updated_at, now()), $23::bool, $25::int2
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::text[], $13::int4[], $14::int4[], $15::int4[],
            $16::text[], $17::int4[], $18::int4[], $19::uuid[], $20::int8[], $21::timestamptz[],
            $22::timestamptz[])
     AS g (id, name, schedule, time_zone, status, last_run, next_run, task_type, payload,
           priority, misfire_policy, overlap_policy, max_attempts, fail_after,
           consecutive_failures, queue, timeout_seconds, jitter_seconds, created_by, version,
           created_at, updated_at)
WHERE CASE WHEN $26::bool THEN EXISTS (SELECT FROM jobs AS k WHERE k.id = g.id FOR UPDATE)
           WHEN $27::bool
           THEN EXISTS (SELECT FROM mirror AS m
                        WHERE m.name = CASE WHEN $25::int2 > 0 THEN 'tasks-' || $25::int2 ELSE 'tasks' END
                          AND coalesce(nullif(split_part(coalesce(m.snapshot_cursor, m.cursor), ':', 2), '')::int8, 0)
                              <= g.version
                        FOR SHARE)
           ELSE true END
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, schedule = excluded.schedule, time_zone = excluded.time_zone,
    status = excluded.status, last_run = excluded.last_run, next_run = excluded.next_run,
    task_type = excluded.task_type, payload = excluded.payload, priority = excluded.priority,
    misfire_policy = excluded.misfire_policy, overlap_policy = excluded.overlap_policy,
    max_attempts = excluded.max_attempts, fail_after = excluded.fail_after,
    consecutive_failures = excluded.consecutive_failures, queue = excluded.queue,
    timeout_seconds = excluded.timeout_seconds, jitter_seconds = excluded.jitter_seconds,
    created_by = excluded.created_by, version = excluded.version,
    created_at = excluded.created_at, updated_at = excluded.updated_at,
    accepted = excluded.accepted
WHERE j.version < excluded.version OR $24::bool;

-- :name job_mirror_drop  :params ids uuid[]
DELETE FROM jobs AS j WHERE j.id = ANY ($1::uuid[]);

-- :name job_mirror_prune  :params ids uuid[], version int8, is_forced bool, shard int2
DELETE FROM jobs AS j
WHERE j.version > 0 AND (j.version < $2::int8 OR $3::bool) AND j.shard = $4::int2
  AND NOT EXISTS (SELECT FROM unnest($1::uuid[]) AS g (id) WHERE g.id = j.id);

-- :name task_mirror_stands  :params id uuid
-- Whether a task that there is was taken by the worker, and of which shard.
SELECT t.accepted, t.shard FROM tasks AS t WHERE t.id = $1;

-- :name task_mirror_foreign  :params ids uuid[], shard int2
-- One of those of other shards.
SELECT t.id, t.shard FROM tasks AS t WHERE t.id = ANY ($1::uuid[]) AND t.shard <> $2::int2 LIMIT 1;

-- :name job_mirror_stands  :params id uuid
SELECT j.accepted, j.shard FROM jobs AS j WHERE j.id = $1;
