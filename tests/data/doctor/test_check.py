"""Every fault of a dataset is found, also those that no repair can mend, and a sound one has none."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from motorium.core.errors import DataError
from motorium.data.doctor.check import check, problems
from motorium.data.doctor.probe import assign
from motorium.data.doctor.repair import repair
from tests.data.doctor.faults import DATA, edit_json
from tests.data.groot import write_groot
from tests.data.recordings import ACTION, FRONT, folder_digest
from tests.data.test_malformed import edit_column, edit_info, swap, truncate
from tests.support.real import real_data
from tests.support.reference import reference_data


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_dataset_has_nothing_wrong(good, good_v21, deep):
    assert check(good, deep=deep) == [] and check(good_v21, deep=deep) == []
    assert check(reference_data("lerobot_v30"), deep=deep) == []


@pytest.mark.real
def test_what_is_wrong_with_real_recordings_is_what_is_missing():
    # Counted with `ls`: 12 of the humanoid's 100 videos, none of the arm's.
    (finding,) = check(real_data("g1_inspire_lerobot_v21"))
    assert finding.what == "videos are missing" and "and 80 more" in finding.where
    found = check(real_data("so101_lerobot_v30_novideo"))
    assert [finding.what for finding in found] == ["videos are missing"] * 2


def test_gr00t_s_own_flavour_is_sound_but_for_its_totals(tmp_path):
    found = check(write_groot(tmp_path / "g"))
    assert {finding.what for finding in problems(found)} == {"'total_chunks' is stale", "'splits' is stale"}


BEYOND = {
    "not finite": (lambda r: edit_column(r / DATA, ACTION, lambda v: swap(v, 7, [0.0, float("nan")])), "values"),
    "a dropped step": (lambda r: edit_column(r / DATA, "frame_index", lambda v: swap(v, 4, 5)), "rows"),
    "another rate": (lambda r: edit_info(r, fps=30), "rows"),
    "a time that is no number": (
        lambda r: edit_column(r / DATA, "timestamp", lambda v: swap(v, 8, float("nan"))),
        "rows",
    ),
    "an unknown task": (lambda r: edit_column(r / DATA, "task_index", lambda v: swap(v, 0, 9)), "tasks"),
    "tasks that nobody knows": (
        lambda r: edit_column(r / "meta/tasks.parquet", "task_index", lambda v: [0, 5]),
        "tasks",
    ),
    "an empty cell": (lambda r: edit_column(r / DATA, "next.success", lambda v: swap(v, 3, None)), "values"),
    "a missing column": (lambda r: pq.write_table(pq.read_table(r / DATA).drop_columns([ACTION]), r / DATA), "rows"),
    "episodes in pieces": (
        lambda r: edit_column(r / DATA, "episode_index", lambda v: [2, *v[1:]]),
        "rows",
    ),
    "a truncated video": (lambda r: truncate(r / f"videos/{FRONT}/chunk-000/file-000.mp4"), "videos"),
    "a video of another camera": (
        lambda r: edit_json(
            r / "meta/info.json",
            lambda p: p | {"features": p["features"] | {FRONT: p["features"][FRONT] | {"shape": [64, 48, 3]}}},
        ),
        "videos",
    ),
    "a modality": (
        lambda r: (r / "meta/modality.json").write_text('{"state": {"arm": {"start": 0, "end": 99}}}'),
        "modality",
    ),
    "half an info": (lambda r: truncate(r / "meta/info.json"), "info"),
    "another version": (lambda r: edit_info(r, codebase_version="v2.1"), "info"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_would_have_to_be_invented_is_found_and_stays(root, name):
    inject, where = BEYOND[name]
    inject(root)
    data, videos = folder_digest(root / "data"), folder_digest(root / "videos")
    assert [one for one in problems(check(root)) if one.check == where and one.fix is None], check(root)
    made = repair(root)
    assert [one for one in problems(made.left) if one.check == where and one.fix is None]
    assert folder_digest(root / "data") == data and folder_digest(root / "videos") == videos


def test_frames_that_do_not_decode_are_found_by_decoding(root):
    path = root / f"videos/{FRONT}/chunk-000/file-000.mp4"
    raw = bytearray(path.read_bytes())
    start = raw.index(b"mdat") + 900
    raw[start : start + 1200] = bytes(1200)
    path.write_bytes(raw)
    assert any(finding.check == "videos" for finding in problems(check(root, deep=True)))


def test_files_that_nothing_refers_to_are_worth_a_note(root):
    (root / f"videos/{FRONT}/chunk-000/file-007.mp4").write_bytes(b"x" * 1000)
    (finding,) = check(root)
    assert finding.severity == "note" and "file-007.mp4" in finding.where


def test_a_folder_that_is_no_dataset_is_an_error(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError, match="no such dataset|no dataset"):
            check(path)


def test_episodes_are_told_apart_only_where_they_fill_the_files_exactly():
    assert assign([2, 3, 4], [5, 4]) == [(0, 0), (0, 2), (1, 0)]
    assert assign([2, 3, 4], [5, 5]) is None
    assert assign([2, 3, 4], [4, 5]) is None
    assert assign([2, 3, 4], [5]) is None
    assert assign([2, 3, 4], [5, 4, 1]) is None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v30", "v21"])
def test_bits_flipped_anywhere_never_end_in_another_error(root, v21, version, tmp_path):
    folder = root if version == "v30" else v21
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    random = np.random.default_rng(3)
    for turn in range(24):
        path = files[turn % len(files)]
        original = path.read_bytes()
        damaged = bytearray(original)
        start = int(random.integers(len(damaged)))
        damaged[start : start + 8] = random.bytes(min(8, len(damaged) - start))
        path.write_bytes(bytes(damaged) if turn % 3 else original[:start])
        try:
            check(folder)
            repair(folder, tmp_path / "out")
        except DataError:
            pass
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        path.write_bytes(original)
