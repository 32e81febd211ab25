"""What the stage curate asks of a machine."""

import numpy as np

from motorium.data.dataset import Dataset, open_dataset
from motorium.data.writer import DatasetWriter
from motorium.stages.curate import CurateSpec, measure_shard
from tests.data.recordings import FRONT, WRIST, make_episode, make_spec


def test_pictures_of_a_long_episode_are_never_all_in_memory(tmp_path, monkeypatch):
    with DatasetWriter(tmp_path / "d", spec=make_spec(FRONT, WRIST)) as writer:
        writer.add(make_episode(0, 150, FRONT, WRIST))
    decode, asked = Dataset.frames, []

    def frames(self, index, camera, steps=None):
        found = decode(self, index, camera, steps)
        asked.append(len(found))
        return found

    monkeypatch.setattr(Dataset, "frames", frames)
    (measured,) = measure_shard(str(tmp_path / "d"), CurateSpec().to_plain(), 0, 1, threads=1)
    assert set(measured["camera"]["cameras"]) == {FRONT, WRIST}
    assert sum(asked) == 2 * 150
    assert max(asked) <= 50


def test_pictures_come_in_order_and_as_often_as_they_are_asked_for(tmp_path):
    with DatasetWriter(tmp_path / "d", spec=make_spec(FRONT)) as writer:
        writer.add(make_episode(0, 70, FRONT))
    dataset = open_dataset(tmp_path / "d")
    pictures = dataset.pictures(0, FRONT, range(5, 60))
    assert len(pictures) == 55
    for _ in range(2):
        np.testing.assert_array_equal(np.stack(list(pictures)), dataset.frames(0, FRONT, range(5, 60)))
