-- Partitions, and what is too old.

-- :name retain_days
-- Those that there are, counted from 1970.
SELECT (to_date(right(c.relname, 8), 'YYYYMMDD') - date '1970-01-01')::int4
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'worker.task'::regclass AND c.relname ~ '^task_[0-9]{8}$'
ORDER BY 1;

-- :name retain_day_make  :params from_day int4, to_day int4, row_limit int8
-- And of days that there are what a newer version of the program has besides. The newest first, and so
-- many at once that it is done in time.
SELECT count(*)
FROM (SELECT
      FROM (SELECT generate_series($1, $2)
            UNION
            SELECT to_date(right(c.relname, 8), 'YYYYMMDD') - date '1970-01-01'
            FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'worker.task'::regclass AND c.relname ~ '^task_[0-9]{8}$'
            ORDER BY 1 DESC) AS d (day)
      WHERE worker.day_make(d.day)
      LIMIT $3) AS made;

-- :name retain_log_make  :params from_number int8, to_number int8
SELECT count(*) FROM generate_series($1, $2) AS d (number)
WHERE worker.log_make(d.number);

-- :name retain_log_parts
SELECT substring(c.relname FROM '[0-9]+$')::int8
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'worker.change_log'::regclass AND c.relname ~ '^change_log_[0-9]+$'
ORDER BY 1;

-- :name retain_log_newest  :params shard int2, from_seq int8, to_seq int8
SELECT coalesce(extract(epoch FROM max(l.at)) * 1000000, 0)::int8
FROM worker.change_log AS l
WHERE l.shard = $1::int2 AND l.seq >= $2 AND l.seq < $3;

-- :name retain_log_drop  :params number int8
SELECT worker.log_drop($1);

-- :name retain_day_state  :params day int4, before timestamptz
-- Whether the day has a task that is unfinished, or one that finished too lately.
SELECT EXISTS (SELECT FROM worker.task AS t
               WHERE t.id >= worker.day_bound($1) AND t.id < worker.day_bound($1 + 1)
                 AND NOT EXISTS (SELECT FROM worker.task_done AS d WHERE d.id = t.id)),
       EXISTS (SELECT FROM worker.task_done AS d
               WHERE d.id >= worker.day_bound($1) AND d.id < worker.day_bound($1 + 1)
                 AND d.finished_at >= $2);

-- :name retain_gone_sweep  :params before_day int4
-- Ids that are refused for their age.
DELETE FROM worker.task_gone WHERE id < worker.day_bound($1);

-- :name retain_day_counts  :params day int4
SELECT t.type, d.state, count(*)
FROM worker.task_done AS d JOIN worker.task AS t ON t.id = d.id
WHERE d.id >= worker.day_bound($1) AND d.id < worker.day_bound($1 + 1)
GROUP BY t.type, d.state ORDER BY t.type, d.state;

-- :name retain_expired_types  :params day int4, types int4[], befores timestamptz[], limit int8
-- Of types that keep their finished tasks for less than the others.
SELECT d.id, t.type, d.state, d.seq
FROM worker.task_done AS d JOIN worker.task AS t ON t.id = d.id
JOIN unnest($2::int4[], $3::timestamptz[]) AS u (type, before) ON u.type = t.type
WHERE d.id >= worker.day_bound($1) AND d.id < worker.day_bound($1 + 1) AND d.finished_at < u.before
ORDER BY d.id LIMIT $4;

-- :name retain_expired  :params day int4, before timestamptz, limit int8
SELECT d.id, t.type, d.state, d.seq
FROM worker.task_done AS d JOIN worker.task AS t ON t.id = d.id
WHERE d.id >= worker.day_bound($1) AND d.id < worker.day_bound($1 + 1) AND d.finished_at < $2
ORDER BY d.id LIMIT $3;
