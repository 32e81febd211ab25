import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorium.core.errors import SpecError
from motorium.core.features import vector
from motorium.core.frames import make_pose, pose_inverse, pose_multiply, quat_from_yaw, quat_normalize
from motorium.synth.amplify_spec import AmplifySpec
from motorium.synth.walk import SegmentWalker, gripper_part, interpolation_counts, noise_scale, transform_segment
from tests.support.toy_pick import ACTION, ToyPick
from tests.synth.toy import sources

DOWN = np.array([0.0, 1.0, 0.0, 0.0])
numbers = st.lists(st.floats(-2, 2), min_size=7, max_size=7).filter(lambda v: np.linalg.norm(v[3:]) > 0.1)


def pose(values):
    values = np.asarray(values)
    return make_pose(values[:3], quat_normalize(values[3:]))


def start(spec, rows=4, first=50):
    """Return a reset toy world and a walker in it."""
    env = ToyPick(rows)
    walker = SegmentWalker(env, sources(), spec)
    seeds = np.arange(first, first + rows)
    env.reset(seeds)
    walker.reset(env, seeds, np.ones(rows, bool))
    return env, walker


def test_targets_turn_and_move_with_the_object():
    # Source: cube at (1, 0, 0), hand 0.1 m beyond it in x. Now: cube at (0, 2, 0), turned by a quarter.
    X_WO = make_pose(np.array([1.0, 0.0, 0.0]), quat_from_yaw(0.0))
    X_WO_new = make_pose(np.array([0.0, 2.0, 0.0]), quat_from_yaw(np.pi / 2))
    X_WT = make_pose(np.array([[1.1, 0.0, 0.3], [1.0, 0.1, 0.2]]), quat_from_yaw(0.0))
    moved = transform_segment(X_WT, X_WO, X_WO_new)
    expected = make_pose(np.array([[0.0, 2.1, 0.3], [-0.1, 2.0, 0.2]]), quat_from_yaw(np.pi / 2))
    assert np.allclose(moved, expected, atol=1e-15)


@given(numbers, numbers, numbers)
def test_target_keeps_its_pose_relative_to_the_object(X_WT, X_WO, X_WO_new):
    X_WT, X_WO, X_WO_new = pose(X_WT), pose(X_WO), pose(X_WO_new)
    moved = transform_segment(X_WT[None], X_WO, X_WO_new)[0]
    before = pose_multiply(pose_inverse(X_WO), X_WT)
    after = pose_multiply(pose_inverse(X_WO_new), moved)
    assert np.allclose(before, after, atol=1e-9)


@settings(max_examples=50)
@given(st.floats(0, 2), st.floats(0, 3), st.floats(0.005, 0.1), st.floats(0.02, 0.5))
def test_no_interpolation_step_is_longer_than_the_spec_allows(distance, turn, step_m, step_rad):
    spec = AmplifySpec(interpolation_m=step_m, interpolation_rad=step_rad, max_interpolation_steps=1000)
    here = make_pose(np.zeros((1, 3)), quat_from_yaw(np.zeros(1)))
    there = make_pose(np.array([[distance, 0.0, 0.0]]), quat_from_yaw(np.array([turn])))
    count = interpolation_counts(here, there, spec)[0]
    assert count >= spec.interpolation_steps
    assert distance / count <= step_m * (1 + 1e-9) and turn / count <= step_rad * (1 + 1e-9)


def test_interpolation_is_capped():
    spec = AmplifySpec(max_interpolation_steps=7)
    far = make_pose(np.array([[5.0, 0.0, 0.0]]), DOWN)
    assert interpolation_counts(make_pose(np.zeros((1, 3)), DOWN), far, spec).tolist() == [7]


def test_plan_leads_to_the_sources_hand_and_then_follows_its_targets():
    spec = AmplifySpec(jitter_low=0, jitter_high=0, action_noise=0)
    env, walker = start(spec)
    walker.act(env, np.ones(4, bool))
    here, cube = env.poses()["eef"], env.poses()["cube"]
    for row in range(4):
        source = walker.chosen[row, 0]
        begin, end = sources().bounds[source, :2]
        X_WO = sources().objects["cube"][source, begin]
        first = transform_segment(sources().eef[source, begin][None], X_WO, cube[row])[0]
        targets = transform_segment(sources().target[source, begin:end], X_WO, cube[row])
        length = walker.length[row]
        lead = length - (end - begin)
        assert lead == interpolation_counts(here[row][None], first[None], spec)[0]
        assert np.allclose(walker.target[row, lead - 1], first, atol=1e-12)
        assert np.array_equal(walker.target[row, lead:length], targets)
        steps = np.diff(np.vstack([here[row], walker.target[row, :lead]])[:, :3], axis=0)
        assert np.allclose(steps, steps[0], atol=1e-12)  # a straight line at one speed
        assert np.array_equal(walker.gripper[row, lead:length], sources().gripper[source, begin:end])


def test_noise_is_absent_from_the_gripper_and_from_interpolation():
    """Two walkers, with and without noise, are asked in the same worlds: their commands differ by the noise alone."""
    quiet, loud = AmplifySpec(action_noise=0), AmplifySpec(action_noise=0.05)
    env, noisy = start(loud, rows=8)
    calm = SegmentWalker(env, sources(), quiet)
    calm.reset(env, np.arange(50, 58), np.ones(8, bool))
    differences, walking = [], []
    active = np.ones(8, bool)
    for _ in range(60):
        clean, command = calm.act(env, active), noisy.act(env, active)
        lead = noisy.length - (np.diff(noisy.bounds, axis=2)[np.arange(8), noisy.chosen[:, 0], 0])
        first_segment = (noisy.segment == 0) & (noisy.cursor <= noisy.length)
        differences.append((command.actions - clean.actions)[first_segment])
        walking.append((noisy.cursor > lead)[first_segment])
        assert np.array_equal(command.actions[:, 6], clean.actions[:, 6])
        assert (np.abs(command.actions) <= 1).all()
        env.step(command.actions)
    differences, walking = np.concatenate(differences), np.concatenate(walking)
    assert walking.any() and not walking.all()
    assert not differences[~walking].any()
    # Clipping to +-1 only shrinks it. 6 x several hundred draws: sigma within a tenth.
    assert differences[walking][:, :6].std() == pytest.approx(0.05, rel=0.1)


def test_without_noise_actions_are_the_ones_intended():
    env, walker = start(AmplifySpec(action_noise=0))
    command = walker.act(env, np.ones(4, bool))
    assert np.array_equal(command.actions, env.action_from_target(walker.target[:, 0], walker.gripper[:, 0]))


def test_gripper_part_is_found():
    env = ToyPick(3)
    env.reset(np.arange(3))
    assert gripper_part(env).tolist() == [False] * 6 + [True]


def test_noise_on_actions_in_radians_is_refused():
    env = ToyPick(1)
    env.reset(np.arange(1))
    object.__setattr__(env.info, "action", vector(ACTION, ("rad",) * 6 + ("normalized",)))
    with pytest.raises(SpecError, match="set action_noise to 0"):
        noise_scale(env, 0.05)
    assert not noise_scale(env, 0.0).any()


def test_boundaries_differ_from_attempt_to_attempt():
    _, walker = start(AmplifySpec(jitter_low=10, jitter_high=20), rows=16)
    shift = walker.bounds[:, :, 1] - sources().bounds[:, 1]
    assert shift.min() == 10 and shift.max() == 20
    assert (shift[0] != shift[1]).any()
