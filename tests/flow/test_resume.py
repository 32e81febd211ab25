"""Runs that are killed, interrupted, or meet another run: nothing committed is lost, nothing is computed twice."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from motorium.flow.recipe import Recipe
from motorium.flow.runner import RunOptions, run_recipe
from motorium.flow.runs import read_runs
from motorium.flow.store import Store
from tests.flow import toys
from tests.flow.conftest import ROOT, ids
from tests.support.interrupts import heed_interrupts

# Every one of these starts processes and waits for them.
pytestmark = pytest.mark.slow

RECIPE = """
recipe: slow
stages:
  slow: {with: {shards: 6, seconds: 0.2}}
  make: {}
  sum: {from: {dataset: make}}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "slow.yaml"
    path.write_text(RECIPE)
    return path


def start(store, recipe, *options: str) -> subprocess.Popen:
    """Start `motorium run` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.flow.motorium_toy", "run", str(recipe), "--store", str(store.root), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def wait_for(condition, process) -> None:
    """Wait until `condition()` holds; fail when the process ends before."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def undisturbed(tmp_path, text=RECIPE) -> dict[str, str]:
    """The ids of a run that nothing disturbs."""
    return ids(run_recipe(Recipe.parse(text), toys.STAGES, Store(tmp_path / "undisturbed")))


def made(store) -> set[str]:
    return {row["id"] for row in store.rows()}


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_killed_run_resumes_inside_the_stage_to_the_same_artifact(store, recipe, calls, executor, tmp_path):
    process = start(store, recipe, "--on", executor, "--jobs", "1")
    wait_for(lambda: calls("nap-3"), process)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert store.rows() == []
    assert read_runs(store.root / "runs")[0]["state"] == "killed"
    resumed = start(store, recipe, "--on", executor, "--jobs", "1")
    _, err = resumed.communicate()
    assert resumed.returncode == 0, err
    # What had finished before the kill is not run again; the shard in flight is.
    assert [calls(f"nap-{index}") for index in (0, 1, 4, 5)] == [1, 1, 1, 1]
    assert calls("slow") == 2
    assert made(store) == set(undisturbed(tmp_path).values())
    assert list((store.root / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("signal_number", "executor"),
    [(signal.SIGINT, "inline"), (signal.SIGINT, "processes"), (signal.SIGTERM, "inline")],
)
def test_interrupted_run_stops_cleanly_and_goes_on(store, recipe, calls, signal_number, executor, tmp_path):
    process = start(store, recipe, "--on", executor, "--jobs", "1")
    wait_for(lambda: calls("nap-2"), process)
    process.send_signal(signal_number)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["slow", "-", "interrupted"],
        ["make", "-", "waiting"],
        ["sum", "-", "waiting"],
    ]
    status = read_runs(store.root / "runs")[0]
    assert (status["state"], status["exit_code"]) == ("interrupted", 130)
    assert list((store.root / "staging").iterdir()) == []
    run_recipe(Recipe.parse(RECIPE), toys.STAGES, store)
    assert calls("nap-0") == 1
    assert made(store) == set(undisturbed(tmp_path).values())


def test_two_runs_in_one_store_compute_nothing_twice(store, recipe, calls):
    first = start(store, recipe)
    wait_for(lambda: calls("nap-0"), first)
    second = start(store, recipe)
    (_, err_a), (out_b, err_b) = first.communicate(), second.communicate()
    assert (first.returncode, second.returncode) == (0, 0), (err_a, err_b)
    assert "waiting for run" in err_b
    assert "(cached)" in out_b
    assert [calls(name) for name in ("slow", "nap-0", "make", "sum")] == [1, 1, 1, 1]
    assert len(store.rows()) == 3


def test_survivor_takes_over_from_a_killed_run(store, recipe, calls):
    first = start(store, recipe)
    wait_for(lambda: calls("nap-1"), first)
    second = start(store, recipe)
    line = second.stderr.readline()
    while line and "waiting for run" not in line:
        line = second.stderr.readline()
    first.kill()
    first.communicate()
    _, err = second.communicate()
    assert second.returncode == 0, err
    assert (calls("slow"), calls("nap-0"), calls("make")) == (2, 1, 1)


def test_many_runs_at_once_agree(store, recipe, calls):
    processes = [start(store, recipe, "--set", "slow.seconds=0.01", "--quiet") for _ in range(4)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert [calls(name) for name in ("slow", "make", "sum")] == [1, 1, 1]
    assert len({tuple(line.split()[1] for line in out.splitlines()) for out, _ in outputs}) == 1


def test_kill_at_every_write_loses_nothing_that_was_committed(tmp_path):
    """The issue's promise, write by write: see `faults`."""
    lines = subprocess.run(
        [sys.executable, "-m", "tests.flow.faults", str(tmp_path / "stores"), "1", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    told = [json.loads(line) for line in lines]
    expected = undisturbed(tmp_path, "recipe: a\nstages:\n  make: {with: {rows: 2}}\n  sum: {from: {dataset: make}}\n")
    assert len(told) > 40
    assert {len(case["at_kill"]) for case in told} == {0, 1, 2}  # kills before, between and after the commits
    for case in told:
        assert case["resumed"], case
        assert sorted(case["after"]) == sorted(expected.values()) == case["folders"], case
        assert set(case["at_kill"]) <= set(case["after"]), case
        assert (case["problems"], case["staging"], case["scratch"]) == ([], [], []), case
        # At most the stage in flight ran twice, and of its shards at most the one in flight.
        assert sum(count - 1 for name, count in case["draws"].items() if name in ("make", "sum")) <= 1, case
        assert sum(count - 1 for name, count in case["draws"].items() if name.startswith("draw")) <= 1, case


def test_committed_stages_are_cached_after_a_kill(store, recipe, calls):
    process = start(store, recipe, "--set", "slow.seconds=60", "--only", "sum")
    process.communicate()
    assert process.returncode == 0
    process = start(store, recipe, "--set", "slow.seconds=60")
    wait_for(lambda: calls("nap-0"), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    run_recipe(Recipe.parse(RECIPE), toys.STAGES, store, RunOptions(only=["sum"]))
    assert (calls("make"), calls("sum")) == (1, 1)
