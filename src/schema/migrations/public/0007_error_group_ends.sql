-- error_group_ends: written by `windlass migrate generate`.
-- :up
ALTER TABLE error_groups ADD COLUMN first_at timestamp with time zone;
ALTER TABLE error_groups ADD COLUMN last_at timestamp with time zone;
ALTER TABLE error_groups ADD COLUMN last_id uuid;
-- :down
-- drop column error_groups.first_at: what is in it is lost
ALTER TABLE error_groups DROP COLUMN first_at;
-- drop column error_groups.last_at: what is in it is lost
ALTER TABLE error_groups DROP COLUMN last_at;
-- drop column error_groups.last_id: what is in it is lost
ALTER TABLE error_groups DROP COLUMN last_id;
