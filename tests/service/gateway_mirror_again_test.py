#!/usr/bin/env python3
"""The mirror: what could not be stored at once is stored once, and counted once.
Usage: gateway_mirror_again_test.py PROGRAM"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_mirror_test import World, sql  # noqa: E402
from gateway_rig import Postgres, run_tests  # noqa: E402

# What a sequence has told is not taken back with the transaction.
REFUSE = """CREATE SEQUENCE writes;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        CASE nextval('writes')
            WHEN 1 THEN RAISE 'not so' USING errcode = 'check_violation';
            WHEN 2 THEN RAISE 'no room' USING errcode = 'disk_full';
            ELSE RETURN NEW;
        END CASE;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.type = 'late') EXECUTE FUNCTION refuse();
    GRANT USAGE ON SEQUENCE writes TO PUBLIC"""


def a_page_that_was_refused_and_then_not_stored_is_counted_once(postgres):
    with World(postgres) as world:
        with world.start():
            world.following()
            world.worker.add("early")
            world.caught_up()
        world.worker.add("late")
        world.worker.forget()
        sql(world.url, REFUSE)
        with world.start():
            world.caught_up()
            world.check_equal()
        assert sql(world.url, "SELECT last_value > 2 FROM writes") == [["t"]]
        counted = sql(world.url, "SELECT type, created FROM task_rollups WHERE span_s = 864000 AND created > 0 ORDER BY 1")
        assert counted == [["", "2"], ["early", "1"], ["late", "1"]], counted


TESTS = [a_page_that_was_refused_and_then_not_stored_is_counted_once]

if __name__ == "__main__":
    with Postgres() as the_postgres:
        run_tests(TESTS, the_postgres)
