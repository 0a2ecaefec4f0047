-- audit_acts: written by `windlass migrate generate`.
-- :up

CREATE TABLE audit_acts (
    id uuid NOT NULL,
    actor_id uuid NOT NULL,
    actor_label text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb,
    at timestamp with time zone DEFAULT now() NOT NULL,
    shards smallint DEFAULT 0 NOT NULL,
    told bigint DEFAULT 0 NOT NULL,
    CONSTRAINT audit_acts_pkey PRIMARY KEY (id)
);
-- :down
-- drop table audit_acts: what is in it is lost
DROP TABLE audit_acts;
