-- What was done by whom. Changes of the gateway's own tables write their row in their own statement.

-- :name audit_add  :params id uuid, actor_id uuid, actor_label text, action text, subject text, detail jsonb?
-- For what another service has done.
INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::jsonb, now());
