#!/usr/bin/env python3
"""What types keep for less than the others, and what is kept beside tasks. Usage: worker_retention_test.py PROGRAM"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import Postgres, eventually, run_tests  # noqa: E402
from worker_rig import Caller, Worker, new_id, sql  # noqa: E402

DAY_S = 86_400


def cancelled(caller, type, count, days_old):  # pylint: disable=redefined-builtin
    """Ids of that age, of tasks that have ended."""
    far_us = int((time.time() + 60 * DAY_S) * 1e6)
    ids = [new_id(time.time() - days_old * DAY_S) for _ in range(count)]
    made = caller.create(*({"id": i, "type": type, "run_at_us": far_us} for i in ids))
    assert all("task" in r for r in made.json["results"]), made.text[:300]
    done = caller.post("/v1/tasks:bulk", {"action": "cancel", "tasks": [{"id": i} for i in ids]})
    assert done.json["done"] == count, done.text[:300]
    return ids


def keep(caller, type, days):  # pylint: disable=redefined-builtin
    answer = caller.post("/v1/types:update", {"type": type, "settings": {"retention_days": days}, "actor": "ada"})
    assert answer.status == 200, answer.text


def end_earlier(url, ids, hours):
    sql(url, f"UPDATE worker.task_done SET finished_at = now() - interval '{hours} h' WHERE id = ANY ('{{{','.join(ids)}}}')")


def a_type_keeps_its_tasks_for_less_than_the_others(postgres):
    url = postgres.tell("database")
    with Worker(url) as worker:
        caller = Caller(worker)
        keep(caller, "short", 1)
        keep(caller, "middle", 3)
        short, fresh = cancelled(caller, "short", 620, 3), cancelled(caller, "short", 2, 3)
        middle, long = cancelled(caller, "middle", 2, 5), cancelled(caller, "long", 2, 5)
        end_earlier(url, short + middle[:1] + long, 30)
        end_earlier(url, middle[1:], 80)
    with Worker(url) as worker:
        caller = Caller(worker)
        gone = short + middle[1:]
        eventually(lambda: caller.counts() == {("short", "failed"): 2, ("middle", "failed"): 1, ("long", "failed"): 2})
        left = sql(url, "SELECT id FROM worker.task ORDER BY id").splitlines()
        assert left == sorted(fresh + middle[:1] + long), left
        drops = [i for e in caller.whole_feed() if e["op"] == "drop" for i in e.get("ids", [])]
        assert sorted(drops) == sorted(gone), len(drops)
        assert sql(url, "SELECT max(n), count(*) > 1 FROM worker.change_log WHERE extra IS NOT NULL") == "500|t"
        again = caller.create({"id": short[0], "type": "short"})  # it is younger than id-past
        assert again.json["results"][0]["error"]["message"] == "the task with this id was deleted", again.text
        refused = caller.post("/v1/types:update", {"type": "long", "settings": {"retention_days": 31}, "actor": "ada"})
        assert refused.status == 400, refused.text


def ids_are_forgotten_once_they_are_refused_for_their_age(postgres):
    url = postgres.tell("database")
    with Worker(url):
        pass
    old, young = new_id(time.time() - 20 * DAY_S), new_id(time.time() - 2 * DAY_S)
    sql(url, f"INSERT INTO worker.task_gone VALUES ('{old}'), ('{young}')")
    sql(url, "INSERT INTO worker.inbox_refused (entry, task, error, refused_at) VALUES "
             "(gen_random_uuid(), '1', 'old', now() - interval '40 d'), (gen_random_uuid(), '2', 'new', now())")
    with Worker(url):
        eventually(lambda: sql(url, "SELECT id FROM worker.task_gone") == young)
        assert sql(url, "SELECT error FROM worker.inbox_refused") == "new"


def main():
    with Postgres() as postgres:
        run_tests([a_type_keeps_its_tasks_for_less_than_the_others, ids_are_forgotten_once_they_are_refused_for_their_age], postgres)


if __name__ == "__main__":
    main()
