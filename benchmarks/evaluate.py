"""Evaluation: what a rollout costs beside its world and its policy, and the statistics beside SciPy's.

The rollout drives a real task with a policy that costs nothing; every call into the world is timed in the same
run. The statistics alternate with SciPy's on the same input, and their results are compared.

    python benchmarks/evaluate.py [--task ur5e/pick-place] [--rows 64] [--episodes 128]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

REPETITIONS, FIRST_SEED = 5, 200_000


class Timed:
    """An env that sums the wall time of its calls, in seconds."""

    def __init__(self, env: Any) -> None:
        self._env, self.spent_s = env, 0.0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._env, name)
        if not callable(value):
            return value

        def call(*args: Any) -> Any:
            start = time.perf_counter()
            result = value(*args)
            self.spent_s += time.perf_counter() - start
            return result

        return call


class Still:
    """Asks for nothing: zeros, 16 at a time, 8 of them executed."""

    def __init__(self, env: Any) -> None:
        from motorium.core.protocols import PolicyInfo

        info = env.info
        self.info = PolicyInfo(
            observation=info.observation,
            action=info.action,
            horizon=16,
            execute=8,
            control_hz=info.control_hz,
        )
        self._chunk = np.zeros((env.num_envs, 16, info.action.size), np.float32)

    def reset(self, seeds: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Do nothing."""

    def act(self, observation: Any, mask: np.ndarray | None = None) -> np.ndarray:
        """Return zeros: (B, 16, A)."""
        return self._chunk


def rollout_overhead(task: str, rows: int, episodes: int) -> dict[str, Any]:
    """Return the share of a rollout's wall time that is spent outside the world."""
    from motorium.evaluate.rollout import rollout
    from motorium.tasks.make import make_env

    env = Timed(make_env(task, rows, threads=1))
    policy = Still(env)
    env.spent_s = 0.0
    start = time.perf_counter()
    made = rollout(env, policy, range(FIRST_SEED, FIRST_SEED + episodes))
    wall = time.perf_counter() - start
    env.close()
    steps = int(made.length.sum())
    return {
        "task": task,
        "episodes": episodes,
        "rows": rows,
        "control_steps_per_s": round(steps / wall, 1),
        "share_outside_world": round(1.0 - env.spent_s / wall, 4),
        "us_per_step_outside_world": round(1e6 * (wall - env.spent_s) / steps, 2),
    }


def side_by_side(ours: Callable[[], Any], theirs: Callable[[], Any]) -> dict[str, float]:
    """Return median seconds of both, run in turn, and how many times ours is as fast."""
    times: dict[str, list[float]] = {"ours": [], "scipy": []}
    for _ in range(REPETITIONS):
        for name, function in (("ours", ours), ("scipy", theirs)):
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    ours_s, theirs_s = (statistics.median(times[name]) for name in ("ours", "scipy"))
    return {"ours_s": round(ours_s, 6), "scipy_s": round(theirs_s, 6), "ratio": round(theirs_s / ours_s, 2)}


def statistics_against_scipy() -> dict[str, Any]:
    """Return times and largest differences of intervals and tests."""
    import scipy.stats as st

    from motorium.evaluate.intervals import bootstrap_mean, clopper_pearson, wilson
    from motorium.evaluate.paired import barnard

    counts = np.arange(513)
    values = np.random.default_rng(0).gamma(1.0, size=512)

    def scipy_intervals(method: str) -> np.ndarray:
        return np.array([st.binomtest(int(k), 512).proportion_ci(method=method) for k in counts])

    def scipy_bootstrap() -> Any:
        return st.bootstrap((values,), np.mean, n_resamples=10_000, method="BCa", rng=0, batch=1000)

    def scipy_barnard() -> float:
        return st.barnard_exact([[60, 45], [40, 55]]).pvalue

    rows = {}
    for name, function, method in (("wilson", wilson, "wilson"), ("clopper_pearson", clopper_pearson, "exact")):
        rows[name] = side_by_side(lambda f=function: f(counts, 512), lambda m=method: scipy_intervals(m))
        difference = np.abs(np.stack(function(counts, 512), axis=1) - scipy_intervals(method)).max()
        rows[name]["largest_difference"] = float(difference)
    rows["bootstrap_bca"] = side_by_side(lambda: bootstrap_mean(values), scipy_bootstrap)
    theirs = scipy_bootstrap().confidence_interval
    rows["bootstrap_bca"]["ours"] = [round(float(bound), 4) for bound in bootstrap_mean(values)]
    rows["bootstrap_bca"]["scipy"] = [round(float(bound), 4) for bound in (theirs.low, theirs.high)]
    rows["barnard"] = side_by_side(lambda: barnard((45, 100), (60, 100)), scipy_barnard)
    rows["barnard"] |= {"ours": round(barnard((45, 100), (60, 100)), 6), "scipy": round(float(scipy_barnard()), 6)}
    return rows


def main() -> None:
    """Run both parts and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="ur5e/pick-place")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--episodes", type=int, default=128)
    options = parser.parse_args()
    result = {
        "rollout": rollout_overhead(options.task, options.rows, options.episodes),
        "statistics": statistics_against_scipy(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
