-- What was done by whom. Changes of the gateway's own tables write their row in their own statement.

-- :name audit_expire  :params kept_s int8, most int4
-- By the owner's rights: nobody else may delete.
SELECT audit_expire($1::int8, $2::int4);

-- :name audit_record  :params ids uuid[], user_ids uuid[], labels text[], actions text[], subjects text[], details text[], ats timestamptz[]
-- What the worker's record tells. Its ids follow from its numbers, or were chosen by the gateway that
-- was asked, so that none is written twice.
-- The nil id: the label, an email address, tells who it was. A user who is being deleted is waited
-- for, so that no reference breaks the whole transaction.
WITH given AS (
    SELECT g.id, g.user_id, g.label, lower(g.label) AS email, g.action, g.subject, g.detail, g.at
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::timestamptz[]) AS g (id, user_id, label, action, subject, detail, at)
), by_id AS (
    SELECT u.id FROM users AS u WHERE u.id = ANY ($2::uuid[]) FOR KEY SHARE
), by_email AS (
    SELECT u.id, lower(u.email) AS email FROM users AS u
    WHERE lower(u.email) IN (SELECT lower(l) FROM unnest($3::text[]) AS l) FOR KEY SHARE OF u
)
INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
SELECT g.id, coalesce(i.id, e.id), left(g.label, 400), g.action, left(g.subject, 400),
       nullif(g.detail, '')::jsonb, g.at
FROM given AS g
LEFT JOIN by_id AS i ON i.id = g.user_id
LEFT JOIN by_email AS e ON e.email = g.email AND g.user_id = '00000000-0000-0000-0000-000000000000'
ON CONFLICT (id) DO NOTHING;

-- :name audit_finish  :params ids uuid[], details text[]
-- By the owner's rights: nobody else may change an entry. It stands behind audit_record.
SELECT audit_finish($1::uuid[], $2::text[]);
