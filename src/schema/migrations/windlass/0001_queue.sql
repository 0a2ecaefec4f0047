-- queue: written by `windlass migrate generate`.
-- :up
CREATE OR REPLACE FUNCTION enqueue(type text, payload json DEFAULT '{}'::json, id uuid DEFAULT NULL::uuid, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, priority text DEFAULT 'normal'::text, queue text DEFAULT 'default'::text, max_attempts integer DEFAULT NULL::integer, timeout interval DEFAULT NULL::interval, idempotency_key text DEFAULT NULL::text, depends_on uuid[] DEFAULT NULL::uuid[])
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    now_us bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    entry uuid := (lpad(to_hex(now_us / 1000), 12, '0') || '7' || lpad(to_hex(now_us % 1000 * 4), 3, '0')
                   || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid;
    task_id uuid := coalesce(enqueue.id, entry);
    seconds numeric := ceil(extract(epoch FROM enqueue.timeout));
    wrong text := CASE
        WHEN enqueue.type IS NULL OR enqueue.type = '' THEN 'type: is empty'
        WHEN octet_length(enqueue.type) > 200 THEN 'type: is longer than 200 bytes'
        WHEN substr(task_id::text, 15, 1) <> '7' THEN 'id: is no UUIDv7'
        WHEN NOT isfinite(enqueue.run_at) OR enqueue.run_at < '1970-01-01 00:00:00+00' OR enqueue.run_at >= '10000-01-01 00:00:00+00'
            THEN 'run_at: is not within the years 1970 and 9999'
        WHEN enqueue.priority NOT IN ('low', 'normal', 'high') THEN 'priority: is none of low, normal and high'
        WHEN enqueue.queue = '' THEN 'queue: is empty'
        WHEN octet_length(enqueue.queue) > 200 THEN 'queue: is longer than 200 bytes'
        WHEN enqueue.max_attempts NOT BETWEEN 1 AND 1000 THEN 'max_attempts: is not within 1 and 1000'
        WHEN seconds NOT BETWEEN 1 AND 2592000 THEN 'timeout: is not within a second and 30 days'
        WHEN enqueue.idempotency_key = '' THEN 'idempotency_key: is empty'
        WHEN octet_length(enqueue.idempotency_key) > 500 THEN 'idempotency_key: is longer than 500 bytes'
        WHEN cardinality(enqueue.depends_on) > 100 THEN 'depends_on: are more than 100'
        WHEN array_ndims(enqueue.depends_on) > 1 OR array_position(enqueue.depends_on, NULL) IS NOT NULL
            THEN 'depends_on: is no list of ids'
        WHEN task_id = ANY (enqueue.depends_on) THEN 'depends_on: names the task itself'
        WHEN (SELECT count(DISTINCT d) <> count(*) FROM unnest(enqueue.depends_on) AS d) THEN 'depends_on: names a task twice'
        WHEN octet_length(enqueue.payload::text) > 16777216 THEN 'payload: is longer than 16 MiB'
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'windlass.enqueue: ' || wrong;
    END IF;
    PERFORM enqueue.payload::jsonb;
    INSERT INTO worker.inbox (entry, task)
    VALUES (entry, json_build_object('id', task_id, 'type', enqueue.type, 'payload', enqueue.payload,
        'run_at_us', (extract(epoch FROM enqueue.run_at) * 1000000)::bigint, 'priority', coalesce(enqueue.priority, 'normal'),
        'queue', coalesce(enqueue.queue, 'default'), 'max_attempts', enqueue.max_attempts, 'timeout_s', seconds::bigint,
        'idempotency_key', enqueue.idempotency_key, 'depends_on', to_json(enqueue.depends_on), 'actor', left('sql:' || session_user, 100)));
    RETURN task_id;
END $function$
;
REVOKE EXECUTE ON FUNCTION enqueue FROM PUBLIC;
-- :down
DROP FUNCTION enqueue;
