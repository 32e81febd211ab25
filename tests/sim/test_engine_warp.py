"""MuJoCo Warp behind the interface of the engine, on the CPU and where there is one a GPU, against MuJoCo's batch."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.core.errors import SimError
from motorium.sim.engine import Engine
from motorium.sim.lidar import Lidar, height_scan, scan
from motorium.sim.physics import Physics
from motorium.sim.room import Room, colliding_pairs, needed_room

torch = pytest.importorskip("torch")
pytest.importorskip("mujoco_warp")
slow = pytest.mark.slow  # kernels are compiled for the model, once on a machine

# Two servos in the air, a ball that falls onto the ground, a mocap marker.
MODEL = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast" iterations="20"/>
  <worldbody>
    <geom name="ground" type="plane" size="5 5 0.1"/>
    <body pos="0 0 2"><joint name="a" axis="0 1 0" damping="0.1"/>
      <geom type="capsule" size="0.03" fromto="0 0 0 0.4 0 0" contype="0" conaffinity="0"/>
      <body pos="0.4 0 0"><joint name="b" axis="0 1 0"/>
        <geom type="capsule" size="0.03" fromto="0 0 0 0.4 0 0" contype="0" conaffinity="0"/></body>
    </body>
    <body name="ball" pos="2 0 0.14"><freejoint/><geom name="ball" type="sphere" size="0.1" density="500"/></body>
    <body name="marker" mocap="true" pos="0 1 0"/>
  </worldbody>
  <actuator><position joint="a" kp="50" kv="2"/><position joint="b" kp="20" kv="1"/></actuator>
  <sensor><jointpos joint="a"/><framelinvel objtype="body" objname="ball"/></sensor>
</mujoco>
"""
B, SUBSTEPS, FIELDS = 4, 4, ("body_mass", "geom_friction")
DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(MODEL)


@pytest.fixture(scope="module", params=DEVICES)
def shared(model, request):
    from motorium.sim.engine_warp import WarpEngine

    return WarpEngine(model, B, FIELDS, device=request.param)


@pytest.fixture
def warp(shared, model):
    """The one engine of the file, as new."""
    for name in FIELDS:
        shared.fields[name].copy_(torch.as_tensor(getattr(model, name), device=shared.device))
    shared.constants()
    shared.reset()
    shared.sensordata.zero_()
    return shared


def targets(steps, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, B, 2))


def run(engine, goals, rows=None):
    for goal in goals:
        engine.step(rows, SUBSTEPS, torch.as_tensor(goal, dtype=torch.float32, device=engine.device))


def same(a, b):
    """Whether tensors are bitwise the same; on a GPU, where sums have no order, nearly."""
    return torch.equal(a, b) if a.device.type == "cpu" else torch.allclose(a, b, atol=1e-4, rtol=1e-4)


def start_apart(engine):
    """Give each world a start of its own; the balls fall and roll."""
    engine.qvel[:, 2] = torch.linspace(0.5, 1.0, B)
    engine.qpos[:, 0] = torch.linspace(-0.5, 0.5, B)


@slow
def test_worlds_move_as_those_of_the_batch_to_float32_tolerance(warp, model):
    engine = Engine(model, B, threads=1)
    engine.reset()
    engine.qvel[:, 2], engine.qpos[:, 0] = np.linspace(0.5, 1.0, B), np.linspace(-0.5, 0.5, B)
    start_apart(warp)
    for step, goal in enumerate(targets(30)):
        engine.step(None, SUBSTEPS, goal)
        run(warp, [goal])
        touched = engine.qpos[:, 4] < 0.1
        bound = 2e-6 if not touched.any() else 2e-4
        assert abs(warp.qpos.cpu().numpy() - engine.qpos).max() < bound, step
        assert abs(warp.sensordata.cpu().numpy() - engine.sensordata).max() < 100 * bound, step
    assert touched.all(), "the balls were to reach the ground"


@slow
def test_what_is_played_back_is_bitwise_what_was_recorded(warp):
    start_apart(warp)
    run(warp, targets(2))
    before = warp.snapshot()
    run(warp, targets(10))
    played = warp.snapshot()
    assert "Graph" in type(warp._graphs["step"]).__name__
    kept, warp._graphs["step"] = warp._graphs["step"], False
    try:
        warp.restore(before)
        run(warp, targets(10))
    finally:
        warp._graphs["step"] = kept
    assert same(warp.snapshot(), played)


@slow
def test_worlds_that_are_left_out_keep_every_bit_and_the_others_do_not_notice(warp):
    rows = torch.tensor([True, False, True, False], device=warp.device)
    start_apart(warp)
    run(warp, targets(3))
    before, measured = warp.snapshot(), warp.sensordata.clone()
    run(warp, targets(12), rows)
    part = warp.snapshot()
    assert torch.equal(part[~rows], before[~rows]) and torch.equal(warp.sensordata[~rows], measured[~rows])
    seen = warp.sensordata.clone()
    warp.restore(before)
    run(warp, targets(12))
    assert same(warp.snapshot()[rows], part[rows]) and same(warp.sensordata[rows], seen[rows])
    assert not torch.equal(warp.snapshot()[~rows], before[~rows])


@slow
def test_a_restored_world_goes_on_bitwise_in_another_row(warp):
    start_apart(warp)
    run(warp, targets(6))
    saved = warp.snapshot()
    goals = targets(12, seed=1)
    run(warp, goals)
    expected = warp.snapshot()
    order = torch.tensor([3, 0, 2, 1], device=warp.device)
    warp.restore(saved[order])
    run(warp, goals[:, order.tolist()])
    assert same(warp.snapshot(), expected[order])


@slow
def test_a_snapshot_has_the_columns_of_the_other_engine(warp, model):
    engine = Engine(model, B, threads=1)
    engine.reset()
    np.testing.assert_allclose(warp.snapshot().cpu().numpy(), engine.snapshot(), atol=1e-6)
    engine.step(None, 30, np.full((B, 2), 0.3))
    warp.restore(torch.as_tensor(engine.snapshot(), device=warp.device))
    for name in ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat"):
        np.testing.assert_allclose(getattr(warp, name).cpu().numpy(), getattr(engine, name), atol=1e-6)


@slow
def test_a_snapshot_of_another_shape_is_refused(warp):
    with pytest.raises(SimError, match="another model"):
        warp.restore(warp.snapshot()[:2])


@slow
def test_controls_run_to_their_goal_in_equal_parts(warp):
    goal = torch.full((B, 2), 0.8, device=warp.device)
    warp.ctrl[:] = 0.2
    warp.step(None, 3, goal)
    whole = warp.snapshot()
    assert torch.equal(warp.ctrl, goal)
    warp.reset()
    for part in (0.4, 0.6, 0.8):
        warp.ctrl[:] = part
        warp.step()
    torch.testing.assert_close(warp.snapshot(), whole, atol=1e-6, rtol=1e-5)


@slow
def test_looking_computes_the_sensors_and_moves_nothing(warp):
    start_apart(warp)
    before = warp.snapshot()
    rows = torch.tensor([True, True, False, True], device=warp.device)
    warp.forward(rows)
    assert torch.equal(warp.snapshot(), before)
    assert torch.equal(warp.sensordata[rows, 0], warp.qpos[rows, 0])
    torch.testing.assert_close(warp.sensordata[rows, 1], warp.qvel[rows, 2])
    assert not warp.sensordata[2].any()


@slow
def test_a_world_with_a_bad_state_is_given_up_alone_until_it_is_reset(warp):
    start_apart(warp)
    alone = warp.snapshot()
    run(warp, targets(3))
    sound = warp.snapshot()
    for bad in (float("nan"), float("inf"), 1e12):
        warp.restore(alone)
        warp.qvel[1, 3] = bad
        run(warp, targets(3))
        assert warp.unstable().tolist() == [False, True, False, False]
        others = torch.tensor([True, False, True, True], device=warp.device)
        assert same(warp.snapshot()[others], sound[others])
        assert torch.isfinite(warp.snapshot()).all() and torch.isfinite(warp.sensordata).all()
    warp.reset(torch.tensor([False, True, False, False], device=warp.device))
    assert not warp.unstable().any()


@slow
def test_constants_of_each_world_are_those_that_mujoco_computes(warp, model):
    factors = np.linspace(0.5, 2.0, B)
    warp.fields["body_mass"][:, 1:] *= torch.as_tensor(factors, dtype=torch.float32, device=warp.device)[:, None]
    state = warp.snapshot()
    warp.constants()
    assert torch.equal(warp.snapshot(), state)
    for row, factor in enumerate(factors):
        other = mujoco.MjModel.from_xml_string(MODEL)
        other.body_mass[1:] *= factor
        mujoco.mj_setConst(other, mujoco.MjData(other))
        for name in ("body_subtreemass", "body_invweight0", "dof_invweight0", "actuator_acc0"):
            ours = getattr(warp._m, name).numpy()[row]
            np.testing.assert_allclose(ours, getattr(other, name), rtol=1e-4, err_msg=f"{name}, row {row}")


@slow
def test_a_field_is_each_worlds_own_and_live(warp):
    # Without friction a rolling ball keeps its speed and does not turn.
    warp.qpos[:, 4] = 0.0995
    warp.qvel[:, 2] = 1.0
    warp.fields["geom_friction"][0] = 0.0
    warp.step(None, 60)
    spin = warp.qvel[:, 6]
    assert abs(spin[0]) < 1e-3 and (abs(spin[1:]) > 1.0).all()


@slow
def test_options_of_the_simulation_can_be_each_worlds_own(model):
    from motorium.sim.engine_warp import WarpEngine

    engine = WarpEngine(model, 2, ("opt.gravity",), device="cpu")
    engine.reset()
    engine.fields["opt.gravity"][1] = 0.0
    start = engine.qpos[:, 4].clone()
    engine.step(None, 10)
    fallen = (start - engine.qpos[:, 4]).tolist()
    # The sum over ten steps of g dt^2 k, k = 1..10.
    assert fallen == pytest.approx([9.81 * 0.005**2 * 55, 0.0], abs=1e-6)


@slow
def test_rays_meet_what_those_of_the_other_engine_meet(warp, model):
    engine = Engine(model, B, threads=1)
    engine.reset()
    p, q = np.tile([0.0, 0.0, 0.5], (B, 1)), np.tile([1.0, 0.0, 0.0, 0.0], (B, 1))
    lidar = Lidar(channels=5, columns=9, elevation_rad=(-0.4, 0.1), azimuth_rad=(-0.5, 0.5))
    expected = scan(engine, lidar, p, q)
    rows = torch.tensor([True, False, True, True], device=warp.device)
    found = scan(warp, lidar, *(torch.as_tensor(a, dtype=torch.float32, device=warp.device) for a in (p, q)), rows=rows)
    assert expected.seen.any() and not expected.seen.all()
    chosen, seen = rows.cpu().numpy(), found.seen.cpu().numpy()
    assert (seen[chosen] == expected.seen[chosen]).all() and not seen[1].any()
    np.testing.assert_allclose(found.range_m.cpu().numpy()[chosen], expected.range_m[chosen], rtol=1e-4)
    # Straight down on the ball, whose top is 0.26 m below the base, and beside it on the ground.
    base, points = torch.tensor([[1.5, 0.0, 0.5]], device=warp.device).repeat(B, 1), np.array([[0.5, 0.0], [0.0, 1.0]])
    heights = height_scan(warp, points, base, torch.zeros_like(base[:, 0]), groups=(0,))
    torch.testing.assert_close(heights.height_m.cpu(), torch.tensor([[-0.26, -0.5]]).repeat(B, 1), atol=5e-5, rtol=0)


@slow
def test_too_little_room_is_an_error_and_not_a_lost_contact(model):
    from motorium.sim.engine_warp import WarpEngine

    small = WarpEngine(model, B, device="cpu", room=Room(contacts=1, constraints=2))
    small.reset()
    small.qpos[:, 4] = 0.09
    with pytest.raises(SimError, match="room"):
        small.step()


def test_both_engines_are_physics(shared, model):
    assert isinstance(shared, Physics) and isinstance(Engine(model, 1, threads=1), Physics)


def test_a_field_that_cannot_be_had_is_refused(model):
    from motorium.sim.engine_warp import WarpEngine

    with pytest.raises(SimError, match="geom_type"):
        WarpEngine(model, B, ("geom_type",), device="cpu")
    with pytest.raises(SimError, match="at least one world"):
        WarpEngine(model, 0)


def test_room_is_for_the_pairs_that_can_touch(model):
    # The ball on the ground: one contact, a pyramid of four rows; the servos touch nothing.
    assert len(colliding_pairs(model)) == 1
    assert needed_room(model) == Room(contacts=1, constraints=4)


def test_parent_and_child_do_not_touch_but_things_on_the_world_do():
    chain = """<mujoco><worldbody><geom type="sphere" size="1"/>
      <body><joint/><geom type="sphere" size="1"/><body><joint axis="0 1 0"/><geom type="sphere" size="1"/>
        <body><joint axis="1 0 0"/><geom type="sphere" size="1"/></body></body></body></worldbody></mujoco>"""
    pairs = colliding_pairs(mujoco.MjModel.from_xml_string(chain))
    assert pairs == [(0, 1), (0, 2), (0, 3), (1, 3)]
    data = mujoco.MjData(model := mujoco.MjModel.from_xml_string(chain))
    mujoco.mj_forward(model, data)
    assert sorted(tuple(sorted(pair)) for pair in data.contact.geom.tolist()) == pairs
