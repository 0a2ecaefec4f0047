-- lists: written by `windlass migrate generate`.
-- :up
CREATE INDEX tasks_failed_at_ix ON tasks USING btree (finished_at) WHERE (status = 'failed'::task_status);
CREATE INDEX tasks_id_end_ix ON tasks USING btree (substr(uuid_send(id), 13));
-- :down
DROP INDEX tasks_failed_at_ix;
DROP INDEX tasks_id_end_ix;
