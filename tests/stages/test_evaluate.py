"""Which episodes an evaluation films."""

import numpy as np
import pytest

from motorium.evaluate.episodes import Rollout
from motorium.stages.evaluate import other_versions, worth_a_look


def rollout(outcomes: list[int]) -> Rollout:
    n = len(outcomes)
    return Rollout(
        task="t",
        policy="p",
        outcomes=("running", "success", "timeout", "dropped"),
        control_hz=20.0,
        versions={},
        seeds=np.arange(100, 100 + n),
        outcome=np.array(outcomes, np.int8),
        length=np.ones(n, np.int64),
        returns=np.zeros(n),
    )


@pytest.mark.parametrize(
    ("outcomes", "count", "expected"),
    [
        ([1, 1, 2, 2, 2, 2], 3, [100, 102, 103]),  # one success, two failures
        ([1] * 9, 3, [100, 101, 102]),  # nothing failed
        ([2] * 9, 3, [100, 101, 102]),  # nothing succeeded
        ([2, 2], 1, [100]),
        ([1, 2], 1, [100]),
        ([1, 1, 1, 1, 1, 2], 6, [100, 101, 102, 103, 104, 105]),
        ([1, 2], 6, [100, 101]),  # fewer episodes than films
        ([1, 2, 2, 3, 2], 3, [100, 103, 101]),  # failures of different kinds first
    ],
)
def test_failures_are_filmed_first_and_successes_fill_up(outcomes, count, expected):
    assert sorted(worth_a_look(rollout(outcomes), count)) == sorted(expected)


def test_other_versions_of_simulator_and_assets_are_said():
    seen = {"version.mujoco": "3.17.0", "version.ogbench": "1.2.2", "task": "t"}
    assert other_versions(seen, {"mujoco": "3.17.0", "ogbench": "1.2.2", "new": "1"}) == []
    (line,) = other_versions(seen, {"mujoco": "4.0.1", "ogbench": "1.2.2"})
    assert "3.17.0" in line and "4.0.1" in line
