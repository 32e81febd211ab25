"""The benchmark of learners runs from end to end, and compares what it has measured and nothing else."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "rl.py"


@pytest.fixture(scope="module")
def bench():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_of_learners", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def run(*arguments):
    """Run it quickly; return what it measured."""
    argv = [sys.executable, str(SCRIPT), "--quick", "--json", "--seeds", "1", *arguments]
    made = subprocess.run(argv, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def raced(arm, seed, wall_s, reached=True):
    return {"arm": arm, "seed": seed, "wall_s": wall_s, "reached": reached, "samples_per_s": 100.0 / wall_s}


def test_peers_are_compared_seed_by_seed(bench):
    rows = [raced("motorium", 0, 10.0), raced("motorium", 1, 20.0), raced("sb3", 0, 30.0), raced("sb3", 1, 100.0)]
    found = bench.compare(rows, cap_s=600.0)["sb3"]
    assert found["wall_over_ours"] == 4.0 and found["range"] == [3.0, 5.0]
    assert found["samples_per_s_over_ours"] == pytest.approx((1 / 3 + 1 / 5) / 2)
    assert found["reached"] == 2 and not found["lower_bound"]


def test_a_peer_that_was_late_counts_with_the_cap_as_a_bound(bench):
    found = bench.compare([raced("motorium", 0, 10.0), raced("sb3", 0, 63.0, reached=False)], cap_s=60.0)["sb3"]
    assert found["wall_over_ours"] == 6.0 and found["lower_bound"] and found["reached"] == 0


def test_a_seed_that_we_were_late_with_gives_no_ratio(bench):
    found = bench.compare([raced("motorium", 0, 61.0, reached=False), raced("sb3", 0, 30.0)], cap_s=60.0)
    assert found["sb3"]["wall_over_ours"] is None and found["sb3"]["pairs"] == 0
    assert found["sb3"]["reached"] == 1 and found["motorium"]["reached"] == 0


def test_rates_and_measures_are_of_all_episodes_and_of_those_that_stood(bench):
    from motorium.evaluate.episodes import Rollout

    made = Rollout(
        task="t",
        policy="p",
        outcomes=("running", "success", "timeout", "fell"),
        control_hz=50.0,
        versions={},
        seeds=np.arange(4),
        outcome=np.array([1, 2, 3, 1], np.int8),
        length=np.full(4, 9),
        returns=np.array([1.0, 2.0, 3.0, 6.0]),
        info={"error_m": np.array([1.0, 1.0, 9.0, 4.0])},
    )
    found = bench.judge(made)
    assert found["return"] == 3.0
    assert found["measures"] == {"error_m": 3.75, "error_m (not fallen)": 2.0}
    assert (found["rates"]["success"]["k"], found["rates"]["fell"]["k"]) == (2, 1)
    # E. B. Wilson, 1927, for 1 of 4 at 95 %.
    assert found["rates"]["fell"]["low"] == pytest.approx(0.0456, abs=1e-4)
    assert found["rates"]["fell"]["high"] == pytest.approx(0.6994, abs=1e-4)


@pytest.mark.parametrize(("fell", "wall_s", "met"), [(0.01, 240.0, True), (0.02, 200.0, False), (0.0, 241.0, False)])
def test_a_seed_meets_a_target_with_its_bounds_and_in_its_time(bench, fell, wall_s, met):
    row = {"wall_s": wall_s, "rates": {"fell": {"rate": fell}}, "measures": {"velocity_error_m_s": 0.1}}
    assert bench.meets(bench.LEVELS["go1"], row) is met


@pytest.mark.slow
def test_levels_are_trained_judged_and_summed_up():
    report = run("--tasks", "cartpole", "go1")
    for name in ("cartpole", "go1"):
        (row,) = report[name]["seeds"]
        assert row["samples"] == 2 * 8 * 8 and row["rates"]["success"]["n"] == 4
        assert report[name]["spread"]["return"]["median"] == row["return"]
    assert "velocity_error_m_s" in report["go1"]["seeds"][0]["measures"]


@pytest.mark.slow
def test_peers_race_on_the_same_task():
    pytest.importorskip("stable_baselines3")
    races = run("--peers", "--tasks", "cartpole", "--arms", "sb3-batch", "rsl_rl-async")["cartpole"]["races"]
    assert [row["arm"] for row in races] == ["motorium", "sb3-batch", "rsl_rl-async"]
    for row in races:
        assert row["samples"] > 0 and row["cpu_s"] > 0 and row["looks"]
        # Where any return will do, only time is lacking.
        assert row["reached"] == (row["wall_s"] < row["race"]["cap_s"])
