#!/usr/bin/env python3
"""What previewSchedule tells of a schedule. Usage: gateway_schedule_test.py PROGRAM"""

import os
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from gateway_rig import PASSWORD, Gateway, Postgres, create_user, run_tests  # noqa: E402

PREVIEW = ("query($schedule: String!, $timeZone: String, $count: Int) { previewSchedule("
           "schedule: $schedule, timeZone: $timeZone, count: $count) "
           "{ text warnings runs { at note } } }")


class World:
    def __init__(self, gateway):
        self.gateway = gateway
        self.token = None

    def ask(self, schedule, **variables):
        return self.gateway.graphql(PREVIEW, {"schedule": schedule, **variables}, self.token)

    def preview(self, schedule, **variables):
        return self.ask(schedule, **variables).data["previewSchedule"]


def instants(preview):
    return [datetime.fromisoformat(run["at"].replace("Z", "+00:00")) for run in preview["runs"]]


def it_needs_somebody_who_is_signed_in(world):
    answer = world.ask("0 3 * * *")
    assert answer.code == "UNAUTHENTICATED", answer.text
    admin = world.gateway.set_up()
    create_user(world.gateway, admin, "viewer@example.org")
    world.token = world.gateway.login("viewer@example.org", PASSWORD)
    assert world.ask("0 3 * * *").code == "ok"


def it_tells_the_words_and_the_next_ten_runs(world):
    before = datetime.now(timezone.utc)
    preview = world.gateway.graphql('{ previewSchedule(schedule: "0 3 * * *") '
                                    '{ text warnings runs { at note } } }',
                                    None, world.token).data["previewSchedule"]
    assert preview["text"] == "every day at 03:00", preview
    assert preview["warnings"] == [], preview
    runs = instants(preview)
    assert len(runs) == 10, preview
    assert before < runs[0] <= before + timedelta(days=1, minutes=1), preview
    assert all(run.hour == 3 and run.minute == 0 for run in runs), preview
    assert all(b - a == timedelta(days=1) for a, b in zip(runs, runs[1:])), preview


def it_keeps_to_the_clock_of_a_zone(world):
    runs = instants(world.preview("30 4 * * *", timeZone="Asia/Kathmandu", count=3))
    local = [run.astimezone(ZoneInfo("Asia/Kathmandu")) for run in runs]
    assert [(run.hour, run.minute) for run in local] == [(4, 30)] * 3, local


def notes(preview):
    return {run["note"] for run in preview["runs"] if run["note"]}


def it_marks_what_clock_changes_do(world):
    """The clock of Berlin changes on the last Sundays of March and October."""
    fixed = world.preview("30 2 * 3,10 sunL", timeZone="Europe/Berlin", count=4)
    assert notes(fixed) == {
        "02:30 does not exist: the clock goes forward from 02:00 to 03:00, and it runs right then",
        "02:30 comes twice: the clock goes back from 03:00 to 02:00, and it runs the first time only",
    }, fixed
    wildcard = world.preview("*/30 2-3 * 3,10 sunL", timeZone="Europe/Berlin", count=20)
    assert notes(wildcard) == {
        "the clock goes forward from 02:00 to 03:00: runs in between are skipped",
        "the clock went back from 03:00 to 02:00: 02:00 comes a second time",
        "the clock went back from 03:00 to 02:00: 02:30 comes a second time",
    }, wildcard


def it_warns(world):
    assert world.preview("0 0 30 2 *") == {"text": "at 00:00 on the 30th of February",
                                           "warnings": ["never runs"], "runs": []}
    assert world.preview("* * * * * *", count=1)["warnings"] == ["runs every second"]
    assert world.preview("0 0 1 * mon", count=1)["warnings"][0].startswith("both day fields are set")


def every_counts_from_now(world):
    runs = instants(world.preview("@every 90s", count=4))
    assert all(b - a == timedelta(seconds=90) for a, b in zip(runs, runs[1:])), runs


def errors_name_the_argument_field_and_column(world):
    answer = world.ask("0 24 * * *")
    assert answer.code == "BAD_USER_INPUT", answer.text
    assert answer.error["message"] == ('schedule: hour field, column 3: expected a number from 0 to 23, '
                                       'found "24"'), answer.text
    for zone in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime", ""):
        answer = world.ask("0 3 * * *", timeZone=zone)
        assert answer.code == "BAD_USER_INPUT", answer.text
        assert answer.error["message"].startswith("timeZone: there is no time zone"), answer.text


def the_count_is_bounded(world):
    assert len(world.preview("* * * * *", count=100)["runs"]) == 100
    for count in (0, -1, 101):
        answer = world.ask("* * * * *", count=count)
        assert answer.error["message"] == f"count: must be 1 to 100, not {count}", answer.text


def null_arguments_are_the_defaults(world):
    preview = world.preview("0 3 * * *", timeZone=None, count=None)
    assert len(preview["runs"]) == 10 and all(run.hour == 3 for run in instants(preview)), preview


def main():
    with Postgres() as postgres, Gateway(postgres.url) as gateway:
        run_tests([
            it_needs_somebody_who_is_signed_in,
            it_tells_the_words_and_the_next_ten_runs,
            it_keeps_to_the_clock_of_a_zone,
            it_marks_what_clock_changes_do,
            it_warns,
            every_counts_from_now,
            errors_name_the_argument_field_and_column,
            the_count_is_bounded,
            null_arguments_are_the_defaults,
        ], World(gateway))


if __name__ == "__main__":
    main()
