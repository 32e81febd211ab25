"""The shipped recipes, small enough for a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICK_PLACE = ROOT / "recipes" / "pick-place.yaml"
G1 = ROOT / "recipes" / "g1-teleop.yaml"
GO1_WALK = ROOT / "recipes" / "go1-walk.yaml"

SMALL = {
    "steps": 60,
    "trials": 10,
    "demonstrate.episodes": 5,
    "demonstrate.worlds": 3,
    "demonstrate.height": 48,
    "demonstrate.width": 64,
    "amplify.target_successes": 8,
    "amplify.shard_attempts": 4,
    "train.validate_every": 20,
    "train.log_every": 10,
    "train.checkpoint_every": 20,
    "train-few.validate_every": 20,
    "train-few.log_every": 10,
    "train-few.checkpoint_every": 20,
    "evaluate.worlds": 4,
    "evaluate-few.worlds": 4,
    "evaluate.videos": 2,
    "evaluate.film.stride": 12,
    "export.trials": 4,
}

WALK = {
    "iterations": 2,
    "trials": 4,
    "attack_trials": 2,
    "walk.num_envs": 16,
    "walk.selection_episodes": 2,
    "walk.options": '{"episode_s": 0.5}',
    "evaluate.videos": 1,
    "evaluate.film.stride": 20,
    "attack.sweeps": "{push_m_s: {low: 0, high: 1, points: 2}, action_latency_steps: {low: 0, high: 2, points: 2}}",
    "export.trials": 1,
}


def command(recipe: Path, store: Path, settings: dict, *options: str) -> list[str]:
    """The command line that runs a recipe with settings."""
    words = [sys.executable, "-m", "motorium.cli", "run", str(recipe), "--store", str(store), *options]
    return words + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def environment() -> dict[str, str]:
    """The environment of a child process: one thread for libraries that would start their own."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run(recipe: Path, store: Path, settings: dict, *options: str) -> subprocess.CompletedProcess:
    """Run a recipe to its end in a process of its own."""
    words = command(recipe, store, settings, *options)
    return subprocess.run(words, capture_output=True, text=True, env=environment(), cwd=store.parent)


def newest(store: Path) -> dict:
    """The status of the newest run of a recipe (runs of a single stage aside)."""
    status = [json.loads(path.read_text()) for path in store.glob("runs/*/run.json")]
    return max((one for one in status if len(one["stages"]) > 1), key=lambda one: one["started"])


def ids(store: Path) -> dict[str, str]:
    """What each entry of the newest run made."""
    return {name: stage["artifact"]["id"] for name, stage in newest(store)["stages"].items() if stage["artifact"]}
