"""Chain kinematics and inverse kinematics against MuJoCo's own."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.core import frames
from motorium.core.errors import SimError
from motorium.sim.control.ik import DifferentialIK, pose_error
from motorium.sim.kinematics import Chain

# Hinges off their bodies' origins, two on one body, turned frames, a fixed body between: nothing is aligned.
CROOKED = """
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <body pos="0.1 -0.2 0.3" quat="0.9 0.1 0.3 0.2">
      <joint name="j0" axis="0.3 0.2 1" pos="0.01 0.02 0.03" range="-2.5 2.5"/><geom size="0.05"/>
      <body pos="0.05 0 0.3" quat="0.7 0.7 0 0.1">
        <joint name="j1" axis="1 0 0.2"/><joint name="j2" axis="0 1 0.1" pos="0 0.04 0"/><geom size="0.05"/>
        <body pos="0 0.1 0.1" quat="0.5 0.1 0.8 0.2"><geom size="0.01"/>
          <body pos="0.1 0.2 0.1">
            <joint name="j3" axis="0 0 1" pos="0 0 0.1"/><geom size="0.05"/>
            <body pos="0.2 0 0" quat="0.8 0 0.6 0"><joint name="j4" axis="0.5 0.5 0"/><geom size="0.05"/>
              <body pos="0 0.1 0.15"><joint name="j5" axis="0 1 0"/><geom size="0.05"/>
                {seventh}<site name="tip" pos="0.02 0.05 0.1" quat="0.3 0.9 0.1 0.2"/>{end}
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
SIX = CROOKED.format(seventh="", end="")
SEVEN = CROOKED.format(seventh='<body pos="0.1 0 0"><joint name="j6" axis="0 0 1"/><geom size="0.05"/>', end="</body>")


def chain_of(xml, count):
    model = mujoco.MjModel.from_xml_string(xml)
    return model, Chain(model, tuple(f"j{i}" for i in range(count)), "tip")


def samples(count, n=16, scale=1.5):
    return np.random.default_rng(4).uniform(-scale, scale, (n, count))


def test_pose_and_jacobian_are_those_of_mujoco():
    model, chain = chain_of(SIX, 6)
    data, q = mujoco.MjData(model), samples(6)
    reach = chain.reach(q)
    for row in range(len(q)):
        data.qpos[:] = q[row]
        mujoco.mj_forward(model, data)
        jacobian, quat = np.zeros((6, 6)), np.zeros(4)
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], 0)
        mujoco.mju_mat2Quat(quat, data.site_xmat[0])
        np.testing.assert_allclose(reach.X_WE[row, :3], data.site_xpos[0], atol=1e-12)
        np.testing.assert_allclose(
            reach.X_WE[row, 3:] * np.sign(reach.X_WE[row, 3]), quat * np.sign(quat[0]), atol=1e-12
        )
        np.testing.assert_allclose(reach.jacobian[row], jacobian, atol=1e-12)


def test_a_rows_kinematics_do_not_depend_on_the_batch():
    _, chain = chain_of(SIX, 6)
    q = samples(6, n=37)
    ik = DifferentialIK(chain=chain, posture_rad=np.zeros(6))
    goals = chain.reach(q + 0.1).X_WE
    whole, reach = ik.solve(q, goals), chain.reach(q)
    for rows in ([0], [36], [5, 9, 20]):
        part = chain.reach(q[rows])
        assert part.X_WE.tobytes() == reach.X_WE[rows].tobytes()
        assert part.jacobian.tobytes() == reach.jacobian[rows].tobytes()
        assert ik.solve(q[rows], goals[rows]).tobytes() == whole[rows].tobytes()


@pytest.mark.parametrize(("xml", "count"), [(SIX, 6), (SEVEN, 7)])
def test_inverse_kinematics_reaches_poses_near_by(xml, count):
    _, chain = chain_of(xml, count)
    q = samples(count, scale=1.0)
    goal = chain.reach(q + 0.15 * np.sin(np.arange(count))).X_WE
    found = DifferentialIK(chain=chain, posture_rad=np.zeros(count)).solve(q, goal, 200)
    assert np.abs(pose_error(chain.reach(found).X_WE, goal)).max() < 1e-4


def test_a_redundant_arm_is_drawn_to_its_posture_without_leaving_the_target():
    _, chain = chain_of(SEVEN, 7)
    q = samples(7, n=4, scale=1.0)
    goal = chain.reach(q).X_WE
    posture = q + 0.5
    ik = DifferentialIK(chain=chain, posture_rad=posture)
    found = ik.solve(q, goal, 60)
    assert (np.linalg.norm(found - posture, axis=1) < np.linalg.norm(q - posture, axis=1) - 1e-3).all()
    assert np.abs(pose_error(chain.reach(found).X_WE, goal)).max() < 5e-3


def test_limits_hold_and_far_or_unreachable_targets_give_bounded_steps():
    _, chain = chain_of(SIX, 6)
    assert chain.low_rad[0] == -2.5 and chain.high_rad[0] == 2.5 and np.isinf(chain.high_rad[1:]).all()
    q = samples(6, scale=2.4)
    away = frames.make_pose(np.tile([50.0, -50.0, 50.0], (len(q), 1)), [0.0, 1.0, 0.0, 0.0])
    ik = DifferentialIK(chain=chain, posture_rad=np.zeros(6))
    step = ik.step(q, chain.reach(q), away)
    assert np.isfinite(step).all() and np.abs(step - q).max() <= ik.max_step_rad + 1e-12
    assert np.abs(ik.solve(q, away, 60)[:, 0]).max() <= 2.5


def test_a_chain_that_misses_a_joint_or_slides_is_refused():
    model, _ = chain_of(SIX, 6)
    with pytest.raises(SimError, match="between the world and the site"):
        Chain(model, ("j0", "j1"), "tip")
    slider = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body><joint name="s" type="slide"/><geom size="1"/><site name="tip"/></body></worldbody>'
        "</mujoco>"
    )
    with pytest.raises(SimError, match="no hinge"):
        Chain(slider, ("s",), "tip")
