"""Closed-loop rollouts: what an episode may and may not depend on, and what a policy must fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from motorium.core.errors import ConventionError, SimError, SpecError
from motorium.core.features import vector
from motorium.core.protocols import Env, Policy, PolicyInfo, as_mask
from motorium.core.random import stream
from motorium.evaluate.episodes import Rollout, join
from motorium.evaluate.recording import Record
from motorium.evaluate.replay import choose, replay
from motorium.evaluate.rollout import check_fit, policy_seed, rollout
from tests.evaluate.worlds import OUTCOMES, Counter, Dot, Steer
from tests.support.cars import Cars

SEEDS = tuple(range(100, 123))


def same_bits(a: Rollout, b: Rollout) -> bool:
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("seeds", "outcome", "length", "returns")]
    pairs += [(a.factors[name], b.factors[name]) for name in a.factors | b.factors]
    pairs += [(a.info[name], b.info[name]) for name in a.info | b.info]
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in pairs)


def alone(seed: int, skill: float) -> tuple[int, int, float]:
    """One episode, driven by hand in a world of one row: the meaning of a rollout, written out."""
    env, policy = Dot(1), Steer(skill)
    observation = env.reset(np.array([seed]))
    policy.reset(np.array([policy_seed(seed)]))
    length, total = 0, 0.0
    while True:
        chunk = policy.act({"observation.state": observation["observation.state"]})
        for action in chunk[0, : policy.info.execute]:
            step = env.step(action[None])
            length, total, observation = length + 1, total + float(step.reward[0]), step.observation
            if step.ended[0]:
                return int(step.outcome[0]), length, total


def test_fakes_keep_the_protocols():
    assert isinstance(Dot(1), Env) and isinstance(Steer(), Policy)


def test_episode_is_what_a_hand_written_loop_gives():
    made = rollout(Dot(5), Steer(0.7), SEEDS)
    for row, seed in enumerate(SEEDS):
        assert (made.outcome[row], made.length[row], made.returns[row]) == alone(seed, 0.7)
    assert set(made.outcome_names) == {"success", "left"}


@pytest.mark.parametrize("rows", [1, 2, 7, 22, 23, 40])
def test_episodes_are_bitwise_the_same_for_any_number_of_rows(rows):
    assert same_bits(rollout(Dot(rows), Steer(0.7), SEEDS), rollout(Dot(23), Steer(0.7), SEEDS))


def test_order_of_seeds_only_orders_the_rows():
    shuffled = np.random.default_rng(0).permutation(SEEDS)
    made = rollout(Dot(4), Steer(0.7), shuffled)
    assert same_bits(made.take(made.rows_of(SEEDS)), rollout(Dot(6), Steer(0.7), SEEDS))


def test_shards_join_to_the_whole():
    parts = [rollout(Dot(3), Steer(0.7), SEEDS[:9]), rollout(Dot(2), Steer(0.7), SEEDS[9:])]
    parts = [Rollout.from_plain(part.to_plain()) for part in parts]
    assert same_bits(join(parts), rollout(Dot(5), Steer(0.7), SEEDS))


def test_recording_changes_no_episode():
    recorded = rollout(Dot(5), Steer(0.7), SEEDS, record=Record(cameras=("top",), height=4, width=4))
    assert same_bits(recorded, rollout(Dot(5), Steer(0.7), SEEDS))


def test_ended_rows_are_neither_asked_nor_simulated():
    env, policy = Dot(23), Steer(0.7)
    made = rollout(env, policy, SEEDS)
    assert env.steps_of_running_rows == made.length.sum()
    execute = policy.info.execute
    assert sum(mask.sum() for mask in policy.asked) == np.sum(-(-made.length // execute))


def test_rows_are_refilled_while_others_run():
    env, policy = Dot(6), Steer(0.7)
    made = rollout(env, policy, SEEDS)
    waves = -(-len(SEEDS) // 6)
    assert len(policy.asked) < waves * -(-int(made.length.max()) // policy.info.execute)


def test_timeout_is_neither_success_nor_lost():
    made = rollout(Dot(4, max_steps=3), Steer(), [1, 2, 3, 4, 5])
    assert "timeout" in made.outcome_names
    assert made.length.max() == 3
    assert not made.success[np.array(made.outcome_names) == "timeout"].any()


def test_info_is_that_of_the_ending_step():
    made = rollout(Dot(5), Steer(0.7), SEEDS)
    assert (made.info["away_m"][made.success] < 0.1).all()
    assert (made.info["away_m"][np.array(made.outcome_names) == "left"] > 2.5).all()
    assert made.info["at_m"].shape == (len(SEEDS), 2)


def test_start_conditions_are_those_drawn_by_the_seed():
    made = rollout(Dot(3), Steer(), SEEDS)
    drawn = np.array([stream(seed, "start").uniform(-1.5, 1.5, 2) for seed in SEEDS])
    assert np.array_equal(made.factors["start_x_m"], drawn[:, 0])
    assert np.array_equal(made.factors["start_y_m"], drawn[:, 1])


def test_overridden_start_condition_leaves_the_other_draws():
    values = np.full(len(SEEDS), np.nan)
    values[3] = 0.5
    made = rollout(Dot(4), Steer(), SEEDS, factors={"start_x_m": values})
    free = rollout(Dot(4), Steer(), SEEDS)
    assert made.factors["start_x_m"][3] == 0.5
    assert np.array_equal(made.factors["start_y_m"], free.factors["start_y_m"])
    others = np.arange(len(SEEDS)) != 3
    assert same_bits(made.take(others), free.take(others))


def test_no_seeds_gives_no_episodes():
    made = rollout(Dot(2), Steer(), [])
    assert made.n == 0 and made.rate().value is None


def test_progress_counts_episodes_and_closes():
    counter = Counter()
    rollout(Dot(4), Steer(), SEEDS, progress=counter)
    assert counter.amount == len(SEEDS) and counter.closed


def test_recording_holds_observations_actions_and_the_final_observation():
    made = rollout(Dot(4), Steer(0.7), SEEDS, record=Record(seeds=[105, 110]))
    assert sorted(made.recordings) == [105, 110]
    kept, row = made.recordings[105], made.rows_of([105])[0]
    steps = made.length[row]
    assert kept.actions.shape == (steps, 2) and np.abs(kept.actions).max() <= 1.0
    assert kept.observations["observation.state"].shape == (steps + 1, 2)
    final = made.info["at_m"][row].astype(np.float32)
    assert np.array_equal(kept.observations["observation.state"][-1], final)
    assert kept.outcome == made.outcome_names[row]
    assert np.float64(0) + sum(kept.rewards.astype(np.float64)) == made.returns[row]


def test_recorded_actions_replayed_give_the_recorded_observations():
    kept = rollout(Dot(4), Steer(0.7), SEEDS, record=Record(seeds=[111])).recordings[111]
    env = Dot(1)
    env.reset(np.array([111]))
    for t, action in enumerate(kept.actions):
        seen = env.step(action[None]).observation["observation.state"][0]
        assert np.array_equal(seen, kept.observations["observation.state"][t + 1])


def test_pictures_are_taken_at_the_stride_and_after_the_last_step():
    env = Dot(4)
    made = rollout(env, Steer(), SEEDS, record=Record(seeds=[104], cameras=("top",), stride=5, height=4, width=6))
    kept = made.recordings[104]
    steps = len(kept.actions)
    assert kept.frame_steps.tolist() == [*range(0, steps, 5), steps]
    assert kept.frames["top"].shape == (len(kept.frame_steps), 4, 6, 3)
    # The fake draws its step number into a corner: the picture is of the step it claims.
    assert kept.frames["top"][:, 0, 0, 0].tolist() == kept.frame_steps.tolist()
    assert env.renders == len(kept.frame_steps)


def test_nothing_is_rendered_unless_asked_for():
    env = Dot(4)
    rollout(env, Steer(), SEEDS, record=Record())
    assert env.renders == 0


def test_recording_becomes_an_episode_that_fits_the_features():
    env = Dot(2)
    record = Record(seeds=[1], cameras=("top",), height=4, width=4)
    kept = rollout(env, Steer(), [1, 2], record=record).recordings[1]
    episode = kept.to_episode(env.info.instruction)
    episode.check({**env.info.observation, "action": env.info.action, "top": replace(STATE_IMAGE, shape=(4, 4, 3))})
    assert episode.length == len(kept.actions) and episode.meta["seed"] == 1


STATE_IMAGE = replace(vector(("x",), "1"), dtype="video", names=None, units=None)


def test_unknown_camera_names_the_nearest():
    with pytest.raises(SpecError, match="top"):
        rollout(Dot(1), Steer(), [1], record=Record(cameras=("tops",)))


def test_repeated_seed_is_refused():
    with pytest.raises(SpecError, match="given twice"):
        rollout(Dot(2), Steer(), [1, 2, 1])


def test_unknown_start_condition_names_the_nearest():
    with pytest.raises(SpecError, match="start_x_m"):
        rollout(Dot(2), Steer(), [1], factors={"start_x": np.zeros(1)})


def test_start_condition_needs_one_value_an_episode():
    with pytest.raises(SpecError, match="one value an episode"):
        rollout(Dot(2), Steer(), [1, 2, 3], factors={"start_x_m": np.zeros(2)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"control_hz": 20.0}, "different rates"),
        ({"observation": {"observation.stat": vector(("x", "y"), "m")}}, "observation.state"),
        ({"observation": {"observation.state": vector(("y", "x"), "m")}}, "names"),
        ({"observation": {"observation.state": vector(("x", "y"), "mm")}}, "units"),
        ({"action": vector(("vx", "vy"), "m/s", frame="base")}, "frame"),
        ({"action": vector(("vx", "vy", "vz"), "m/s")}, "shape"),
        ({"conventions": {"quaternion": "w last"}}, "quaternion"),
        ({"execute": 9}, "execute"),
        ({"execute": 0}, "execute"),
    ],
)
def test_policy_that_does_not_fit_is_refused(change, message):
    with pytest.raises(ConventionError, match=message):
        check_fit(Dot(1).info, replace(Steer().info, **change))


def test_action_that_is_not_finite_names_seed_and_step():
    class Broken(Steer):
        def act(self, observation, mask=None):
            chunk = super().act(observation, mask)
            if len(self.asked) == 2:
                chunk[1, 5] = np.nan
            return chunk

    with pytest.raises(SimError, match=r"seed 6, step 4"):
        rollout(Dot(3, max_steps=40), Broken(0.0), [5, 6, 7])


def test_chunk_of_the_wrong_shape_is_refused():
    class Short(Steer):
        def act(self, observation, mask=None):
            return super().act(observation, mask)[:, :3]

    with pytest.raises(SimError, match="wrong shape"):
        rollout(Dot(2), Short(), [1, 2])


def test_env_that_outlives_its_limit_is_an_error():
    class Endless(Dot):
        def step(self, actions):
            self._t[:] = np.minimum(self._t, 1)
            return super().step(actions)

    class Still(Steer):
        def act(self, observation, mask=None):
            return 0 * super().act(observation, mask)

    with pytest.raises(SimError, match="outlives"):
        rollout(Endless(1, max_steps=5), Still(), [1], factors={"start_x_m": np.ones(1), "start_y_m": np.ones(1)})


def test_replay_repeats_and_records_what_was_chosen():
    made = rollout(Dot(6), Steer(0.7), SEEDS)
    seeds = choose(made, successes=1, failures=2)
    again = replay(Dot(2), Steer(0.7), made, seeds, Record(cameras=("top",), height=4, width=4))
    assert sorted(again.recordings) == sorted(seeds.tolist())


def test_replay_with_another_policy_is_found_out():
    made = rollout(Dot(6), Steer(0.7), SEEDS)
    with pytest.raises(SimError, match="does not repeat"):
        replay(Dot(2), Steer(0.1), made, SEEDS, Record())


def test_failures_shown_are_of_different_kinds():
    outcome = np.array([1, 2, 2, 2, 3, 1, 3], np.int8)
    made = rollout(Dot(1), Steer(), range(7))
    made = replace(made, outcome=outcome, outcomes=OUTCOMES)
    assert choose(made, successes=1, failures=3).tolist() == [0, 1, 4, 2]


class Follow:
    """Keeps a headway of 1.5 s behind the lead, with noise of its own; asked every 5 steps."""

    def __init__(self, env: Cars) -> None:
        self.info = PolicyInfo(
            observation=env.info.observation,
            action=env.info.action,
            horizon=5,
            execute=5,
            control_hz=env.info.control_hz,
            digest="follow",
        )
        self._rng: list = []

    def reset(self, seeds, mask=None):
        if len(self._rng) != len(seeds):
            self._rng = [None] * len(seeds)
        for row in np.flatnonzero(as_mask(mask, len(seeds))):
            self._rng[row] = stream(int(seeds[row]), "follow")

    def act(self, observation, mask=None):
        state = observation["observation.state"]
        chunk = np.zeros((len(state), 5, 1), np.float32)
        for row in np.flatnonzero(as_mask(mask, len(state))):
            gap, speed, lead, _ = state[row]
            push = 0.2 * (gap - 5.0 - 1.5 * speed) + 0.6 * (lead - speed)
            chunk[row] = push / 3.0 + self._rng[row].normal(0.0, 0.8, (5, 1))
        return chunk


@pytest.mark.parametrize("rows", [1, 5, 16, 30])
def test_cars_are_bitwise_the_same_for_any_number_of_rows(rows):
    env, other = Cars(16, max_steps=36), Cars(rows, max_steps=36)
    made = rollout(env, Follow(env), range(24))
    assert same_bits(rollout(other, Follow(other), range(24)), made)
    assert made.success.any() and not made.success.all()
