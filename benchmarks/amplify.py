"""Amplification: attempts a second on a task, beside the time its physics alone takes for the same steps.

24 scripted demonstrations are amplified in one batch, state only. Every call of `env.step` is timed, in the same
run, so that `physics_share` says what amplification adds to it. Rounds with and without action noise alternate.

    python benchmarks/amplify.py [--task ur5e/pick-place] [--batch 256] [--rounds 2]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

DEMONSTRATIONS, FIRST_SEED = 24, 100_000


class Timed:
    """An env that sums the wall time of its steps, in seconds."""

    def __init__(self, env: Any) -> None:
        self._env, self.step_s = env, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def step(self, actions: np.ndarray) -> Any:
        """Step and take the time."""
        start = time.perf_counter()
        result = self._env.step(actions)
        self.step_s += time.perf_counter() - start
        return result


def measure(env: Timed, sources: Any, seeds: np.ndarray, noise: float) -> dict[str, Any]:
    """Return rates and outcomes of one shard of attempts."""
    from motorium.synth.amplify import amplify_shard
    from motorium.synth.amplify_spec import AmplifySpec
    from motorium.synth.tally import count_outcomes

    env.step_s = 0.0
    wall, cpu = time.perf_counter(), time.process_time()
    attempts = amplify_shard(env, sources, seeds, AmplifySpec(action_noise=noise))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "action_noise": noise,
        "attempts": len(attempts),
        "outcomes": count_outcomes(attempts),
        "attempts_per_s": round(len(attempts) / wall, 2),
        "attempts_per_cpu_s": round(len(attempts) / cpu, 2),
        "control_steps_per_s": round(sum(attempt.steps for attempt in attempts) / wall, 1),
        "steps_per_attempt": round(float(np.mean([attempt.steps for attempt in attempts])), 1),
        "physics_share": round(env.step_s / wall, 3),
    }


def main() -> None:
    """Measure and print one JSON object a round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="ur5e/pick-place")
    parser.add_argument("--expert", default="pick-place")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0, help="physics threads; 0: one a CPU")
    options = parser.parse_args()

    from motorium.synth.demonstrate import demonstrate
    from motorium.synth.experts import make_expert
    from motorium.synth.segments import make_sources
    from motorium.tasks.make import make_env

    env = make_env(options.task, DEMONSTRATIONS, threads=options.threads)
    shown = demonstrate(env, make_expert(options.expert, env), range(DEMONSTRATIONS))
    sources = make_sources([attempt.episode for attempt in shown if attempt.success], env.segments)
    timed = Timed(make_env(options.task, options.batch, threads=options.threads))
    seeds = np.arange(options.batch) + FIRST_SEED
    for _ in range(options.rounds):
        for noise in (0.05, 0.0):
            print(json.dumps(measure(timed, sources, seeds, noise)), flush=True)


if __name__ == "__main__":
    main()
