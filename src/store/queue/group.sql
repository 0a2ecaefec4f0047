-- What a task.group becomes when its children have ended.

-- :name group_children  :params id uuid
-- Of all that it depends on, in order: how they ended, and how long their results are, which may be
-- too much to read; nulls where one has not, or is gone. The first row has the group's payload.
SELECT u.dep, d.state, octet_length(d.result::text), left(d.error, 500),
       CASE WHEN u.n = 1 THEN t.payload END
FROM worker.task AS t CROSS JOIN unnest(t.depends_on) WITH ORDINALITY AS u (dep, n)
LEFT JOIN worker.task_done AS d ON d.id = u.dep
WHERE t.id = $1 ORDER BY u.n;

-- :name group_results  :params ids uuid[]
SELECT d.id, d.result FROM worker.task_done AS d WHERE d.id = ANY ($1::uuid[]);
