-- What db itself asks of the server.
-- :name db_transaction_set  :params name text, value text
-- Until the end of the transaction: no setting outlives it, so PgBouncer may stand between.
SELECT set_config($1, $2, true);

-- :name db_transaction_settings  :params names text[], settings text[]
SELECT set_config(u.name, u.setting, true) FROM unnest($1::text[], $2::text[]) AS u (name, setting);

-- :name db_session_settings  :params pid int4, names text[], settings text[]
-- Only on a connection of the server's own: a pooler tells its clients another number than the
-- process's, and what is set there would be the next client's, too. There is a row where it is one.
SELECT s.count
FROM (SELECT count(set_config(u.name, u.setting, false))
      FROM unnest($2::text[], $3::text[]) AS u (name, setting)
      WHERE pg_backend_pid() = $1::int4) AS s
WHERE pg_backend_pid() = $1::int4;

-- :name db_transaction_lock  :params key int8
SELECT pg_advisory_xact_lock($1);
