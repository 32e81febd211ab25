"""The batch as gymnasium.vector.VectorEnv: bitwise Gymnasium's own vector of single worlds, in each reset mode."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import motorium.gym  # noqa: F401
from motorium.core.errors import MotoriumError
from motorium.core.protocols import Step
from motorium.core.random import derive_seed
from motorium.gym.registration import environment_id
from motorium.gym.single import TaskEnv
from motorium.gym.vector import TaskVectorEnv
from motorium.tasks import TASKS
from tests.gym.worlds import STEPS, arrays, assert_same, random_actions, short
from tests.support.cars import Cars

CARTPOLE, GO1 = "cartpole/swing-up", "go1/velocity"
MODES = ["NextStep", "SameStep", "Disabled"]


def lockstep(batch, singles, steps: int) -> int:
    """Step both with the same actions and compare all that they return; return the number of episodes that ended."""
    seeds = [5 + i for i in range(batch.num_envs)]
    assert_same(batch.reset(seed=seeds), singles.reset(seed=seeds))
    ended, count = np.zeros(batch.num_envs, bool), 0
    for n, action in enumerate(random_actions(batch.action_space, steps)):
        again = ended if batch.metadata["autoreset_mode"] is AutoresetMode.DISABLED else ended & False
        if n == 2:
            # From here on the worlds end at different times.
            again = np.arange(batch.num_envs) == 1
        if again.any():
            assert_same(*(env.reset(options={"reset_mask": again.copy()}) for env in (batch, singles)), f"reset {n}")
        ours, theirs = batch.step(action), singles.step(action)
        assert_same(ours, theirs, f"step {n}")
        assert ours[0] in batch.observation_space
        ended = ours[2] | ours[3]
        count += ended.sum()
    return count


@pytest.mark.parametrize(
    ("task", "mode"), [(task, mode) for task in TASKS for mode in (MODES if task in (CARTPOLE, GO1) else ["SameStep"])]
)
def test_a_batch_is_bitwise_gymnasiums_vector_of_single_worlds(task, mode):
    singles = SyncVectorEnv([lambda: TaskEnv(task, **short(task))] * 2, autoreset_mode=mode)
    batch = gymnasium.make_vec(environment_id(task), num_envs=2, autoreset_mode=mode, threads=1, **short(task))
    assert isinstance(batch, TaskVectorEnv)
    assert batch.observation_space == singles.observation_space and batch.action_space == singles.action_space
    assert batch.single_action_space == singles.single_action_space
    assert lockstep(batch, singles, 3 * STEPS) >= 4


@pytest.mark.parametrize("mode", MODES)
def test_worlds_that_terminate_are_as_in_gymnasiums_vector(mode):
    singles = SyncVectorEnv([lambda: TaskEnv(Cars(1))] * 4, autoreset_mode=mode)
    batch = TaskVectorEnv(Cars(4), autoreset_mode=mode)
    always = np.ones((4, 1), np.float32)
    seeds = [1, 2, 3, 4]
    assert_same(batch.reset(seed=seeds), singles.reset(seed=seeds))
    outcomes = set()
    for _ in range(150):
        ours, theirs = batch.step(always), singles.step(always)
        assert_same(ours, theirs)
        outcomes |= set(ours[4].get("final_info", ours[4]).get("outcome", ()))
        if mode == "Disabled" and (ours[2] | ours[3]).any():
            mask = ours[2] | ours[3]
            assert_same(*(env.reset(options={"reset_mask": mask.copy()}) for env in (batch, singles)))
    assert "collision" in outcomes


@pytest.mark.parametrize("mode", MODES)
def test_dictionaries_are_as_in_gymnasiums_vector(mode):
    options = {**short(GO1), "observations": "all"}
    singles = SyncVectorEnv([lambda: TaskEnv(GO1, **options)] * 2, autoreset_mode=mode)
    batch = TaskVectorEnv(GO1, 2, autoreset_mode=mode, threads=1, **options)
    assert batch.observation_space == singles.observation_space
    assert lockstep(batch, singles, 2 * STEPS) >= 2


class TorchCars(Cars):
    """Cars as an engine on a GPU would return them: tensors."""

    def reset(self, *arguments):
        return {key: torch.from_numpy(value) for key, value in super().reset(*arguments).items()}

    def step(self, actions):
        step = super().step(actions)
        tensors = {
            name: torch.from_numpy(getattr(step, name)) for name in ("reward", "terminated", "truncated", "outcome")
        }
        seen = {key: torch.from_numpy(value) for key, value in step.observation.items()}
        return Step(observation=seen, info={"two": torch.ones(self.num_envs, 2)}, **tensors)


def test_tensors_of_another_engine_come_out_as_arrays():
    ours, plain = TaskVectorEnv(TorchCars(3, max_steps=3)), TaskVectorEnv(Cars(3, max_steps=3))
    assert_same(ours.reset(seed=0), plain.reset(seed=0))
    for action in random_actions(ours.action_space, 5):
        left, right = ours.step(action), plain.step(action)
        assert_same(left[:4], right[:4])
        two = left[4].pop("two", None), left[4].pop("_two", None)
        assert_same(left[4], right[4])
        assert two[0] is None or (two[0].shape == (3, 2) and two[0].dtype == np.float64)


def test_a_world_does_not_depend_on_the_size_of_the_batch_or_its_threads():
    small, large = (TaskVectorEnv(CARTPOLE, n, threads=t, **short(CARTPOLE)) for n, t in ((2, 1), (5, 2)))
    actions = random_actions(large.action_space, 2 * STEPS)
    assert_same(small.reset(seed=9)[0], large.reset(seed=9)[0][:2])
    for action in actions:
        for ours, theirs in zip(small.step(action[:2])[:4], large.step(action)[:4]):
            assert_same(ours, theirs[:2])


def test_seeds_follow_from_the_seed_the_world_and_the_episode():
    env = TaskVectorEnv(CARTPOLE, 3, autoreset_mode="SameStep", **short(CARTPOLE))

    def expected(episode):
        return [derive_seed(4, "gymnasium", world, episode) for world in range(3)]

    assert env.reset(seed=4)[1]["seed"].tolist() == expected(0)
    for action in random_actions(env.action_space, STEPS):
        infos = env.step(action)[4]
    assert infos["seed"].tolist() == expected(1)
    _, infos = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert infos["seed"].tolist() == [0, expected(2)[1], 0] and infos["_seed"].tolist() == [False, True, False]
    assert len({*expected(0), *expected(1), *expected(2)}) == 9


def test_a_mask_with_a_seed_reseeds_those_worlds_only():
    env = TaskVectorEnv(CARTPOLE, 2)
    env.reset(seed=4)
    _, infos = env.reset(seed=8, options={"reset_mask": np.array([True, False])})
    assert infos["seed"].tolist() == [derive_seed(8, "gymnasium", 0, 0), 0]
    assert env.reset()[1]["seed"].tolist() == [derive_seed(8, "gymnasium", 0, 1), derive_seed(4, "gymnasium", 1, 1)]


@pytest.mark.parametrize("mode", MODES)
def test_arrays_that_were_returned_are_the_callers(mode):
    ours, theirs = (TaskVectorEnv(CARTPOLE, 3, autoreset_mode=mode, **short(CARTPOLE)) for _ in range(2))
    for n, action in enumerate([None, *random_actions(ours.action_space, 2 * STEPS + 1)]):
        if n == 3:
            mask = np.array([True, False, False])
            assert_same(*(env.reset(options={"reset_mask": mask}) for env in (ours, theirs)))
        mine = ours.reset(seed=0) if action is None else ours.step(action)
        assert_same(mine, theirs.reset(seed=0) if action is None else theirs.step(action.copy()))
        for array in arrays(mine):
            array[...] = 1
        if action is not None:
            action[...] = 0
    kept = theirs.step(random_actions(theirs.action_space, 1)[0])
    copies = [array.copy() for array in arrays(kept)]
    for action in random_actions(theirs.action_space, STEPS, seed=1):
        theirs.step(action)
    assert_same(arrays(kept), copies)


def test_no_two_returned_arrays_share_memory():
    env = TaskVectorEnv(CARTPOLE, 3, autoreset_mode="SameStep", **short(CARTPOLE))
    env.reset(seed=0)
    for action in random_actions(env.action_space, STEPS):
        returned = arrays(env.step(action))
        for i, one in enumerate(returned):
            assert not any(np.shares_memory(one, other) for other in returned[i + 1 :])


def test_in_the_next_step_mode_the_action_of_a_world_that_ended_may_be_anything():
    env = TaskVectorEnv(CARTPOLE, 2, **short(CARTPOLE))
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    for action in random_actions(env.action_space, STEPS):
        truncated = env.step(action)[3]
    assert truncated.all()
    _, reward, terminated, truncated, infos = env.step(np.full((2, 1), np.nan, np.float32))
    assert (reward == 0).all() and not (terminated | truncated).any() and infos["_seed"].all()


def test_disabled_a_world_that_ended_is_frozen_until_it_is_reset():
    env = TaskVectorEnv(CARTPOLE, 2, autoreset_mode=AutoresetMode.DISABLED, **short(CARTPOLE))
    env.reset(seed=0)
    for action in random_actions(env.action_space, STEPS):
        last = env.step(action)
    again = env.step(action)
    assert_same(again[0], last[0])
    assert again[3].all() and (again[1] == 0).all()
    env.reset(options={"reset_mask": np.array([True, False])})
    assert env.step(action)[3].tolist() == [False, True]


def test_factors_are_given_to_all_worlds_or_to_each():
    env = TaskVectorEnv(CARTPOLE, 3)
    drawn, _ = env.reset(seed=1)
    options = {"factors": {"cart_x_m": np.array([0.01, np.nan, -0.01])}}
    given, _ = env.reset(seed=1, options=options)
    assert given[:, 0].tolist() == [np.float32(0.01), drawn[1, 0], np.float32(-0.01)]
    assert (given[:, 1:] == drawn[:, 1:]).all()
    assert env.reset(options={"factors": {"cart_x_m": 0.02}})[0][:, 0].tolist() == [np.float32(0.02)] * 3
    mask = {"reset_mask": np.array([False, True, False])}
    assert env.reset(options={"factors": {"cart_x_m": 0.0}, **mask})[0][:, 0].tolist() == pytest.approx([0.02, 0, 0.02])
    assert list(mask) == ["reset_mask"] and np.isnan(options["factors"]["cart_x_m"][1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TaskVectorEnv(CARTPOLE, 2, autoreset_mode="Same_Step"), "SameStep"),
        (lambda: TaskVectorEnv(CARTPOLE, 2).reset(seed=[1]), "one a world"),
        (lambda: TaskVectorEnv(CARTPOLE, 2).reset(seed=[1, -1]), "no seed"),
        (lambda: TaskVectorEnv(CARTPOLE, 2).reset(options={"reset_mask": [1, 0]}), "no mask"),
        (lambda: TaskVectorEnv(CARTPOLE, 2).reset(options={"reset_mask": np.ones(3, bool)}), "no mask"),
        (lambda: TaskVectorEnv(CARTPOLE, 2).reset(options={"mask": np.ones(2, bool)}), "reset_mask"),
        (lambda: TaskVectorEnv(CARTPOLE, 2).step(np.zeros((2, 1), np.float32)), "reset"),
    ],
)
def test_what_is_not_valid_is_refused_with_what_would_be(make, said):
    with pytest.raises(MotoriumError, match=said):
        make()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_recorder_of_gymnasium_counts_the_returns_of_the_episodes(mode):
    from gymnasium.wrappers.vector import RecordEpisodeStatistics

    env = RecordEpisodeStatistics(TaskVectorEnv(CARTPOLE, 2, autoreset_mode=mode, **short(CARTPOLE)))
    env.reset(seed=0)
    steps = [env.step(action) for action in random_actions(env.action_space, STEPS)]
    total = np.sum([step[1] for step in steps], axis=0)
    assert steps[-1][4]["episode"]["r"] == pytest.approx(total) and steps[-1][4]["episode"]["l"].tolist() == [STEPS] * 2
    # In the next-step mode, one step of the second episode is its reset.
    steps = [env.step(action) for action in random_actions(env.action_space, STEPS + (mode == "NextStep"), seed=1)]
    assert steps[-1][4]["episode"]["l"].tolist() == [STEPS] * 2


def test_the_normalisers_of_gymnasium_take_the_default_mode():
    from gymnasium.wrappers.vector import NormalizeObservation, NormalizeReward

    def wrapped(env):
        return NormalizeReward(NormalizeObservation(env))

    batch = wrapped(gymnasium.make_vec(environment_id(CARTPOLE), num_envs=3, **short(CARTPOLE)))
    singles = wrapped(SyncVectorEnv([lambda: TaskEnv(CARTPOLE, **short(CARTPOLE))] * 3))
    assert_same(batch.reset(seed=[0, 1, 2]), singles.reset(seed=[0, 1, 2]))
    for action in random_actions(batch.action_space, 3 * STEPS):
        assert_same(batch.step(action), singles.step(action))


@pytest.mark.slow
def test_the_other_engine_is_an_argument_and_gives_the_same_in_float32():
    pytest.importorskip("mujoco_warp")
    options = {"autoreset_mode": "SameStep", **short(CARTPOLE)}
    ours, theirs = TaskVectorEnv(CARTPOLE, 2, **options), TaskVectorEnv(CARTPOLE, 2, engine="warp", **options)
    given = {"factors": {"cart_x_m": [0.01, -0.01]}}
    (seen, infos), (expected, others) = (env.reset(seed=0, options=given) for env in (ours, theirs))
    assert seen == pytest.approx(expected, abs=1e-5) and infos["seed"].tolist() == others["seed"].tolist()
    for action in random_actions(ours.action_space, 2 * STEPS):
        left, right = ours.step(action), theirs.step(action)
        assert isinstance(right[0], np.ndarray) and right[0] == pytest.approx(left[0], abs=1e-5)
        assert right[1] == pytest.approx(left[1], abs=1e-5) and left[4].keys() == right[4].keys()
        assert_same(left[2:4], right[2:4])


@pytest.mark.slow
def test_the_pictures_are_those_of_the_worlds():
    env = TaskVectorEnv(CARTPOLE, 2, render_mode="rgb_array", size=(48, 64))
    env.reset(seed=0, options={"factors": {"pole_rad": np.array([0.0, 1.5])}})
    left, right = env.render()
    assert left.shape == right.shape == (48, 64, 3) and (left != right).any()
    assert TaskVectorEnv(CARTPOLE, 2).render() is None
    env.close()
