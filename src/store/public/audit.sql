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

-- :name audit_begin  :params id uuid, actor_id uuid, label text, action text, subject text, detail text, shards int2
INSERT INTO audit_acts (id, actor_id, actor_label, action, subject, detail, at, shards)
VALUES ($1::uuid, $2::uuid, left($3::text, 400), $4::text, left($5::text, 400), nullif($6::text, '')::jsonb, now(),
        $7::int2);

-- :name audit_told  :params ids uuid[], shards int8
-- `shards`: a bit for each. It stands before audit_record, as audit_end does: whoever writes both locks them in that order.
UPDATE audit_acts AS c SET told = c.told | $2::int8 WHERE c.id = ANY ($1::uuid[]);

-- :name audit_end  :params id uuid
DELETE FROM audit_acts AS c WHERE c.id = $1::uuid;

-- :name audit_settle  :params kept_s int8, late_s int8, row_limit int8
-- What nobody has written the end of: where all shards have told of it, it is done. Else its entry,
-- or one that is made of it, says what is known, and stays unfinished: a worker that was away for so
-- long may tell of it still. Of several shards none can say that it was the last, so that the act
-- stays, too, for as long as one is waited for. Their number, without those that say all of it already.
-- `due` chooses and locks; what the shards have told is read of the row that is locked, since one may have
-- told while it was chosen.
WITH due AS (
    SELECT c.*, x.is_late
    FROM audit_acts AS c
    LEFT JOIN audit_log AS l ON l.id = c.id
    CROSS JOIN LATERAL (
        SELECT c.shards < 2 OR c.at < now() - $2::int8 * interval '1 second'
               OR (l.id IS NOT NULL AND l.detail->'unfinished' IS DISTINCT FROM 'true') AS is_late,
               l.detail->'error' IS NOT NULL
               AND coalesce(l.detail->'shards', '[]') >= coalesce(jsonb_agg(k.n), '[]') AS is_said
        FROM generate_series(0, 62) AS k (n)
        WHERE c.shards > 1 AND c.told >> k.n & 1 = 1) AS x
    WHERE c.at < now() - $1::int8 * interval '1 second'
      AND (x.is_late OR c.told = (1::int8 << c.shards::int4) - 1 OR x.is_said IS NOT TRUE)
    ORDER BY c.id
    LIMIT $3::int8
    FOR UPDATE OF c SKIP LOCKED
), known AS (
    SELECT d.id, d.actor_id, d.actor_label, d.action, d.subject, d.detail, d.at, s.told, w.is_whole,
           d.is_late OR w.is_whole AS is_over
    FROM due AS d
    CROSS JOIN LATERAL (SELECT d.shards > 0 AND d.told = (1::int8 << d.shards::int4) - 1 AS is_whole) AS w
    CROSS JOIN LATERAL (
        SELECT jsonb_strip_nulls(jsonb_build_object('shards', jsonb_agg(k.n))) AS told
        FROM generate_series(0, 62) AS k (n)
        WHERE d.shards > 1 AND d.told >> k.n & 1 = 1) AS s
), gone AS (
    DELETE FROM audit_acts AS c USING known AS d WHERE c.id = d.id AND d.is_over
), actors AS (
    SELECT u.id FROM users AS u WHERE u.id IN (SELECT d.actor_id FROM due AS d) FOR KEY SHARE OF u
), lost AS (
    INSERT INTO audit_log (id, actor_id, actor_label, action, subject, detail, at)
    SELECT d.id, a.id, d.actor_label, d.action, d.subject,
           coalesce(d.detail, '{}'::jsonb) || d.told
           || '{"error": "what came of it is not known: the gateway that was asked has not written it down",
                "unfinished": true}'::jsonb,
           d.at
    FROM known AS d
    LEFT JOIN actors AS a ON a.id = d.actor_id
    ON CONFLICT (id) DO NOTHING
)
SELECT (SELECT count(*) FROM due), audit_finish(array_agg(x.id), array_agg(x.detail))
FROM (SELECT l.id,
             CASE WHEN d.is_whole THEN coalesce(d.detail::text, '')
                  ELSE (l.detail
                        || jsonb_strip_nulls(jsonb_build_object('shards', greatest(l.detail->'shards', d.told->'shards')))
                        || '{"error": "the gateway that was asked has not seen its end"}'::jsonb)::text
                  END AS detail
      FROM known AS d
      JOIN audit_log AS l ON l.id = d.id
      WHERE l.detail->'unfinished' = 'true') AS x;
