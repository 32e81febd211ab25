"""The example task keeps the contract of every task, and its recipe goes through the loop."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from motorium.core import frames
from motorium.core.protocols import ObjectCentric, Renderable
from motorium.flow.store import Store
from motorium.synth.experts import make_expert
from motorium.tasks.make import make_env
from tests.conformance import test_env as contract
from tests.stages import tiny

ROOT = Path(__file__).resolve().parents[1]
make_reach = partial(make_env, "examples.reach:Reach")
CHECKS = [check for name, check in vars(contract).items() if name.startswith("test_")]
SMALL = {"steps": 150, "trials": 16, "amplify.target_successes": 24, "train.width": 64, "train.hidden": 64}
SMALL |= {"train.validate_every": 50, "train.log_every": 50, "evaluate.videos": 2, "export.trials": 4}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_example_keeps_the_contract_of_an_env(check):
    bad = [mark.args[1] for mark in getattr(check, "pytestmark", []) if mark.name == "parametrize"]
    for values in bad or [[None]]:
        for value in values:
            check(make_reach, *([] if value is None else [value]))


def test_example_can_be_demonstrated_amplified_and_filmed():
    env = make_reach(3)
    env.reset(np.array([1, 2, 3]))
    assert isinstance(env, ObjectCentric) and isinstance(env, Renderable)
    assert [segment.signal for segment in env.segments] == [None] and list(env.signals()) == []
    near = env.poses()["eef"][:, :3] + np.array([[0.01, -0.005, 0.0]])
    action = env.action_from_target(frames.make_pose(near, np.array([1.0, 0.0, 0.0, 0.0])), np.full((3, 1), 0.5))
    X_WT, gripper = env.target_from_action(action)
    np.testing.assert_allclose(X_WT[:, :3], near, atol=1e-6)
    np.testing.assert_allclose(gripper, 0.5)
    pictures = env.render("top", np.array([2, 0]), 48, 64)
    assert pictures.shape == (2, 48, 64, 3) and (pictures[0] != pictures[1]).any()


def test_expert_of_the_example_succeeds_from_every_start():
    env = make_reach(64)
    expert = make_expert("examples.reach:make_expert", env)
    env.reset(np.arange(64))
    expert.reset(np.arange(64), np.ones(64, bool))
    for _ in range(env.info.max_steps):
        step = env.step(env.action_from_target(*expert.act(env)))
    assert step.success.all()


@pytest.fixture
def run(tmp_path):
    """Run the recipe on a copy of the example, in a folder of its own; return {entry: state and artifact}."""
    package = tmp_path / "examples"
    package.mkdir()
    for name in ("reach.py", "reach.yaml"):
        (package / name).write_text((ROOT / "examples" / name).read_text())

    def go() -> dict[str, dict]:
        argv = tiny.command(package / "reach.yaml", tmp_path / "store", SMALL)
        environment = {**tiny.environment(), "PYTHONPATH": str(tmp_path)}
        argv = [sys.executable, "-P", *argv[1:]]
        made = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert made.returncode == 0, made.stderr
        return tiny.newest(tmp_path / "store")["stages"]

    return go


@pytest.mark.slow
def test_recipe_of_the_example_runs_is_cached_and_runs_again_when_the_task_changes(run, tmp_path):
    first = run()
    bundle = Store(tmp_path / "store").load("bundle", first["export"]["artifact"]["id"])
    assert bundle.manifest["metrics"]["closed_loop_same"] == 4
    told = json.loads((bundle.path / "bundle.json").read_text())["conventions"]
    assert told["task"] == "examples.reach:Reach"
    assert {stage["state"] for stage in run().values()} == {"cached"}
    task = tmp_path / "examples" / "reach.py"
    task.write_text(task.read_text().replace("NEAR_M, SLOW_M_S = 0.02", "NEAR_M, SLOW_M_S = 0.03"))
    assert {stage["state"] for stage in run().values()} == {"done"}
