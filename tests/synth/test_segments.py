import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.core.protocols import Segment
from motorium.data.episode import Episode
from motorium.synth.segments import jitter_bounds, make_sources

SEGMENTS = (Segment(object="cube", signal="grasped"), Segment(object="zone", signal=None))


def episode(length=10, grasp=4, **changes):
    pose = np.tile(np.array([0, 0, 0, 1, 0, 0, 0], np.float32), (length, 1))
    pose[:, 0] = np.arange(length)
    signal = np.zeros((length, 1), bool)
    if grasp is not None:
        signal[grasp:] = True
    arrays = {
        "mimic.eef_pose": pose,
        "mimic.target_pose": pose + np.float32([0.5, 0, 0, 0, 0, 0, 0]),
        "mimic.gripper": np.ones((length, 1), np.float32),
        "mimic.object.cube": pose,
        "mimic.object.zone": pose,
        "mimic.signal.grasped": signal,
    }
    return Episode(arrays={**arrays, **changes}, task="t")


def test_demonstrations_split_at_the_first_step_their_signal_holds():
    sources = make_sources([episode(10, 4), episode(8, 1)], SEGMENTS)
    assert sources.bounds.tolist() == [[0, 4, 10], [0, 1, 8]]


def test_flickering_signal_counts_from_its_first_step():
    signal = np.zeros((10, 1), bool)
    signal[[3, 6]] = True
    sources = make_sources([episode(**{"mimic.signal.grasped": signal})], SEGMENTS)
    assert sources.bounds.tolist() == [[0, 3, 10]]


def test_shorter_demonstrations_are_padded_with_their_last_step():
    sources = make_sources([episode(10), episode(8)], SEGMENTS)
    assert sources.eef.shape == (2, 10, 7)
    assert sources.eef[1, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]


def test_second_signal_is_looked_for_after_the_first():
    segments = (*SEGMENTS[:1], Segment(object="zone", signal="placed"), Segment(object="zone", signal=None))
    placed = np.zeros((10, 1), bool)
    placed[[1, 7, 8]] = True
    sources = make_sources([episode(**{"mimic.signal.placed": placed})], segments)
    assert sources.bounds.tolist() == [[0, 4, 7, 10]]


@pytest.mark.parametrize("grasp, message", [(None, "never holds"), (0, "has no steps")])
def test_demonstration_without_a_segment_is_refused(grasp, message):
    with pytest.raises(DataError, match=message) as error:
        make_sources([episode(), episode(grasp=grasp)], SEGMENTS)
    assert "episode 1" in str(error.value)


def test_demonstration_without_poses_is_refused():
    bare = Episode(arrays={"action": np.zeros((3, 7), np.float32)}, task="t")
    with pytest.raises(DataError, match=r"mimic\.eef_pose"):
        make_sources([bare], SEGMENTS)
    with pytest.raises(DataError, match="no demonstration"):
        make_sources([], SEGMENTS)


def test_jitter_moves_inner_boundaries_later_within_its_range():
    bounds = np.array([[0, 30, 60, 100]] * 200)
    moved = jitter_bounds(bounds, 10, 20, np.random.default_rng(0))
    shift = moved - bounds
    assert not shift[:, [0, 3]].any()
    assert set(np.unique(shift[:, 1])) == set(range(10, 21))


def test_jitter_leaves_every_segment_a_step():
    bounds = np.array([[0, 5, 7, 9]] * 50)
    moved = jitter_bounds(bounds, 10, 20, np.random.default_rng(0))
    assert (np.diff(moved, axis=1) >= 1).all() and (moved[:, -1] == 9).all()


def test_no_jitter_changes_nothing():
    bounds = np.array([[0, 5, 9]])
    assert np.array_equal(jitter_bounds(bounds, 0, 0, np.random.default_rng(0)), bounds)
