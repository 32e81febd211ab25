"""Open loop along real teleoperation of a humanoid."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.protocols import PolicyInfo
from motorium.data.dataset import open_dataset
from motorium.evaluate.openloop import OpenLoopSpec, open_loop
from motorium.evaluate.recorded import ACTION, LAST_ACTION
from tests.support.real import real_data


class Repeat:
    """Commands the last command again, or `offset` beside it: the baseline, as a policy."""

    def __init__(self, dataset, offset: float = 0.0) -> None:
        self.offset = np.float32(offset)
        self.info = PolicyInfo(
            observation={"observation.state": dataset.features["observation.state"]},
            action=dataset.features[ACTION],
            horizon=16,
            execute=8,
            control_hz=float(dataset.fps),
            digest="repeat",
        )

    def reset(self, seeds, mask=None):
        pass

    def act(self, observation, mask=None):
        state = observation["observation.state"]
        last = observation.get(LAST_ACTION, np.zeros_like(state)) + self.offset
        return np.repeat(last[:, None], 16, axis=1)


@pytest.fixture(scope="module")
def humanoid():
    return open_dataset(real_data("g1_inspire_lerobot_v21"))


def score(dataset, policy, episodes):
    kept = [dataset.episode(index) for index in episodes]
    spec = OpenLoopSpec(resamples=1000)
    return open_loop(policy, kept, dataset.features, control_hz=float(dataset.fps), names=episodes, spec=spec)


@pytest.mark.real
def test_repeating_the_last_command_is_exactly_the_hold_baseline(humanoid):
    result = score(humanoid, Repeat(humanoid), range(8))
    assert all(row.gain_hold.value == 0.0 for row in (*result.joints, *result.steps))
    assert result.verdict in ("beats mean", "beats neither")
    lengths = [humanoid.episode(index).length for index in range(8)]
    assert result.predictions == sum(lengths) - 8
    assert len(result.joints) == 26 and result.joints[0].name == "kLeftShoulderPitch"


@pytest.mark.real
def test_error_of_holding_one_step_is_the_mean_change_of_the_commands(humanoid):
    result = score(humanoid, Repeat(humanoid), range(3))
    change = [np.abs(np.diff(humanoid.episode(i).arrays[ACTION].astype(np.float64), axis=0)).mean() for i in range(3)]
    assert result.steps[0].unit is None and result.steps[0].hold.value == pytest.approx(np.mean(change))


@pytest.mark.real
def test_policy_that_is_far_off_beats_neither(humanoid):
    assert score(humanoid, Repeat(humanoid, offset=0.5), range(8)).verdict == "beats neither"
