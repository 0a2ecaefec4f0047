-- records: written by `windlass migrate generate`.
-- :up
ALTER TABLE task_gone ADD COLUMN seq bigint;
ALTER TABLE task_gone ADD COLUMN type integer;
ALTER TABLE task_gone ADD COLUMN priority smallint;
ALTER TABLE task_gone ADD COLUMN created_at timestamp with time zone;
ALTER TABLE task_gone ADD COLUMN job_id uuid;
ALTER TABLE task_gone ADD COLUMN created_by uuid;
ALTER TABLE task_gone ADD COLUMN queue text;
ALTER TABLE task_gone ADD COLUMN actor text;
-- :down
-- drop column task_gone.seq: what is in it is lost
ALTER TABLE task_gone DROP COLUMN seq;
-- drop column task_gone.type: what is in it is lost
ALTER TABLE task_gone DROP COLUMN type;
-- drop column task_gone.priority: what is in it is lost
ALTER TABLE task_gone DROP COLUMN priority;
-- drop column task_gone.created_at: what is in it is lost
ALTER TABLE task_gone DROP COLUMN created_at;
-- drop column task_gone.job_id: what is in it is lost
ALTER TABLE task_gone DROP COLUMN job_id;
-- drop column task_gone.created_by: what is in it is lost
ALTER TABLE task_gone DROP COLUMN created_by;
-- drop column task_gone.queue: what is in it is lost
ALTER TABLE task_gone DROP COLUMN queue;
-- drop column task_gone.actor: what is in it is lost
ALTER TABLE task_gone DROP COLUMN actor;
