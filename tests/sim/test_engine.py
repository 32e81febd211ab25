"""The batched engine against MuJoCo's own loop over one world."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.core.errors import SimError
from motorium.sim.engine import Engine

PENDULA = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast" cone="elliptic"/>
  <worldbody>
    <geom type="plane" size="5 5 0.1"/>
    <body pos="0 0 0.6"><joint name="a" axis="0 1 0" damping="0.1"/>
      <geom type="capsule" size="0.03" fromto="0 0 0 0.4 0 0"/>
      <body pos="0.4 0 0"><joint name="b" axis="0 1 0"/><geom type="capsule" size="0.03" fromto="0 0 0 0.4 0 0"/></body>
    </body>
    <body pos="0.3 0 0.1"><freejoint/><geom type="box" size="0.05 0.05 0.05"/></body>
    <body name="marker" mocap="true"/>
  </worldbody>
  <actuator><position joint="a" kp="50"/><position joint="b" kp="20"/></actuator>
</mujoco>
"""
B, SUBSTEPS = 7, 6


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(PENDULA)


def targets(steps, worlds=B, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, worlds, 2))


def test_a_batch_moves_bitwise_as_a_loop_over_single_worlds(model):
    engine = Engine(model, B, threads=2)
    engine.reset()
    worlds = [mujoco.MjData(model) for _ in range(B)]
    for goal in targets(20):
        engine.step(None, SUBSTEPS, goal)
        for data, end in zip(worlds, goal):
            start = data.ctrl.copy()
            for k in range(1, SUBSTEPS + 1):
                data.ctrl[:] = end if k == SUBSTEPS else start + (end - start) * (k / SUBSTEPS)
                mujoco.mj_step(model, data)
        for row, data in enumerate(worlds):
            assert (engine.qpos[row] == data.qpos).all() and (engine.qvel[row] == data.qvel).all()


def test_controls_are_kept_where_none_are_given(model):
    engine = Engine(model, 2, threads=1)
    engine.reset()
    engine.ctrl[:] = [[0.3, -0.2], [0.1, 0.4]]
    data = mujoco.MjData(model)
    data.ctrl[:] = [0.1, 0.4]
    engine.step(substeps=30)
    mujoco.mj_step(model, data, nstep=30)
    assert (engine.qpos[1] == data.qpos).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_threads_nor_neighbours_change_a_world(model, threads):
    one, many = Engine(model, 1, threads=1), Engine(model, B, threads=threads)
    one.reset()
    many.reset()
    for goal in targets(25):
        one.step(None, SUBSTEPS, goal[[3]])
        many.step(None, SUBSTEPS, goal)
    assert one.state[0].tobytes() == many.state[3].tobytes()


def test_rows_left_out_keep_their_state(model):
    engine = Engine(model, B)
    engine.reset()
    engine.step(None, SUBSTEPS, targets(1)[0])
    before = engine.snapshot()
    rows = np.arange(B) % 2 == 0
    engine.step(rows, SUBSTEPS, targets(1, seed=1)[0])
    assert (engine.state[~rows] == before[~rows]).all()
    assert (engine.state[rows] != before[rows]).any(axis=1).all()
    engine.step(np.zeros(B, bool), SUBSTEPS, targets(1)[0])


def test_a_restored_state_goes_on_bitwise_warm_start_included(model):
    engine, other = Engine(model, B), Engine(model, B, threads=1)
    engine.reset()
    other.reset()
    first, then = targets(15), targets(15, seed=2)
    for goal in first:
        engine.step(None, SUBSTEPS, goal)
    saved = engine.snapshot()
    for goal in then:
        engine.step(None, SUBSTEPS, goal)
    other.restore(saved[::-1])
    for goal in then:
        other.step(None, SUBSTEPS, goal[::-1])
    assert other.state[::-1].tobytes() == engine.state.tobytes()


def test_a_snapshot_of_another_size_is_refused(model):
    with pytest.raises(SimError, match="another model or batch size"):
        Engine(model, 2).restore(Engine(model, 3).snapshot())


def test_a_world_that_blows_up_is_told_and_forgotten_after_reset_or_restore(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log file where it stands
    engine = Engine(model, 3)
    engine.reset()
    good = engine.snapshot()
    engine.qvel[1] = 1e12
    engine.step(substeps=2)
    assert engine.unstable().tolist() == [False, True, False]
    assert np.isfinite(engine.state).all()
    engine.reset(np.array([False, True, False]))
    assert not engine.unstable().any()
    engine.qvel[2] = np.nan
    engine.step(substeps=2)
    assert engine.unstable().tolist() == [False, False, True]
    engine.restore(good)
    assert not engine.unstable().any()


def test_a_failure_inside_mujoco_names_the_rows():
    # Contacts need more memory than this model has: the two worlds whose boxes touch the floor fail.
    tight = mujoco.MjModel.from_xml_string(
        '<mujoco><size memory="3K"/><worldbody><geom type="plane" size="1 1 1"/>'
        '<body pos="0 0 5"><freejoint/><geom type="box" size=".1 .1 .1"/></body></worldbody></mujoco>'
    )
    engine = Engine(tight, 4, threads=1)
    engine.reset()
    engine.qpos[[1, 3], 2] = 0.05
    with pytest.raises(SimError) as error:
        engine.step()
    assert error.value.details["where"] == "rows 1, 3"


def test_a_batch_needs_a_world(model):
    with pytest.raises(SimError, match="at least one"):
        Engine(model, 0)


def test_the_faulty_sparse_solver_is_not_used(monkeypatch):
    sparse = mujoco.MjModel.from_xml_string(PENDULA.replace("<option", '<option jacobian="sparse"'))
    monkeypatch.setattr(mujoco, "__version__", "4.0.0")
    with pytest.warns(UserWarning, match="sparse"):
        engine = Engine(sparse, 1)
    assert not mujoco.mj_isSparse(engine.model)
