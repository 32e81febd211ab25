"""Velocity tracking on terrain: where robots start, what they see of the ground, when they fell, how levels change."""

from __future__ import annotations

import re

import mujoco
import numpy as np
import pytest

from motorium.sim.terrain import KINDS, Terrain, TerrainShape
from motorium.tasks.make import make_env
from motorium.tasks.terms.curriculum import walked_away

N = len(KINDS)
PLAIN = {"noise": 0.0, "start_rad": 0.0, "push_m_s": (0.0, 0.0), "terrain_levels": 3}
STATE, PRIVILEGED = "observation.state", "observation.privileged"


@pytest.fixture(scope="module", params=["go1", "g1"])
def started(request):
    """A robot on every kind of ground at the hardest level, just put down."""
    env = make_env(f"{request.param}/velocity-rough", N, threads=1, **PLAIN)
    where = {"terrain_kind": np.arange(N) + 0.5, "terrain_level": np.ones(N), "standing": np.zeros(N)}
    return env, env.reset(np.arange(N), factors=where)


@pytest.fixture(scope="module")
def bare():
    """The ground with nothing on it."""
    scene = mujoco.MjSpec()
    scene.worldbody.add_body(name="nothing")
    Terrain(TerrainShape(levels=PLAIN["terrain_levels"])).add_to(scene, "nothing")
    model = scene.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def ground_at(bare, x, y):
    """The ground's height as a ray meets it."""
    hit = np.zeros(1, np.int32)
    return 20.0 - mujoco.mj_ray(*bare, np.array([x, y, 20.0]), np.array([0.0, 0.0, -1.0]), None, 1, -1, hit)


def test_robots_start_on_the_ground_and_not_in_it(started):
    env, observation = started
    names = env.info.observation[PRIVILEGED].names
    heights = observation[PRIVILEGED][:, [i for i, name in enumerate(names) if name.endswith(".height")]]
    assert (heights > -0.005).all()
    # Rough ground is met by its highest point around; within two amplitudes, the feet are above the rest.
    assert (heights < 0.005 + np.where(np.array(KINDS) == "rough", 0.12, 0.0)[:, None]).all()


def test_the_scan_is_the_ground_around_the_robot_in_the_direction_it_looks(started, bare):
    env, observation = started
    names = env.info.observation[STATE].names
    scanned = [(i, name) for i, name in enumerate(names) if name.startswith("ground.")]
    assert len(scanned) == 45
    for row in range(N):
        x, y, z, w, *_, k = env.pose(row)["qpos"][:7]
        cos, sin = w * w - k * k, 2.0 * w * k
        for i, name in scanned:
            ahead, left = map(float, re.fullmatch(r"ground\.x([-+.\d]+)\.y([-+.\d]+)", name).groups())
            ground = ground_at(bare, x + cos * ahead - sin * left, y + sin * ahead + cos * left)
            level = ground - (z - env._task.robot.height_m)
            assert observation[STATE][row, i] == pytest.approx(level, abs=1e-5)


def test_only_the_critic_sees_the_ground_when_the_policy_is_not_to():
    env = make_env("go1/velocity-rough", 1, threads=1, scan=False, **PLAIN)
    flat = make_env("go1/velocity", 1, threads=1)
    assert env.info.observation[STATE].names == flat.info.observation[STATE].names
    assert sum(name.startswith("ground.") for name in env.info.observation[PRIVILEGED].names) == 45


def test_in_the_deepest_pit_and_on_the_highest_hill_a_robot_has_not_fallen(started):
    env, _ = started
    step = env.step(np.zeros((N, env.info.action.size), np.float32))
    heights = [env.pose(row)["qpos"][2] for row in range(N)]
    # Lower than any robot lies on flat ground, and higher than it stands.
    assert min(heights) < 0.0 and max(heights) > 1.0
    assert not step.terminated.any()


@pytest.mark.parametrize("kind", ["stairs_up", "stairs_down"])
def test_a_robot_that_lies_on_the_ground_fell_whatever_its_height(kind):
    env = make_env("go1/velocity-rough", 1, threads=1, **PLAIN)
    env.reset(np.zeros(1, np.int64), factors={"terrain_kind": np.array([KINDS.index(kind) + 0.5])})
    # Legs folded to the front and back: the trunk comes down.
    action = np.tile(np.array([0.0, 1.0, -1.0], np.float32), 4)[None]
    for _ in range(100):
        step = env.step(action)
    assert env.info.outcomes[step.outcome[0]] == "fell"


def test_who_does_not_follow_the_command_is_to_go_back_and_who_is_told_to_stand_stays():
    env = make_env("go1/velocity-rough", 2, threads=1, command_x_m_s=(0.9, 1.0), **PLAIN)
    env.reset(np.zeros(2, np.int64), factors={"standing": np.array([1.0, 0.0]), "terrain_kind": np.full(2, 0.5)})
    for _ in range(10):
        step = env.step(np.zeros((2, 12), np.float32))
    assert step.info["terrain_promotion"].tolist() == [-1.0, 0.0]
    assert env.info.curriculum == {"terrain_level": "terrain_promotion"}


def test_levels_change_as_the_paper_says():
    # On tiles of 8 m, told to walk 20 m: beyond half a tile; less than half of the way; between; in circles.
    walked = np.array([4.1, 2.0, 3.9, 0.1])
    followed = np.array([4.1, 2.0, 10.1, 19.0])
    assert walked_away(walked, followed, np.full(4, 20.0), 8.0).tolist() == [1.0, -1.0, 0.0, 0.0]


@pytest.mark.parametrize("key", [STATE, PRIVILEGED])
def test_in_a_mirror_the_ground_on_the_left_is_on_the_right(key):
    info = make_env("go1/velocity-rough", 1, threads=1, **PLAIN).info
    names, mirror = info.observation[key].names, info.mirrors[key]
    other = {"+": "-", "-": "+"}
    for name, source, sign in zip(names, mirror.order, mirror.signs):
        if name.startswith("ground."):
            start, y = name.split(".y")
            assert names[source] == (name if float(y) == 0 else f"{start}.y{other[y[0]]}{y[1:]}")
            assert sign == 1.0
