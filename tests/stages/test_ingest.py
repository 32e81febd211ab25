"""Stage ingest on logs: no trace of shards or executors, kills are survived, and it asks before it guesses."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from motorium.cli import main
from motorium.data.dataset import open_dataset
from tests.data.recordings import folder_digest

LENGTHS = (20, 31, 7, 24, 16, 12)


@pytest.fixture(scope="module")
def aloha(tmp_path_factory):
    """A folder as ACT records: a file an episode, one camera."""
    folder = tmp_path_factory.mktemp("aloha")
    for number, length in enumerate(LENGTHS):
        steps = np.arange(length)
        with h5py.File(folder / f"episode_{number}.hdf5", "w") as file:
            file.attrs["sim"] = True
            file["action"] = (steps[:, None] + np.arange(14) / 100 + number).astype(np.float32)
            file["observations/qpos"] = (steps[:, None] + np.arange(14) / 50 + number).astype(np.float32)
            file["observations/qvel"] = np.full((length, 14), number, np.float32)
            levels = (20 + 7 * steps + 30 * number) % 200
            file["observations/images/top"] = np.full((length, 96, 128, 3), levels[:, None, None, None], np.uint8)
    return folder


def words(source, store, *options):
    return ["ingest", str(source), "--store", str(store), "--fps", "50", "--task", "insert the peg", *options]


def made(store):
    """{name of the artifact: digest of its files} of every dataset in a store."""
    found = sorted((store / "artifacts" / "dataset").iterdir())
    content = [
        {name: digest for name, digest in folder_digest(path).items() if "manifest" not in name} for path in found
    ]
    return content


@pytest.fixture(scope="module")
def undisturbed(aloha, tmp_path_factory):
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    assert main(words(aloha, store, "--quiet")) == 0
    return store


def test_every_episode_arrives_with_its_numbers_and_pictures(aloha, undisturbed):
    [path] = (undisturbed / "artifacts" / "dataset").iterdir()
    found = open_dataset(path)
    assert found.lengths.tolist() == list(LENGTHS) and found.fps == 50 and found.tasks == ["insert the peg"]
    for number in range(len(LENGTHS)):
        with h5py.File(aloha / f"episode_{number}.hdf5") as file:
            arrays = found.episode(number).arrays
            np.testing.assert_array_equal(arrays["action"], file["action"][:])
            np.testing.assert_array_equal(arrays["observation.state"][:, :14], file["observations/qpos"][:])
            recorded = file["observations/images/top"][:].astype(int)
        assert np.abs(found.frames(number, found.cameras[0]) - recorded).mean() < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [("--shard-episodes", "1"), ("--shard-episodes", "2", "--on", "processes", "--jobs", "2")]
)
def test_shards_and_executors_leave_no_trace(aloha, undisturbed, tmp_path, options):
    assert main(words(aloha, tmp_path / "store", "--quiet", *options)) == 0
    assert made(tmp_path / "store") == made(undisturbed)


@pytest.mark.slow
def test_a_killed_ingest_goes_on_where_it_was(aloha, undisturbed, tmp_path):
    store = tmp_path / "store"
    options = ("--quiet", "--shard-episodes", "1")
    command = [sys.executable, "-m", "motorium.cli", *words(aloha, store, *options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(store.glob("scratch/*/shards/*.npz"))) < 2:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in store.glob("scratch/*/shards/*.npz")}
    assert 2 <= len(finished) < len(LENGTHS), "the kill came too late to show anything"
    log = tmp_path / "again.txt"
    with open(log, "w") as file:
        assert subprocess.run(command, env=environment, stdout=file, stderr=file).returncode == 0, log.read_text()
    assert made(store) == made(undisturbed)


def test_the_rate_and_the_task_are_asked_for_in_one_message_with_a_mapping_to_edit(
    aloha, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["ingest", str(aloha), "--store", "store", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "2 decisions" in said and "steps a second" in said and "instruction" in said
    [ready] = tmp_path.glob("*.mapping.yaml")
    assert ready.name in said and not (tmp_path / "store").exists()
    text = ready.read_text()
    assert "observations/qpos" in text
    edited = text.replace(next(line for line in text.splitlines() if line.startswith("fps:")), "fps: 25")
    ready.write_text(edited)
    assert main(["ingest", str(aloha), "--store", "store", "--quiet", "--mapping", ready.name, "--out", "out"]) == 0
    assert open_dataset(tmp_path / "out").fps == 25


def test_a_mapping_that_is_there_is_not_overwritten(aloha, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ready = tmp_path / f"{aloha.name}.mapping.yaml"
    ready.write_text("mine")
    assert main(["ingest", str(aloha), "--store", "store", "--quiet"]) == 2
    assert ready.read_text() == "mine" and "left alone" in capsys.readouterr().err


def test_out_is_never_overwritten(aloha, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert main(words(aloha, tmp_path / "store", "--out", str(tmp_path / "out"))) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


def test_out_that_cannot_be_written_is_refused_before_the_work(aloha, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(words(aloha, tmp_path / "store", "--out", str(tmp_path / "file/out"))) == 2
    error = capsys.readouterr().err
    assert "--out cannot be written" in error and "is no folder" in error and not (tmp_path / "store").exists()


def test_a_copy_that_fails_names_the_artifact_and_leaves_nothing(aloha, tmp_path, monkeypatch, capsys):
    def full(source, target):
        os.makedirs(target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("motorium.commands.single.shutil.copytree", full)
    assert main(words(aloha, tmp_path / "store", "--quiet", "--out", str(tmp_path / "out"))) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error and str(tmp_path / "store") in error
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["store"] and len(made(tmp_path / "store")) == 1


def test_a_recording_is_opened_once_whatever_its_shards(aloha, tmp_path, monkeypatch):
    from motorium.data.ingest import plan as plans

    opened = []
    real = plans.open_log
    monkeypatch.setattr(plans, "open_log", lambda *told: opened.append(told[0]) or real(*told))
    assert main(words(aloha, tmp_path / "store", "--quiet", "--shard-episodes", "1")) == 0
    assert opened == [str(aloha)]


def test_what_share_of_a_feature_is_not_known_is_said(tmp_path, capsys):
    rows = "".join(f"{n / 10},{n if n != 4 else ''}\n" for n in range(20))
    (tmp_path / "log.csv").write_text("t,speed [m/s]\n" + rows)
    assert main(["ingest", str(tmp_path / "log.csv"), "--store", str(tmp_path / "store"), "--task", "drive"]) == 0
    # One sample of twenty is empty.
    assert "5.00% of 'observation.state' is not known: 'observation.state.valid' says where" in capsys.readouterr().err


def test_what_was_decided_is_in_the_manifest(aloha, undisturbed):
    [path] = (undisturbed / "artifacts" / "dataset").iterdir()
    manifest = json.loads(next(path.glob("*manifest*.json")).read_text())
    assert manifest["spec"]["fps"] == 50 and manifest["metrics"]["source_format"] == "act"
    assert manifest["metrics"]["episodes"] == len(LENGTHS)


def test_a_dataset_takes_no_mapping(aloha, undisturbed, tmp_path, capsys):
    [path] = (undisturbed / "artifacts" / "dataset").iterdir()
    assert main(["ingest", str(path), "--store", str(tmp_path / "store"), "--fps", "5"]) == 2
    assert "is for recordings that are no dataset yet" in capsys.readouterr().err
