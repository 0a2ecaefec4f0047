-- shards: written by `windlass migrate generate`.
-- :up
ALTER TABLE task_type ADD COLUMN rate_per_key_per_s double precision;
ALTER TABLE task_type ADD COLUMN burst_per_key integer;
ALTER TABLE task_live ADD COLUMN progress integer;
CREATE INDEX job_change_version_ix ON job_change USING btree (version);
-- :down
DROP INDEX job_change_version_ix;
-- drop column task_type.rate_per_key_per_s: what is in it is lost
ALTER TABLE task_type DROP COLUMN rate_per_key_per_s;
-- drop column task_type.burst_per_key: what is in it is lost
ALTER TABLE task_type DROP COLUMN burst_per_key;
-- drop column task_live.progress: what is in it is lost
ALTER TABLE task_live DROP COLUMN progress;
