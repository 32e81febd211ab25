"""What of a fault follows from the data is repaired, the rest is left as it is and said."""

import json
import os
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from motorium.core.errors import DataError
from motorium.core.progress import Silent
from motorium.data.convert import convert
from motorium.data.dataset import open_dataset
from motorium.data.doctor.check import check, problems
from motorium.data.doctor.repair import repair
from motorium.data.writer import DatasetWriter
from motorium.data.writers.lerobot_v21 import LeRobotV21Spec, write
from tests.data.doctor.faults import DATA, EPISODES, LENGTHS, assert_same, cut_footer, edit_json, shuffled
from tests.data.recordings import ACTION, FRONT, STATE, WRIST, folder_digest, make_episode, make_spec
from tests.data.test_malformed import edit_column, edit_info, swap, truncate
from tests.support.reference import reference_data


def test_a_sound_dataset_is_not_touched(root):
    before = folder_digest(root)
    made = repair(root)
    assert (made.done, made.left, made.backup) == ([], [], None)
    assert folder_digest(root) == before


FAULTS = {
    "total_frames": (lambda r: edit_info(r, total_frames=3), "info", "'total_frames'"),
    "total_episodes": (lambda r: edit_info(r, total_episodes=30), "info", "'total_episodes'"),
    "no total": (lambda r: edit_json(r / "meta/info.json", lambda p: p | {"total_tasks": None}), "info", "total_tasks"),
    "splits": (lambda r: edit_info(r, splits={"train": "0:99"}), "info", "'splits'"),
    "index": (lambda r: edit_column(r / DATA, "index", lambda v: [*range(6), *range(16)]), "rows", "'index'"),
    "from index": (
        lambda r: edit_column(r / EPISODES, "dataset_from_index", lambda v: [0, 0, 0]),
        "episodes",
        "'dataset_from_index'",
    ),
    "to index": (
        lambda r: edit_column(r / EPISODES, "dataset_to_index", lambda v: swap(v, 1, 7)),
        "episodes",
        "'dataset_to_index'",
    ),
    "length": (lambda r: edit_column(r / EPISODES, "length", lambda v: swap(v, 1, 8)), "episodes", "'length'"),
    "data file": (
        lambda r: edit_column(r / EPISODES, "data/file_index", lambda v: swap(v, 2, 4)),
        "episodes",
        "'data/file_index'",
    ),
    "order": (lambda r: shuffled(r / EPISODES), "episodes", "not where LeRobot looks"),
    "tasks of an episode": (
        lambda r: edit_column(r / EPISODES, "tasks", lambda v: swap(v, 1, ["another"])),
        "episodes",
        "'tasks'",
    ),
    "order of tasks": (
        lambda r: pq.write_table(pq.read_table(r / "meta/tasks.parquet").take([1, 0]), r / "meta/tasks.parquet"),
        "tasks",
        "not in the order",
    ),
    # lerobot#2550, #2328: after a merge every episode points at the first one's video, or at a file there is not.
    "from timestamp": (
        lambda r: edit_column(r / EPISODES, f"videos/{FRONT}/from_timestamp", lambda v: [0.0, 0.1, 5.0]),
        "videos",
        "one frame a step",
    ),
    "video file": (
        lambda r: edit_column(r / EPISODES, f"videos/{WRIST}/file_index", lambda v: [0, 0, 1]),
        "videos",
        "videos are missing",
    ),
    "to timestamp": (
        lambda r: edit_column(r / EPISODES, f"videos/{FRONT}/to_timestamp", lambda v: [0.3, 0.3, 0.3]),
        "videos",
        "'to_timestamp'",
    ),
    "codec": (
        lambda r: edit_json(
            r / "meta/info.json",
            lambda p: (
                p | {"features": p["features"] | {FRONT: p["features"][FRONT] | {"info": {"video.codec": "av1"}}}}
            ),
        ),
        "videos",
        "codec",
    ),
    "statistics": (
        lambda r: edit_json(r / "meta/stats.json", lambda p: p | {STATE: p[STATE] | {"mean": [9.0, 0, 0]}}),
        "statistics",
        f"'{STATE}' are stale",
    ),
    "count": (
        lambda r: edit_json(r / "meta/stats.json", lambda p: p | {ACTION: p[ACTION] | {"count": [99]}}),
        "statistics",
        f"'{ACTION}' are stale",
    ),
    "pictures": (
        lambda r: edit_json(r / "meta/stats.json", lambda p: p | {FRONT: p[FRONT] | {"mean": [[[120.0]]] * 3}}),
        "statistics",
        f"'{FRONT}' are stale",
    ),
    "no statistics": (lambda r: (r / "meta/stats.json").unlink(), "statistics", "no statistics"),
    "half statistics": (lambda r: truncate(r / "meta/stats.json"), "statistics", "cannot be read"),
    "statistics of an episode": (
        lambda r: edit_column(r / EPISODES, f"stats/{STATE}/max", lambda v: swap(v, 2, [0.0, 0.0, 0.0])),
        "statistics",
        f"'{STATE}' are stale",
    ),
    "no table": (lambda r: shutil.rmtree(r / "meta/episodes"), "files", "no table of episodes"),
    "half a table": (lambda r: truncate(r / EPISODES), "files", "a table cannot be read"),
    "no footer": (lambda r: cut_footer(r / DATA), "files", "a file of rows cannot be read"),
    "no footers": (
        lambda r: (cut_footer(r / DATA), cut_footer(r / EPISODES)),
        "files",
        "a file of rows cannot be read",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_repaired_in_place(root, good, name):
    inject, where, words = FAULTS[name]
    inject(root)
    before = folder_digest(root)
    found = check(root)
    assert [one for one in found if one.check == where and words in one.what and one.fix], found
    assert folder_digest(root) == before
    made = repair(root)
    assert made.done and made.left == [] and check(root) == []
    assert_same(open_dataset(root), open_dataset(good))
    kept = folder_digest(made.backup) if made.backup else {}
    assert all(before[path] == digest for path, digest in kept.items())
    after = folder_digest(root)
    assert all(path in kept for path in before if after.get(path) != before[path])
    assert not (root / ".doctor-new").exists()


@pytest.mark.parametrize("name", ["from timestamp", "no statistics", "no footers"])
def test_a_repair_elsewhere_leaves_the_dataset_as_it_is(root, good, tmp_path, name):
    FAULTS[name][0](root)
    before = folder_digest(root)
    made = repair(root, tmp_path / "new")
    assert made.root == tmp_path / "new" and made.backup is None and problems(made.left) == []
    assert_same(open_dataset(tmp_path / "new"), open_dataset(good))
    assert folder_digest(root) == before
    with pytest.raises(DataError, match="cannot be put there"):
        repair(root, tmp_path / "new")


def test_statistics_that_are_computed_anew_are_those_that_were_written(root, good):
    (root / "meta/stats.json").unlink()
    edit_column(root / EPISODES, f"stats/{FRONT}/mean", lambda v: [None] * 3)
    repair(root)
    found, expected = (json.loads((one / "meta/stats.json").read_text()) for one in (root, good))
    # Those of pictures were of what the recorder saw; now they are of what the video shows.
    np.testing.assert_allclose(found.pop(FRONT)["mean"], expected.pop(FRONT)["mean"], atol=0.01)
    assert found == expected
    for name in (f"stats/{STATE}/q50", f"stats/{WRIST}/std", "stats/index/max"):
        one, other = (pq.read_table(path / EPISODES).column(name).to_pylist() for path in (root, good))
        assert one == other


@pytest.mark.parametrize("both", [False, True])
def test_forty_episodes_without_a_footer_are_not_lost(tmp_path, both):
    """lerobot#3522: a session that was killed; the file is LeRobot 0.4.4's own, as a kill would leave it."""
    theirs = reference_data("lerobot_v30")
    root = shutil.copytree(theirs, tmp_path / "d", copy_function=shutil.copyfile)
    cut_footer(root / DATA)
    if both:
        cut_footer(root / EPISODES)
    made = repair(root)
    assert made.left == [] and "3 row groups, 39 rows" in made.done[0]
    assert_same(open_dataset(root), open_dataset(theirs))
    assert pq.read_table(root / DATA).equals(pq.read_table(theirs / DATA))


@pytest.mark.parametrize("whole", [1, 2])
def test_of_an_episode_that_was_half_written_nothing_is_kept(root, good, whole):
    """The file ends within a row group: the episodes before it are kept, with their pictures."""
    column = pq.ParquetFile(root / DATA).metadata.row_group(whole).column(5)
    with (root / DATA).open("r+b") as file:
        file.truncate(column.data_page_offset + 3)
    made = repair(root)
    assert problems(made.left) == []
    assert_same(open_dataset(root), open_dataset(good), list(range(whole)))
    assert any("their rows are lost" in words for words in made.done)


def test_an_unfinished_recording_is_finished(tmp_path, good):
    writer = DatasetWriter(tmp_path / "d", spec=make_spec(FRONT, WRIST))
    for number, length in enumerate(LENGTHS):
        writer.add(make_episode(number, length, FRONT, WRIST))
    (finding,) = check(tmp_path / "d")
    assert finding.what == "this recording was not finished" and "3 finished episodes" in finding.got
    made = repair(tmp_path / "d", tmp_path / "out")
    assert made.left == [] and folder_digest(tmp_path / "out") == folder_digest(good)
    assert (tmp_path / "d/.recording").is_dir()
    assert repair(tmp_path / "d").left == []
    assert not (tmp_path / "d/.recording").exists()


@pytest.mark.parametrize("gone", [[2], [1, 2]])
def test_last_episodes_without_files_are_left_out(v21, good, gone):
    for index in gone:
        (v21 / f"data/chunk-000/episode_{index:06d}.parquet").unlink()
    made = repair(v21)
    assert problems(made.left) == [] and any("their rows are lost" in words for words in made.done)
    assert_same(open_dataset(v21), open_dataset(good), [index for index in range(3) if index not in gone])


def test_an_episode_of_v21_that_cannot_be_read_is_left_out_and_the_others_numbered(v21, good):
    (v21 / "data/chunk-000/episode_000001.parquet").write_bytes(b"PAR1" + bytes(200))
    assert any(finding.check == "files" for finding in check(v21))
    made = repair(v21)
    assert problems(made.left) == [] and made.left == []
    found = open_dataset(v21)
    assert_same(found, open_dataset(good), [0, 2])
    assert found.column("episode_index").tolist() == [0] * 6 + [1] * 7
    lines = (v21 / "meta/episodes_stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["stats"][STATE]["max"][1] for line in lines] == [5.0, 6.0]
    assert (made.backup / f"videos/chunk-000/{FRONT}/episode_000001.mp4").is_file()


def test_a_file_of_v21_without_a_footer_is_read_as_it_was(v21, good_v21, good):
    path = v21 / "data/chunk-000/episode_000001.parquet"
    cut_footer(path)
    made = repair(v21)
    assert made.left == [] and len(made.done) == 1
    assert pq.read_table(path).equals(pq.read_table(good_v21 / "data/chunk-000/episode_000001.parquet"))


def test_last_episodes_without_their_video_are_left_out(v21, good):
    (v21 / f"videos/chunk-000/{WRIST}/episode_000002.mp4").unlink()
    made = repair(v21)
    assert problems(made.left) == [] and "the last episodes, 2, are left out" in made.done[0]
    assert_same(open_dataset(v21), open_dataset(good), [0, 1])


@pytest.mark.parametrize("name", ["meta/episodes.jsonl", "meta/episodes_stats.jsonl"])
def test_lists_of_v21_are_written_anew(v21, good, name):
    rows = [json.loads(line) for line in (v21 / name).read_text().splitlines()]
    if "stats" in rows[0]:
        rows[1]["stats"][STATE]["max"] = [0.0, 0.0, 0.0]
    else:
        rows[1]["length"] = 3
    (v21 / name).write_text("".join(json.dumps(row) + "\n" for row in rows[::-1]))
    assert problems(check(v21))
    assert repair(v21).left == []
    assert_same(open_dataset(v21), open_dataset(good))


def test_a_killed_repair_can_be_done_again(root, good, monkeypatch):
    edit_info(root, total_frames=3)
    edit_column(root / EPISODES, "length", lambda v: swap(v, 1, 8))
    replace, calls = os.replace, []

    def killed(source, target):
        calls.append(target)
        if "info.json" in str(target) and ".doctor-backup" in str(target):
            raise KeyboardInterrupt
        return replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        repair(root)
    monkeypatch.undo()
    assert repair(root).left == []
    assert_same(open_dataset(root), open_dataset(good))
    assert len(list((root / ".doctor-backup").iterdir())) == 2


def test_videos_that_lack_frames_in_the_middle_leave_no_episode_out(v21, good):
    (v21 / f"videos/chunk-000/{WRIST}/episode_000001.mp4").unlink()
    made = repair(v21)
    assert made.done == [] and [finding.what for finding in made.left] == ["videos are missing"]


def test_splits_and_extra_videos_follow_their_episodes(v21, good, tmp_path):
    (v21 / f"videos/chunk-000/{FRONT}/episode_000000.mp4").unlink()
    root = tmp_path / "again"
    write(open_dataset(v21), root, LeRobotV21Spec(), Silent())
    (root / "meta/splits.json").write_text('{"train": [0, 2], "test": [1]}')
    assert check(root) == []
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    assert repair(root).left == []
    assert json.loads((root / "meta/splits.json").read_text()) == {"test": [], "train": [0, 1]}
    found = open_dataset(root)
    np.testing.assert_array_equal(found.frames(1, FRONT), open_dataset(good).frames(2, FRONT))
    (root / f"extra_videos/{FRONT}/episode_000002.mp4").unlink()
    assert [finding.what for finding in check(root)] == ["videos are missing"]


def test_a_repaired_dataset_converts(root, good, tmp_path):
    FAULTS["no footers"][0](root)
    repair(root)
    assert_same(convert(open_dataset(root), tmp_path / "copy").dataset, open_dataset(good))
