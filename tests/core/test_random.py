"""Counted random streams: the published generator, NumPy and torch alike, and spread as they should be."""

import numpy as np
import pytest
import torch
from scipy import stats

from motorium.core.random import _GAMMA, _mix, counted_uniform, counter_key


def test_the_mixing_function_is_splitmix64s():
    # The first outputs for seed 1234567, as S. Vigna's reference implementation (splitmix64.c) is known to give them.
    states = np.array([1234567], np.int64) + np.array([1, 2, 3], np.int64) * np.int64(_GAMMA)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert _mix(states).astype(np.uint64).tolist() == expected


def test_a_number_depends_on_seed_purpose_step_and_place_only():
    seeds, steps = np.arange(50), np.arange(50) % 7
    whole = counted_uniform(counter_key(seeds, "noise"), steps, 9)
    rows = [3, 41, 7]
    assert (counted_uniform(counter_key(seeds[rows], "noise"), steps[rows], 9) == whole[rows]).all()
    assert (counted_uniform(counter_key(seeds, "noise"), steps, 4) == whole[:, :4]).all()
    for other in (counter_key(seeds, "push"), counter_key(seeds + 1, "noise")):
        assert (counted_uniform(other, steps, 9) != whole).all()
    assert (counted_uniform(counter_key(seeds, "noise"), steps + 1, 9) != whole).all()


def test_torch_draws_the_same_bits():
    seeds = np.array([0, 1, -5, 2**62, 10_007])
    ours = counted_uniform(counter_key(seeds, "noise"), np.arange(5), 11)
    theirs = counted_uniform(counter_key(torch.from_numpy(seeds), "noise"), torch.arange(5), 11)
    assert theirs.dtype == torch.float64 and theirs.numpy().tobytes() == ours.tobytes()


@pytest.mark.parametrize("axis", ["seeds", "steps", "places"])
def test_numbers_are_uniform_and_neighbours_unrelated(axis):
    n = 4096
    seeds = np.arange(n) if axis == "seeds" else np.full(n, 17)
    steps = np.arange(n) if axis == "steps" else np.full(n, 3)
    drawn = counted_uniform(counter_key(seeds, "noise"), steps, n if axis == "places" else 1)
    numbers = drawn[0] if axis == "places" else drawn[:, 0]
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(n)


def test_a_step_has_no_more_numbers_than_are_set_apart_for_it():
    with pytest.raises(ValueError, match="a step has"):
        counted_uniform(counter_key(np.zeros(1, np.int64), "noise"), np.zeros(1, np.int64), (1 << 20) + 1)
