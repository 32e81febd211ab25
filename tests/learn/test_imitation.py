import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from motorium.core.errors import CatalogError, ConventionError, DataError, MotoriumError, SpecError
from motorium.core.features import vector
from motorium.learn.data import TrainingData, split
from motorium.learn.description import check_hold
from motorium.learn.imitation import train
from motorium.learn.spec import TrainSpec
from tests.learn.toys import STATE, make_data, small_spec, trained, wandering

FILES = ("policy.json", "training.json", "weights.safetensors")
OPTIONS = {"n_obs": 2, "last_action": True, "input_noise": 0.1, "keep": "best"}


def contents(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_training_twice_gives_the_same_bytes(tmp_path):
    first, second = trained(tmp_path / "a", **OPTIONS), trained(tmp_path / "b", **OPTIONS)
    assert contents(first.folder) == contents(second.folder)


def test_another_seed_gives_other_weights(tmp_path):
    first, second = trained(tmp_path / "a"), trained(tmp_path / "b", seed=1)
    assert contents(first.folder)["weights.safetensors"] != contents(second.folder)["weights.safetensors"]


def test_training_leaves_torch_as_it_was(tmp_path):
    torch.manual_seed(5)
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.get_rng_state()
    trained(tmp_path)
    after = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.get_rng_state()
    assert before[:2] == after[:2] and torch.equal(before[2], after[2])


def test_loss_falls_on_episodes_that_were_not_trained_on(tmp_path):
    rows = json.loads(
        (trained(tmp_path, wandering(episodes=40), steps=300, policy="regression").folder / "training.json").read_text()
    )["rows"]
    assert rows[-1]["validation_loss"] < 0.5 * rows[0]["train_loss"]


def test_validation_episodes_are_not_learned_from(tmp_path):
    data = wandering()
    _, held = split(data.episodes, 0.1, 0)
    actions = data.actions.copy()
    actions[data.rows(held)] += 3.0
    changed = make_data(data.observations[STATE], actions, [15] * 8)
    first, second = trained(tmp_path / "a", data), trained(tmp_path / "b", changed)
    assert contents(first.folder)["weights.safetensors"] == contents(second.folder)["weights.safetensors"]
    assert first.validation_loss != second.validation_loss


def test_best_keeps_the_lowest_validation_loss(tmp_path):
    result = trained(tmp_path, keep="best", steps=200, learning_rate=0.03)
    rows = json.loads((result.folder / "training.json").read_text())["rows"]
    validated = {row["validation_loss"]: row["step"] for row in rows if "validation_loss" in row}
    assert result.kept == validated[min(validated)]


class Rows:
    def __init__(self):
        self.rows = []

    def log(self, step, **values):
        self.rows.append((step, values))


class Bar:
    def __init__(self):
        self.done, self.notes = 0, []

    def advance(self, amount=1, **note):
        self.done += amount
        self.notes.append(note)

    def close(self):
        pass


def test_metrics_and_progress_cover_every_step(tmp_path):
    rows, bar = Rows(), Bar()
    train(
        wandering(),
        small_spec(),
        tmp_path / "p",
        scratch=tmp_path / "s",
        seed=0,
        progress=bar,
        metrics=rows,
    )
    assert [step for step, _ in rows.rows] == [10, 20, 30, 40, 50, 60]
    assert {"train_loss", "learning_rate", "gradient_norm", "validation_loss"} <= rows.rows[1][1].keys()
    assert bar.done == 60
    assert {"loss", "samples_per_s"} <= bar.notes[-1].keys()


def test_one_episode_trains_without_validation(tmp_path):
    result = trained(tmp_path, wandering(episodes=1, length=30))
    assert result.validation_loss is None


def test_a_diverging_run_says_so(tmp_path):
    with pytest.raises(MotoriumError, match="diverged") as caught:
        trained(tmp_path, learning_rate=1e30)
    assert "learning_rate" in caught.value.details["remedy"]
    assert not (tmp_path / "policy").exists()


def test_unknown_inputs_and_policies_name_the_nearest(tmp_path):
    with pytest.raises(DataError) as caught:
        trained(tmp_path, inputs=["observation.stat"])
    assert caught.value.details["nearest"] == STATE
    with pytest.raises(CatalogError) as caught:
        trained(tmp_path, policy="flow_matching")
    assert caught.value.details["nearest"] == "flow-matching"


def test_hold_key_must_be_in_the_actions_space(tmp_path):
    with pytest.raises(MotoriumError, match="differs in its shape") as caught:
        trained(tmp_path, hold_key=STATE, residual="state")
    assert "`elements:`" in caught.value.details["remedy"] and "hold_key: null" in caught.value.details["remedy"]


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (("joint_states.position.0", "joint_states.position.1"), "give both the same `names:`"),
        (("b", "a"), "put one in the other's order by `elements:`"),
    ],
)
def test_a_hold_key_of_other_names_says_what_to_do_about_them(names, remedy):
    """As a bag has them: the state's joints are named by their stream, the command's by its own."""
    with pytest.raises(ConventionError, match="differs in its names") as caught:
        check_hold(vector(("a", "b"), "rad"), {STATE: vector(names, "rad")}, STATE)
    said = caught.value.details
    assert said["got"] == names and said["expected"] == ("a", "b")
    assert remedy in said["remedy"] and "hold_key: null, residual: none" in said["remedy"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"execute": 17},
        {"residual": "last_action"},
        {"residual": "last_action", "hold_key": STATE},
        {"validate_every": 75},
        {"keep": "best", "validation_fraction": 0},
    ],
)
def test_inconsistent_specs_are_refused(wrong):
    with pytest.raises(SpecError):
        TrainSpec.parse(wrong)


KILLED = """
import os, signal, sys
from pathlib import Path
import tests.learn.test_imitation as module

folder, when, moment = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)

class Fatal:
    def log(self, step, **values):
        if step == when and moment == "step":
            kill()

if moment != "step":
    calls = [0]
    def counted(original):
        def call(*arguments):
            calls[0] += 1
            if calls[0] == when:
                kill()
            return original(*arguments)
        return call
    name = {"rename": "replace", "fsync": "fsync"}[moment]
    setattr(os, name, counted(getattr(os, name)))

module.run(folder, Fatal())
"""


def run(folder, metrics=None):
    return train(
        wandering(), small_spec(**OPTIONS), folder / "policy", scratch=folder / "scratch", seed=0, metrics=metrics
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return contents(run(tmp_path_factory.mktemp("unbroken")).folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "moment", "resumed_at"),
    [(10, "step", 0), (30, "step", 20), (60, "step", 40), (3, "rename", 20), (4, "rename", 20), (7, "fsync", 20)],
)
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path, unbroken, when, moment, resumed_at):
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(when), moment]
    done = subprocess.run(command, cwd=os.getcwd(), capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    rows = Rows()
    result = run(tmp_path, rows)
    assert result.resumed_at == resumed_at
    assert contents(result.folder) == unbroken
    assert [step for step, _ in rows.rows] == [10, 20, 30, 40, 50, 60]


def test_a_damaged_or_foreign_checkpoint_starts_over(tmp_path):
    first = run(tmp_path)
    expected = contents(first.folder)
    (saved,) = (tmp_path / "scratch").glob("*.safetensors")
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    assert run(tmp_path).resumed_at == 0
    other = trained(tmp_path, seed=3)
    assert other.resumed_at == 0
    assert run(tmp_path).resumed_at == 0
    assert contents(tmp_path / "policy") == expected


def test_data_digest_changes_with_any_value():
    data = wandering()
    actions = data.actions.copy()
    actions[3, 0] = np.nextafter(actions[3, 0], 1)
    changed = TrainingData(**{**vars(data), "actions": actions})
    assert data.digest() == wandering().digest() != changed.digest()
