-- records: written by `windlass migrate generate`.
-- :up
ALTER TABLE tasks DROP CONSTRAINT tasks_idempotency_key_ck;
ALTER TABLE tasks DROP CONSTRAINT tasks_progress_ck;
ALTER TABLE tasks DROP CONSTRAINT tasks_queue_ck;
ALTER TABLE tasks DROP CONSTRAINT tasks_type_ck;
-- drop the former primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups DROP CONSTRAINT task_rollups_pkey;
DROP INDEX outbox_shard_ix;
DROP INDEX task_rollups_type_ix;
-- add primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups ADD CONSTRAINT task_rollups_pkey PRIMARY KEY (span_s, type, at, shard);
CREATE INDEX outbox_shard_ix ON outbox USING btree (shard, id) WHERE (apart_until IS NULL);
CREATE INDEX task_rollups_at_ix ON task_rollups USING btree (span_s, at);
-- :down
-- drop the former primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups DROP CONSTRAINT task_rollups_pkey;
DROP INDEX outbox_shard_ix;
DROP INDEX task_rollups_at_ix;
ALTER TABLE tasks ADD CONSTRAINT tasks_idempotency_key_ck CHECK (((char_length(idempotency_key) >= 1) AND (char_length(idempotency_key) <= 500)));
ALTER TABLE tasks ADD CONSTRAINT tasks_progress_ck CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision)));
ALTER TABLE tasks ADD CONSTRAINT tasks_queue_ck CHECK (((char_length(queue) >= 1) AND (char_length(queue) <= 200)));
ALTER TABLE tasks ADD CONSTRAINT tasks_type_ck CHECK (((char_length(type) >= 1) AND (char_length(type) <= 200)));
-- add primary key task_rollups_pkey of task_rollups: what is stored is converted
ALTER TABLE task_rollups ADD CONSTRAINT task_rollups_pkey PRIMARY KEY (span_s, at, type, shard);
CREATE INDEX outbox_shard_ix ON outbox USING btree (shard, id);
CREATE INDEX task_rollups_type_ix ON task_rollups USING btree (type, span_s, at);
