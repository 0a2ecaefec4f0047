-- The lazy checkpoint, off the commit path: what a restart starts from.

-- :name tick_live  :params ids uuid[], versions int8[], types int4[], states int4[], priorities int4[]
-- :params flags int4[], crashes int4[], attempts int4[], max_attempts int4[], timeouts int4[]
-- :params sessions int8[], fences int8[], ats int8[], keyed bool[], queues int4[], key_hashes int8[]
-- :params progress int4[]
-- `keyed` and `key_hashes` may be empty: none is. A progress of -1 is one that nobody has told: what an attempt told before stays its own.
INSERT INTO worker.task_live AS l (id, version, type, state, priority, flags, crashes, attempt,
                                   max_attempts, timeout_s, session, fence, at_us, idempotency_key, queue,
                                   key_hash, progress)
SELECT u.id, u.version, u.type, u.state::int2, u.priority::int2, u.flags::int2, u.crashes::int2,
       u.attempt, u.max_attempts, u.timeout_s, u.session, u.fence, u.at_us,
       CASE WHEN u.keyed THEN (SELECT t.idempotency_key FROM worker.task AS t WHERE t.id = u.id) END,
       u.queue, nullif(u.key_hash, 0), nullif(u.progress, -1)
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int8[]) AS version, unnest($3::int4[]) AS type,
             unnest($4::int4[]) AS state, unnest($5::int4[]) AS priority,
             unnest($6::int4[]) AS flags, unnest($7::int4[]) AS crashes,
             unnest($8::int4[]) AS attempt, unnest($9::int4[]) AS max_attempts,
             unnest($10::int4[]) AS timeout_s, unnest($11::int8[]) AS session,
             unnest($12::int8[]) AS fence, unnest($13::int8[]) AS at_us,
             unnest($14::bool[]) AS keyed, unnest($15::int4[]) AS queue,
             unnest($16::int8[]) AS key_hash, unnest($17::int4[]) AS progress) AS u
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, state = excluded.state, flags = excluded.flags,
    crashes = excluded.crashes, attempt = excluded.attempt, max_attempts = excluded.max_attempts,
    session = excluded.session, fence = excluded.fence, at_us = excluded.at_us,
    progress = coalesce(excluded.progress, CASE WHEN l.fence = excluded.fence THEN l.progress END);

-- :name tick_live_new  :params ids uuid[], versions int8[], types int4[], states int4[]
-- :params priorities int4[], flags int4[], max_attempts int4[], timeouts int4[], ats int8[]
-- :params keyed bool[], queues int4[], key_hashes int8[]
-- Of tasks that no tick has written before and that never began. Most rows are such; to look for one
-- that is not there, as above, costs as much again.
INSERT INTO worker.task_live (id, version, type, state, priority, flags, crashes, attempt, max_attempts,
                              timeout_s, session, fence, at_us, idempotency_key, queue, key_hash)
SELECT u.id, u.version, u.type, u.state::int2, u.priority::int2, u.flags::int2, 0, 0, u.max_attempts,
       u.timeout_s, 0, 0, u.at_us,
       CASE WHEN u.keyed THEN (SELECT t.idempotency_key FROM worker.task AS t WHERE t.id = u.id) END,
       u.queue, nullif(u.key_hash, 0)
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int8[]) AS version, unnest($3::int4[]) AS type,
             unnest($4::int4[]) AS state, unnest($5::int4[]) AS priority,
             unnest($6::int4[]) AS flags, unnest($7::int4[]) AS max_attempts,
             unnest($8::int4[]) AS timeout_s, unnest($9::int8[]) AS at_us,
             unnest($10::bool[]) AS keyed, unnest($11::int4[]) AS queue,
             unnest($12::int8[]) AS key_hash) AS u;

-- :name tick_gone_rows  :params ids uuid[]
DELETE FROM worker.task_live WHERE id = ANY ($1::uuid[]);

-- :name tick_counters  :params types int4[], statuses int4[], counts int8[]
INSERT INTO worker.counter AS c (type, status, count)
SELECT u.type, u.status::int2, u.count
FROM unnest($1::int4[], $2::int4[], $3::int8[]) AS u (type, status, count)
ON CONFLICT (type, status) DO UPDATE SET count = excluded.count;

-- :name tick_guard  :params shard int2, epoch int8
-- Whoever leads no more must not write: the division undoes all of it.
SELECT 1 / (CASE WHEN s.epoch = $2 THEN 1 ELSE 0 END)
FROM worker.shard AS s WHERE s.id = $1::int2 FOR NO KEY UPDATE;

-- :name tick_checkpoint  :params shard int2, epoch int8, seq int8
UPDATE worker.shard AS s SET ckpt_seq = $3 WHERE s.id = $1::int2 AND s.epoch = $2;
