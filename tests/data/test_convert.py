"""Copies: arrays equal, packets untouched, cuts where they may be, and a choice for videos that are absent."""

import json

import av
import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.core.features import Feature, vector
from motorium.data.convert import convert, copy_spec
from motorium.data.dataset import open_dataset
from motorium.data.episode import Episode
from motorium.data.layout import EXTRA_VIDEO_PATH
from motorium.data.writer import DatasetWriter
from tests.data.recordings import (
    ACTION,
    FRONT,
    SIZE,
    STATE,
    WRIST,
    folder_digest,
    make_episode,
    make_pictures,
    make_spec,
)
from tests.data.v21 import write_v21

LENGTHS = (10, 20, 15)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    root = tmp_path_factory.mktemp("recorded") / "d"
    with DatasetWriter(root, spec=make_spec(FRONT, WRIST)) as writer:
        for number, length in enumerate(LENGTHS):
            writer.add(make_episode(number, length, FRONT, WRIST))
    return open_dataset(root)


def packets(dataset, index, camera):
    span = dataset.video_span(index, camera)
    start, stop = span.from_s, span.from_s + (int(dataset.lengths[index]) - 0.5) / dataset.fps
    with av.open(str(span.path)) as container:
        every = [p for p in container.demux(video=0) if p.pts is not None]
        return [bytes(p) for p in every if start - 1e-6 <= float(p.pts * p.time_base) < stop]


def test_a_copy_of_everything_is_the_same_files(recorded, tmp_path):
    made = convert(recorded, tmp_path / "copy")
    assert folder_digest(tmp_path / "copy") == folder_digest(recorded.root)
    assert made.reencoded == {} and made.episodes == [0, 1, 2] and made.skipped == []


def test_chosen_episodes_keep_arrays_packets_and_meta(recorded, tmp_path):
    made = convert(recorded, tmp_path / "some", episodes=[2, 0]).dataset
    assert made.lengths.tolist() == [15, 10] and made.tasks == ["task 0"]
    for new, old in enumerate([2, 0]):
        for key, array in recorded.episode(old).arrays.items():
            np.testing.assert_array_equal(made.episode(new).arrays[key], array)
        assert made.episode(new).meta == {"seed": old, "outcome": "success"}
        for camera in (FRONT, WRIST):
            assert packets(made, new, camera) == packets(recorded, old, camera)
            np.testing.assert_array_equal(made.frames(new, camera), recorded.frames(old, camera))
    assert made.column("index").tolist() == list(range(25))


def test_a_cut_on_a_keyframe_copies_packets(tmp_path):
    # A still picture has its keyframes every 5 steps and nowhere else.
    still = np.broadcast_to(make_pictures(0, 1), (20, *SIZE))
    with DatasetWriter(tmp_path / "still", spec=make_spec(FRONT)) as writer:
        writer.add(Episode(arrays=make_episode(0, 20).arrays, task="t", frames={FRONT: still}))
    source = open_dataset(tmp_path / "still")
    with DatasetWriter(tmp_path / "cut", spec=copy_spec(source)) as writer:
        writer.add_copy(source, 0, start=5, stop=18)
        writer.add_copy(source, 0, start=3, stop=18)
        assert writer.reencoded == {1: [FRONT]}
    made = open_dataset(tmp_path / "cut")
    assert packets(made, 0, FRONT) == packets(source, 0, FRONT)[5:18]
    assert made.episode(0).arrays[STATE][:, 1].tolist() == list(range(5, 18))
    assert made.frames(1, FRONT).shape == (15, *SIZE)


def test_a_cut_between_keyframes_shows_the_right_steps(recorded, tmp_path):
    with DatasetWriter(tmp_path / "cut", spec=copy_spec(recorded)) as writer:
        writer.add_copy(recorded, 1, start=7, stop=19, meta={"trimmed": True}, task="another")
    made = open_dataset(tmp_path / "cut")
    assert made.episode(0).task == "another" and made.episode(0).meta == {"trimmed": True}
    error = made.frames(0, WRIST).astype(int) - make_pictures(1, 20, 1)[7:19]
    assert np.abs(error).mean() < 5


def test_arrays_can_be_replaced(recorded, tmp_path):
    action = np.full((20, 2), 0.25, np.float32)
    with DatasetWriter(tmp_path / "new", spec=copy_spec(recorded)) as writer:
        writer.add_copy(recorded, 1, arrays={ACTION: action})
        with pytest.raises(DataError, match="wrong shape"):
            writer.add_copy(recorded, 1, arrays={ACTION: action[:5]})
    made = open_dataset(tmp_path / "new").episode(0)
    np.testing.assert_array_equal(made.arrays[ACTION], action)
    np.testing.assert_array_equal(made.arrays[STATE], recorded.episode(1).arrays[STATE])


def test_units_and_conventions_can_be_added(recorded, tmp_path):
    feature = vector(("shoulder", "elbow", "wrist"), "deg")
    made = convert(recorded, tmp_path / "u", features={STATE: feature}, conventions={"gripper": "1 is closed"}).dataset
    assert made.features[STATE].units == ("deg",) * 3
    assert made.conventions == {"rotation": "w first", "gripper": "1 is closed"}
    with pytest.raises(DataError, match="cannot be stated so"):
        convert(recorded, tmp_path / "v", features={STATE: Feature(dtype="float32", shape=(4,))})


def test_another_rate_is_refused(recorded, tmp_path):
    with DatasetWriter(tmp_path / "d", spec=make_spec(fps=10)) as writer:
        with pytest.raises(DataError, match="another rate"):
            writer.add_copy(recorded, 0)
        writer.add(make_episode(0, 4))


def test_v21_becomes_v30_without_touching_a_packet(recorded, tmp_path):
    write_v21(recorded, tmp_path / "v21")
    source = open_dataset(tmp_path / "v21")
    assert source.version == "v2.1" and source.problems == []
    made = convert(source, tmp_path / "v30").dataset
    assert made.version == "v3.0"
    for index in range(3):
        for key, array in recorded.episode(index).arrays.items():
            np.testing.assert_array_equal(made.episode(index).arrays[key], array)
        for camera in (FRONT, WRIST):
            assert packets(made, index, camera) == packets(recorded, index, camera)


def missing_set(recorded, root):
    write_v21(recorded, root)
    (root / f"videos/chunk-000/{FRONT}/episode_000001.mp4").unlink()
    return open_dataset(root)


def test_drop_keeps_every_episode_and_the_videos_there_are(recorded, tmp_path):
    source = missing_set(recorded, tmp_path / "v21")
    assert source.missing_videos() == {FRONT: [1]}
    made = convert(source, tmp_path / "d", cameras="drop")
    assert made.dropped_cameras == {FRONT: [1]} and made.episodes == [0, 1, 2]
    found = made.dataset
    assert FRONT not in found.features and WRIST in found.features
    assert found.cameras == [WRIST, FRONT] and found.missing_videos() == {FRONT: [1]}
    np.testing.assert_array_equal(found.frames(2, FRONT), recorded.frames(2, FRONT))
    assert (tmp_path / "d" / EXTRA_VIDEO_PATH.format(video_key=FRONT, episode_index=2)).is_file()
    again = convert(found, tmp_path / "again", episodes=[1, 2]).dataset
    assert again.missing_videos() == {FRONT: [0]}
    np.testing.assert_array_equal(again.frames(1, FRONT), recorded.frames(2, FRONT))


def test_subset_keeps_the_episodes_with_video(recorded, tmp_path):
    made = convert(missing_set(recorded, tmp_path / "v21"), tmp_path / "d", cameras="subset")
    assert made.episodes == [0, 2] and made.skipped == [1]
    np.testing.assert_array_equal(made.dataset.frames(1, FRONT), recorded.frames(2, FRONT))


def test_require_lists_what_is_missing(recorded, tmp_path):
    source = missing_set(recorded, tmp_path / "v21")
    with pytest.raises(DataError, match=r"1 of 3 episodes \(1\)"):
        convert(source, tmp_path / "d", cameras="require")
    assert not (tmp_path / "d").exists()
    assert convert(source, tmp_path / "e", cameras="require", episodes=[0, 2]).dataset.num_episodes == 2


def test_progress_counts_episodes(recorded, tmp_path):
    class Counter:
        total = 0

        def advance(self, amount=1, **note):
            self.total += amount

        def close(self):
            pass

    counter = Counter()
    convert(recorded, tmp_path / "d", progress=counter)
    assert counter.total == 3


def test_reordered_video_is_copied_and_joined(tmp_path):
    # B-frames: packets are not in the order they show, and decoding runs ahead.
    with DatasetWriter(tmp_path / "d", spec=make_spec(FRONT)) as writer:
        for number, length in enumerate(LENGTHS):
            writer.add(make_episode(number, length, FRONT))
    recorded = open_dataset(tmp_path / "d")
    write_v21(recorded, tmp_path / "v21")
    for number, length in enumerate(LENGTHS):
        path = tmp_path / f"v21/videos/chunk-000/{FRONT}/episode_{number:06d}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=20, options={"bf": "2", "crf": "10", "g": "8"})
            stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
            for picture in make_pictures(number, length):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    source = open_dataset(tmp_path / "v21")
    made = convert(source, tmp_path / "v30")
    assert made.reencoded == {}
    for number, length in enumerate(LENGTHS):
        found = made.dataset.frames(number, FRONT)
        np.testing.assert_array_equal(found, source.frames(number, FRONT))
        assert np.abs(found.astype(int) - make_pictures(number, length)).mean() < 3


def test_words_of_a_task_may_hold_any_separator_that_json_does_not_escape(tmp_path):
    task = "lift\u2028the cube\x85now"
    with DatasetWriter(tmp_path / "a", spec=make_spec()) as writer:
        writer.add(make_episode(0, 30, task=task))
    write_v21(open_dataset(tmp_path / "a"), tmp_path / "v21")
    for name in ("tasks", "episodes"):
        path = tmp_path / "v21" / "meta" / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().split("\n") if line]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert open_dataset(tmp_path / "v21").tasks == [task]


def test_options_of_a_format_are_listed_without_a_dataset(capsys):
    from motorium.cli import main

    assert main(["convert", "--to", "robomimic", "--options"]) == 0
    assert "next_observations" in capsys.readouterr().out
    assert main(["convert", "--to", "robomimic"]) == 2
    said = capsys.readouterr().err
    assert "no DATASET" in said and "motorium convert DATASET OUT --to robomimic" in said
    assert main(["convert", "here", "--to", "robomimic"]) == 2
    assert "no OUT" in capsys.readouterr().err
