-- Jobs and their firings. Rows of jobs travel as one JSON array, since there are many columns and
-- few rows; times in it are Unix time in microseconds.

-- :name job_add  :params rows json
INSERT INTO worker.job (id, version, name, schedule, time_zone, status, last_run, next_run, task_type,
                        payload, priority, misfire, overlap, max_attempts, fail_after,
                        consecutive_failures, queue, timeout_s, jitter_s, created_by, created_at,
                        updated_at, deleted_at)
SELECT r.id, r.version, r.name, r.schedule, r.time_zone, r.status,
       timestamptz 'epoch' + r.last_run * interval '1 microsecond',
       timestamptz 'epoch' + r.next_run * interval '1 microsecond',
       r.task_type, r.payload, r.priority, r.misfire, r.overlap, r.max_attempts, r.fail_after,
       r.consecutive_failures, r.queue, r.timeout_s, r.jitter_s, r.created_by,
       timestamptz 'epoch' + r.created_at * interval '1 microsecond',
       timestamptz 'epoch' + r.updated_at * interval '1 microsecond',
       timestamptz 'epoch' + r.deleted_at * interval '1 microsecond'
FROM json_to_recordset($1::json)
     AS r (id uuid, version int8, name text, schedule text, time_zone text, status int2,
           last_run int8, next_run int8, task_type text, payload json, priority int2, misfire int2,
           overlap int2, max_attempts int4, fail_after int4, consecutive_failures int4, queue text,
           timeout_s int4, jitter_s int4, created_by uuid, created_at int8, updated_at int8,
           deleted_at int8);

-- :name job_set  :params rows json, count int8
-- Compare and set: a row that is not as memory has it divides by zero, which undoes the batch.
WITH changed AS (
    UPDATE worker.job AS j
    SET version = r.version, name = r.name, schedule = r.schedule, time_zone = r.time_zone,
        status = r.status, last_run = timestamptz 'epoch' + r.last_run * interval '1 microsecond',
        next_run = timestamptz 'epoch' + r.next_run * interval '1 microsecond',
        task_type = r.task_type, payload = r.payload, priority = r.priority, misfire = r.misfire,
        overlap = r.overlap, max_attempts = r.max_attempts, fail_after = r.fail_after,
        consecutive_failures = r.consecutive_failures, queue = r.queue, timeout_s = r.timeout_s,
        jitter_s = r.jitter_s,
        updated_at = timestamptz 'epoch' + r.updated_at * interval '1 microsecond',
        deleted_at = timestamptz 'epoch' + r.deleted_at * interval '1 microsecond'
    FROM json_to_recordset($1::json)
         AS r (id uuid, was int8, version int8, name text, schedule text, time_zone text, status int2,
               last_run int8, next_run int8, task_type text, payload json, priority int2,
               misfire int2, overlap int2, max_attempts int4, fail_after int4,
               consecutive_failures int4, queue text, timeout_s int4, jitter_s int4,
               updated_at int8, deleted_at int8)
    WHERE j.id = r.id AND j.version = r.was
    RETURNING j.id
)
SELECT 1 / (CASE WHEN count(*) = $2 THEN 1 ELSE 0 END) FROM changed;

-- :name job_runs  :params job_ids uuid[], scheduled_fors timestamptz[], task_ids uuid[]
-- The primary key forbids a second firing of an instant.
INSERT INTO worker.job_run (job_id, scheduled_for, task_id)
SELECT u.job_id, u.scheduled_for, u.task_id
FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) AS u (job_id, scheduled_for, task_id);

-- :name job_changes_add  :params rows json, at timestamptz
INSERT INTO worker.job_change (job_id, version, at, actor, before, after)
SELECT r.job_id, r.version, $2::timestamptz, r.actor, r.before, r.after
FROM json_to_recordset($1::json)
     AS r (job_id uuid, version int8, actor text, before json, after json);

-- :name job_changes_read  :params job_id uuid, limit int8
-- The newest first.
SELECT c.version, c.at, c.actor, c.before, c.after
FROM worker.job_change AS c
WHERE c.job_id = $1::uuid
ORDER BY c.version DESC LIMIT $2;

-- :name job_changes_between  :params from_seq int8, to_seq int8, limit int8, bytes_max int8
-- Of all jobs: the first of those that the feed's numbers from one on and below the other tell. One
-- after the other until they are so many, or so many bytes, so that no more is read of large ones;
-- where more follow, those that are told have at least so many bytes.
WITH RECURSIVE page AS (
    (SELECT c.version, c.at, c.actor, c.before, c.after, c.job_id, 1 AS place,
            octet_length(c.after::text) + coalesce(octet_length(c.before::text), 0)::int8 AS bytes
     FROM worker.job_change AS c
     WHERE c.version >= $1 AND c.version < $2 ORDER BY c.version LIMIT 1)
    UNION ALL
    SELECT n.version, n.at, n.actor, n.before, n.after, n.job_id, p.place + 1,
           p.bytes + octet_length(n.after::text) + coalesce(octet_length(n.before::text), 0)
    FROM page AS p CROSS JOIN LATERAL (
        SELECT i.version, i.at, i.actor, i.before, i.after, i.job_id FROM worker.job_change AS i
        WHERE i.version > p.version AND i.version < $2 ORDER BY i.version LIMIT 1) AS n
    WHERE p.place < $3 AND p.bytes < $4
)
SELECT p.version, p.at, p.actor, p.before, p.after, p.job_id,
       EXISTS (SELECT FROM worker.job_change AS m
               WHERE m.version > (SELECT max(l.version) FROM page AS l) AND m.version < $2)
FROM page AS p ORDER BY p.place;

-- :name job_old  :params runs_before timestamptz, deleted_before timestamptz, changes_before timestamptz
-- Whether there is something for job_sweep.
SELECT EXISTS (SELECT FROM worker.job_run AS r WHERE r.scheduled_for < $1)
    OR EXISTS (SELECT FROM worker.job AS j WHERE j.deleted_at < $2 AND j.created_at < $2)
    OR EXISTS (SELECT FROM worker.job_change AS c WHERE c.at < $3);

-- :name job_sweep  :params runs_before timestamptz, deleted_before timestamptz, changes_before timestamptz
-- What nobody asks for any more: a job only fires instants after those that it has fired, and ids
-- as old as these are refused.
WITH runs AS (
    DELETE FROM worker.job_run WHERE scheduled_for < $1
), changes AS (
    DELETE FROM worker.job_change WHERE at < $3
)
DELETE FROM worker.job WHERE deleted_at < $2 AND created_at < $2;

-- :name job_load  :params after uuid, deleted_since timestamptz
SELECT j.id, j.version, j.name, j.schedule, j.time_zone, j.status, j.last_run, j.next_run, j.task_type,
       j.payload, j.priority, j.misfire, j.overlap, j.max_attempts, j.fail_after,
       j.consecutive_failures, j.queue, j.timeout_s, j.jitter_s, j.created_by, j.created_at,
       j.updated_at, j.deleted_at
FROM worker.job AS j
WHERE j.id > $1 AND (j.deleted_at IS NULL OR j.deleted_at >= $2 OR j.created_at >= $2)
ORDER BY j.id LIMIT 1000;

-- :name job_tasks  :params ids uuid[]
-- Which job each task belongs to.
SELECT t.id, t.job_id FROM worker.task AS t
WHERE t.id = ANY ($1::uuid[]) AND t.job_id IS NOT NULL;
