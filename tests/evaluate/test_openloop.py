"""Open-loop errors by hand, baselines, units, verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import ConventionError, DataError
from motorium.core.features import Feature, vector
from motorium.core.protocols import PolicyInfo, as_mask
from motorium.core.random import stream
from motorium.data.episode import Episode
from motorium.evaluate.openloop import OpenLoop, OpenLoopSpec, fewest_episodes, open_loop
from motorium.evaluate.openloop_errors import measure
from motorium.evaluate.recorded import ACTION
from tests.evaluate.worlds import Counter

HZ = 10.0
MIXED = vector(("arm", "grip"), ("rad", "1"))
PLAIN = vector(("arm", "grip"), "rad")


def walk(length: int, number: int) -> Episode:
    """Commands that wander; the observation is the command to come, so that a policy may know it."""
    steps = stream(number, "walk").normal(0.0, 0.1, (length, 2))
    action = np.cumsum(steps, axis=0).astype(np.float32)
    return Episode(arrays={"observation.state": action.copy(), ACTION: action}, task="")


class Copy:
    """Commands what it sees, plus an offset, for the whole chunk."""

    def __init__(self, offset: float = 0.0, horizon: int = 4, execute: int = 2, action: Feature = PLAIN) -> None:
        self.offset = offset
        self.info = PolicyInfo(
            observation={"observation.state": action},
            action=action,
            horizon=horizon,
            execute=execute,
            control_hz=HZ,
            digest="copy",
        )

    def reset(self, seeds, mask=None):
        self.rngs = [np.random.default_rng(int(seed)) for seed in seeds]

    def act(self, observation, mask=None):
        state = observation["observation.state"]
        chunk = np.zeros((len(state), self.info.horizon, 2), np.float32)
        for row in np.flatnonzero(as_mask(mask, len(state))):
            chunk[row] = state[row] + np.float32(self.offset) + self.rngs[row].normal(0, 1e-3, 2).astype(np.float32)
        return chunk


def features(action: Feature = PLAIN) -> dict[str, Feature]:
    return {"observation.state": action, ACTION: action}


def run(policy, episodes, action: Feature = PLAIN, **options) -> OpenLoop:
    spec = OpenLoopSpec(**{"resamples": 300, **options})
    return open_loop(policy, episodes, features(action), control_hz=HZ, spec=spec)


def by_hand(policy_error, actions: np.ndarray, horizon: int, execute: int) -> dict[str, float]:
    """Mean absolute errors of one episode asked at every step t >= 1, written out as plain loops."""
    sums, count = {"policy": 0.0, "hold": 0.0, "mean": 0.0}, 0
    centre = actions.mean(axis=0)
    for t in range(1, len(actions)):
        for h in range(execute):
            if t + h < len(actions):
                truth = actions[t + h]
                sums["policy"] += np.abs(policy_error(t, h)).mean()
                sums["hold"] += np.abs(actions[t - 1] - truth).mean()
                sums["mean"] += np.abs(centre - truth).mean()
                count += 1
    return {arm: total / count for arm, total in sums.items()}


def test_errors_are_those_of_a_hand_written_loop():
    class Exact(Copy):
        def act(self, observation, mask=None):
            state = observation["observation.state"]
            return np.repeat(state[:, None], self.info.horizon, axis=1).astype(np.float32)

    episodes = [walk(17, 1), walk(9, 2)]
    result = run(Exact(), episodes)
    for number, row in enumerate(result.episodes):
        actions = episodes[number].arrays[ACTION].astype(np.float64)
        expected = by_hand(lambda t, h, a=actions: a[t] - a[t + h], actions, 4, 2)
        assert row.policy == pytest.approx(expected["policy"])
        assert row.hold == pytest.approx(expected["hold"])
        assert row.mean == pytest.approx(expected["mean"])
    assert result.headline.policy.value == pytest.approx(np.mean([row.policy for row in result.episodes]))
    assert result.predictions == 16 + 8


def test_perfect_first_step_has_no_error():
    class Exact(Copy):
        def act(self, observation, mask=None):
            return np.repeat(observation["observation.state"][:, None], self.info.horizon, axis=1)

    result = run(Exact(), [walk(20, i) for i in range(6)])
    assert result.steps[0].policy.value == 0.0 and result.steps[1].policy.value > 0.0
    assert [row.name for row in result.steps] == ["+1", "+2", "+3", "+4"]


def test_error_of_holding_grows_along_the_chunk():
    result = run(Copy(), [walk(60, i) for i in range(8)])
    held = [row.hold.value for row in result.steps]
    assert held == sorted(held) and held[0] > 0


@pytest.mark.parametrize("rows", [1, 3, 7, 500])
def test_numbers_do_not_depend_on_how_many_rows_are_asked_together(rows):
    episodes, names = [walk(11 + i, i) for i in range(5)], list("abcde")
    whole, cut = (measure(Copy(0.3), episodes, names=names, rows=size, seed=1) for size in (64, rows))
    assert whole.counts.tobytes() == cut.counts.tobytes()
    assert all(whole.sums[arm].tobytes() == cut.sums[arm].tobytes() for arm in whole.sums)


def test_good_policy_beats_both():
    result = run(Copy(), [walk(40, i) for i in range(8)])
    assert (result.verdict, result.exit_code) == ("beats both", 0)
    assert result.headline.won_hold.value == 1.0 and result.headline.gain_hold.low > 0
    assert result.text.startswith("beats both: mean absolute error")


def test_bad_policy_beats_neither():
    result = run(Copy(offset=5.0), [walk(40, i) for i in range(8)])
    assert (result.verdict, result.exit_code) == ("beats neither", 3)


def test_policy_between_the_baselines_says_which_it_beats():
    # An offset of 0.15 is worse than a step of the walk and better than the distance to its mean.
    result = run(Copy(offset=0.15), [walk(200, i) for i in range(8)])
    assert result.verdict == "beats mean"


def test_policy_that_equals_holding_does_not_beat_it():
    class Hold(Copy):
        def act(self, observation, mask=None):
            state = observation["observation.state"]
            last = observation.get("last_action", np.zeros_like(state))
            return np.repeat(last[:, None], self.info.horizon, axis=1).astype(np.float32)

    result = run(Hold(), [walk(200, i) for i in range(8)])
    assert result.headline.gain_hold.value == 0.0 and result.headline.won_hold.value == 0.0
    assert result.verdict == "beats mean"


def test_few_episodes_cannot_support_a_verdict():
    # Two-sided sign test: winning all of 5 has p = 0.0625, all of 6 has p = 0.03125.
    assert fewest_episodes(0.05) == 6
    result = run(Copy(), [walk(40, i) for i in range(4)])
    assert (result.verdict, result.exit_code) == ("underpowered", 4)
    assert any("4 episodes cannot support a verdict" in note for note in result.notes)


def test_one_episode_has_values_without_intervals():
    result = run(Copy(), [walk(40, 1)])
    assert result.headline.policy.value is not None and result.headline.policy.low is None
    assert result.verdict == "underpowered"


def test_joints_keep_their_units_and_are_not_averaged_across_them():
    result = run(Copy(action=MIXED), [walk(40, i) for i in range(6)], MIXED)
    assert [(row.name, row.unit) for row in result.joints] == [("arm", "rad"), ("grip", "1")]
    assert [row.unit for row in result.groups] == ["rad", "1"]
    assert result.headline.unit == "std"
    assert any("standard deviations" in note for note in result.notes)


def test_shared_unit_is_that_of_the_headline():
    result = run(Copy(), [walk(40, i) for i in range(6)])
    assert result.headline.unit == "rad" and len(result.groups) == 1
    assert result.headline.policy == result.groups[0].policy
    mean_of_joints = np.mean([row.policy.value for row in result.joints])
    assert result.headline.policy.value == pytest.approx(mean_of_joints)


def test_unknown_units_are_said_to_be_unknown():
    bare = Feature(dtype="float32", shape=(2,), names=("arm", "grip"))
    result = run(Copy(action=bare), [walk(40, i) for i in range(6)], bare)
    assert result.headline.unit is None and "unit unknown" in result.text
    assert any("does not state the unit of 2 of 2 joints" in note for note in result.notes)


def test_joint_that_never_moves_does_not_enter_the_scaled_error():
    three = vector(("arm", "grip", "lamp"), ("rad", "1", "lm"))

    def still(number):
        action = np.concatenate([walk(40, number).arrays[ACTION], np.full((40, 1), 7.0, np.float32)], axis=1)
        return Episode(arrays={"observation.state": action.copy(), ACTION: action}, task="")

    class Off(Copy):
        def act(self, observation, mask=None):
            chunk = np.repeat(observation["observation.state"][:, None], self.info.horizon, axis=1)
            return chunk + np.array([0, 0, 100], np.float32)

    result = run(Off(action=three), [still(i) for i in range(6)], three)
    assert result.constant == ("lamp",)
    assert result.headline.policy.value < 1.0 and result.joints[2].policy.value == pytest.approx(100.0)


def test_short_episodes_are_left_out_by_name():
    spec = OpenLoopSpec(resamples=300)
    episodes = [walk(1, 0), walk(30, 1), walk(30, 2)]
    result = open_loop(Copy(), episodes, features(), control_hz=HZ, names=[4, 5, 6], spec=spec)
    assert result.left_out == ("4",) and [row.episode for row in result.episodes] == ["5", "6"]


def test_one_phase_asks_at_the_deployed_rate_only():
    episodes = [walk(30, 1), walk(2, 2)]
    result = run(Copy(), episodes, phases=1)
    # Asked at 0, 2, 4, ...; t = 0 has no command before it; an episode of 2 steps is never asked later.
    assert result.predictions == 14 and result.left_out == ("1",)


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match="no episode can be scored"):
        run(Copy(), [walk(1, 0)])
    with pytest.raises(DataError, match="no episode can be scored"):
        run(Copy(), [])


def test_number_that_is_not_finite_names_episode_and_step():
    broken = walk(30, 1)
    broken.arrays["observation.state"][12, 1] = np.nan
    with pytest.raises(DataError, match="episode 1, step 12"):
        run(Copy(), [walk(30, 0), broken])


def test_other_rate_is_refused():
    with pytest.raises(ConventionError, match="rates"):
        open_loop(Copy(), [walk(30, 0)], features(), control_hz=30.0)


def test_progress_counts_episodes_once():
    counter = Counter()
    spec = OpenLoopSpec(resamples=300, rows=3)
    open_loop(Copy(), [walk(30, i) for i in range(5)], features(), control_hz=HZ, spec=spec, progress=counter)
    assert counter.amount == 5 and counter.closed


def test_result_survives_plain_data():
    result = run(Copy(), [walk(30, i) for i in range(6)])
    assert OpenLoop.parse(result.to_plain()) == result
