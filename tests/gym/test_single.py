"""One world as gymnasium.Env: both checkers over every task, and what the class promises."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, env_render_passive_checker

import motorium.gym
from motorium.core.errors import MotoriumError, SimError, SpecError
from motorium.core.random import derive_seed
from motorium.gym.registration import environment_id, load_gymnasium
from motorium.gym.single import TaskEnv
from motorium.tasks import TASKS
from motorium.tasks.make import make_env
from tests.gym.worlds import STEPS, assert_same, random_actions, short
from tests.support.cars import Cars

CARTPOLE = "cartpole/swing-up"
UNBOUNDED = "A Box observation space (minimum|maximum) value is -?infinity"


@pytest.fixture(scope="module", params=[(task, which) for task in TASKS for which in ("state", "all")], ids="-".join)
def world(request):
    task, observations = request.param
    return gymnasium.make(environment_id(task), observations=observations).unwrapped


def test_the_checker_of_gymnasium_passes_and_warns_of_unbounded_observations_only(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", rf".*{UNBOUNDED}")
        check_env(world, skip_render_check=True, skip_close_check=True)


def test_the_checker_of_stable_baselines_passes_without_a_warning(world):
    check = pytest.importorskip("stable_baselines3.common.env_checker").check_env
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(world, skip_render_check=True)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("go1/velocity", "motorium/Go1Velocity-v0"),
        ("cartpole/swing-up", "motorium/CartpoleSwingUp-v0"),
        ("ur5e/pick-place", "motorium/Ur5ePickPlace-v0"),
    ],
)
def test_a_task_has_the_id_that_its_name_says(task, name):
    assert environment_id(task) == name
    assert gymnasium.spec(name).kwargs == {"task": task}


def test_every_task_is_registered_and_no_two_share_an_id():
    names = [environment_id(task) for task in TASKS]
    assert len(set(names)) == len(names) and set(names) <= set(gymnasium.registry)


def test_registering_again_changes_nothing():
    before = dict(gymnasium.registry)
    motorium.gym.register()
    assert dict(gymnasium.registry) == before and all(gymnasium.registry[name] is before[name] for name in before)


def test_an_id_that_carries_the_package_needs_no_import_and_no_other_task_is_imported():
    code = """
import sys, gymnasium
env = gymnasium.make("motorium.gym:motorium/CartpoleSwingUp-v0")
assert env.unwrapped.spec.id == "motorium/CartpoleSwingUp-v0"
print([name for name in sys.modules if name.startswith(("motorium.robots.", "motorium.tasks.locomotion"))])
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    assert "go1" not in made.stdout and "locomotion" not in made.stdout and "cartpole" in made.stdout


def test_without_gymnasium_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(SimError, match=r"pip install 'motorium\[gym\]'"):
        load_gymnasium()


def test_steps_are_those_of_the_env_and_the_seed_that_is_told_begins_the_same_episode():
    ours, plain = TaskEnv(CARTPOLE), make_env(CARTPOLE, 1, threads=1)
    observation, info = ours.reset(seed=7)
    assert info == {"seed": derive_seed(7, "gymnasium", 0, 0)}
    assert_same(observation, plain.reset(np.array([info["seed"]]))["observation.state"][0])
    for action in random_actions(ours.action_space, 5):
        observation, reward, terminated, truncated, info = ours.step(action)
        step = plain.step(action[None])
        assert_same(observation, step.observation["observation.state"][0])
        assert reward == step.reward[0] and (terminated, truncated) == (False, False)
        assert type(reward) is float and type(terminated) is type(truncated) is bool
        assert info == {"success": False, "outcome": "running", **{key: value[0] for key, value in step.info.items()}}
        assert info["reward.upright"] == pytest.approx(reward, rel=1e-6)


def test_later_episodes_have_seeds_of_their_own_that_follow_from_the_first():
    env = TaskEnv(CARTPOLE)
    env.reset(seed=7)
    later = [env.reset()[1]["seed"] for _ in range(2)]
    assert later == [derive_seed(7, "gymnasium", 0, episode) for episode in (1, 2)]
    assert env.reset(seed=7)[1]["seed"] == derive_seed(7, "gymnasium", 0, 0)


def test_without_a_seed_no_two_worlds_begin_alike():
    first, second = TaskEnv(CARTPOLE), TaskEnv(CARTPOLE)
    assert first.reset()[1]["seed"] != second.reset()[1]["seed"] != second.reset()[1]["seed"]


def test_time_out_is_a_truncation_with_its_outcome():
    env = TaskEnv(CARTPOLE, **short(CARTPOLE))
    env.reset(seed=0)
    *_, last = [env.step(action) for action in random_actions(env.action_space, STEPS)]
    assert last[2:4] == (False, True) and last[4]["outcome"] == "timeout"


def test_a_given_factor_holds_for_one_episode():
    env = TaskEnv(CARTPOLE)
    options = {"factors": {"cart_x_m": 0.015}}
    assert env.reset(seed=1, options=options)[0][0] == np.float32(0.015)
    assert options == {"factors": {"cart_x_m": 0.015}}
    assert env.reset()[0][0] != np.float32(0.015)


def test_all_observations_come_under_names_that_torch_takes_for_modules():
    env = TaskEnv("go1/velocity", observations="all")
    observation, _ = env.reset(seed=0)
    assert set(env.observation_space) == set(observation) == {"state", "privileged"}
    assert observation in env.observation_space
    assert_same(observation["state"], TaskEnv("go1/velocity").reset(seed=0)[0])


def test_fields_of_the_task_are_arguments():
    env = gymnasium.make(environment_id(CARTPOLE), cart_x_m=(0.01, 0.01))
    assert env.reset(seed=3)[0][0] == np.float32(0.01)


def test_a_task_that_is_no_row_is_named_by_its_module():
    ours = TaskEnv("motorium.tasks.cartpole:SwingUp").reset(seed=2)
    assert ours[0] in TaskEnv(CARTPOLE).observation_space


def test_an_env_of_ones_own_is_taken():
    env = TaskEnv(Cars(1, max_steps=4))
    env.reset(seed=0)
    assert [env.step(np.zeros(1, np.float32))[3] for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TaskEnv(CARTPOLE, observations="al"), "all"),
        (lambda: TaskEnv(CARTPOLE, cart_y_m=(0, 1)), "cart_y_m"),
        (lambda: TaskEnv(CARTPOLE, render_mode="human"), "rgb_array"),
        (lambda: TaskEnv(CARTPOLE, render_mode="rgb_array", camera="sid"), "side"),
        (lambda: TaskEnv(Cars(1), render_mode="rgb_array"), "no camera"),
        (lambda: TaskEnv(Cars(2)), "TaskVectorEnv"),
        (lambda: TaskEnv(Cars(1), max_steps=3), "max_steps"),
        (lambda: TaskEnv(CARTPOLE).reset(options={"factor": {}}), "factors"),
        (lambda: TaskEnv(CARTPOLE).reset(options={"factors": {"cart_x": 0.0}}), "cart_x_m"),
        (lambda: TaskEnv(CARTPOLE).reset(options={"factors": {"cart_x_m": [0.0, 0.1]}}), "cart_x_m"),
    ],
)
def test_an_option_that_is_not_valid_is_refused_with_what_would_be(make, said):
    with pytest.raises(MotoriumError, match=said):
        make()


def test_a_seed_that_is_none_is_refused():
    with pytest.raises((SpecError, gymnasium.error.Error)):
        TaskEnv(CARTPOLE).reset(seed=-1)


@pytest.mark.slow
def test_the_picture_is_that_of_the_env_and_the_checker_passes_with_it():
    env = TaskEnv(CARTPOLE, render_mode="rgb_array", size=(48, 64))
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (48, 64, 3) and picture.dtype == np.uint8 and np.ptp(picture) > 50
    assert_same(picture, env.worlds.env.render("side", np.array([0]), 48, 64)[0])
    env_render_passive_checker(env)
    assert TaskEnv(CARTPOLE).render() is None
    env.close()
    env.close()
