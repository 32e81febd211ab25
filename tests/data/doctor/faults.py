"""Faults that are put into a dataset, and what a repaired one is measured against."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.test_convert import packets

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
LENGTHS = (6, 9, 7)


def cut_footer(path):
    """Leave what is on the disk when a recorder is killed: every page, and no footer."""
    raw = path.read_bytes()
    path.write_bytes(raw[: -8 - int.from_bytes(raw[-8:-4], "little")])


def edit_json(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def shuffled(path):
    table = pq.read_table(path)
    pq.write_table(table.take(pa.array([2, 0, 1])), path)


def assert_same(found, expected, episodes=None):
    """Numbers bit for bit, packets byte for byte."""
    episodes = list(range(expected.num_episodes)) if episodes is None else episodes
    assert found.num_episodes == len(episodes) and found.problems == []
    for new, old in enumerate(episodes):
        one, other = found.episode(new), expected.episode(old)
        assert one.task == other.task
        for key, array in other.arrays.items():
            np.testing.assert_array_equal(one.arrays[key], array)
        for camera in expected.cameras:
            if expected.features[camera].dtype == "image":
                np.testing.assert_array_equal(found.frames(new, camera), expected.frames(old, camera))
            else:
                assert packets(found, new, camera) == packets(expected, old, camera)
