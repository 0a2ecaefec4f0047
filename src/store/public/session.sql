-- Logins. Tokens are stored as their SHA-256 alone.

-- :name session_create  :params id uuid, token_hash bytea, user_id uuid, password_hash text, new_password_hash text?, address text, user_agent text?, lifetime_s int8, audit_id uuid
-- Only while the password that was compared is still the stored one; `new_password_hash`, where
-- given, is the same password under newer parameters.
WITH owner AS (
    UPDATE users AS u
    SET password_hash = coalesce($5::text, u.password_hash), last_seen_at = now()
    WHERE u.id = $3::uuid AND u.password_hash = $4::text
    RETURNING u.id, u.email
), created AS (
    INSERT INTO sessions AS s (id, token_hash, user_id, address, user_agent, created_at,
                               last_seen_at, expires_at)
    SELECT $1::uuid, $2::bytea, o.id, $6::text, $7::text, now(), now(),
           now() + $8::int8 * interval '1 second'
    FROM owner AS o
    RETURNING s.id, s.expires_at
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $9::uuid, o.id, o.email, 'session.create', 'session:' || c.id,
           jsonb_build_object('address', $6::text), now()
    FROM created AS c, owner AS o
)
SELECT c.expires_at FROM created AS c;

-- :name session_by_token  :params token_hash bytea
-- Expired ones are told as such, so that the answer can say it.
SELECT s.id, s.user_id, u.role, u.email, s.expires_at, s.last_seen_at
FROM sessions AS s
JOIN users AS u ON u.id = s.user_id
WHERE s.token_hash = $1::bytea;

-- :name session_list  :params user_id uuid
SELECT s.id, s.address, s.user_agent, s.created_at, s.last_seen_at, s.expires_at
FROM sessions AS s
WHERE s.user_id = $1::uuid AND s.expires_at > now()
ORDER BY s.last_seen_at DESC, s.id DESC
LIMIT 500;

-- :name session_revoke  :params id uuid, user_id uuid, audit_id uuid, actor_label text, action text
WITH ended AS (
    DELETE FROM sessions AS s
    WHERE s.id = $1::uuid AND s.user_id = $2::uuid
    RETURNING s.id, s.user_id
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, at)
    SELECT $3::uuid, e.user_id, $4::text, $5::text, 'session:' || e.id, now()
    FROM ended AS e
)
SELECT e.id FROM ended AS e;

-- :name session_seen  :params ids uuid[], lifetime_s int8
-- Coalesced use. A lifetime above 0 slides the end along with the use.
UPDATE sessions AS s
SET last_seen_at = now(),
    expires_at = CASE WHEN $2::int8 > 0
                      THEN greatest(s.expires_at, now() + $2::int8 * interval '1 second')
                      ELSE s.expires_at END
FROM (SELECT x.id FROM sessions AS x
      WHERE x.id = ANY($1::uuid[]) AND x.expires_at > now()
      FOR NO KEY UPDATE SKIP LOCKED) AS seen
WHERE s.id = seen.id;

-- :name session_expire  :params row_limit int8
-- Those that ended more than a day ago.
DELETE FROM sessions AS s
WHERE s.id IN (SELECT x.id FROM sessions AS x
               WHERE x.expires_at < now() - interval '1 day' LIMIT $1::int8);
