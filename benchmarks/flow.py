"""Flow: what the store and the command line cost beside the work itself.

Stages that do next to nothing are run through the whole machinery, so that all that is measured is its own:
committing, resuming from the cache, logging metrics, hashing, sharding over processes. Next to each stands the bare
operation it cannot do without (fsync, SHA-256, writing lines), measured in the same run.

    python benchmarks/flow.py [--stages 8] [--megabytes 64]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from motorium.core.spec import Spec
from motorium.flow.codec import encode
from motorium.flow.digests import hash_tree
from motorium.flow.executors.base import Task
from motorium.flow.executors.inline import Inline
from motorium.flow.executors.pool import Processes
from motorium.flow.metrics import MetricsFile
from motorium.flow.recipe import Entry, Recipe
from motorium.flow.runner import run_recipe
from motorium.flow.stage import Port, Result, Stage
from motorium.flow.store import Store


class TinySpec(Spec):
    """Options of a stage that does nothing."""

    number: int = 0


def run_tiny(spec: TinySpec, inputs: Any, context: Any) -> Result:
    """Write four bytes."""
    (context.output / "x").write_text(f"{spec.number:4}")
    return Result(summary="tiny")


TINY = Stage(
    name="tiny",
    version=1,
    kind="dataset",
    spec=TinySpec,
    ports={"dataset": Port(kind="dataset", optional=True)},
    modules=["motorium.core", "motorium.flow"],
    run=run_tiny,
)


def timed(function: Any) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def recipes(folder: Path, count: int) -> dict[str, float]:
    """Return ms a stage: computed, cached, and the bare fsyncs of a commit."""
    store = Store(folder / "store")
    entries = {"s0": Entry(uses="tiny")}
    for number in range(1, count):
        entries[f"s{number}"] = Entry(uses="tiny", options={"number": number}, inputs={"dataset": f"s{number - 1}"})
    recipe = Recipe(name="chain", stages=entries)
    table = {"tiny": TINY}
    first = timed(lambda: run_recipe(recipe, table, store))
    again = min(timed(lambda: run_recipe(recipe, table, store)) for _ in range(5))

    def bare() -> None:
        for number in range(4):
            with open(folder / f"bare{number}", "wb") as file:
                file.write(b"x")
                file.flush()
                os.fsync(file.fileno())

    return {
        "computed_ms_a_stage": round(1e3 * first / count, 2),
        "cached_ms_a_stage": round(1e3 * again / count, 2),
        "four_bare_fsyncs_ms": round(1e3 * timed(bare), 2),
    }


def command_line(folder: Path) -> dict[str, float]:
    """Return seconds of whole processes, the best of five."""

    def best(*words: str) -> float:
        return round(min(timed(lambda: subprocess.run(words, check=True, capture_output=True)) for _ in range(5)), 3)

    python = sys.executable
    return {
        "python_s": best(python, "-c", "pass"),
        "help_s": best(python, "-m", "motorium.cli", "--help"),
        "ls_s": best(python, "-m", "motorium.cli", "ls", "--store", str(folder / "store")),
    }


def hashing(folder: Path, megabytes: int) -> dict[str, float]:
    """Return MB/s of hashing a folder, of the bare hash, and ms when nothing has changed."""
    data = folder / "data"
    data.mkdir()
    for number in range(16):
        (data / f"{number}.bin").write_bytes(os.urandom(megabytes * 1_000_000 // 16))
        os.utime(data / f"{number}.bin", (1e9, 1e9))
    store = Store(folder / "store")
    bare = timed(lambda: [hashlib.sha256(path.read_bytes()).digest() for path in data.iterdir()])
    first = timed(lambda: hash_tree(data, cache=store.index))
    again = timed(lambda: hash_tree(data, cache=store.index))
    return {
        "hash_mb_s": round(megabytes / first),
        "bare_sha256_mb_s": round(megabytes / bare),
        "unchanged_ms": round(1e3 * again, 2),
    }


def metrics(folder: Path, rows: int = 50_000) -> dict[str, int]:
    """Return rows/s of logging two metrics, and of writing the same lines bare."""
    log = MetricsFile(folder / "m.jsonl")

    def ours() -> None:
        for step in range(rows):
            log.log(step, loss=0.5, rate=1e-3)
        log.close()

    def bare() -> None:
        with open(folder / "bare.jsonl", "w") as file:
            for step in range(rows):
                file.write(json.dumps({"step": step, "time": 1.0, "loss": 0.5, "rate": 1e-3}) + "\n")

    return {"metrics_rows_s": round(rows / timed(ours)), "bare_lines_s": round(rows / timed(bare))}


def shards(count: int = 400) -> dict[str, float]:
    """Return microseconds a shard that does nothing: inline, on two processes, and encoding alone."""
    task = Task(function=nothing, shards=[{"number": number} for number in range(count)], label="shards")
    inline, pool = Inline(1), Processes(2)
    list(pool.run(task, range(2)))  # the workers' start is not a shard's cost
    seconds = {
        "inline": timed(lambda: list(inline.run(task, range(count)))),
        "processes": timed(lambda: list(pool.run(task, range(count)))),
        "encode": timed(lambda: [encode({"number": number}) for number in range(count)]),
    }
    pool.close()
    return {f"{name}_us_a_shard": round(1e6 * value / count) for name, value in seconds.items()}


def nothing(*, number: int, threads: int) -> int:
    """Give the number back."""
    return number


def main() -> None:
    """Measure everything and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", type=int, default=8)
    parser.add_argument("--megabytes", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = {
            **recipes(folder, args.stages),
            **command_line(folder),
            **hashing(folder, args.megabytes),
            **metrics(folder),
        }
    # The function of a shard must be importable by the workers: this file as a module, not as the main script.
    sys.path.insert(0, str(Path(__file__).parent))
    import flow

    told |= flow.shards()
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
