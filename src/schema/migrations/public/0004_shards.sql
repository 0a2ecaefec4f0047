-- shards: written by `windlass migrate generate`, but for what fills the new rows from those of before.
-- :up
-- drop the former primary key task_counts_pkey of task_counts: what is stored is converted
ALTER TABLE task_counts DROP CONSTRAINT task_counts_pkey;
-- drop the former primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups DROP CONSTRAINT task_rollups_pkey;
ALTER TABLE task_rollups DROP CONSTRAINT task_rollups_span_s_ck;
DROP INDEX tasks_failed_at_ix;

CREATE TABLE error_groups (
    id bigint NOT NULL,
    type text NOT NULL,
    template text NOT NULL,
    CONSTRAINT error_groups_pkey PRIMARY KEY (id)
);

CREATE TABLE task_failures (
    id uuid NOT NULL,
    group_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    shard smallint DEFAULT 0 NOT NULL,
    CONSTRAINT task_failures_pkey PRIMARY KEY (id)
);

CREATE TABLE error_rollups (
    span_s integer NOT NULL,
    at timestamp with time zone NOT NULL,
    group_id bigint NOT NULL,
    count integer DEFAULT 0 NOT NULL,
    CONSTRAINT error_rollups_pkey PRIMARY KEY (span_s, at, group_id)
);
ALTER TABLE tasks ADD COLUMN shard smallint DEFAULT 0 NOT NULL;
ALTER TABLE jobs ADD COLUMN shard smallint DEFAULT 0 NOT NULL;
ALTER TABLE mirror ADD COLUMN audit_asked_at timestamp with time zone;
ALTER TABLE mirror ADD COLUMN audit_began_at timestamp with time zone;
ALTER TABLE mirror ADD COLUMN audited_at timestamp with time zone;
ALTER TABLE mirror ADD COLUMN audit jsonb;
ALTER TABLE outbox ADD COLUMN shard smallint DEFAULT 0 NOT NULL;
ALTER TABLE outbox ADD COLUMN apart_until timestamp with time zone;
ALTER TABLE task_counts ADD COLUMN shard smallint DEFAULT 0 NOT NULL;
-- change type of column task_rollups.wait from bigint[] to text: what is stored is converted
ALTER TABLE task_rollups ALTER COLUMN wait DROP DEFAULT;
ALTER TABLE task_rollups ALTER COLUMN wait TYPE text USING wait::text;
ALTER TABLE task_rollups ALTER COLUMN wait SET DEFAULT '{}'::text;
-- change type of column task_rollups.run from bigint[] to text: what is stored is converted
ALTER TABLE task_rollups ALTER COLUMN run DROP DEFAULT;
ALTER TABLE task_rollups ALTER COLUMN run TYPE text USING run::text;
ALTER TABLE task_rollups ALTER COLUMN run SET DEFAULT '{}'::text;
ALTER TABLE task_rollups ADD COLUMN shard smallint DEFAULT 0 NOT NULL;
-- add primary key task_counts_pkey of task_counts: what is stored is converted
ALTER TABLE task_counts ADD CONSTRAINT task_counts_pkey PRIMARY KEY (type, status, shard);
-- add primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups ADD CONSTRAINT task_rollups_pkey PRIMARY KEY (span_s, at, type, shard);
ALTER TABLE task_rollups ADD CONSTRAINT task_rollups_span_s_ck CHECK ((span_s = ANY (ARRAY[60, 300, 3600, 86400, 864000])));
CREATE INDEX users_created_at_ix ON users USING btree (created_at);
CREATE INDEX audit_log_action_ix ON audit_log USING btree (action, id);
CREATE INDEX task_rollups_type_ix ON task_rollups USING btree (type, span_s, at);
CREATE INDEX error_groups_type_ix ON error_groups USING btree (type);
CREATE INDEX task_failures_group_id_ix ON task_failures USING btree (group_id, at);
CREATE INDEX tasks_shard_ix ON tasks USING btree (shard, id) WHERE (shard > 0);
CREATE INDEX outbox_shard_ix ON outbox USING btree (shard, id);
CREATE INDEX outbox_apart_until_ix ON outbox USING btree (apart_until) WHERE (apart_until IS NOT NULL);
CREATE INDEX task_failures_shard_ix ON task_failures USING btree (shard, id) WHERE (shard > 0);
CREATE INDEX chat_messages_timestamp_ix ON chat_messages USING btree ("timestamp");
CREATE OR REPLACE FUNCTION audit_expire(kept_s bigint, most integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    until timestamptz := now() - greatest(kept_s, 86400) * interval '1 second';
    bound uuid := (lpad(to_hex((extract(epoch FROM until) * 1000)::bigint), 12, '0')
                   || '00000000000000000000')::uuid;
    gone bigint;
BEGIN
    DELETE FROM public.audit_log AS l
    WHERE l.id IN (SELECT o.id FROM public.audit_log AS o
                   WHERE o.id < bound AND o.at < until ORDER BY o.id LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $function$
;
REVOKE EXECUTE ON FUNCTION audit_expire FROM PUBLIC;
CREATE OR REPLACE FUNCTION audit_finish(ids uuid[], details text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    changed bigint;
BEGIN
    UPDATE public.audit_log AS l SET detail = g.detail
    FROM (SELECT u.id, nullif(u.detail, '')::jsonb AS detail
          FROM unnest(ids, details) AS u (id, detail)) AS g
    WHERE l.id = g.id AND l.detail->'unfinished' = 'true'
      AND (g.detail->'unfinished' IS DISTINCT FROM 'true'
           OR coalesce(g.detail->'done', '0') >= coalesce(l.detail->'done', '0')
              AND coalesce(g.detail->'refused', '0') >= coalesce(l.detail->'refused', '0')
              AND coalesce(g.detail->'shards', '[]') >= coalesce(l.detail->'shards', '[]'));
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $function$
;
REVOKE EXECUTE ON FUNCTION audit_finish FROM PUBLIC;

-- The spans of five minutes and of ten days, from those of a minute and of a day.
INSERT INTO task_rollups (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max, is_gap)
SELECT w.span_s, r.begin, r.type, r.created, r.completed, r.failed,
       coalesce((SELECT array_agg(h.n ORDER BY h.bucket)
                 FROM (SELECT u.bucket, sum(u.n)::int8 AS n
                       FROM task_rollups AS x, unnest(x.wait::int8[]) WITH ORDINALITY AS u (n, bucket)
                       WHERE x.span_s = w.source_s AND x.type = r.type AND x.at >= r.begin
                         AND x.at < r.begin + w.span_s * interval '1 second'
                       GROUP BY u.bucket) AS h), '{}')::text,
       coalesce((SELECT array_agg(h.n ORDER BY h.bucket)
                 FROM (SELECT u.bucket, sum(u.n)::int8 AS n
                       FROM task_rollups AS x, unnest(x.run::int8[]) WITH ORDINALITY AS u (n, bucket)
                       WHERE x.span_s = w.source_s AND x.type = r.type AND x.at >= r.begin
                         AND x.at < r.begin + w.span_s * interval '1 second'
                       GROUP BY u.bucket) AS h), '{}')::text,
       r.wait_max, r.run_max, r.is_gap
FROM (VALUES (300, 60), (864000, 86400)) AS w (span_s, source_s)
CROSS JOIN LATERAL (
    SELECT date_bin(w.span_s * interval '1 second', m.at, timestamptz 'epoch') AS begin, m.type,
           sum(m.created) AS created, sum(m.completed) AS completed, sum(m.failed) AS failed,
           max(m.wait_max) AS wait_max, max(m.run_max) AS run_max, bool_or(m.is_gap) AS is_gap
    FROM task_rollups AS m
    WHERE m.span_s = w.source_s
    GROUP BY 1, 2
) AS r;
-- All types together; what a gap has is such a row already.
INSERT INTO task_rollups AS a (span_s, at, type, created, completed, failed, wait, run, wait_max, run_max)
SELECT r.span_s, r.at, '', r.created, r.completed, r.failed,
       coalesce((SELECT array_agg(h.n ORDER BY h.bucket)
                 FROM (SELECT u.bucket, sum(u.n)::int8 AS n
                       FROM task_rollups AS x, unnest(x.wait::int8[]) WITH ORDINALITY AS u (n, bucket)
                       WHERE x.span_s = r.span_s AND x.at = r.at AND x.type <> ''
                       GROUP BY u.bucket) AS h), '{}')::text,
       coalesce((SELECT array_agg(h.n ORDER BY h.bucket)
                 FROM (SELECT u.bucket, sum(u.n)::int8 AS n
                       FROM task_rollups AS x, unnest(x.run::int8[]) WITH ORDINALITY AS u (n, bucket)
                       WHERE x.span_s = r.span_s AND x.at = r.at AND x.type <> ''
                       GROUP BY u.bucket) AS h), '{}')::text,
       r.wait_max, r.run_max
FROM (SELECT m.span_s, m.at, sum(m.created) AS created, sum(m.completed) AS completed,
             sum(m.failed) AS failed, max(m.wait_max) AS wait_max, max(m.run_max) AS run_max
      FROM task_rollups AS m
      WHERE m.type <> ''
      GROUP BY 1, 2) AS r
ON CONFLICT (span_s, at, type, shard) DO UPDATE
SET created = excluded.created, completed = excluded.completed, failed = excluded.failed,
    wait = excluded.wait, run = excluded.run, wait_max = excluded.wait_max, run_max = excluded.run_max;
-- The failed tasks and what their errors have in common, as error_group_sync has them.
INSERT INTO task_failures (id, group_id, at)
SELECT t.id, ('x' || left(md5(t.type || E'\n' || t.error_template), 16))::bit(64)::int8, t.finished_at
FROM tasks AS t
WHERE t.status = 'failed' AND t.error_template IS NOT NULL AND t.finished_at IS NOT NULL;
INSERT INTO error_groups (id, type, template)
SELECT DISTINCT ON (f.group_id) f.group_id, t.type, t.error_template
FROM task_failures AS f JOIN tasks AS t ON t.id = f.id;
INSERT INTO error_rollups (span_s, at, group_id, count)
SELECT s.span_s, date_bin(s.span_s * interval '1 second', f.at, timestamptz 'epoch'), f.group_id, count(*)
FROM task_failures AS f, unnest('{60,300,3600,86400,864000}'::int4[]) AS s (span_s)
GROUP BY 1, 2, 3;
-- :down
DELETE FROM task_rollups WHERE span_s IN (300, 864000) OR (type = '' AND NOT is_gap) OR shard > 0;
UPDATE task_rollups SET created = 0, completed = 0, failed = 0, wait = '{}', run = '{}', wait_max = NULL, run_max = NULL
WHERE type = '';
DELETE FROM task_counts WHERE shard > 0;
-- drop the former primary key task_counts_pkey of task_counts: what is stored is converted
ALTER TABLE task_counts DROP CONSTRAINT task_counts_pkey;
-- drop the former primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups DROP CONSTRAINT task_rollups_pkey;
ALTER TABLE task_rollups DROP CONSTRAINT task_rollups_span_s_ck;
DROP INDEX users_created_at_ix;
DROP INDEX audit_log_action_ix;
DROP INDEX task_rollups_type_ix;
DROP INDEX chat_messages_timestamp_ix;
-- change type of column task_rollups.wait from text to bigint[]: what is stored is converted
ALTER TABLE task_rollups ALTER COLUMN wait DROP DEFAULT;
ALTER TABLE task_rollups ALTER COLUMN wait TYPE bigint[] USING wait::bigint[];
ALTER TABLE task_rollups ALTER COLUMN wait SET DEFAULT '{}'::bigint[];
-- change type of column task_rollups.run from text to bigint[]: what is stored is converted
ALTER TABLE task_rollups ALTER COLUMN run DROP DEFAULT;
ALTER TABLE task_rollups ALTER COLUMN run TYPE bigint[] USING run::bigint[];
ALTER TABLE task_rollups ALTER COLUMN run SET DEFAULT '{}'::bigint[];
-- add primary key task_counts_pkey of task_counts: what is stored is converted
ALTER TABLE task_counts ADD CONSTRAINT task_counts_pkey PRIMARY KEY (type, status);
-- add primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups ADD CONSTRAINT task_rollups_pkey PRIMARY KEY (span_s, at, type);
ALTER TABLE task_rollups ADD CONSTRAINT task_rollups_span_s_ck CHECK ((span_s = ANY (ARRAY[60, 3600, 86400])));
CREATE INDEX tasks_failed_at_ix ON tasks USING btree (finished_at) WHERE (status = 'failed'::task_status);
-- drop column tasks.shard: what is in it is lost
ALTER TABLE tasks DROP COLUMN shard;
-- drop column jobs.shard: what is in it is lost
ALTER TABLE jobs DROP COLUMN shard;
-- drop column mirror.audit_asked_at: what is in it is lost
ALTER TABLE mirror DROP COLUMN audit_asked_at;
-- drop column mirror.audit_began_at: what is in it is lost
ALTER TABLE mirror DROP COLUMN audit_began_at;
-- drop column mirror.audited_at: what is in it is lost
ALTER TABLE mirror DROP COLUMN audited_at;
-- drop column mirror.audit: what is in it is lost
ALTER TABLE mirror DROP COLUMN audit;
-- drop column outbox.apart_until: what is in it is lost
ALTER TABLE outbox DROP COLUMN apart_until;
-- drop column outbox.shard: what is in it is lost
ALTER TABLE outbox DROP COLUMN shard;
-- drop column task_counts.shard: what is in it is lost
ALTER TABLE task_counts DROP COLUMN shard;
-- drop column task_rollups.shard: what is in it is lost
ALTER TABLE task_rollups DROP COLUMN shard;
-- drop table error_groups: what is in it is lost
DROP TABLE error_groups;
-- drop table error_rollups: what is in it is lost
DROP TABLE error_rollups;
-- drop table task_failures: what is in it is lost
DROP TABLE task_failures;
DROP FUNCTION audit_expire;
DROP FUNCTION audit_finish;
