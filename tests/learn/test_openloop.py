from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as parquet
import pytest

from motorium.core.features import vector
from motorium.core.protocols import PolicyInfo
from motorium.learn.data import TrainingData
from motorium.learn.imitation import train
from motorium.learn.openloop import predict_along
from motorium.learn.policy import load_policy
from motorium.learn.spec import TrainSpec
from tests.learn.toys import STATE
from tests.support.real import real_data

INFO = PolicyInfo(observation={STATE: vector("x", "m")}, action=vector("x", "m"), horizon=4, execute=2, control_hz=10.0)


@dataclass
class Ahead:
    """Answers what it sees plus 1, 2, 3, 4, and keeps what it was told."""

    info = INFO

    def __post_init__(self):
        self.told = []

    def reset(self, seeds, mask=None):
        self.rows = len(seeds)

    def act(self, observation, mask=None):
        self.told.append({key: value.copy() for key, value in observation.items()} | {"mask": mask})
        return (observation[STATE][:, None] + np.arange(1, 5)[:, None]).astype(np.float32)


def ramps():
    states = [np.arange(7.0, dtype=np.float32)[:, None], np.arange(3.0, dtype=np.float32)[:, None] + 50]
    return [{STATE: state} for state in states], [state + 1 for state in states]


def test_a_perfect_prediction_has_no_error_and_baselines_have_theirs():
    long, short = predict_along(Ahead(), *ramps(), np.arange(2))
    assert long.steps.tolist() == [0, 2, 4, 6] and short.steps.tolist() == [0, 2]
    assert long.error(long.chunks).tolist() == [0.0]
    assert long.real.sum(axis=1).tolist() == [4, 4, 3, 1]
    # Held: at step 0 the first command, off by 0 1 2 3; later the one before, off by 1 2 3 4.
    assert long.error(long.hold)[0] == pytest.approx((6 + 10 + 6 + 1) / 12)
    # The mean command of 1..7 is 4.
    assert long.error(long.mean)[0] == pytest.approx((3 + 2 + 1 + 0 + 1 + 0 + 1 + 2 + 1 + 2 + 3 + 3) / 12)


def test_the_policy_is_told_the_recorded_last_command():
    policy = Ahead()
    predict_along(policy, *ramps(), np.arange(2))
    assert "last_action" not in policy.told[0]
    assert policy.told[1]["last_action"].tolist() == [[2.0], [52.0]]
    assert [call["mask"].tolist() for call in policy.told] == [[True, True], [True, True], [True, False], [True, False]]


def teleoperation(episodes):
    folder = real_data("g1_inspire_lerobot_v21") / "data" / "chunk-000"
    tables = [parquet.read_table(folder / f"episode_{number:06d}.parquet") for number in episodes]
    return [
        [np.array(table[key].to_pylist(), np.float32) for table in tables] for key in ("observation.state", "action")
    ]


@pytest.mark.slow
@pytest.mark.real
def test_teleoperation_is_predicted_better_than_by_both_baselines(tmp_path):
    states, actions = teleoperation(range(0, 40))
    lengths = np.array([len(state) for state in states])
    joints = vector([f"q{i}" for i in range(26)], "rad")
    data = TrainingData(
        observations={STATE: np.concatenate(states)},
        actions=np.concatenate(actions),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        features={STATE: joints, "action": joints},
        control_hz=30.0,
    )
    options = {"policy": "regression", "last_action": True, "hold_key": STATE, "residual": "last_action"}
    spec = TrainSpec.parse(
        {**options, "weight_decay": 1.0, "steps": 300, "checkpoint_every": 100, "validate_every": 100}
    )
    policy = load_policy(train(data, spec, tmp_path / "policy", scratch=tmp_path / "scratch", seed=0).folder)

    states, actions = teleoperation(range(90, 100))
    predictions = predict_along(policy, [{STATE: state} for state in states], actions, np.arange(10))
    errors = np.array([[p.error(guess).mean() for guess in (p.chunks, p.hold, p.mean)] for p in predictions])
    ours, hold, mean = errors.T
    assert (ours < hold).all() and (ours < mean).all()
    assert ours.mean() < 0.85 * hold.mean()
