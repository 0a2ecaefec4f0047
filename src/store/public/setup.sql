-- The first user of an empty installation.

-- :name setup_lock
-- Held to the end of the transaction: one program at a time looks whether anybody is there.
SELECT pg_advisory_xact_lock(6290312477041);

-- :name setup_is_open
SELECT NOT EXISTS (SELECT FROM users) AS is_open;

-- :name setup_token_offer  :params token_hash bytea
-- Each gateway offers its own, and each stays good until one is used. No row: somebody is there.
WITH old AS (
    DELETE FROM setup_tokens AS s WHERE s.created_at < now() - interval '30 days'
)
INSERT INTO setup_tokens AS s (token_hash, created_at)
SELECT $1::bytea, now()
WHERE NOT EXISTS (SELECT FROM users)
RETURNING s.created_at;

-- :name setup_secret_make  :params name text, value bytea
INSERT INTO installation_secrets AS s (name, value)
VALUES ($1::text, $2::bytea)
ON CONFLICT (name) DO NOTHING;

-- :name setup_secret_read  :params name text
SELECT s.value FROM installation_secrets AS s WHERE s.name = $1::text;

-- :name setup_create  :params token_hash bytea, id uuid, email text, name text, password_hash text, session_id uuid, session_token_hash bytea, address text, user_agent text?, lifetime_s int8, audit_id uuid
-- After setup_lock, in its transaction. All offered tokens go with the row that one of them makes.
WITH open AS MATERIALIZED (
    SELECT NOT EXISTS (SELECT FROM users) AS is_open
), used AS (
    DELETE FROM setup_tokens AS s
    USING open AS o
    WHERE o.is_open AND EXISTS (SELECT FROM setup_tokens AS x WHERE x.token_hash = $1::bytea)
    RETURNING s.token_hash
), created AS (
    INSERT INTO users AS u (id, email, name, password_hash, role, last_seen_at, created_at, updated_at)
    SELECT $2::uuid, $3::text, $4::text, $5::text, 'admin', now(), now(), now()
    WHERE EXISTS (SELECT FROM used)
    RETURNING u.id, u.email
), login AS (
    INSERT INTO sessions AS s (id, token_hash, user_id, address, user_agent, created_at,
                               last_seen_at, expires_at)
    SELECT $6::uuid, $7::bytea, c.id, $8::text, $9::text, now(), now(),
           now() + $10::int8 * interval '1 second'
    FROM created AS c
    RETURNING s.expires_at
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $11::uuid, c.id, c.email, 'setup', 'user:' || c.id,
           jsonb_build_object('email', c.email), now()
    FROM created AS c
)
SELECT o.is_open, (SELECT l.expires_at FROM login AS l) AS expires_at
FROM open AS o;
