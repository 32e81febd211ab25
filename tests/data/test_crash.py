"""kill -9 at any moment costs at most the episode being written, and never the recording."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.data.dataset import open_dataset
from motorium.data.writer import DatasetWriter
from tests.data.recordings import FRONT, folder_digest, make_episode, make_spec

ROOT = Path(__file__).resolve().parents[2]
LENGTHS = (7, 12, 5)

# Forks a recorder for each moment, so that imports are paid once. Each kills itself before (even) or after (odd)
# the n-th change of the file system; its exit status and count of finished episodes are printed.
SUICIDAL = """
import os, signal, sys
from motorium.data.writer import DatasetWriter
from tests.data.recordings import FRONT, make_episode, make_spec

def deadly(function, moment, seen=[0]):
    def called(*args, **kwargs):
        for after in (False, True):
            if after:
                function(*args, **kwargs)
            if seen[0] == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1
    return called

def record(root, moment, pipe):
    os.replace, os.unlink, os.rmdir = (deadly(f, moment) for f in (os.replace, os.unlink, os.rmdir))
    with DatasetWriter(root, spec=make_spec(FRONT)) as writer:
        for number, length in enumerate((7, 12, 5)):
            writer.add(make_episode(number, length, FRONT))
            os.write(pipe, b".")

for moment in range(100):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        record(f"{sys.argv[1]}/{moment}", moment, writing)
        os._exit(0)
    os.close(writing)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, len(os.read(reading, 100)), flush=True)
    os.close(reading)
    if status == 0:
        break
"""

ENDLESS = """
import sys
from motorium.data.writer import DatasetWriter
from tests.data.recordings import FRONT, make_episode, make_spec

writer = DatasetWriter(sys.argv[1], spec=make_spec(FRONT))
while True:
    number = writer.num_episodes
    writer.add(make_episode(number, 40, FRONT))
    print(number, flush=True)
"""


def start(script, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole") / "d"
    with DatasetWriter(root, spec=make_spec(FRONT)) as writer:
        for number, length in enumerate(LENGTHS):
            writer.add(make_episode(number, length, FRONT))
    return folder_digest(root)


@pytest.mark.slow
def test_a_kill_at_every_file_operation_loses_nothing_finished(tmp_path, whole):
    outcomes = [line.split() for line in start(SUICIDAL, tmp_path).communicate(timeout=300)[0].splitlines()]
    assert 30 < len(outcomes) < 100 and outcomes[-1] == ["0", "3"]
    for moment, (status, finished) in enumerate(outcomes[:-1]):
        root, finished = tmp_path / str(moment), int(finished)
        assert int(status) == -signal.SIGKILL
        published = (root / "meta/info.json").exists()
        if published:
            # Killed while tidying up: the dataset is whole already.
            assert open_dataset(root).num_episodes == 3
        if (root / ".recording/spec.json").exists():
            writer = DatasetWriter.recover(root)
            assert published or writer.num_episodes >= finished
        elif published:
            continue
        else:
            assert finished == 0
            writer = DatasetWriter(root, spec=make_spec(FRONT))
        for number in range(3 if published else writer.num_episodes, 3):
            writer.add(make_episode(number, LENGTHS[number], FRONT))
        writer.finalize()
        assert folder_digest(root) == whole, f"killed at {moment}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_kill_from_outside_keeps_every_finished_episode(tmp_path, seed):
    process = start(ENDLESS, tmp_path / "d")
    finished = [process.stdout.readline() for _ in range(3)]
    time.sleep(random.Random(seed).uniform(0, 0.1))
    process.kill()
    finished += process.stdout.read().split()
    process.wait()
    writer = DatasetWriter.recover(tmp_path / "d")
    count = writer.num_episodes
    assert count >= len(finished)
    assert writer.add(make_episode(count, 9, FRONT)) == count
    writer.finalize()
    found = open_dataset(tmp_path / "d")
    assert found.lengths.tolist() == [40] * count + [9]
    for number in range(count):
        expected = make_episode(number, 40)
        assert found.episode(number).task == expected.task
        for key, array in expected.arrays.items():
            np.testing.assert_array_equal(found.episode(number).arrays[key], array)
    assert len(found.frames(count, FRONT)) == 9 and len(found.frames(0, FRONT)) == 40


def test_an_error_in_the_block_leaves_a_recoverable_recording(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt), DatasetWriter(tmp_path / "d", spec=make_spec(FRONT)) as writer:
        for number, length in enumerate(LENGTHS):
            writer.add(make_episode(number, length, FRONT))
        raise KeyboardInterrupt
    with pytest.raises(DataError, match="was not finished"):
        open_dataset(tmp_path / "d")
    with DatasetWriter.recover(tmp_path / "d") as writer:
        assert writer.num_episodes == 3
    assert folder_digest(tmp_path / "d") == whole


def test_leftovers_of_an_unfinished_episode_are_removed(tmp_path, whole):
    writer = DatasetWriter(tmp_path / "d", spec=make_spec(FRONT))
    for number, length in enumerate(LENGTHS):
        writer.add(make_episode(number, length, FRONT))
    staging = tmp_path / "d/.recording"
    (staging / f"episode_000003.{FRONT}.mp4").write_bytes(b"half a video")
    (staging / "episode_000003.tmp").write_bytes(b"half a table")
    (staging / "final/data").mkdir(parents=True)
    DatasetWriter.recover(tmp_path / "d").finalize()
    assert folder_digest(tmp_path / "d") == whole


def test_there_is_nothing_to_recover_in_another_folder(tmp_path):
    with pytest.raises(DataError, match="no interrupted recording"):
        DatasetWriter.recover(tmp_path)
