import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorium.core.errors import DataError
from motorium.learn.data import BatchOrder, Windows, split
from tests.learn.toys import STATE, make_data, wandering


@given(st.integers(1, 200), st.floats(0, 0.99), st.integers(0, 5))
def test_split_is_a_partition_of_the_episodes(episodes, fraction, seed):
    train, held = split(episodes, fraction, seed)
    assert sorted([*train, *held]) == list(range(episodes))
    assert len(train) >= 1
    assert len(held) >= 1 or fraction == 0 or episodes == 1


def test_split_depends_on_the_seed_alone():
    assert np.array_equal(split(50, 0.2, 3)[1], split(50, 0.2, 3)[1])
    assert not np.array_equal(split(50, 0.2, 3)[1], split(50, 0.2, 4)[1])


def numbered(lengths, gap=0):
    rows = sum(lengths) + gap * len(lengths)
    column = np.arange(rows, dtype=np.float32)[:, None]
    return make_data(column, column, lengths, gap)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4))
def test_windows_stay_inside_their_episode(lengths, horizon, n_obs, stride):
    data = numbered(lengths, gap=2)
    windows = Windows.of(data, np.arange(len(lengths)), horizon=horizon, n_obs=n_obs, stride=stride)
    assert len(windows.rows) == sum(lengths)
    for episode, (start, length) in enumerate(zip(data.starts, data.lengths)):
        rows = data.rows([episode])
        chunk, real = windows.chunk(rows)
        history = windows.history(rows)
        for array in (chunk, history, windows.previous(rows)[0]):
            assert array.min() >= start and array.max() < start + length
        assert np.array_equal(real.sum(axis=1), np.minimum(start + length - rows, horizon))


def test_chunk_repeats_the_last_step_and_marks_it():
    windows = Windows.of(numbered([3]), np.array([0]), horizon=4, n_obs=1, stride=1)
    chunk, real = windows.chunk(np.array([1]))
    assert chunk.tolist() == [[1, 2, 2, 2]]
    assert real.tolist() == [[True, True, False, False]]


def test_history_repeats_the_oldest_observation_of_its_phase():
    windows = Windows.of(numbered([10]), np.array([0]), horizon=1, n_obs=3, stride=3)
    history = windows.history(np.array([0, 2, 4, 7, 9]))
    assert history.tolist() == [[0, 0, 0], [2, 2, 2], [1, 1, 4], [1, 4, 7], [3, 6, 9]]


def test_first_step_has_no_previous_command():
    windows = Windows.of(numbered([2, 2]), np.array([0, 1]), horizon=1, n_obs=1, stride=1)
    row, known = windows.previous(np.array([0, 1, 2, 3]))
    assert known.tolist() == [False, True, False, True]
    assert row[known].tolist() == [0, 2]


@given(st.integers(1, 40), st.integers(1, 17))
def test_batches_deal_every_window_once_before_any_twice(count, batch):
    order = BatchOrder(count, batch, seed=1)
    steps = -(-2 * count // batch)
    dealt = np.concatenate([order(step) for step in range(steps)])
    assert sorted(dealt[:count]) == list(range(count))
    assert sorted(dealt[count : 2 * count]) == list(range(count))


def test_a_batch_is_a_function_of_seed_and_step():
    fresh = BatchOrder(100, 7, seed=5)
    used = BatchOrder(100, 7, seed=5)
    for step in range(40):
        used(step)
    assert np.array_equal(fresh(40), used(40))
    assert not np.array_equal(fresh(40), BatchOrder(100, 7, seed=6)(40))


def test_values_that_are_not_finite_are_refused_with_their_place():
    data = wandering(episodes=3, length=5)
    actions = data.actions.copy()
    actions[7, 1] = np.nan
    with pytest.raises(DataError, match="not finite") as caught:
        make_data(data.observations[STATE], actions, [5, 5, 5])
    assert caught.value.details["where"] == "episode 1, step 2"


@pytest.mark.parametrize(
    ("lengths", "match"), [([], "nothing to train on"), ([0], "nothing to train on"), ([16], "outside the arrays")]
)
def test_episodes_must_lie_in_the_arrays(lengths, match):
    with pytest.raises(DataError, match=match):
        make_data(np.zeros((15, 2)), np.zeros((15, 2)), lengths)


def test_text_is_refused():
    with pytest.raises(DataError, match="does not hold numbers"):
        make_data(np.array([["a"], ["b"]]), np.zeros((2, 1)), [2])
