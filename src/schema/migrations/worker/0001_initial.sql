-- initial: written by `windlass migrate generate`.
-- :up

CREATE TABLE shard (
    id smallint NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    leader text,
    lease_until timestamp with time zone,
    ckpt_seq bigint DEFAULT 1 NOT NULL,
    CONSTRAINT shard_pkey PRIMARY KEY (id)
);

CREATE TABLE task_type (
    id integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT task_type_pkey PRIMARY KEY (id)
);

CREATE TABLE task (
    id uuid NOT NULL,
    seq bigint NOT NULL,
    type integer NOT NULL,
    priority smallint NOT NULL,
    max_attempts integer NOT NULL,
    timeout_s integer NOT NULL,
    run_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    scheduled_for timestamp with time zone,
    job_id uuid,
    created_by uuid,
    queue text NOT NULL,
    actor text NOT NULL,
    idempotency_key text,
    depends_on uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    payload json NOT NULL,
    CONSTRAINT task_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE TABLE task_done (
    id uuid NOT NULL,
    seq bigint NOT NULL,
    fence bigint NOT NULL,
    state smallint NOT NULL,
    attempt integer NOT NULL,
    max_attempts integer NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone NOT NULL,
    result json,
    error text,
    why text,
    worker text,
    CONSTRAINT task_done_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE TABLE task_live (
    id uuid NOT NULL,
    version bigint NOT NULL,
    type integer NOT NULL,
    state smallint NOT NULL,
    priority smallint NOT NULL,
    flags smallint NOT NULL,
    crashes smallint NOT NULL,
    attempt integer NOT NULL,
    max_attempts integer NOT NULL,
    timeout_s integer NOT NULL,
    session bigint NOT NULL,
    fence bigint NOT NULL,
    at_us bigint NOT NULL,
    idempotency_key text,
    CONSTRAINT task_live_pkey PRIMARY KEY (id)
) WITH (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000, fillfactor=50);

CREATE TABLE attempt (
    task_id uuid NOT NULL,
    fence bigint NOT NULL,
    seq bigint NOT NULL,
    attempt integer NOT NULL,
    outcome smallint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    worker text NOT NULL,
    error text,
    CONSTRAINT attempt_pkey PRIMARY KEY (task_id, fence)
) PARTITION BY RANGE (task_id);

CREATE TABLE change_log (
    shard smallint NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    epoch bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    ops bytea NOT NULL,
    ids bytea NOT NULL,
    args bytea NOT NULL,
    extra text,
    CONSTRAINT change_log_n_ck CHECK ((n > 0)),
    CONSTRAINT change_log_pkey PRIMARY KEY (shard, seq)
) PARTITION BY RANGE (seq);

CREATE TABLE session (
    number bigint NOT NULL,
    id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    worker text NOT NULL,
    host text NOT NULL,
    version text NOT NULL,
    types json NOT NULL,
    ttl_ms bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT session_pkey PRIMARY KEY (number)
);

CREATE TABLE counter (
    type integer NOT NULL,
    status smallint NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT counter_pkey PRIMARY KEY (type, status)
);

CREATE TABLE job (
    id uuid NOT NULL,
    shard smallint DEFAULT 0 NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    schedule text NOT NULL,
    time_zone text NOT NULL,
    status smallint NOT NULL,
    last_run timestamp with time zone,
    next_run timestamp with time zone,
    task_type text NOT NULL,
    payload json NOT NULL,
    priority smallint NOT NULL,
    misfire smallint NOT NULL,
    overlap smallint NOT NULL,
    max_attempts integer NOT NULL,
    fail_after integer NOT NULL,
    consecutive_failures integer NOT NULL,
    queue text NOT NULL,
    timeout_s integer NOT NULL,
    jitter_s integer NOT NULL,
    created_by uuid,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT job_pkey PRIMARY KEY (id)
);

CREATE TABLE job_run (
    job_id uuid NOT NULL,
    scheduled_for timestamp with time zone NOT NULL,
    task_id uuid NOT NULL,
    CONSTRAINT job_run_pkey PRIMARY KEY (job_id, scheduled_for)
);
CREATE UNIQUE INDEX task_type_name_uq ON task_type USING btree (name);
CREATE OR REPLACE FUNCTION day_bound(day integer)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$ SELECT (lpad(to_hex(day::bigint * 86400000), 12, '0') || '00000000000000000000')::uuid $function$
;
CREATE OR REPLACE FUNCTION day_drop(day integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['attempt', 'task_done', 'task'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS worker.%I', parent || to_char(date '1970-01-01' + day, '_YYYYMMDD'));
    END LOOP;
    RETURN true;
END $function$
;
CREATE OR REPLACE FUNCTION day_make(day integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    parent text;
    part text;
    made boolean := false;
BEGIN
    FOREACH parent IN ARRAY ARRAY['task', 'task_done', 'attempt'] LOOP
        part := parent || to_char(date '1970-01-01' + day, '_YYYYMMDD');
        CONTINUE WHEN to_regclass('worker.' || part) IS NOT NULL;
        EXECUTE format('CREATE TABLE worker.%I (LIKE worker.%I INCLUDING ALL)', part, parent);
        EXECUTE format('ALTER TABLE worker.%I ATTACH PARTITION worker.%I FOR VALUES FROM (%L) TO (%L)',
                       parent, part, worker.day_bound(day), worker.day_bound(day + 1));
        made := true;
    END LOOP;
    RETURN made;
END $function$
;
CREATE OR REPLACE FUNCTION log_drop(number bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS worker.%I', 'change_log_' || number);
    RETURN true;
END $function$
;
CREATE OR REPLACE FUNCTION log_make(number bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    part text := 'change_log_' || number;
BEGIN
    IF to_regclass('worker.' || part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE worker.%I (LIKE worker.change_log INCLUDING ALL)', part);
    EXECUTE format('ALTER TABLE worker.%I ALTER COLUMN ids SET STORAGE EXTERNAL', part);
    EXECUTE format('ALTER TABLE worker.change_log ATTACH PARTITION worker.%I FOR VALUES FROM (%L) TO (%L)',
                   part, number * 1048576, (number + 1) * 1048576);
    RETURN true;
END $function$
;
REVOKE EXECUTE ON FUNCTION day_bound FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION day_drop FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION day_make FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION log_drop FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION log_make FROM PUBLIC;
-- :down
-- drop table shard: what is in it is lost
DROP TABLE shard;
-- drop table job_run: what is in it is lost
DROP TABLE job_run;
-- drop table job: what is in it is lost
DROP TABLE job;
-- drop table counter: what is in it is lost
DROP TABLE counter;
-- drop table session: what is in it is lost
DROP TABLE session;
-- drop table change_log: what is in it is lost
DROP TABLE change_log;
-- drop table attempt: what is in it is lost
DROP TABLE attempt;
-- drop table task_live: what is in it is lost
DROP TABLE task_live;
-- drop table task_done: what is in it is lost
DROP TABLE task_done;
-- drop table task: what is in it is lost
DROP TABLE task;
-- drop table task_type: what is in it is lost
DROP TABLE task_type;
DROP FUNCTION day_bound;
DROP FUNCTION day_drop;
DROP FUNCTION day_make;
DROP FUNCTION log_drop;
DROP FUNCTION log_make;
