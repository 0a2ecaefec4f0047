-- tasks: written by `windlass migrate generate`.
-- :up
CREATE TYPE outbox_kind AS ENUM ('task', 'job');

CREATE TABLE mirror (
    name text NOT NULL,
    cursor text DEFAULT ''::text NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    snapshot_after uuid,
    snapshot_cursor text,
    holder text,
    lease_until timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT mirror_pkey PRIMARY KEY (name)
);

CREATE TABLE outbox (
    id uuid NOT NULL,
    kind outbox_kind NOT NULL,
    subject_id uuid NOT NULL,
    body json NOT NULL,
    sent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (id)
);

CREATE TABLE task_counts (
    type text NOT NULL,
    status task_status NOT NULL,
    count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT task_counts_pkey PRIMARY KEY (type, status)
);

CREATE TABLE task_rollups (
    span_s integer NOT NULL,
    at timestamp with time zone NOT NULL,
    type text NOT NULL,
    created bigint DEFAULT 0 NOT NULL,
    completed bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    wait bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    run bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    wait_max double precision,
    run_max double precision,
    is_gap boolean DEFAULT false NOT NULL,
    CONSTRAINT task_rollups_pkey PRIMARY KEY (span_s, at, type),
    CONSTRAINT task_rollups_span_s_ck CHECK ((span_s = ANY (ARRAY[60, 3600, 86400])))
);

CREATE TABLE insight_runs (
    name text NOT NULL,
    generated_at timestamp with time zone,
    failed_at timestamp with time zone,
    claimed_until timestamp with time zone,
    CONSTRAINT insight_runs_pkey PRIMARY KEY (name)
);
ALTER TABLE tasks ADD COLUMN scheduled_for timestamp with time zone;
ALTER TABLE tasks ADD COLUMN generation integer DEFAULT 0 NOT NULL;
ALTER TABLE jobs ADD COLUMN generation integer DEFAULT 0 NOT NULL;
ALTER TABLE chat_messages ADD COLUMN is_degraded boolean DEFAULT false NOT NULL;
CREATE UNIQUE INDEX outbox_subject_id_uq ON outbox USING btree (subject_id);
-- :down
-- drop column tasks.scheduled_for: what is in it is lost
ALTER TABLE tasks DROP COLUMN scheduled_for;
-- drop column tasks.generation: what is in it is lost
ALTER TABLE tasks DROP COLUMN generation;
-- drop column jobs.generation: what is in it is lost
ALTER TABLE jobs DROP COLUMN generation;
-- drop column chat_messages.is_degraded: what is in it is lost
ALTER TABLE chat_messages DROP COLUMN is_degraded;
-- drop table mirror: what is in it is lost
DROP TABLE mirror;
-- drop table insight_runs: what is in it is lost
DROP TABLE insight_runs;
-- drop table task_rollups: what is in it is lost
DROP TABLE task_rollups;
-- drop table task_counts: what is in it is lost
DROP TABLE task_counts;
-- drop table outbox: what is in it is lost
DROP TABLE outbox;
DROP TYPE outbox_kind;
