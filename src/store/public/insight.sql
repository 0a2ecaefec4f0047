-- The dashboard's insights. One of a type is about a subject: a job, a task type, one of its figures,
-- an error; by both it is known again in the next run.

-- :name insight_list  :params ttl_us int8, pause_us int8
-- Those that are open, the gravest first, and when they were computed; one row without an insight
-- where there are none.
SELECT r.generated_at,
       coalesce(r.generated_at > now() - $1::int8 * interval '1 microsecond', false) AS is_fresh,
       coalesce(r.failed_at > now() - $2::int8 * interval '1 microsecond', false) AS is_pausing,
       coalesce(r.claimed_until > now(), false) AS is_claimed,
       i.id, i.type, i.title, i.description, i.severity, i.data, i.confidence, i.recommendations,
       i.state, i.dismissed_reason, i.created_at, i.updated_at
FROM (VALUES ('dashboard')) AS one (name)
LEFT JOIN insight_runs AS r ON r.name = one.name
LEFT JOIN dashboard_insights AS i ON i.state = 'open'
ORDER BY i.severity DESC, i.confidence DESC NULLS LAST, i.id;

-- :name insight_added  :params after timestamptz
-- Those that are open and were added by later runs than that, in order; one row without an insight
-- where there are none. A run adds at the time at which it is generated.
SELECT r.generated_at, false, false, false,
       i.id, i.type, i.title, i.description, i.severity, i.data, i.confidence, i.recommendations,
       i.state, i.dismissed_reason, i.created_at, i.updated_at
FROM (VALUES ('dashboard')) AS one (name)
LEFT JOIN insight_runs AS r ON r.name = one.name
LEFT JOIN dashboard_insights AS i ON i.state = 'open' AND i.created_at > $1::timestamptz
ORDER BY i.created_at, i.id;

-- :name insight_claim  :params seen timestamptz?, claim_us int8
-- A row: the caller computes them, if nobody does and nobody has since he saw them.
INSERT INTO insight_runs AS r (name, claimed_until)
VALUES ('dashboard', now() + $2::int8 * interval '1 microsecond')
ON CONFLICT (name) DO UPDATE
SET claimed_until = excluded.claimed_until
WHERE (r.claimed_until IS NULL OR r.claimed_until <= now())
  AND r.generated_at IS NOT DISTINCT FROM $1::timestamptz
RETURNING r.name;

-- :name insight_give_up  :params is_failure bool
-- Ends the claim without insights.
UPDATE insight_runs AS r
SET claimed_until = NULL,
    failed_at = CASE WHEN $1::bool THEN now() ELSE r.failed_at END
WHERE r.name = 'dashboard';

-- :name insight_store  :params found jsonb, is_failure bool
-- What still holds is updated and keeps its id; what is dismissed stays so, for its time; what no
-- longer holds is resolved; the rest is new. `is_failure`: not ai found them.
WITH found AS MATERIALIZED (
    SELECT f.id, f.type, f.title, f.description, f.severity, f.data, f.confidence,
           ARRAY(SELECT jsonb_array_elements_text(f.recommendations)) AS recommendations,
           concat_ws('/', f.data->>'job_id', f.data->>'type', f.data->>'figure',
                     CASE f.type WHEN 'error-pattern' THEN f.data->>'error' END) AS subject
    FROM jsonb_to_recordset($1::jsonb)
        AS f (id uuid, type text, title text, description text, severity insight_severity,
              data jsonb, confidence float8, recommendations jsonb)
), known AS MATERIALIZED (
    SELECT i.id, i.type,
           concat_ws('/', i.data->>'job_id', i.data->>'type', i.data->>'figure',
                     CASE i.type WHEN 'error-pattern' THEN i.data->>'error' END) AS subject
    FROM dashboard_insights AS i
    WHERE i.state <> 'resolved'
    ORDER BY i.id
    FOR UPDATE
), held AS MATERIALIZED (
    SELECT DISTINCT ON (k.id) k.id AS known_id, f.id AS found_id
    FROM known AS k
    JOIN found AS f ON f.type = k.type AND f.subject = k.subject
    ORDER BY k.id, f.id
), updated AS (
    UPDATE dashboard_insights AS i
    SET title = f.title, description = f.description, severity = f.severity, data = f.data,
        confidence = f.confidence, recommendations = f.recommendations, updated_at = now(),
        state = CASE WHEN i.dismissed_until <= now() THEN 'open'::insight_state ELSE i.state END
    FROM held AS h
    JOIN found AS f ON f.id = h.found_id
    WHERE i.id = h.known_id
), resolved AS (
    UPDATE dashboard_insights AS i
    SET state = 'resolved', updated_at = now()
    FROM known AS k
    WHERE i.id = k.id AND NOT EXISTS (SELECT FROM held AS h WHERE h.known_id = k.id)
), added AS (
    INSERT INTO dashboard_insights AS i (id, type, title, description, severity, data, confidence,
                                         recommendations, created_at, updated_at)
    SELECT f.id, f.type, f.title, f.description, f.severity, f.data, f.confidence,
           f.recommendations, now(), now()
    FROM found AS f
    WHERE NOT EXISTS (SELECT FROM held AS h WHERE h.found_id = f.id)
)
UPDATE insight_runs AS r
SET generated_at = now(), claimed_until = NULL,
    failed_at = CASE WHEN $2::bool THEN now() END
WHERE r.name = 'dashboard';

-- :name insight_dismiss  :params id uuid, reason text?, until timestamptz?
UPDATE dashboard_insights AS i
SET state = 'dismissed', dismissed_reason = $2::text, dismissed_until = $3::timestamptz
WHERE i.id = $1::uuid AND i.state <> 'resolved'
RETURNING NULL::timestamptz, false, false, false,
          i.id, i.type, i.title, i.description, i.severity, i.data, i.confidence,
          i.recommendations, i.state, i.dismissed_reason, i.created_at, i.updated_at;

-- :name insight_purge  :params kept_s int8
-- What was resolved long ago.
DELETE FROM dashboard_insights AS i
WHERE i.state = 'resolved' AND i.updated_at < now() - $1::int8 * interval '1 second';
