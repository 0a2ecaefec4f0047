-- How types are run and which queues are paused. Rows travel as one JSON array, as those of jobs.

-- :name settings_types  :params rows json, count int8
-- Compare and set: a row that is not as memory has it divides by zero, which undoes the batch.
WITH changed AS (
    UPDATE worker.task_type AS t
    SET version = r.version, is_paused = r.is_paused, paused_by = r.paused_by,
        paused_reason = r.paused_reason, actor = r.actor, max_running = r.max_running,
        max_running_per_key = r.max_running_per_key, key_path = r.key_path,
        rate_per_s = r.rate_per_s, burst = r.burst, max_attempts = r.max_attempts,
        timeout_s = r.timeout_s, retention_days = r.retention_days, paused_actor = r.paused_actor,
        rate_per_key_per_s = r.rate_per_key_per_s, burst_per_key = r.burst_per_key
    FROM json_to_recordset($1::json)
         AS r (id int4, was int8, version int8, is_paused bool, paused_by uuid, paused_reason text,
               actor text, max_running int4, max_running_per_key int4, key_path text,
               rate_per_s float8, burst int4, max_attempts int4, timeout_s int4, retention_days int4,
               paused_actor text, rate_per_key_per_s float8, burst_per_key int4)
    WHERE t.id = r.id AND t.version = r.was
    RETURNING t.id
)
SELECT 1 / (CASE WHEN count(*) = $2 THEN 1 ELSE 0 END) FROM changed;

-- :name settings_queues  :params rows json, count int8
WITH changed AS (
    UPDATE worker.queue AS q
    SET version = r.version, is_paused = r.is_paused, paused_by = r.paused_by,
        paused_reason = r.paused_reason, actor = r.actor, paused_actor = r.paused_actor
    FROM json_to_recordset($1::json)
         AS r (id int4, was int8, version int8, is_paused bool, paused_by uuid, paused_reason text,
               actor text, paused_actor text)
    WHERE q.id = r.id AND q.version = r.was
    RETURNING q.id
)
SELECT 1 / (CASE WHEN count(*) = $2 THEN 1 ELSE 0 END) FROM changed;
