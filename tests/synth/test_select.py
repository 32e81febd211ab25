import numpy as np
import pytest

from motorium.core.frames import make_pose, quat_from_yaw
from motorium.core.protocols import Segment
from motorium.synth.segments import Sources
from motorium.synth.select import choose, pose_distance, source_costs

DOWN = np.array([0.0, 1.0, 0.0, 0.0])


def cube(x, y, yaw=0.0):
    return make_pose(np.array([x, y, 0.0]), quat_from_yaw(yaw))


def three_sources():
    """Three demonstrations of one step: cubes at x = 0, 1, 2; hands 1, 3 and 0.2 m behind them."""
    cubes = np.stack([cube(0.0, 0.0), cube(1.0, 0.0), cube(2.0, 0.0)])[:, None]
    hands = np.stack([make_pose(np.array([x, 0.0, 0.0]), DOWN) for x in (-1.0, -2.0, 1.8)])[:, None]
    return Sources(
        segments=(Segment(object="cube", signal=None),),
        eef=hands,
        target=hands,
        gripper=np.ones((3, 1, 1)),
        objects={"cube": cubes},
        bounds=np.array([[0, 1]] * 3),
    )


def costs(strategy, X_WE, X_WO, metres_per_rad=0.1):
    return source_costs(three_sources(), 0, np.zeros((1, 3), int), X_WE[None], X_WO[None], strategy, metres_per_rad)


def test_nearest_object_prefers_the_source_whose_object_lay_nearest():
    here = costs("nearest_object", make_pose(np.zeros(3), DOWN), cube(1.2, 0.0))
    assert np.allclose(here, [[1.2, 0.2, 0.8]])


def test_nearest_object_counts_turns():
    here = costs("nearest_object", make_pose(np.zeros(3), DOWN), cube(0.0, 0.0, yaw=np.pi / 2), metres_per_rad=0.5)
    assert np.allclose(here, [[np.pi / 4, 1 + np.pi / 4, 2 + np.pi / 4]])


def test_nearest_robot_prefers_the_source_that_starts_where_the_hand_is():
    # The cube now lies at x = 5: the sources would start 1, 3 and 0.2 m behind it.
    hand = make_pose(np.array([2.1, 0.0, 0.0]), DOWN)
    assert np.allclose(costs("nearest_robot", hand, cube(5.0, 0.0)), [[1.9, 0.1, 2.7]])


def test_nearest_robot_turns_the_start_with_the_object():
    # The cube is turned by a quarter: what lay behind it in x lies behind it in y, and the hand with it.
    hand = make_pose(np.array([0.0, -1.0, 0.0]), DOWN)
    here = costs("nearest_robot", hand, cube(0.0, 0.0, yaw=np.pi / 2), metres_per_rad=0.0)
    assert np.allclose(here, [[0.0, 2.0, 0.8]])


def test_top_k_draws_among_the_best_alone():
    ranked = np.array([[3.0, 1.0, 2.0, 0.5, 9.0]])
    draws = np.linspace(0, 0.999, 50)
    chosen = choose(np.repeat(ranked, 50, axis=0), draws, "nearest_object", 3)
    assert set(chosen.tolist()) == {3, 1, 2}
    assert chosen[0] == 3


def test_random_draws_among_all():
    draws = np.linspace(0, 0.999, 50)
    assert set(choose(np.zeros((50, 5)), draws, "random", 3).tolist()) == {0, 1, 2, 3, 4}


def test_top_k_may_exceed_the_number_of_sources():
    assert choose(np.array([[2.0, 1.0]]), np.array([0.99]), "nearest_robot", 3).tolist() == [0]


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_choice_does_not_depend_on_the_batch(rows):
    rng = np.random.default_rng(0)
    X_WO = make_pose(rng.normal(size=(8, 3)), quat_from_yaw(rng.uniform(-3, 3, 8)))
    X_WE = make_pose(rng.normal(size=(8, 3)), DOWN)
    starts = np.zeros((8, 3), int)
    for strategy in ("nearest_object", "nearest_robot"):
        whole = source_costs(three_sources(), 0, starts, X_WE, X_WO, strategy, 0.1)
        part = source_costs(three_sources(), 0, starts[:rows], X_WE[:rows], X_WO[:rows], strategy, 0.1)
        assert np.array_equal(whole[:rows], part)


def test_pose_distance_of_equal_rotations_with_opposite_quaternions_is_zero():
    pose = cube(0.1, 0.2, 0.3)
    other = pose * np.array([1, 1, 1, -1, -1, -1, -1])
    assert pose_distance(pose, other, 1.0) == pytest.approx(0.0, abs=1e-12)
