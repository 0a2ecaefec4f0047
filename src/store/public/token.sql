-- API tokens, stored as their SHA-256 alone.

-- :name token_create  :params id uuid, token_hash bytea, user_id uuid, name text, role user_role, scopes token_scope[], task_types text[], prefix text, expires_at timestamptz?, audit_id uuid, actor_label text
WITH created AS (
    INSERT INTO api_tokens AS t (id, token_hash, user_id, name, role, scopes, task_types, prefix,
                                 created_at, expires_at)
    VALUES ($1::uuid, $2::bytea, $3::uuid, $4::text, $5::user_role, $6::token_scope[], $7::text[],
            $8::text, now(), $9::timestamptz)
    RETURNING t.id, t.name, t.role, t.scopes, t.user_id, t.created_at
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $10::uuid, c.user_id, $11::text, 'token.create', 'token:' || c.id,
           jsonb_build_object('name', c.name, 'role', c.role, 'scopes', c.scopes), now()
    FROM created AS c
)
SELECT c.created_at FROM created AS c;

-- :name token_by_hash  :params token_hash bytea
SELECT t.id, t.user_id, t.role, u.role, u.email, t.expires_at, t.last_used_at, t.scopes,
       t.task_types
FROM api_tokens AS t
JOIN users AS u ON u.id = t.user_id
WHERE t.token_hash = $1::bytea;

-- :name token_list  :params user_id uuid
SELECT t.id, t.name, t.role, t.scopes, t.task_types, t.prefix, t.created_at, t.last_used_at,
       t.expires_at
FROM api_tokens AS t
WHERE t.user_id = $1::uuid
ORDER BY t.id DESC
LIMIT 500;

-- :name token_revoke  :params id uuid, user_id uuid, audit_id uuid, actor_label text
WITH revoked AS (
    DELETE FROM api_tokens AS t
    WHERE t.id = $1::uuid AND t.user_id = $2::uuid
    RETURNING t.id, t.user_id, t.name
), audited AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT $3::uuid, r.user_id, $4::text, 'token.revoke', 'token:' || r.id,
           jsonb_build_object('name', r.name), now()
    FROM revoked AS r
)
SELECT r.id FROM revoked AS r;

-- :name token_used  :params ids uuid[]
UPDATE api_tokens AS t
SET last_used_at = now()
FROM (SELECT x.id FROM api_tokens AS x
      WHERE x.id = ANY($1::uuid[])
      FOR NO KEY UPDATE SKIP LOCKED) AS used
WHERE t.id = used.id;
