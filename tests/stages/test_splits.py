"""A recording's own splits (robomimic's /mask) are the dataset's: training never reads what was held out."""

import json

import h5py
import numpy as np
import pytest

from motorium.cli import main
from motorium.core.errors import DataError
from motorium.stages.splits import read_split, read_splits, splits_of_keys, state_ranges
from tests.data.hdf5_samples import write_robomimic


def masked(path, **masks):
    """A robomimic file of 5 demonstrations with these masks."""
    write_robomimic(path, lengths=(30, 31, 32, 33, 34))
    with h5py.File(path, "a") as file:
        del file["mask"]
        for name, numbers in masks.items():
            file.create_dataset(f"mask/{name}", data=np.array([f"demo_{i}".encode() for i in numbers], "S8"))
    return path


def run(tmp_path, command, source, out):
    options = ["--out", tmp_path / out, "--store", tmp_path / "store", "--quiet"]
    accept = ["--accept"] if command == "ingest" else []
    assert main([str(word) for word in [command, source, *accept, *options]]) == 0
    return tmp_path / out


def ingested(tmp_path, **masks):
    return run(tmp_path, "ingest", masked(tmp_path / "demos.hdf5", **masks), "dataset")


def ranges(folder):
    return json.loads((folder / "meta/info.json").read_text())["splits"]


def test_masks_come_back_after_a_round_trip(tmp_path):
    masks = {"train": [4, 0, 2], "valid": [3, 1], "20_percent": [0]}
    made = ingested(tmp_path, **masks)
    assert read_splits(made) == {"train": [0, 2, 4], "valid": [1, 3]}
    # Not ranges, so LeRobot's own entry says nothing of them.
    assert ranges(made) == {"train": "0:5"}
    assert main(["convert", str(made), str(tmp_path / "back.hdf5"), "--to", "robomimic", "--quiet"]) == 0
    with h5py.File(tmp_path / "back.hdf5") as file:
        back = {name: file[f"mask/{name}"][()].tolist() for name in file["mask"]}
    assert back == {name: [f"demo_{i}".encode() for i in sorted(numbers)] for name, numbers in masks.items()}


def test_masks_that_are_ranges_are_lerobots_splits_too(tmp_path, capsys):
    made = ingested(tmp_path, valid=[3, 4], train=[0, 1, 2])
    assert ranges(made) == {"train": "0:3", "valid": "3:5"}
    assert read_split(made, "train", 5) == [0, 1, 2]
    assert main(["doctor", str(made)]) == 0
    assert "no problems" in capsys.readouterr().out


def test_masks_that_overlap_are_no_splits_and_it_is_said(tmp_path, capsys):
    options = ["--accept", "--out", str(tmp_path / "dataset"), "--store", str(tmp_path / "store")]
    assert main(["ingest", str(masked(tmp_path / "demos.hdf5", train=[0, 1, 2], valid=[2, 3])), *options]) == 0
    assert read_splits(tmp_path / "dataset") is None
    assert "an episode is in two: train 3, valid 2" in "".join(capsys.readouterr())


def test_curation_keeps_the_splits_of_its_input(tmp_path):
    made = run(tmp_path, "curate", ingested(tmp_path, train=[0, 2, 4], valid=[1, 3]), "curated")
    kept = json.loads((made / "meta/curation.json").read_text())["kept"]
    found = read_splits(made)
    assert {name: [kept[i] for i in one] for name, one in found.items()} == {
        "train": [i for i in kept if i % 2 == 0],
        "valid": [i for i in kept if i % 2],
    }


def test_inspect_shows_filter_keys_and_names_that_are_not_there(tmp_path, capsys):
    assert main(["inspect", str(masked(tmp_path / "demos.hdf5", train=[0, 1], valid=[2, 8]))]) == 0
    said = capsys.readouterr().out
    assert "train (2), valid (1)" in said
    assert "/mask names 1 demonstrations that are not there: demo_8" in said


@pytest.mark.parametrize(
    ("keys", "splits", "said"),
    [
        ([["train"], ["train"]], {"train": [0, 1]}, "train 2 episodes; "),
        ([["train"], [], ["test"]], {"train": [0], "test": [2]}, "1 in none"),
        ([["valid"], []], {}, "there is no 'train'"),
        ([["50_percent"], []], {}, "stay in each episode's meta: 50_percent"),
        ([[], []], {}, None),
    ],
)
def test_what_filter_keys_make(keys, splits, said):
    found, notes = splits_of_keys(keys)
    assert found == splits
    assert notes == [] if said is None else any(said in note for note in notes)


def test_ranges_are_stated_only_where_they_part_all_episodes(tmp_path):
    (tmp_path / "meta").mkdir()
    for splits in ({"train": [0, 1]}, {"train": [0, 2], "test": [1, 3]}, {"train": [1, 2, 3], "test": [1]}):
        (tmp_path / "meta/info.json").write_text('{"splits": {"train": "0:4"}}')
        state_ranges(tmp_path, splits, 4)
        assert ranges(tmp_path) == {"train": "0:4"}
    state_ranges(tmp_path, {"test": [0], "train": [1, 2, 3]}, 4)
    assert ranges(tmp_path) == {"test": "0:1", "train": "1:4"}


def test_what_is_held_for_long_is_said(tmp_path, capsys):
    rows = ["t,x,cmd", *(f"{i / 10},{i},{i if i < 5 else ''}" for i in range(100)), "10.0,100,7"]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    for limit, said in (("", True), (", max_gap_s: 3", False)):
        mapping = f"""
format: table
source: {{time: t, time_unit: s}}
fps: 10
task: go
features:
  observation.state: [{{stream: x}}]
  action: [{{stream: cmd, align: hold{limit}}}]
"""
        (tmp_path / "m.yaml").write_text(mapping)
        command = ["ingest", tmp_path / "a.csv", "--mapping", tmp_path / "m.yaml", "--store", tmp_path / "store"]
        assert main([str(word) for word in command]) == 0
        # From 0.4 s, the last before the silence, to the step before 10 s.
        told = "'cmd' is held for up to 9.5 s, and comes every 0.1 s else: `max_gap_s`" in "".join(capsys.readouterr())
        assert told is said


def test_a_split_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="no split 'test'"):
        read_split(tmp_path, "test", 3)
