-- What db itself asks of the server.
-- :name db_transaction_set  :params name text, value text
-- Until the end of the transaction: no setting outlives it, so PgBouncer may stand between.
SELECT set_config($1, $2, true);

-- :name db_transaction_lock  :params key int8
SELECT pg_advisory_xact_lock($1);
