"""Driving a policy along recordings: what it has seen, and what it cannot have seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from motorium.core.errors import ConventionError, SimError, SpecError
from motorium.core.features import vector
from motorium.core.protocols import PolicyInfo, as_mask
from motorium.data.episode import Episode
from motorium.evaluate.recorded import ACTION, LAST_ACTION, Block, blocks, check_phases, check_recorded, drive

STATE = vector(("a", "b"), "rad")
COMMAND = vector(("a", "b"), "rad")
FEATURES = {"observation.state": STATE, ACTION: COMMAND}
HZ = 30.0


def recording(length: int, number: int) -> Episode:
    """An episode whose numbers tell where they come from: state 1000 * number + t, command that plus a half."""
    t = 1000.0 * number + np.arange(length, dtype=np.float32)[:, None].repeat(2, axis=1)
    return Episode(arrays={"observation.state": t, ACTION: t + np.float32(0.5)}, task="")


class Witness:
    """Answers zeros and writes down, for each row, everything it was ever shown."""

    def __init__(self, horizon: int = 4, execute: int = 3) -> None:
        self.info = PolicyInfo(
            observation={"observation.state": STATE},
            action=COMMAND,
            horizon=horizon,
            execute=execute,
            control_hz=HZ,
            digest="witness",
        )

    def reset(self, seeds, mask=None):
        assert mask is None
        self.seeds = np.asarray(seeds)
        self.shown = [[] for _ in seeds]

    def act(self, observation, mask=None):
        state = observation["observation.state"]
        for row in np.flatnonzero(as_mask(mask, len(state))):
            told = observation[LAST_ACTION][row, 0] if LAST_ACTION in observation else None
            self.shown[row].append((state[row, 0], told))
        return np.zeros((len(state), self.info.horizon, 2), np.float32)


def test_policy_sees_its_past_calls_and_the_recorded_command_before_now():
    policy, episodes = Witness(), [recording(8, 1), recording(5, 2)]
    (block,) = blocks([8, 5], phases=3, rows=100)
    asked = list(drive(policy, episodes, block, names=["7", "9"]))
    for row, (e, phase) in enumerate(zip(block.episode, block.phase, strict=True)):
        base, length = 1000.0 * (e + 1), (8, 5)[e]
        steps = range(phase, length, 3)
        expected = [(base + t, base + t - 1 + 0.5 if t else None) for t in steps]
        assert policy.shown[row] == expected
    together = sorted((int(e), int(t)) for a in asked for e, t in zip(a.episode, a.step, strict=True))
    assert together == [(e, t) for e, length in enumerate((8, 5)) for t in range(length)]


def test_future_of_a_recording_changes_no_answer_before_it():
    class Echo(Witness):
        """Answers with a running sum of everything it has been shown: any leak would show."""

        def act(self, observation, mask=None):
            super().act(observation, mask)
            sums = [sum(state + (told or 0.0) for state, told in shown) for shown in self.shown]
            return np.repeat(np.array(sums, np.float32)[:, None, None], 4, axis=1).repeat(2, axis=2)

    def answers(episode):
        block = next(iter(blocks([20], phases=3, rows=100)))
        return {
            int(t): chunk.tobytes()
            for asked in drive(Echo(), [episode], block, names=["0"])
            for t, chunk in zip(asked.step, asked.chunk, strict=True)
        }

    first, changed = recording(20, 1), recording(20, 1)
    cut = 11
    changed.arrays["observation.state"][cut + 1 :] += 77.0
    changed.arrays[ACTION][cut:] += 55.0
    before, after = answers(first), answers(changed)
    assert all(before[t] == after[t] for t in range(cut + 1))
    assert all(before[t] != after[t] for t in range(cut + 1, 20))


def test_random_stream_of_a_row_is_its_own_whatever_the_block():
    episodes = [recording(6, 1), recording(6, 2)]
    whole, seeds = Witness(), {}
    (block,) = blocks([6, 6], phases=3, rows=100)
    list(drive(whole, episodes, block, names=["a", "b"], seed=3))
    for block_part in blocks([6, 6], phases=3, rows=2):
        part = Witness()
        list(drive(part, episodes, block_part, names=["a", "b"], seed=3))
        keys = zip(block_part.episode.tolist(), block_part.phase.tolist(), strict=True)
        seeds |= dict(zip(keys, part.seeds.tolist(), strict=True))
    assert list(seeds.values()) == whole.seeds.tolist() and len(set(seeds.values())) == 6


def test_blocks_hold_every_episode_and_phase_once():
    rows = [(int(e), int(p)) for b in blocks([5, 1, 9], 3, 4) for e, p in zip(b.episode, b.phase, strict=True)]
    assert rows == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"control_hz": 20.0}, "different rates"),
        ({"observation": {"observation.stat": STATE}}, "observation.state"),
        ({"action": vector(("b", "a"), "rad")}, "names"),
        ({"action": vector(("a", "b"), "deg")}, "units"),
    ],
)
def test_policy_that_means_something_else_is_refused(change, message):
    policy = Witness()
    policy.info = replace(policy.info, **change)
    with pytest.raises(ConventionError, match=message):
        check_recorded(policy, FEATURES, HZ)


def test_answer_that_is_not_finite_names_episode_and_step():
    class Broken(Witness):
        def act(self, observation, mask=None):
            chunk = super().act(observation, mask)
            chunk[observation["observation.state"][:, 0] == 2003.0] = np.inf
            return chunk

    block = Block(episode=np.array([0, 1]), phase=np.array([0, 0]))
    with pytest.raises(SimError, match="episode 9, step 3"):
        list(drive(Broken(), [recording(8, 1), recording(8, 2)], block, names=["7", "9"]))


def test_phases_beyond_execute_are_refused():
    assert check_phases(None, 8) == 8
    with pytest.raises(SpecError, match="phases"):
        check_phases(9, 8)
