"""A worker made with sdk/python, for sdk_test.py; sdk_driver.mjs is the same with sdk/node. What it does
is in each task's payload; what happens it tells on stdout, a JSON object a line."""

import asyncio
import json
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../sdk/python"))
# pylint: disable=wrong-import-position
from windlass import Client, FatalError, ProblemError, RetryError, Snooze, Worker

seen: set[str] = set()
running = 0


def tell(event, task, **more):
    print(json.dumps({"event": event, "task": task.id, "attempt": task.attempt, **more}), flush=True)


async def hang(task, context):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        tell("stopped", task, reason=context.stop_reason)
        raise


async def act(task, context):  # pylint: disable=too-many-return-statements
    what, is_first = task.payload["do"], task.id not in seen
    seen.add(task.id)
    if what == "echo":
        return {"echo": task.payload.get("value"), "attempt": task.attempt}
    if what == "slow":
        await asyncio.sleep(task.payload["ms"] / 1000)
        return {"attempt": task.attempt}
    if what == "fail":
        raise RuntimeError("no luck")
    if what == "fatal":
        raise FatalError("never")
    if what == "retry" and is_first:
        raise RetryError("once more", 0.01)
    if what == "snooze" and is_first:
        raise Snooze(0.01)
    if what == "no json":
        return object()
    if what == "bad checkpoint":
        try:
            await context.checkpoint("x" * (2 << 20))
        except ProblemError as error:
            return {"detail": error.detail}
    if what == "spawn":
        context.spawn("elsewhere", {"n": 1}, priority="HIGH", queue=task.payload.get("queue"))
        context.log("half \ud800 a character")
    if what == "long":
        return "x" * (2 << 20)
    if what == "progress":
        context.progress(0.5)
        context.log("half of it")
    if what == "resume" and task.checkpoint is None:
        await context.checkpoint({"at": 3})
        tell("checkpointed", task)
    if what in ("progress", "hang") or task.attempt == 1 and what in ("resume", "hang once"):
        await hang(task, context)
    return {"attempt": task.attempt, "checkpoint": task.checkpoint}


async def handler(task, context):
    global running  # pylint: disable=global-statement
    running += 1
    tell("started", task, running=running)
    try:
        return await act(task, context)
    finally:
        running -= 1


async def main():
    url, token = os.environ["URL"], os.environ["TOKEN"]
    if len(sys.argv) > 1:
        wanted = json.loads(sys.argv[1])
        created = await Client(url, token).create_task(wanted["type"], wanted["payload"], id=wanted["id"])
        found = await Client(url, token).task(created.id)
        print(json.dumps({"id": created.id, "accepted": created.accepted, "type": found.type}))
        return
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    worker = Worker(url, token, name="driver", ttl_s=int(os.environ["TTL_MS"]) / 1000,
                    drain_s=int(os.environ["DRAIN_MS"]) / 1000)
    worker.handle(os.environ["TYPE"], int(os.environ["SLOTS"]))(handler)
    await worker.run()

asyncio.run(main())
