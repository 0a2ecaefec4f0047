-- :name server_look
-- What a person should know of the server before trusting it with data. Other roles' transactions
-- are visible to a superuser and to members of pg_read_all_stats alone.
SELECT current_setting('server_encoding') AS encoding,
       current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean AS is_crash_safe,
       current_setting('synchronous_commit') <> 'off' AS is_commit_kept,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only,
       current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer AS connections_max,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::bigint
          FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()) AS longest_transaction_s,
       pg_database_size(current_database()) AS size_bytes,
       clock_timestamp() AS now;

-- :name server_leader
-- Who leads the queue, by the database's clock; no row where no worker ever did.
SELECT coalesce(s.leader, '') AS leader,
       coalesce(s.lease_until > clock_timestamp(), false) AS is_held
  FROM worker.shard AS s ORDER BY s.id LIMIT 1;
