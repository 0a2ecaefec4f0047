-- Accounts. Every change writes its audit row in the same statement.

-- :name user_password_by_email  :params email text
-- What a login compares with. The index is on lower(email).
SELECT u.id, u.role, u.password_hash, u.email
FROM users AS u
WHERE lower(u.email) = lower($1::text);

-- :name user_password_by_id  :params id uuid
SELECT u.id, u.role, u.password_hash, u.email
FROM users AS u
WHERE u.id = $1::uuid;

-- :name user_create  :params id uuid, email text, name text, password_hash text, role user_role, audit_id uuid, actor_id uuid, actor_label text
WITH created AS (
    INSERT INTO users AS u (id, email, name, password_hash, role, created_at, updated_at)
    VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::user_role, now(), now())
    RETURNING u.id, u.email, u.role
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $6::uuid, $7::uuid, $8::text, 'user.create', 'user:' || c.id,
           jsonb_build_object('email', c.email, 'role', c.role), now()
    FROM created AS c
)
SELECT c.id FROM created AS c;

-- :name user_update  :params id uuid, email text?, name text?, password_hash text?, role user_role?, password_hash_before text?, keep_session_id uuid?, audit_id uuid, actor_id uuid, actor_label text
-- NULL keeps what is there. `password_hash_before`, where given, must still be stored: the password
-- that was checked is the one that is replaced. A demotion locks all administrators in order of id,
-- so that two that demote each other cannot both succeed. A new password ends the user's other
-- sessions.
WITH admins AS MATERIALIZED (
    SELECT a.id FROM users AS a
    WHERE a.role = 'admin' AND $5::user_role <> 'admin'
    ORDER BY a.id
    FOR UPDATE
), target AS MATERIALIZED (
    SELECT u.id,
           u.email,
           u.role,
           $5::user_role <> 'admin'
               AND EXISTS (SELECT FROM admins AS a WHERE a.id = u.id)
               AND (SELECT count(*) FROM admins) = 1 AS is_last_admin
    FROM users AS u
    WHERE u.id = $1::uuid
), changed AS (
    UPDATE users AS u
    SET email = coalesce($2::text, u.email),
        name = coalesce($3::text, u.name),
        password_hash = coalesce($4::text, u.password_hash),
        role = coalesce($5::user_role, u.role),
        updated_at = now()
    FROM target AS t
    WHERE u.id = t.id
      AND NOT coalesce(t.is_last_admin, false)
      AND ($6::text IS NULL OR u.password_hash = $6::text)
    RETURNING u.id, u.email, u.role
), ended AS (
    DELETE FROM sessions AS s
    USING changed AS c
    WHERE s.user_id = c.id AND $4::text IS NOT NULL AND s.id IS DISTINCT FROM $7::uuid
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $8::uuid, $9::uuid, $10::text, 'user.update', 'user:' || c.id,
           jsonb_strip_nulls(jsonb_build_object(
               'email', $2::text, 'emailBefore', CASE WHEN $2::text IS NOT NULL THEN t.email END,
               'name', $3::text,
               'role', $5::user_role, 'roleBefore', CASE WHEN $5::user_role IS NOT NULL THEN t.role END,
               'password', CASE WHEN $4::text IS NOT NULL THEN 'changed' END)), now()
    FROM changed AS c, target AS t
)
SELECT EXISTS (SELECT FROM target) AS found,
       coalesce((SELECT t.is_last_admin FROM target AS t), false) AS is_last_admin,
       EXISTS (SELECT FROM changed) AS changed;

-- :name user_delete  :params id uuid, audit_id uuid, actor_id uuid, actor_label text
-- Sessions and tokens go with the user. The last administrator stays.
WITH admins AS MATERIALIZED (
    SELECT a.id FROM users AS a WHERE a.role = 'admin' ORDER BY a.id FOR UPDATE
), target AS MATERIALIZED (
    SELECT u.id,
           EXISTS (SELECT FROM admins AS a WHERE a.id = u.id)
               AND (SELECT count(*) FROM admins) = 1 AS is_last_admin
    FROM users AS u
    WHERE u.id = $1::uuid
), deleted AS (
    DELETE FROM users AS u
    USING target AS t
    WHERE u.id = t.id AND NOT t.is_last_admin
    RETURNING u.id, u.email, u.role
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $2::uuid, nullif($3::uuid, d.id), $4::text, 'user.delete', 'user:' || d.id,
           jsonb_build_object('email', d.email, 'role', d.role), now()
    FROM deleted AS d
)
SELECT EXISTS (SELECT FROM target) AS found,
       coalesce((SELECT t.is_last_admin FROM target AS t), false) AS is_last_admin,
       EXISTS (SELECT FROM deleted) AS deleted;

-- :name user_seen  :params ids uuid[]
-- Coalesced by the gateway. A row that somebody else writes is left to him: no wait, no deadlock.
UPDATE users AS u
SET last_seen_at = now()
FROM (SELECT x.id FROM users AS x
      WHERE x.id = ANY($1::uuid[])
        AND (x.last_seen_at IS NULL OR x.last_seen_at < now() - interval '30 seconds')
      FOR NO KEY UPDATE SKIP LOCKED) AS seen
WHERE u.id = seen.id;
