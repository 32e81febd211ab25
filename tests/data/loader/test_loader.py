"""The loader: what a batch holds, the same for any number of threads, exact after a restart, and clean at its end."""

import gc
import json
import threading
import time

import numpy as np
import pytest

from motorium.core.errors import DataError, SpecError
from motorium.data.dataset import open_dataset
from motorium.data.loader import decode
from motorium.data.loader.cache import no_bar
from motorium.data.loader.loader import Loader, Share, balanced
from motorium.data.loader.prefetch import NAME
from motorium.data.loader.spec import LoaderSpec
from motorium.data.loader.windows import Window
from motorium.data.writer import DatasetWriter
from tests.data.loader.test_sources import all_frames
from tests.data.recordings import ACTION, FRONT, STATE, WRIST, make_episode, make_spec, picture_feature

OFFSETS = {STATE: [-4, -2, 0], ACTION: [0, 1, 2, 3, 4], FRONT: [-1, 0]}
WINDOWS = {STATE: Window(history=3, stride=2), ACTION: Window(chunk=5), FRONT: Window(steps=(-1, 0))}


def make_loader(dataset, share=None, **changes):
    settings = {"features": (STATE, ACTION, FRONT), "windows": WINDOWS, "batch": 4, "frames": "decode", "seed": 3}
    return Loader(dataset, LoaderSpec(**{**settings, **changes}), share=share)


def numbers_loader(dataset, share=None, **changes):
    return make_loader(dataset, share, **{"features": (STATE, ACTION), "windows": {ACTION: WINDOWS[ACTION]}, **changes})


def same(found, expected):
    assert found.keys() == expected.keys()
    for key in found:
        assert found[key].dtype == expected[key].dtype
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


def threads():
    return [one for one in threading.enumerate() if one.name.startswith(NAME)]


def test_a_batch_is_what_the_dataset_says(recorded):
    """Against a plain loop over `Dataset.episode` and `Dataset.frames`."""
    pictures = [recorded.frames(index, FRONT) for index in range(3)]
    seen = set()
    with make_loader(recorded) as loader:
        for batch in loader:
            assert batch[STATE].shape[1:] == (3, 3) and batch[FRONT].shape[1:] == (2, 32, 48, 3)
            for row, (episode, step) in enumerate(zip(batch["episode_index"], batch["frame_index"])):
                seen.add((int(episode), int(step)))
                arrays, length = recorded.episode(episode).arrays, recorded.lengths[episode]
                for key, offsets in OFFSETS.items():
                    wanted = [step + offset for offset in offsets]
                    at = [min(max(one, 0), length - 1) for one in wanted]
                    expected = pictures[episode][at] if key == FRONT else arrays[key][at]
                    np.testing.assert_array_equal(batch[key][row], expected)
                    assert batch[f"{key}_is_pad"][row].tolist() == [not 0 <= one < length for one in wanted]
                assert recorded.episode(episode).task == loader.tasks[batch["task_index"][row]]
    assert seen == {(episode, step) for episode in range(3) for step in range(recorded.lengths[episode])}


def test_a_feature_without_a_window_has_no_time_axis(recorded):
    batch = next(iter(make_loader(recorded, windows={}, features=(STATE, FRONT, "timestamp"))))
    assert batch[STATE].shape == (4, 3) and batch[FRONT].shape == (4, 32, 48, 3)
    np.testing.assert_array_equal(batch["timestamp"], (batch["frame_index"] / 20.0).astype(np.float32))
    assert not [key for key in batch if key.endswith("_is_pad")]


def test_all_features_are_loaded_when_none_is_named(recorded):
    batch = next(iter(make_loader(recorded, features=(), windows={})))
    assert {STATE, ACTION, FRONT, WRIST, "next.success"} <= batch.keys()


def test_pictures_stay_uint8_and_arrays_are_the_consumers(recorded):
    first, second, *_ = numbers_loader(recorded, shuffle=False)
    kept = second[STATE].copy()
    for array in first.values():
        assert array.flags.writeable
        array[...] = 0
    np.testing.assert_array_equal(second[STATE], kept)
    np.testing.assert_array_equal(recorded.column(STATE)[4:8], kept)
    assert next(iter(make_loader(recorded)))[FRONT].dtype == np.uint8
    both = next(iter(numbers_loader(recorded, windows={STATE: Window(chunk=2), ACTION: Window(chunk=2)})))
    assert not np.shares_memory(both[f"{STATE}_is_pad"], both[f"{ACTION}_is_pad"])


@pytest.mark.parametrize("kind", ["decode", "uint8", "jpeg"])
def test_batches_do_not_depend_on_threads_or_prefetch(recorded, kind):
    expected = list(make_loader(recorded, threads=0, frames=kind))
    for count, prefetch in ((1, 1), (2, 4), (4, 2), (4, 100)):
        with make_loader(recorded, threads=count, prefetch=prefetch, frames=kind) as loader:
            found = list(loader)
        assert len(found) == len(expected) == 12
        for ours, theirs in zip(found, expected):
            same(ours, theirs)


def test_numbers_are_the_same_in_pieces_of_any_size(recorded, monkeypatch):
    expected = list(numbers_loader(recorded))
    monkeypatch.setattr("motorium.data.loader.loader.SAMPLES_AT_ONCE", 1)
    for ours, theirs in zip(numbers_loader(recorded), expected, strict=True):
        same(ours, theirs)


def test_epochs_differ_and_come_one_after_another(recorded):
    loader = numbers_loader(recorded)
    endless = loader.forever()
    three = [np.concatenate([next(endless)[STATE] for _ in range(len(loader))]) for _ in range(3)]
    assert not np.array_equal(three[0], three[1]) and not np.array_equal(three[1], three[2])
    for one in three:
        np.testing.assert_array_equal(np.unique(one, axis=0), np.unique(recorded.column(STATE), axis=0))
    assert (loader.epoch, loader.batch) == (3, 0)


@pytest.mark.parametrize("taken", [0, 1, 5, 11, 12, 13, 30])
def test_a_restored_loader_goes_on_with_the_very_next_batch(recorded, taken):
    with make_loader(recorded, threads=2, prefetch=3) as one:
        endless = one.forever()
        for _ in range(taken):
            next(endless)
        state = json.loads(json.dumps(one.state()))
        expected = [next(endless) for _ in range(15)]
    with make_loader(recorded, threads=4, prefetch=1) as other:
        other.restore(state)
        for ours, theirs in zip(other.forever(), expected):
            same(ours, theirs)


def test_iterating_again_goes_on(recorded):
    expected = list(numbers_loader(recorded))
    loader = numbers_loader(recorded)
    found = []
    for batch in loader:
        found.append(batch)
        if len(found) == 5:
            break
    found += list(loader)
    for ours, theirs in zip(found, expected, strict=True):
        same(ours, theirs)


@pytest.mark.parametrize(
    "changes", [{"seed": 4}, {"batch": 5}, {"shuffle": False}, {"windows": {}}, {"skip_last": 1}, {"frames": "uint8"}]
)
def test_a_state_of_other_batches_is_refused(recorded, changes):
    with pytest.raises(DataError, match="other batches|another kind of source"):
        make_loader(recorded, **changes).restore(make_loader(recorded).state())


def test_a_state_of_other_data_is_refused(recorded, tmp_path):
    with DatasetWriter(tmp_path / "d", spec=make_spec()) as writer:
        for number in range(3):
            writer.add(make_episode(number, 15))
    other = numbers_loader(open_dataset(tmp_path / "d"))
    with pytest.raises(DataError, match="other batches"):
        other.restore(numbers_loader(recorded).state())
    with pytest.raises(DataError, match="no state"):
        other.restore({"epoch": 1})


def test_ranks_partition_the_data(recorded):
    shares = [list(numbers_loader(recorded, Share(rank=rank, ranks=3))) for rank in range(3)]
    assert [[len(batch[STATE]) for batch in one] for one in shares] == [[4, 4, 4, 3]] * 3
    rows = np.concatenate([batch[STATE] for one in shares for batch in one])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(recorded.column(STATE), axis=0))
    assert len(rows) == 45


def test_only_chosen_episodes_and_steps_start_samples(recorded):
    loader = numbers_loader(recorded, Share(episodes=[2, 0]), skip_first=2, skip_last=3)
    found = {(int(e), int(s)) for batch in loader for e, s in zip(batch["episode_index"], batch["frame_index"])}
    assert found == {(0, s) for s in range(2, 7)} | {(2, s) for s in range(2, 12)}
    assert loader.samples == 15 and len(loader.rows()) == 15


def test_the_small_batch_at_the_end_can_be_dropped(recorded):
    assert [len(batch[STATE]) for batch in numbers_loader(recorded, batch=20)] == [20, 20, 5]
    assert [len(batch[STATE]) for batch in numbers_loader(recorded, batch=20, drop_last=True)] == [20, 20]


def test_weights_choose_and_balance(recorded):
    only = numbers_loader(recorded, Share(weights=[0, 1, 0]))
    assert {int(e) for batch in only for e in batch["episode_index"]} == {1} and only.samples == 20
    # Task 0 has episodes 0 and 2, 25 steps; task 1 has episode 1, 20 steps.
    loader = numbers_loader(recorded, Share(weights=balanced(recorded)))
    tasks = np.concatenate([batch["task_index"] for batch in loader])
    assert sorted(np.bincount(tasks)) in ([22, 23],)


@pytest.mark.parametrize("weights", [[1, 1], [1, -1, 1], [np.nan, 1, 1], [0, 0, 0]])
def test_weights_that_mean_nothing_are_refused(recorded, weights):
    with pytest.raises(DataError, match="weight"):
        numbers_loader(recorded, Share(weights=weights))


@pytest.mark.parametrize("episodes", [[], [3], [-1]])
def test_there_are_no_such_episodes(recorded, episodes):
    with pytest.raises(DataError, match="no such episodes"):
        numbers_loader(recorded, Share(episodes=episodes))


def test_a_misspelt_feature_is_named_with_its_neighbour(recorded):
    with pytest.raises(DataError) as error:
        make_loader(recorded, features=("observation.stat",), windows={})
    assert error.value.details["nearest"] == STATE
    with pytest.raises(DataError, match="not among the features"):
        make_loader(recorded, features=(STATE,))
    with pytest.raises(SpecError):
        LoaderSpec.parse({"size": (0, 10)})


@pytest.fixture
def partly_filmed(tmp_path):
    spec = make_spec(extra_cameras={"side": picture_feature()})
    with DatasetWriter(tmp_path / "d", spec=spec) as writer:
        for number in range(3):
            writer.add(make_episode(number, 6, *(["side"] if number == 1 else [])))
    return open_dataset(tmp_path / "d")


def test_episodes_without_pictures_are_refused_by_name(partly_filmed):
    with pytest.raises(DataError, match="2 of 3 episodes have no pictures of 'side'") as error:
        make_loader(partly_filmed, features=("side",), windows={})
    assert error.value.details["got"] == "none for 0, 2" and error.value.details["expected"] == "episodes 1"
    loader = make_loader(partly_filmed, Share(episodes=[1]), features=("side",), windows={})
    assert sum(len(batch["side"]) for batch in loader) == 6


@pytest.mark.parametrize("kind", ["decode", "uint8", "ram"])
def test_episodes_without_pictures_are_masked_when_asked_for(partly_filmed, kind):
    windows = {"side": Window(history=2)}
    loader = make_loader(partly_filmed, features=("side",), windows=windows, missing="mask", frames=kind)
    expected = partly_filmed.frames(1, "side")
    for batch in loader:
        assert batch["side_is_missing"].tolist() == [int(one) != 1 for one in batch["episode_index"]]
        for pictures, episode, step in zip(batch["side"], batch["episode_index"], batch["frame_index"]):
            wanted = expected[[max(step - 1, 0), step]] if episode == 1 else np.zeros((2, 32, 48, 3))
            np.testing.assert_array_equal(pictures, wanted)


def test_text_is_left_out_with_a_note(tmp_path):
    from motorium.core.features import Feature

    features = {**make_spec().features, "remark": Feature(dtype="string", shape=(1,))}
    with DatasetWriter(tmp_path / "d", spec=make_spec(features=features)) as writer:
        episode = make_episode(0, 5)
        arrays = {**episode.arrays, "remark": np.array([["good"]] * 5, object)}
        writer.add(type(episode)(**{**vars(episode), "arrays": arrays}))
    loader = Loader(open_dataset(tmp_path / "d"))
    assert loader.notes == ["left out, because they hold text: remark"] and "remark" not in next(iter(loader))
    with pytest.raises(DataError, match="holds text"):
        Loader(loader.dataset, LoaderSpec(features=("remark",)))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_error_in_a_thread_is_raised_where_its_batch_would_come(recorded, monkeypatch, count):
    expected = list(make_loader(recorded, threads=0))
    gather, calls = decode.DecodeSource.gather, [0]

    def broken(self, episodes, steps):
        if len(episodes) and calls[0] >= 0 and any((episodes == 1) & (steps == 13)):
            raise DataError("a video is truncated or damaged", where="front.mp4")
        return gather(self, episodes, steps)

    monkeypatch.setattr(decode.DecodeSource, "gather", broken)
    good = []
    with make_loader(recorded, threads=count) as loader, pytest.raises(DataError, match="truncated") as error:
        good.extend(loader)
    assert error.value.__notes__ == [f"while the loader made batch {loader.batch} of epoch 0"]
    assert len(good) == loader.batch and 0 < len(good) < 12
    for ours, theirs in zip(good, expected):
        same(ours, theirs)
    assert threads() == []


def test_threads_end(recorded):
    loader = make_loader(recorded, threads=3)
    batches = iter(loader)
    next(batches)
    assert 0 < len(threads()) <= 3
    batches.close()
    loader.close()
    loader.close()
    assert threads() == []
    # A loader that was closed can be used again, and one that is forgotten ends by itself.
    assert len(list(loader)) == 11
    assert threads()
    del loader, batches
    gc.collect()
    for _ in range(200):
        if not threads():
            break
        time.sleep(0.01)
    assert threads() == []


def test_no_more_is_made_ahead_than_was_asked_for(recorded, monkeypatch):
    made = []
    monkeypatch.setattr(Loader, "_make", lambda self, piece: made.append(piece) or [{}])
    with make_loader(recorded, threads=2, prefetch=3) as loader:
        batches = iter(loader)
        next(batches)
        time.sleep(0.05)
        assert len(made) <= 4
        batches.close()


def test_auto_says_why(recorded):
    loader = make_loader(recorded, frames="auto")
    assert loader.plans[FRONT].kind == "uint8" and loader.notes[0].startswith(f"{FRONT}: uint8: 207 kB to be kept (")
    assert loader.plans[FRONT].bytes == 45 * 32 * 48 * 3
    none = make_loader(recorded, frames="auto", disk_gib=0, features=(STATE, WRIST), windows={})
    assert none.plans[WRIST].kind == "ram" and "no cache fits" in none.notes[0]


def test_what_is_noted_is_told_before_anything_is_built(recorded):
    told = []

    def open_bar(count, unit, label):
        if unit == "frame":
            raise KeyboardInterrupt
        return no_bar(count, unit=unit, label=label)

    with pytest.raises(KeyboardInterrupt):
        Loader(recorded, LoaderSpec(frames="ram", features=(STATE, FRONT)), tell=told.append, open_bar=open_bar)
    assert len(told) == 1 and told[0].startswith(f"{FRONT}: ram")


def test_one_budget_for_all_cameras(recorded):
    # Room for one camera as uint8 and half of another.
    room = 1.5 * 45 * 32 * 48 * 3 / 1024**3
    loader = make_loader(recorded, frames="auto", features=(FRONT, WRIST), windows={}, disk_gib=room)
    assert [plan.kind for plan in loader.plans.values()] == ["uint8", "jpeg"]


def test_single_samples_by_row(recorded):
    loader = make_loader(recorded, windows={})
    batch = loader.take([44, 0, 12])
    np.testing.assert_array_equal(batch[FRONT], all_frames(recorded)[[44, 0, 12]])
    assert batch["episode_index"].tolist() == [2, 0, 1] and batch["frame_index"].tolist() == [14, 0, 2]
    with pytest.raises(DataError, match="no such row"):
        loader.take([45])
