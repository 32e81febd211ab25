"""Kill a run at each of its writes, resume it, and tell what came out; a script, so that its forks are clean.

    python -m tests.flow.faults FOLDER FIRST STEP

For n = FIRST, FIRST+STEP, ... a child runs a recipe and is killed (SIGKILL) at its n-th write; another child
resumes. One JSON line each: n, what was in the index at the kill, ids after the resume, what verification says.
Ends when a child is no longer reached by the kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from motorium.flow import files, index
from motorium.flow.recipe import Recipe
from motorium.flow.runner import run_recipe
from motorium.flow.store import Store
from tests.flow import toys

RECIPE = """
recipe: toy
stages:
  make: {with: {rows: 2}}
  sum: {from: {dataset: make}}
"""
WRITES = [
    (files, name) for name in ("write_file", "sync_file", "sync_folder", "rename", "write_atomic", "remove_tree")
] + [(index, "commit")]


def kill_at(number: int) -> None:
    """Kill this process at its `number`-th write; a file is left half written."""
    count = 0

    def wrap(name, function):
        def wrapped(*args, **options):
            nonlocal count
            count += 1
            if count == number:
                if name == "write_file":
                    path, data = args
                    path.write_bytes(data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return wrapped

    for module, name in WRITES:
        setattr(module, name, wrap(name, getattr(module, name)))


def in_child(function) -> int:
    """Run `function` in a fork; return its wait status."""
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def go(store: Path) -> None:
    """Run the recipe."""
    run_recipe(Recipe.parse(RECIPE), toys.STAGES, Store(store))


def rows(store: Path) -> dict[str, str]:
    """Return {id: stage} of what the index holds."""
    return {row["id"]: row["stage"] for row in Store(store).rows()}


def attempt(folder: Path, number: int) -> tuple[bool, dict]:
    """Kill at `number`, look, resume, look again."""
    store, calls = folder / str(number), folder / f"calls-{number}"
    calls.mkdir(parents=True)
    os.environ["MOTORIUM_TOY_CALLS"] = str(calls)

    def first() -> None:
        kill_at(number)
        go(store)

    killed = os.WIFSIGNALED(in_child(first))
    at_kill = rows(store)
    status = in_child(lambda: go(store))
    opened = Store(store)
    return killed, {
        "n": number,
        "at_kill": at_kill,
        "resumed": status == 0,
        "after": rows(store),
        "problems": [line for row in opened.rows() for line in opened.problems(opened.load(row["kind"], row["id"]))],
        "staging": [path.name for path in (store / "staging").iterdir()],
        "scratch": [path.name for path in (store / "scratch").iterdir()],
        "folders": sorted(path.name for path in (store / "artifacts").glob("*/*")),
        "draws": {path.name: len(path.read_text()) for path in calls.iterdir()},
    }


def main() -> None:
    """See the module."""
    folder, number, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    killed = True
    while killed:
        killed, told = attempt(folder, number)
        print(json.dumps(told), flush=True)
        number += step


if __name__ == "__main__":
    main()
