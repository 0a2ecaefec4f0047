"""The gateway's figures made again from its rows of tasks, by other statements than its own."""

SPANS = (60, 300, 3600, 86_400, 864_000)  # of the roll-ups, in seconds

GROUP_ID = "('x' || left(md5(type || E'\\n' || error_template), 16))::bit(64)::int8"
FAILED = "FROM tasks WHERE status = 'failed' AND error_template IS NOT NULL AND finished_at IS NOT NULL"
FAILURES = f"SELECT id, {GROUP_ID} AS group_id, finished_at AS at {FAILED}"
GROUPS = f"""SELECT {GROUP_ID} AS id, type, error_template AS template, min(finished_at) AS first_at, max(finished_at) AS last_at,
    array_agg(id ORDER BY finished_at DESC) AS ids {FAILED} GROUP BY 1, 2, 3"""
ERROR_ROLLUPS = f"""SELECT span_s, to_timestamp(floor(extract(epoch FROM at) / span_s) * span_s) AS at, group_id, count(*)::int AS count
    FROM ({FAILURES}) AS f, unnest('{{{','.join(map(str, SPANS))}}}'::int[]) AS s (span_s) GROUP BY 1, 2, 3"""

PUT_ERROR_GROUPS = f"""TRUNCATE error_groups, task_failures, error_rollups;
    INSERT INTO task_failures (id, group_id, at) {FAILURES} ORDER BY 3;
    INSERT INTO error_groups (id, type, template, first_at, last_at, last_id)
    SELECT id, type, template, first_at, last_at, ids[1] FROM ({GROUPS}) AS g;
    INSERT INTO error_rollups (span_s, at, group_id, count) {ERROR_ROLLUPS} ORDER BY 2, 1, 3"""

# Groups whose first or last failure is another one; of several at the same time, any is the last. After a migration they are not known.
WRONG_ENDS = f"""SELECT * FROM error_groups AS a JOIN ({GROUPS}) AS b USING (id)
    WHERE (a.first_at, a.last_at) IS DISTINCT FROM (b.first_at, b.last_at)
       OR NOT EXISTS (SELECT FROM task_failures AS f WHERE f.id = a.last_id AND f.group_id = a.id AND f.at = a.last_at)"""
# Rows that are on one side only, or differ; none are wanted. A group may outlive its last task.
WRONG = (
    f"SELECT * FROM task_failures AS a FULL JOIN ({FAILURES}) AS b USING (id) WHERE (a.group_id, a.at) IS DISTINCT FROM (b.group_id, b.at)",
    f"SELECT * FROM error_groups AS a RIGHT JOIN ({GROUPS}) AS b USING (id) WHERE (a.type, a.template) IS DISTINCT FROM (b.type, b.template)",
    WRONG_ENDS,
    "SELECT * FROM (SELECT * FROM error_rollups WHERE count <> 0) AS a "
    f"FULL JOIN ({ERROR_ROLLUPS}) AS b USING (span_s, at, group_id) WHERE a.count IS DISTINCT FROM b.count")
