"""Statistics are LeRobot's by definition and exact by computation."""

import numpy as np
import pytest

from motorium.core.features import Feature
from motorium.data import statistics

PAIR = Feature(dtype="float32", shape=(2,))


def test_numbers_have_the_textbook_values():
    found = statistics.number_statistics(np.array([[0, 10], [1, 10], [2, 10], [3, 10], [4, 10]], np.float32), PAIR)
    assert found["mean"].tolist() == [2, 10] and found["count"].tolist() == [5]
    assert found["std"] == pytest.approx([np.sqrt(2), 0])
    assert found["q10"] == pytest.approx([0.4, 10]) and found["q50"].tolist() == [2, 10]
    assert found["q99"] == pytest.approx([3.96, 10])


def test_a_matrix_keeps_its_last_axis_only():
    grid = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    found = statistics.number_statistics(grid, Feature(dtype="float32", shape=(2, 3)))
    assert found["min"].tolist() == [0, 1, 2] and found["max"].tolist() == [21, 22, 23]
    assert found["count"].tolist() == [4]


def test_one_step_has_no_spread():
    found = statistics.number_statistics(np.array([[3.0, -1.0]], np.float32), PAIR)
    assert found["std"].tolist() == [0, 0] and found["q01"].tolist() == found["q99"].tolist() == [3, -1]


def test_large_offsets_do_not_cancel():
    values = (np.array([[1e6], [1e6 + 1], [1e6 + 2]])).astype(np.float32)
    found = statistics.number_statistics(values, Feature(dtype="float32", shape=(1,)))
    assert found["std"] == pytest.approx([np.sqrt(2 / 3)])


@pytest.mark.parametrize(("length", "count"), [(1, 1), (7, 7), (100, 100), (464, 100), (1000, 177), (5000, 594)])
def test_as_many_pictures_are_sampled_as_by_lerobot(length, count):
    steps = statistics.sampled_steps(length)
    assert len(steps) == count and steps[0] == 0 and steps[-1] == length - 1


@pytest.mark.parametrize(("size", "stride"), [((240, 299), 1), ((240, 320), 2), ((480, 640), 4), ((720, 1280), 8)])
def test_large_pictures_are_strided_as_by_lerobot(size, stride):
    assert statistics.picture_stride(*size) == stride


def test_pictures_agree_with_numpy_over_all_pixels():
    frames = np.random.default_rng(3).integers(0, 256, (6, 20, 30, 3), dtype=np.uint8)
    found = statistics.picture_statistics(frames)
    pixels = frames.reshape(-1, 3) / 255.0
    assert found["mean"].shape == (3, 1, 1) and found["count"].tolist() == [6]
    for name, expected in {
        "min": pixels.min(0),
        "max": pixels.max(0),
        "mean": pixels.mean(0),
        "std": pixels.std(0),
    }.items():
        np.testing.assert_allclose(found[name][:, 0, 0], expected, atol=1e-12)
    for name, share in statistics.QUANTILES.items():
        np.testing.assert_allclose(found[name][:, 0, 0], np.quantile(pixels, share, axis=0), atol=1e-12)


def test_parts_aggregate_to_the_whole():
    values = np.random.default_rng(5).normal(3, 2, (50, 2)).astype(np.float32)
    parts = [statistics.number_statistics(part, PAIR) for part in (values[:7], values[7:30], values[30:])]
    found, whole = statistics.aggregate(parts), statistics.number_statistics(values, PAIR)
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-12)


def test_quantiles_are_left_out_when_a_part_lacks_them():
    part = statistics.number_statistics(np.ones((3, 2), np.float32), PAIR)
    bare = {name: value for name, value in part.items() if not name.startswith("q")}
    assert "q50" in statistics.aggregate([part, part]) and "q50" not in statistics.aggregate([part, bare])
