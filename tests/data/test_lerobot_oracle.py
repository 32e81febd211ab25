"""Both ways with LeRobot itself; opt-in, because LeRobot needs an environment of its own: docs/lerobot-oracle.md."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from motorium.data.convert import convert
from motorium.data.dataset import open_dataset
from motorium.data.writer import DatasetWriter
from tests.data.recordings import ACTION, FRONT, STATE, WRIST, make_episode, make_spec
from tests.support.real import real_data

PYTHON = os.environ.get("MOTORIUM_LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("lerobot_oracle.py")
HORIZON = 4

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="MOTORIUM_LEROBOT_PYTHON does not name a Python that has LeRobot 0.4.4"),
]


def lerobot(*arguments):
    done = subprocess.run([PYTHON, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]


def read_with_lerobot(root, folder):
    lerobot("read", root, folder / "items.npz")
    return np.load(folder / "items.npz", allow_pickle=False)


def assert_lerobot_sees_the_same(ours, theirs):
    assert theirs["episodes"].tolist() == [ours.num_episodes, ours.num_frames, ours.fps]
    for key, feature in ours.features.items():
        if feature.visual or key == ACTION:
            continue
        expected = ours.column(key)
        np.testing.assert_array_equal(theirs[f"item/{key}"].reshape(expected.shape), expected)
    assert theirs["item/task"].tolist() == [ours.tasks[index] for index in ours.column("task_index")]
    assert_same_windows(ours, theirs)
    for key, statistics in ours.statistics().items():
        for name, value in statistics.items():
            np.testing.assert_array_equal(theirs[f"stats/{key}/{name}"], value, err_msg=f"{key} {name}")


def assert_same_windows(ours, theirs):
    """Windows of actions that end with their episode: the last step repeats, and is marked as padding."""
    steps = ours.column("frame_index")[:, None] + np.arange(HORIZON)
    last = np.repeat(ours.lengths, ours.lengths)[:, None] - 1
    rows = np.repeat(ours.starts, ours.lengths)[:, None] + np.minimum(steps, last)
    np.testing.assert_array_equal(theirs["item/action"], ours.column(ACTION)[rows])
    np.testing.assert_array_equal(theirs["item/action_is_pad"], steps > last)


def assert_same_pictures(ours, theirs, camera, tolerance):
    found = np.concatenate([ours.frames(index, camera) for index in range(ours.num_episodes)])
    # LeRobot hands out (C, H, W) in [0, 1].
    expected = theirs[f"item/{camera}"].transpose(0, 2, 3, 1) * 255.0
    assert np.abs(found - expected).max() <= tolerance


@pytest.mark.parametrize("profile", ["fast", "lerobot"])
def test_lerobot_reads_what_is_recorded(tmp_path, profile):
    with DatasetWriter(tmp_path / "d", spec=make_spec(FRONT, WRIST, video_profile=profile)) as writer:
        for number, length in enumerate((10, 23, 5)):
            writer.add(make_episode(number, length, FRONT, WRIST))
    ours, theirs = open_dataset(tmp_path / "d"), read_with_lerobot(tmp_path / "d", tmp_path)
    assert_lerobot_sees_the_same(ours, theirs)
    for camera in (FRONT, WRIST):
        # Two conversions from YUV: their rounding differs by a level or two.
        assert_same_pictures(ours, theirs, camera, 2.01)


def test_lerobot_reads_files_that_were_cut(tmp_path):
    spec = make_spec(FRONT, data_file_mib=1, video_file_mib=1, chunk_files=2)
    spec = spec.replace(features={**spec.to_plain()["features"], "wide": {"dtype": "float32", "shape": [6000]}})
    with DatasetWriter(tmp_path / "d", spec=spec) as writer:
        for number in range(6):
            episode = make_episode(number, 20, FRONT)
            wide = np.random.default_rng(number).normal(size=(20, 6000)).astype(np.float32)
            writer.add(type(episode)(**{**vars(episode), "arrays": {**episode.arrays, "wide": wide}}))
    assert len(list((tmp_path / "d/data").rglob("*.parquet"))) > 2
    ours, theirs = open_dataset(tmp_path / "d"), read_with_lerobot(tmp_path / "d", tmp_path)
    assert_lerobot_sees_the_same(ours, theirs)
    assert_same_pictures(ours, theirs, FRONT, 2.01)


def test_motorium_reads_what_lerobot_records(tmp_path):
    rng = np.random.default_rng(0)
    lengths = [9, 14]
    total = sum(lengths)
    given = {
        "state": rng.normal(size=(total, 3)).astype(np.float32),
        "action": rng.normal(size=(total, 2)).astype(np.float32),
        "top": rng.integers(0, 256, (total, 64, 64, 3), dtype=np.uint8),
        "length": np.array(lengths),
    }
    np.savez(tmp_path / "given.npz", **given)
    lerobot("write", tmp_path / "theirs", tmp_path / "given.npz")
    ours, theirs = open_dataset(tmp_path / "theirs"), read_with_lerobot(tmp_path / "theirs", tmp_path)
    assert ours.problems == [] and ours.lengths.tolist() == lengths and ours.tasks == ["task 0", "task 1"]
    np.testing.assert_array_equal(ours.column(STATE), given["state"])
    np.testing.assert_array_equal(ours.column(ACTION), given["action"])
    png = np.concatenate([ours.frames(index, "observation.images.png") for index in range(2)])
    np.testing.assert_array_equal(png, given["top"])
    assert_same_windows(ours, theirs)
    assert_same_pictures(ours, theirs, "observation.images.top", 2.01)
    copied = convert(ours, tmp_path / "copied")
    assert copied.reencoded == {}
    again = read_with_lerobot(tmp_path / "copied", tmp_path)
    np.testing.assert_array_equal(again["item/observation.images.top"], theirs["item/observation.images.top"])


@pytest.mark.real
def test_lerobot_reads_a_converted_humanoid(tmp_path):
    source = open_dataset(real_data("g1_inspire_lerobot_v21"))
    made = convert(source, tmp_path / "drop", episodes=[0, 13, 99]).dataset
    assert_lerobot_sees_the_same(made, read_with_lerobot(tmp_path / "drop", tmp_path))
