-- What a task.group becomes when its children have ended.

-- :name group_children  :params id uuid
-- Of all that it depends on, in order: how they ended; nulls where one has not, or is gone. The
-- first row has the group's payload.
SELECT u.dep, d.state, d.result, d.error, CASE WHEN u.n = 1 THEN t.payload END
FROM worker.task AS t CROSS JOIN unnest(t.depends_on) WITH ORDINALITY AS u (dep, n)
LEFT JOIN worker.task_done AS d ON d.id = u.dep
WHERE t.id = $1 ORDER BY u.n;
