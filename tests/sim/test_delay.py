"""Delays: a control acts when it is as old as its world's delay, and not before."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.sim.delay import add_delay, filled
from motorium.sim.engine import Engine

STEP_S = 0.002
DELAYS_S = np.array([0.0, 0.004, 0.005, 0.02])
# A delay that is no whole number of steps acts at the next one.
DELAYS_STEPS = [0, 2, 3, 10]
XML = f"""<mujoco><option timestep="{STEP_S}" gravity="0 0 0"/>
<worldbody>
  <body><joint name="a" type="slide"/><geom size=".1"/></body>
  <body pos="1 0 0"><joint name="b" type="slide"/><geom size=".1"/></body>
</worldbody>
<actuator><motor name="a" joint="a"/><motor name="b" joint="b"/></actuator></mujoco>"""


def make(worlds=4, most_s=0.02):
    spec = mujoco.MjSpec.from_string(XML)
    add_delay(spec, most_s)
    engine = Engine(spec.compile(), worlds, 1, ("actuator_delay",) if most_s else ())
    engine.reset()
    return engine


def first_moves(engine, steps=14):
    """For each world, at which step its first joint began to move, counted from now."""
    began = np.full(engine.num_envs, -1)
    for i in range(steps):
        engine.step()
        began = np.where((began < 0) & (engine.qvel[:, 0] != 0), i, began)
    return began.tolist()


def test_worlds_with_different_delays_move_after_their_own():
    engine = make()
    engine.fields["actuator_delay"][:] = DELAYS_S[:, None]
    engine.ctrl[:] = 1.0
    assert first_moves(engine) == DELAYS_STEPS


def test_controls_under_way_are_part_of_a_snapshot():
    engine, other = make(), make()
    for one in (engine, other):
        one.fields["actuator_delay"][:] = DELAYS_S[:, None]
    engine.ctrl[:] = 1.0
    engine.step(substeps=2)
    saved = engine.snapshot()
    other.restore(saved)
    # Both ask for nothing any more; what was asked for before is still to come.
    engine.ctrl[:], other.ctrl[:] = 0.0, 0.0
    for _ in range(12):
        engine.step()
        other.step()
        assert engine.qpos.tobytes() == other.qpos.tobytes()
    assert (np.abs(engine.qvel) > 0).all()


def test_a_filled_line_holds_its_control_from_the_start():
    engine = make()
    engine.fields["actuator_delay"][:] = DELAYS_S[:, None]
    engine.ctrl[:] = [1.0, -2.0]
    engine.history[:] = filled(engine.model, engine.history, engine.ctrl)
    engine.step()
    assert (engine.qvel[:, 0] > 0).all() and np.ptp(engine.qvel[:, 0]) == 0
    assert (engine.qvel[:, 1] < 0).all() and np.ptp(engine.qvel[:, 1]) == 0


def test_without_a_delay_there_are_no_lines():
    assert make(most_s=0.0).history.shape == (4, 0)


@pytest.mark.parametrize(("most_s", "samples"), [(0.004, 3), (0.005, 4), (0.02, 11)])
def test_a_line_holds_as_many_samples_as_its_longest_delay_needs(most_s, samples):
    assert make(most_s=most_s).model.actuator_history[:, 0].tolist() == [samples, samples]


@pytest.mark.slow
def test_mujoco_warp_delays_as_mujoco_does():
    torch = pytest.importorskip("torch")
    pytest.importorskip("mujoco_warp")
    from motorium.sim.engine_warp import WarpEngine

    spec = mujoco.MjSpec.from_string(XML)
    add_delay(spec, 0.02)
    engine = WarpEngine(spec.compile(), 4, fields=("actuator_delay",))
    engine.reset()
    engine.fields["actuator_delay"][:] = torch.tensor(DELAYS_S, dtype=torch.float32, device=engine.qpos.device)[:, None]
    engine.ctrl[:] = 1.0
    engine.history[:] = filled(engine.model, engine.history, 0.0 * engine.ctrl)
    began = np.full(4, -1)
    for i in range(14):
        engine.step()
        began = np.where((began < 0) & (engine.qvel[:, 0].cpu().numpy() != 0), i, began)
    assert began.tolist() == DELAYS_STEPS
