import numpy as np
import pyarrow.parquet as parquet
import pytest

from motorium.core.features import vector
from motorium.data.episode import Episode
from motorium.evaluate.openloop import open_loop
from motorium.learn.data import TrainingData
from motorium.learn.imitation import train
from motorium.learn.policy import load_policy
from motorium.learn.spec import TrainSpec
from tests.learn.toys import STATE
from tests.support.real import real_data

SPEC = {
    "policy": "regression",
    "n_obs": 2,
    "last_action": True,
    "hold_key": STATE,
    "residual": "last_action",
    "weight_decay": 3.0,
    "steps": 400,
    "validate_every": 100,
    "checkpoint_every": 200,
}


def recordings(numbers):
    folder = real_data("g1_inspire_lerobot_v21") / "data" / "chunk-000"
    tables = [
        parquet.read_table(folder / f"episode_{number:06d}.parquet", columns=[STATE, "action"]) for number in numbers
    ]
    return [{key: np.array(table[key].to_pylist(), np.float32) for key in (STATE, "action")} for table in tables]


@pytest.mark.slow
@pytest.mark.real
def test_teleoperation_is_predicted_better_than_by_both_baselines(tmp_path):
    held_out = np.arange(0, 100, 10)
    shown = recordings(np.setdiff1d(np.arange(100), held_out))
    lengths = np.array([len(episode[STATE]) for episode in shown])
    joints = vector([f"q{i}" for i in range(26)], "1")
    data = TrainingData(
        observations={STATE: np.concatenate([episode[STATE] for episode in shown])},
        actions=np.concatenate([episode["action"] for episode in shown]),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        features={STATE: joints, "action": joints},
        control_hz=30.0,
    )
    made = train(data, TrainSpec.parse(SPEC), tmp_path / "policy", scratch=tmp_path / "scratch", seed=0)

    unseen = [Episode(arrays=episode, task="") for episode in recordings(held_out)]
    scored = open_loop(load_policy(made.folder), unseen, data.features, control_hz=30.0)
    assert scored.verdict == "beats both"
    # Every held-out episode, and by a quarter of the stronger baseline's error.
    assert all(episode.policy < min(episode.hold, episode.mean) for episode in scored.episodes)
    assert scored.headline.policy.value < 0.75 * scored.headline.hold.value
