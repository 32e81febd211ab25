"""A user's own MJCF or URDF takes the place of the catalog's robot."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import AssetError, SimError
from motorium.robots.own import make_own
from motorium.tasks.make import make_env
from tests.support.own_arm import own_arm


@pytest.fixture(params=["own.xml", "own.urdf"])
def own(request, tmp_path):
    return own_arm(tmp_path / request.param)


def test_a_users_model_is_put_at_the_table_and_follows_targets(own):
    env = make_env("ur5e/pick-place", 2, own=own.to_plain())
    env.reset(np.arange(2))
    factors, eef = env.factors(), env.poses()["eef"]
    for i, name in enumerate(("eef_x_m", "eef_y_m", "eef_z_m")):
        np.testing.assert_allclose(eef[:, i], factors[name], atol=1e-6)
    target = eef.copy()
    target[:, :3] += [0.05, 0.05, -0.05]
    for _ in range(25):
        step = env.step(env.action_from_target(target, -np.ones((2, 1))))
    np.testing.assert_allclose(env.poses()["eef"][:, :3], target[:, :3], atol=2e-3)
    assert step.outcome.tolist() == [0, 0]
    assert "yaw.position" in env.info.observation["observation.state"].names


def test_its_gripper_lifts_the_cube(own):
    env = make_env("ur5e/pick-place", 1, own=own.to_plain())
    env.reset(np.zeros(1, np.int64), factors={"cube_yaw_rad": np.zeros(1)})
    cube, down = env.poses()["cube"], env.poses()["eef"]
    down[:, 3:] = [0.0, 1.0, 0.0, 0.0]
    for height, grip, steps in ((0.1, -1, 40), (0.02, -1, 20), (0.02, 1, 15), (0.1, 1, 15)):
        down[:, :3] = cube[:, :3] * [1, 1, 0] + [0, 0, height]
        for _ in range(steps):
            env.step(env.action_from_target(down, np.full((1, 1), grip)))
    assert env.signals()["grasped"].all()


def test_a_missing_model_and_a_file_that_is_none_are_named(tmp_path):
    own = own_arm(tmp_path / "own.xml")
    with pytest.raises(AssetError, match=r"absent\.xml"):
        make_own(own.replace(path=str(tmp_path / "absent.xml")))
    (tmp_path / "broken.xml").write_text("<mujoco><worldbody>")
    with pytest.raises(AssetError, match="broken"):
        make_own(own.replace(path=str(tmp_path / "broken.xml")))


def test_a_joint_the_model_lacks_is_named_with_the_nearest(tmp_path):
    own = own_arm(tmp_path / "own.xml")
    with pytest.raises(SimError) as error:
        make_own(own.replace(joints=("yaw", "sholder", "elbow", "pitch", "roll", "turn"), actuators=own.joints))
    assert error.value.details["nearest"] == "shoulder"
    with pytest.raises(SimError, match="hand"):
        make_own(own.replace(eef_body="hand"))


def test_a_chain_with_a_hinge_left_out_is_refused(tmp_path):
    own = own_arm(tmp_path / "own.xml")
    short = own.replace(joints=own.joints[:-1], home_rad=own.home_rad[:-1])
    with pytest.raises(SimError, match="between the world and the site"):
        make_env("ur5e/pick-place", 1, own=short.to_plain())
