"""Training reads features, not what ingest says of them, and heeds the masks."""

from types import SimpleNamespace

import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.core.features import Feature, vector
from motorium.data.companions import companions
from motorium.data.dataset import open_dataset
from motorium.data.episode import Episode
from motorium.data.writer import DatasetSpec, DatasetWriter
from motorium.stages.evaluate_open_loop import whole
from motorium.stages.masks import recorded
from motorium.stages.train import read_training_data

FLAG = Feature(dtype="bool", shape=(2,), names=("a", "b"))


def write(root):
    features = {
        "observation.state": vector(("a", "b"), "m"),
        "observation.state.valid": FLAG,
        "observation.state.time": Feature(dtype="float64", shape=(1,)),
        "observation.time": vector(("t",), "s"),
        "action": vector(("a", "b"), "m"),
        "action.valid": FLAG,
    }
    valid = np.ones((2, 6, 2), bool)
    valid[0, 2, 1], valid[1, 4, 0] = False, False
    with DatasetWriter(root, spec=DatasetSpec(fps=10, features=features)) as writer:
        writer.add(
            Episode(
                arrays={
                    "observation.state": np.zeros((6, 2), np.float32),
                    "observation.state.valid": valid[0],
                    "observation.state.time": np.zeros((6, 1)),
                    "observation.time": np.zeros((6, 1), np.float32),
                    "action": np.zeros((6, 2), np.float32),
                    "action.valid": valid[1],
                },
                task="go",
            )
        )
    return open_dataset(root)


def test_companions_are_told_from_features_of_their_own(tmp_path):
    dataset = write(tmp_path / "d")
    assert companions(dataset.features) == {"observation.state.valid", "observation.state.time", "action.valid"}


def test_a_step_is_recorded_when_all_elements_of_all_keys_are(tmp_path):
    dataset = write(tmp_path / "d")
    assert recorded(dataset, ["observation.state", "action"]).tolist() == [True, True, False, True, False, True]
    assert recorded(dataset, ["observation.state"]).tolist() == [True, True, False, True, True, True]
    assert recorded(dataset, ["observation.time"]) is None


def test_training_data_hold_features_alone_and_their_mask(tmp_path):
    write(tmp_path / "d")
    data = read_training_data(tmp_path / "d", ())
    assert sorted(data.observations) == ["observation.state", "observation.time"]
    assert data.valid.tolist() == [True, True, False, True, False, True]


def test_episodes_with_gaps_are_not_scored_and_that_is_said(tmp_path):
    dataset = write(tmp_path / "d")

    class Notes:
        def __init__(self):
            self.lines = []

        def note(self, line):
            self.lines.append(line)

    context, other = Notes(), SimpleNamespace(observation={"observation.time": None})
    seen = SimpleNamespace(observation={"observation.state": None})
    with pytest.raises(DataError, match="no episode can be scored"):
        whole(dataset, [0], seen, context)
    assert context.lines == ["episode 0 is not scored: 2 of its steps lack a sample"]
    dataset.features.pop("action.valid")
    assert whole(dataset, [0], other, Notes()) == [0]
