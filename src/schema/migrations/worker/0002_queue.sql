-- queue: written by `windlass migrate generate`.
-- :up

CREATE TABLE queue (
    id integer NOT NULL,
    name text NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    is_paused boolean DEFAULT false NOT NULL,
    paused_by uuid,
    paused_reason text,
    actor text DEFAULT ''::text NOT NULL,
    paused_actor text,
    CONSTRAINT queue_pkey PRIMARY KEY (id)
);

CREATE TABLE inbox (
    entry uuid NOT NULL,
    task json NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (entry)
) WITH (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000);

CREATE TABLE inbox_refused (
    entry uuid NOT NULL,
    task json NOT NULL,
    error text NOT NULL,
    refused_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT inbox_refused_pkey PRIMARY KEY (entry)
);

CREATE TABLE task_gone (
    id uuid NOT NULL,
    CONSTRAINT task_gone_pkey PRIMARY KEY (id)
);

CREATE TABLE task_log (
    task_id uuid NOT NULL,
    base bigint NOT NULL,
    last bigint NOT NULL,
    source smallint NOT NULL,
    attempt integer NOT NULL,
    lines json NOT NULL,
    CONSTRAINT task_log_pkey PRIMARY KEY (task_id, base, last, source)
) PARTITION BY RANGE (task_id);

CREATE TABLE checkpoint (
    task_id uuid NOT NULL,
    seq bigint NOT NULL,
    value json NOT NULL,
    CONSTRAINT checkpoint_pkey PRIMARY KEY (task_id)
) WITH (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, fillfactor=70);

CREATE TABLE job_change (
    job_id uuid NOT NULL,
    version bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    before json,
    after json NOT NULL,
    CONSTRAINT job_change_pkey PRIMARY KEY (job_id, version)
);
ALTER TABLE shard ADD COLUMN leader_pid integer;
ALTER TABLE shard ADD COLUMN leader_since timestamp with time zone;
ALTER TABLE shard ADD COLUMN is_leaving boolean DEFAULT false NOT NULL;
ALTER TABLE shard ADD COLUMN standby_until timestamp with time zone;
ALTER TABLE task_type ADD COLUMN version bigint DEFAULT 0 NOT NULL;
ALTER TABLE task_type ADD COLUMN is_paused boolean DEFAULT false NOT NULL;
ALTER TABLE task_type ADD COLUMN paused_by uuid;
ALTER TABLE task_type ADD COLUMN paused_reason text;
ALTER TABLE task_type ADD COLUMN actor text DEFAULT ''::text NOT NULL;
ALTER TABLE task_type ADD COLUMN max_running integer;
ALTER TABLE task_type ADD COLUMN max_running_per_key integer;
ALTER TABLE task_type ADD COLUMN key_path text;
ALTER TABLE task_type ADD COLUMN rate_per_s double precision;
ALTER TABLE task_type ADD COLUMN burst integer;
ALTER TABLE task_type ADD COLUMN max_attempts integer;
ALTER TABLE task_type ADD COLUMN timeout_s integer;
ALTER TABLE task_type ADD COLUMN retention_days integer;
ALTER TABLE task_type ADD COLUMN paused_actor text;
ALTER TABLE task ADD COLUMN key_hash bigint;
ALTER TABLE task_live ADD COLUMN queue integer;
ALTER TABLE task_live ADD COLUMN key_hash bigint;
CREATE UNIQUE INDEX queue_name_uq ON queue USING btree (name);
CREATE INDEX job_change_at_ix ON job_change USING btree (at);
CREATE OR REPLACE FUNCTION day_drop(day integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['task_log', 'attempt', 'task_done', 'task'] LOOP
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
    FOREACH parent IN ARRAY ARRAY['task', 'task_done', 'attempt', 'task_log'] LOOP
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
-- :down
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
-- drop column shard.leader_pid: what is in it is lost
ALTER TABLE shard DROP COLUMN leader_pid;
-- drop column shard.leader_since: what is in it is lost
ALTER TABLE shard DROP COLUMN leader_since;
-- drop column shard.is_leaving: what is in it is lost
ALTER TABLE shard DROP COLUMN is_leaving;
-- drop column shard.standby_until: what is in it is lost
ALTER TABLE shard DROP COLUMN standby_until;
-- drop column task_type.version: what is in it is lost
ALTER TABLE task_type DROP COLUMN version;
-- drop column task_type.is_paused: what is in it is lost
ALTER TABLE task_type DROP COLUMN is_paused;
-- drop column task_type.paused_by: what is in it is lost
ALTER TABLE task_type DROP COLUMN paused_by;
-- drop column task_type.paused_reason: what is in it is lost
ALTER TABLE task_type DROP COLUMN paused_reason;
-- drop column task_type.actor: what is in it is lost
ALTER TABLE task_type DROP COLUMN actor;
-- drop column task_type.max_running: what is in it is lost
ALTER TABLE task_type DROP COLUMN max_running;
-- drop column task_type.max_running_per_key: what is in it is lost
ALTER TABLE task_type DROP COLUMN max_running_per_key;
-- drop column task_type.key_path: what is in it is lost
ALTER TABLE task_type DROP COLUMN key_path;
-- drop column task_type.rate_per_s: what is in it is lost
ALTER TABLE task_type DROP COLUMN rate_per_s;
-- drop column task_type.burst: what is in it is lost
ALTER TABLE task_type DROP COLUMN burst;
-- drop column task_type.max_attempts: what is in it is lost
ALTER TABLE task_type DROP COLUMN max_attempts;
-- drop column task_type.timeout_s: what is in it is lost
ALTER TABLE task_type DROP COLUMN timeout_s;
-- drop column task_type.retention_days: what is in it is lost
ALTER TABLE task_type DROP COLUMN retention_days;
-- drop column task_type.paused_actor: what is in it is lost
ALTER TABLE task_type DROP COLUMN paused_actor;
-- drop column task.key_hash: what is in it is lost
ALTER TABLE task DROP COLUMN key_hash;
-- drop column task_live.queue: what is in it is lost
ALTER TABLE task_live DROP COLUMN queue;
-- drop column task_live.key_hash: what is in it is lost
ALTER TABLE task_live DROP COLUMN key_hash;
-- drop table queue: what is in it is lost
DROP TABLE queue;
-- drop table job_change: what is in it is lost
DROP TABLE job_change;
-- drop table checkpoint: what is in it is lost
DROP TABLE checkpoint;
-- drop table task_log: what is in it is lost
DROP TABLE task_log;
-- drop table task_gone: what is in it is lost
DROP TABLE task_gone;
-- drop table inbox_refused: what is in it is lost
DROP TABLE inbox_refused;
-- drop table inbox: what is in it is lost
DROP TABLE inbox;
