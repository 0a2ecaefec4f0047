-- What tools/sqlgen makes of each kind of parameter; run by db_statement_test.c.
-- :name sample_values  :params id uuid, at timestamptz, small int2, n int4, big int8, ratio float8
-- :params is_on bool, words text[], ids uuid[], numbers int8[], mood sample_mood?, raw bytea
-- :params note text?, later timestamptz?, body jsonb
-- A comment that is not sent; $99 in it means nothing.
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::sample_mood, $12, $13, $14, $15,
       'it''s ; \ "fine"' AS "odd ; name";

-- :name sample_nothing
SELECT 1 AS one;

-- :name sample_arrays  :params numbers int4[], flags bool[], ratios float8[], ats timestamptz[], moods sample_mood[], nothing text[]
SELECT $1::text, $2::text, $3::text, $4, $5::sample_mood[]::text, $6::text;
