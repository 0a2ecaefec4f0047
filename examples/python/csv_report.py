#!/usr/bin/env python3
"""A worker that sums up CSV files, however large. Task type "csv.report", payload:

  {"path": "sales.csv", "by": "country", "sum": "amount"}

result: {"rows": 3, "sums": {"DE": 12.5, "FR": 7}}, `path` being below the folder that it is started in.

  pip install ./sdk/python
  WINDLASS_URL=http://127.0.0.1:8080 WINDLASS_TOKEN=… python3 examples/python/csv_report.py

where the token has the scope LEASE. With a token of the scope API as well, in WINDLASS_API_TOKEN,
`csv_report.py PATH BY SUM` creates such a task and waits for its result.
"""

import asyncio
import csv
import json
import logging
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from windlass import Client, Context, FatalError, Task, Worker

URL = os.environ.get("WINDLASS_URL", "http://127.0.0.1:8080")
ROWS_AT_ONCE = 10_000


def find(payload: Any) -> tuple[Path, str, str]:
    """What is wrong with the payload will be wrong at the next attempt: it fails for good."""
    try:
        path, by, what = (str(payload[name]) for name in ("path", "by", "sum"))
    except (KeyError, TypeError):
        raise FatalError("payload: needs path, by and sum") from None
    folder = Path.cwd().resolve()
    found = (folder / path).resolve()
    if not found.is_relative_to(folder) or not found.is_file():
        raise FatalError(f"payload.path: {path} is no file here")
    return found, by, what


def add_up(path: Path, by: str, what: str, state: dict[str, Any]) -> bool:
    """Reads on from where `state` is. False at the end of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader([file.readline()]))
        for name in (by, what):
            if name not in header:
                raise FatalError(f"payload: the file has no column {name}")
        by_at, what_at = header.index(by), header.index(what)
        sums = defaultdict(float, state["sums"])
        file.seek(max(state["at"], file.tell()))
        for _ in range(ROWS_AT_ONCE):
            line = file.readline()
            if not line:
                return False
            row = next(csv.reader([line]), None)
            if row:
                sums[row[by_at]] += float(row[what_at])
                state["rows"] += 1
            state["at"], state["sums"] = file.tell(), dict(sums)
    return True


async def report(task: Task, context: Context) -> dict[str, Any]:
    path, by, what = find(task.payload)
    size = max(path.stat().st_size, 1)
    # What an earlier attempt had read is not read again.
    state = task.checkpoint or {"at": 0, "rows": 0, "sums": {}}
    # In a thread, so that the heartbeats go on; between two parts it may be cancelled.
    while await asyncio.to_thread(add_up, path, by, what, state):
        context.progress(state["at"] / size)
        await context.checkpoint(state)
    context.log(f"{state['rows']} rows of {path.name}")
    return {"rows": state["rows"], "sums": state["sums"]}


async def serve() -> None:
    worker = Worker(URL, os.environ["WINDLASS_TOKEN"])
    worker.handle("csv.report", slots=2)(report)
    await worker.run()  # until Ctrl-C or SIGTERM; then what runs may finish


async def ask(path: str, by: str, what: str) -> None:
    client = Client(URL, os.environ["WINDLASS_API_TOKEN"])
    created = await client.create_task("csv.report", {"path": path, "by": by, "sum": what})
    print(f"task {created.id}", file=sys.stderr)
    while True:
        task = await client.task(created.id)
        if task is not None and task.status == "COMPLETED":
            print(json.dumps(task.result, indent=2))
            return
        if task is not None and task.status == "FAILED":
            raise SystemExit(f"the task failed: {task.error}")
        await asyncio.sleep(0.25)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(ask(*sys.argv[1:]) if len(sys.argv) == 4 else serve())
