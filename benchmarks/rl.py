"""Reinforcement learning: what the tasks' policies reach and in what time, and how long other learners take to a level.

Levels: each row of `LEVELS` is trained from several seeds, and the mean policy judged on evaluation seeds that no
policy was trained on or chosen by. A line a seed, then median and range over seeds, and how many seeds meet the
targets. Seconds are from making the worlds to the policy's folder; intervals are Wilson's.

With `--peers`, instead: wall time until the mean policy has a given return, of ours, of Stable-Baselines3's PPO and of
rsl_rl's in Gymnasium's AsyncVectorEnv, in turn, on the same task and cores, each in a process of its own
(`peers/rl_race.py` states what runs and what the clock counts). A peer that is not there in time is reported as such,
and its ratio is a lower bound.

    python benchmarks/rl.py [--tasks cartpole reach lift go1] [--seeds 5] [--json] [--quick]
    python benchmarks/rl.py --peers [--tasks cartpole go1] [--arms sb3 rsl_rl-async] [--seeds 5] [--cap-s 600]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

FIRST_SEED, EPISODES = 10_000, 256
RACE = Path(__file__).parent / "peers" / "rl_race.py"
OURS, PEERS = "motorium", ("sb3", "sb3-batch", "rsl_rl-async")


@dataclass(frozen=True, kw_only=True)
class Level:
    """A task with its settings and what is to be reached.

    Attributes:
        task, options: of the worlds.
        judged_with: fields of the task that differ in evaluation.
        spec: fields of `RlSpec` that are not its defaults.
        within_s: wall seconds that training may take.
        least, most: bounds of what `judge` measures.
        race_return: return at which the race against peers is won; none: not raced.
    """

    task: str
    options: dict[str, Any] = field(default_factory=dict)
    judged_with: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any]
    within_s: float
    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    race_return: float | None = None


LEVELS = {
    "cartpole": Level(
        task="cartpole/swing-up",
        spec={"num_envs": 256, "steps": 32, "widths": [64, 64], "iterations": 130},
        within_s=60.0,
        # 90 % of 8.8, about the most that can be had: the pole hangs at first.
        least={"return": 7.92},
        race_return=6.0,
    ),
    "reach": Level(
        task="panda/reach",
        spec={"entropy": 0.002, "iterations": 60},
        within_s=180.0,
        least={"success": 0.99},
    ),
    "lift": Level(
        task="panda/lift",
        spec={"entropy": 0.002, "initial_std": 0.6, "iterations": 400},
        within_s=1200.0,
        least={"success": 0.9},
    ),
    "go1": Level(
        task="go1/velocity",
        options={"resample_s": 4.0, "timestep_s": 0.005, "latency_s": [0.0, 0.01]},
        judged_with={"resample_s": 0.0},
        spec={"initial_std": 0.5, "desired_kl": 0.02, "iterations": 240},
        within_s=240.0,
        most={"velocity_error_m_s": 0.12, "fell": 0.01},
        race_return=60.0,
    ),
}
# Runs of a moment: whether everything works, not what it measures.
QUICK = {
    "cartpole": {"options": {"episode_s": 0.2}, "race_return": 0.0},
    "reach": {"options": {"episode_s": 0.2}},
    "lift": {"options": {"episode_s": 0.2}},
    "go1": {"options": {"episode_s": 0.2, "resample_s": 0.1, "timestep_s": 0.005}, "race_return": 0.0},
}
QUICK_SPEC = {"num_envs": 8, "steps": 8, "iterations": 2, "widths": [8]}


def train(name: str, level: Level, seed: int, episodes: int, said: Any) -> dict[str, Any]:
    """Train once and judge; return what it took and what it reached."""
    from motorium.core.progress import Silent
    from motorium.evaluate.rollout import rollout
    from motorium.learn.policy import load_policy
    from motorium.learn.rl import ppo
    from motorium.learn.rl.spec import RlSpec
    from motorium.tasks.make import make_env

    spec = RlSpec.parse(level.spec)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        env = make_env(level.task, spec.num_envs, **level.options)
        made = ppo.train(env, spec, Path(folder) / "policy", scratch=Path(folder), seed=seed, progress=Silent())
        spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "samples": made.samples}
        env.close()
        policy = load_policy(made.folder)
    judging = make_env(level.task, episodes, **{**level.options, **level.judged_with})
    found = judge(rollout(judging, policy, range(FIRST_SEED, FIRST_SEED + episodes)))
    judging.close()
    row = {"task": name, "seed": seed, **spent, **found}
    row["met"] = meets(level, row)
    print(line(row), file=said, flush=True)
    return row


def judge(episodes: Any) -> dict[str, Any]:
    """Return mean return, rates as {k, n, rate, low, high}, and mean measures: of all, and without those that fell."""
    import numpy as np

    from motorium.evaluate.intervals import wilson

    names, n = np.array(episodes.outcome_names), episodes.n
    rates = {}
    for name in ("success", *(other for other in episodes.outcomes if other not in ("running", "success", "timeout"))):
        k = int((names == name).sum())
        low, high = wilson(k, n)
        rates[name] = {"k": k, "n": n, "rate": k / n, "low": float(low), "high": float(high)}
    measures, stood = {}, names != "fell"
    for name, values in episodes.info.items():
        if values.ndim == 1 and values.dtype.kind == "f":
            measures[name] = float(values.mean())
            if not stood.all():
                measures[f"{name} (not fallen)"] = float(values[stood].mean()) if stood.any() else None
    return {"return": float(episodes.returns.mean()), "rates": rates, "measures": measures}


def reached(row: dict[str, Any], name: str) -> float:
    """Return what `row` has of `name`: the return, a rate or a measure."""
    if name == "return":
        return row["return"]
    return row["rates"][name]["rate"] if name in row["rates"] else row["measures"][name]


def meets(level: Level, row: dict[str, Any]) -> bool:
    """Return whether `row` is as good as `level` asks, in its time."""
    good = all(reached(row, name) >= bound for name, bound in level.least.items())
    good &= all(reached(row, name) <= bound for name, bound in level.most.items())
    return good and row["wall_s"] <= level.within_s


def line(row: dict[str, Any]) -> str:
    """Return what is said of one seed."""
    parts = [f"{row['wall_s']:.1f} s wall, {row['cpu_s']:.1f} s CPU, {row['samples'] / 1e6:.3g} M samples"]
    parts.append(f"return {row['return']:.4g}")
    for name, rate in row["rates"].items():
        # Of failures of a task that none had there is nothing to say, falls apart.
        if rate["k"] or name in ("success", "fell"):
            parts.append(f"{name} {rate['k']}/{rate['n']} [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}] %")
    parts += [f"{name} {value:.3g}" for name, value in row["measures"].items() if value is not None]
    return f"{row['task']} seed {row['seed']}: " + ", ".join(parts) + (", met" if row["met"] else ", NOT met")


def summarise(name: str, level: Level, rows: list[dict[str, Any]], said: Any) -> dict[str, Any]:
    """Return and say median and range over seeds of everything, and how many seeds meet the targets."""
    wanted = ["return", "success", *level.most, *(key for key in rows[0]["measures"] if "(" not in key)]
    values = {key: [row[key] for row in rows] for key in ("wall_s", "cpu_s", "samples")}
    values |= {key: [reached(row, key) for row in rows] for key in dict.fromkeys(wanted)}
    spread = {key: {"median": statistics.median(v), "low": min(v), "high": max(v)} for key, v in values.items()}
    met = sum(row["met"] for row in rows)
    shown = [f"{key} {s['median']:.4g} ({s['low']:.4g} to {s['high']:.4g})" for key, s in spread.items()]
    asked = [f"{key} >= {bound:g}" for key, bound in level.least.items()]
    asked += [f"{key} <= {bound:g}" for key, bound in level.most.items()]
    print(f"{name}, median (range) of {len(rows)} seeds: " + ", ".join(shown), file=said)
    print(f"{name}: {met} of {len(rows)} seeds meet {', '.join(asked)} in {level.within_s:g} s", file=said, flush=True)
    return {"level": asdict(level), "seeds": rows, "spread": spread, "met": met}


def race(name: str, level: Level, arm: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Run one arm in a process of its own."""
    told = {
        "arm": arm,
        "task": level.task,
        "options": level.options,
        "judged_with": level.judged_with,
        "spec": level.spec,
        "seed": seed,
        "level": level.race_return if args.race_return is None else args.race_return,
        "cap_s": args.cap_s,
        "workers": args.workers,
        "torch_threads": args.torch_threads,
    }
    if args.quick:
        told |= {"first_look_s": 0.1, "episodes": 2, "workers": 2}
    made = subprocess.run([sys.executable, str(RACE), json.dumps(told)], stdout=subprocess.PIPE, text=True)
    if made.returncode:
        return {"arm": arm, "seed": seed, "absent": f"exit status {made.returncode}"}
    row = json.loads(made.stdout) | {"arm": arm, "seed": seed}
    wall = f"{row['wall_s']:.1f} s" if row["reached"] else f"> {args.cap_s:g} s (best return {row['best_return']:.4g})"
    print(
        f"{name} to return {told['level']:g}, {arm} seed {seed}: {wall} wall, {row['cpu_s']:.1f} s CPU, "
        f"return {row['return']:.4g}, {row['samples'] / 1e6:.3g} M samples, {row['samples_per_s']:.0f} samples/s",
        file=args.said,
        flush=True,
    )
    return row


def compare(rows: list[dict[str, Any]], cap_s: float) -> dict[str, Any]:
    """Return, for each arm, its wall time over ours, seed by seed: the median, and whether it is a lower bound.

    Where a peer was not there in time its time counts as the cap: the ratio is at least that. A seed that we were not
    there with in time says nothing, and is counted.
    """
    ours = {row["seed"]: row for row in rows if row["arm"] == OURS and row.get("reached")}
    found: dict[str, Any] = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm and "absent" not in row]
        pairs = [(row, ours[row["seed"]]) for row in mine if row["seed"] in ours]
        ratios = [(row["wall_s"] if row["reached"] else cap_s) / own["wall_s"] for row, own in pairs]
        rates = [row["samples_per_s"] / own["samples_per_s"] for row, own in pairs]
        late = sum(not row["reached"] for row, _ in pairs)
        found[arm] = {
            "runs": len(mine),
            "reached": sum(row["reached"] for row in mine),
            "pairs": len(pairs),
            "wall_over_ours": statistics.median(ratios) if ratios else None,
            "range": [min(ratios), max(ratios)] if ratios else None,
            # Said where any is a bound, though the median may be none.
            "lower_bound": late > 0,
            "samples_per_s_over_ours": statistics.median(rates) if rates else None,
        }
    return found


def against_peers(name: str, level: Level, args: argparse.Namespace) -> dict[str, Any]:
    """Return all races for one task, arms in turn, and what follows."""
    arms = [OURS, *(arm for arm in args.arms if arm != OURS)]
    rows = [race(name, level, arm, seed, args) for seed in range(args.seeds) for arm in arms]
    compared = compare(rows, args.cap_s)
    for arm, ratio in compared.items():
        if arm == OURS or ratio["wall_over_ours"] is None:
            print(f"{name}, {arm}: {ratio['reached']} of {ratio['runs']} runs reached it", file=args.said)
            continue
        least = "at least " if ratio["lower_bound"] else ""
        low, high = ratio["range"]
        print(
            f"{name}, {arm}: {ratio['reached']} of {ratio['runs']} runs reached it; "
            f"{least}{ratio['wall_over_ours']:.2f} times our wall time ({low:.2f} to {high:.2f}, "
            f"{ratio['pairs']} pairs), {ratio['samples_per_s_over_ours']:.3f} of our samples/s",
            file=args.said,
            flush=True,
        )
    return {"races": rows, "compared": compared}


def main() -> None:
    """Measure; print lines, or one JSON object with the lines on standard error."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=list(LEVELS), default=None, help="default: all that there are")
    parser.add_argument("--seeds", type=int, default=5, help="0, 1, ... of the learner")
    parser.add_argument("--peers", action="store_true", help="race other learners instead")
    parser.add_argument("--arms", nargs="+", choices=(OURS, *PEERS), default=list(PEERS), help="ours runs always")
    parser.add_argument("--cap-s", type=float, default=600.0, help="wall seconds after which a race is lost")
    parser.add_argument("--race-return", type=float, default=None, help="return to reach, not the task's own")
    parser.add_argument("--workers", type=int, default=16, help="processes of AsyncVectorEnv")
    parser.add_argument("--torch-threads", type=int, default=1, help="of the peers; more are slower here (default: 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="runs of a moment, which measure nothing")
    args = parser.parse_args()
    args.said = sys.stderr if args.json else sys.stdout
    episodes, levels = EPISODES, dict(LEVELS)
    if args.quick:
        args.seeds, args.cap_s, episodes = min(args.seeds, 2), min(args.cap_s, 1.0), 4
        levels = {name: replace(level, **QUICK[name], spec=QUICK_SPEC) for name, level in levels.items()}
    names = args.tasks or [name for name in levels if not args.peers or levels[name].race_return is not None]
    for name in names:
        if args.peers and levels[name].race_return is None and args.race_return is None:
            parser.error(f"{name} has no return to race for: give --race-return")
    if args.peers:
        measure = partial(against_peers, args=args)
        report: dict[str, Any] = {name: measure(name, levels[name]) for name in names}
    else:
        report = {}
        for name in names:
            rows = [train(name, levels[name], seed, episodes, args.said) for seed in range(args.seeds)]
            report[name] = summarise(name, levels[name], rows, args.said)
    if args.json:
        print(json.dumps({"cpus": os.cpu_count(), "quick": args.quick, **report}, indent=2))


if __name__ == "__main__":
    main()
