"""duplicate: copies with noise, a shift and another pace are found; different attempts are not; distances are exact."""

import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.core.random import stream
from motorium.data.curate.duplicate import CHECK, DuplicateLimits, clusters, pairs
from motorium.data.curate.path import (
    POINTS,
    UNIT,
    from_text,
    least_warped,
    make_path,
    square_distances,
    to_text,
    warped_distances,
)
from motorium.data.curate.policy import CurationSpec, decide
from tests.data.curation import ACTION, STATE, changed, group, judged, measured, recording, wave

LIMITS = DuplicateLimits()


def again(one, seed: int = 0, noise: float = 0.01, shift: int = 9, pace: float = 1.15):
    """The same motion once more: noisy, later by `shift` steps, and slower."""
    draw, arrays = stream(seed, "again"), {}
    times = np.arange(round(one.length * pace)) / pace
    for key in (STATE, ACTION):
        columns = one.arrays[key].T
        moved = np.stack([np.interp(times, np.arange(one.length), column) for column in columns], axis=1)
        moved = np.concatenate([np.repeat(moved[:1], shift, axis=0), moved])
        arrays[key] = moved + noise * draw.standard_normal(moved.shape)
    return recording(arrays)


def test_different_attempts_are_no_duplicates():
    assert judged(CHECK, group()) == [[]] * 12


COPIES = {
    "exact": {"noise": 0.0, "shift": 0, "pace": 1.0},
    "noisy": {"noise": 0.05, "shift": 0, "pace": 1.0},
    "later": {"noise": 0.0, "shift": 15, "pace": 1.0},
    "slower": {"noise": 0.0, "shift": 0, "pace": 1.3},
    "all of it": {},
}


@pytest.mark.parametrize("how", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_found_with_its_original(how):
    recordings = group()
    recordings.append(again(recordings[3], **how))
    found = judged(CHECK, recordings)
    assert [i for i, one in enumerate(found) if one] == [3, 12]
    assert found[12][0].others == (3,) and found[3][0].others == (12,)
    assert found[12][0].severity == "warning" and found[12][0].value <= LIMITS.distance


def test_a_copy_that_was_cut_is_found():
    recordings = group()
    recordings.append(changed(recordings[3], **{key: recordings[3].arrays[key][10:290] for key in (STATE, ACTION)}))
    assert [i for i, one in enumerate(judged(CHECK, recordings)) if one] == [3, 12]


def test_copies_of_copies_are_one_set_and_more_than_the_nearest_few():
    recordings = group()
    recordings += [again(recordings[3], seed, noise=0.005) for seed in range(9)]
    found = pairs(measured(CHECK, recordings), LIMITS)
    members = clusters(len(recordings), found)
    assert members[3] == (3, *range(12, 21)) and all(members[i] == (i,) for i in range(12) if i != 3)


def test_episodes_with_other_elements_are_not_compared():
    both = [recording(wave(0)), recording(wave(0, elements=2))]
    assert judged(CHECK, both) == [[], []]


def test_what_does_not_vary_in_the_dataset_has_no_path():
    still = recording({STATE: np.ones((50, 2))})
    still.scale[STATE][:] = 0.0
    assert "varies" in measured(CHECK, [still])[0]["missing"]


def test_the_order_of_episodes_and_their_number_do_not_change_what_is_found():
    recordings = group()
    recordings.append(again(recordings[3]))
    forward = pairs(measured(CHECK, recordings), LIMITS)
    backward = pairs(measured(CHECK, recordings[::-1]), LIMITS)
    last = len(recordings) - 1
    assert forward and sorted((last - j, last - i, distance) for i, j, distance in backward) == forward


def test_points_of_a_path_are_means_over_equal_shares():
    series = np.arange(10.0)[:, None] * np.array([[1.0, -2.0]])
    # 5 points of 10 steps: each the mean of two steps.
    np.testing.assert_array_equal(make_path(series, 5)[:, 0], np.array([0.5, 2.5, 4.5, 6.5, 8.5]) * UNIT)
    np.testing.assert_array_equal(make_path(series, 5)[:, 1], np.array([-1.0, -5.0, -9.0, -13.0, -17.0]) * UNIT)
    # 4 points of 10 steps: (0 + 1 + half of 2) / 2.5.
    assert make_path(series, 4)[0, 0] == round((0 + 1 + 0.5 * 2) / 2.5 * UNIT)
    assert make_path(np.full((3, 1), 1e6), 4).max() == 32767


def test_a_path_survives_as_text_and_damage_is_refused():
    path = make_path(wave(0)[STATE])
    np.testing.assert_array_equal(from_text(to_text(path)), path)
    for text in ("?", to_text(path)[:-8], "AAA"):
        with pytest.raises(DataError, match="no path"):
            from_text(text)


def test_distances_of_whole_numbers_are_exact_in_any_block():
    draw = stream(0, "exact")
    paths = draw.integers(-32767, 32768, (40, POINTS * 26)).astype(np.float64)
    found = square_distances(paths, paths)
    # By integers, an independent way.
    whole = paths.astype(np.int64)
    expected = ((whole[:, None] - whole[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(square_distances(paths[:3], paths[5:9]), expected[:3, 5:9])


def warped_by_hand(a, b, band, free):
    """Dynamic time warping cell by cell, as Sakoe and Chiba write it."""
    points = len(a)
    best = {
        (i, j): (0.0, 0) for i in range(-1, points) for j in range(-1, points) if min(i, j) == -1 and max(i, j) < free
    }
    for i in range(points):
        for j in range(points):
            if abs(i - j) > band:
                continue
            cost = float(((a[i] - b[j]) ** 2).mean())
            ways = [((i - 1, j - 1), 2), ((i - 1, j), 1), ((i, j - 1), 1)]
            options = [(best[cell][0] + w * cost, best[cell][1] + w) for cell, w in ways if cell in best]
            if options:
                best[i, j] = min(options, key=lambda option: option[0])
    ends = [(points - 1, points - 1 - k) for k in range(free + 1)] + [
        (points - 1 - k, points - 1) for k in range(free + 1)
    ]
    return np.sqrt(min(best[end][0] / best[end][1] for end in ends if end in best))


@pytest.mark.parametrize(("band", "free"), [(3, 0), (5, 2), (11, 3)])
def test_warping_is_that_of_the_textbook(band, free):
    draw = stream(1, "warp", band)
    a, b = (np.cumsum(draw.standard_normal((4, 12, 3)), axis=1) for _ in range(2))
    expected = [warped_by_hand(a[k], b[k], band, free) for k in range(4)]
    np.testing.assert_allclose(warped_distances(a, b, band=band, free=free), expected, rtol=1e-12)


def curated(recordings, spec, meta=None):
    from motorium.data.curate.policy import measure

    measures = [{**measure(one, spec), "duplicate": CHECK.measure(one, LIMITS)} for one in recordings]
    return decide(measures, [one.length for one in recordings], spec, fps=30.0)


@pytest.fixture
def spec(monkeypatch):
    from motorium.data.curate import CHECKS

    monkeypatch.setitem(CHECKS._rows, "duplicate", "motorium.data.curate.duplicate:CHECK")
    return CurationSpec(checks=("finite", "tremor", "jump", "duplicate"), strict=("duplicate",))


def test_of_a_set_of_duplicates_the_earliest_stays(spec):
    recordings = group()
    recordings.append(again(recordings[3], noise=0.0))
    curation = curated(recordings, spec)
    assert curation.duplicates == ((3, 12),)
    assert [d.action for d in curation.decisions] == ["keep"] * 12 + ["reject"]
    assert "same way as episode 3" in curation.decisions[12].reason and curation.decisions[3].findings == ()


def test_of_a_set_of_duplicates_a_fit_one_stays(spec):
    recordings = group()
    recordings.append(again(recordings[3], noise=0.0))
    action = recordings[3].arrays[ACTION].copy()
    action[7] = np.nan
    recordings[3] = changed(recordings[3], action=action)
    decisions = curated(recordings, spec).decisions
    assert decisions[3].action == "reject" and decisions[12].action == "keep"


def test_duplicates_are_found_across_tasks(spec):
    from motorium.data.curate.policy import measure

    recordings = group()
    recordings.append(again(recordings[3], noise=0.0))
    measures = [measure(one, spec) for one in recordings]
    groups = ["a"] * 12 + ["b"]
    curation = decide(measures, [one.length for one in recordings], spec, fps=30.0, groups=groups)
    assert curation.duplicates == ((3, 12),) and curation.decisions[12].findings[0].others == (3,)


def chain(count: int, step: float):
    """Episodes each a little further along than the one before: neighbours are duplicates, the ends are not."""
    first = wave(0)
    return [recording({key: values * (1 + step * k) for key, values in first.items()}) for k in range(count)]


def test_of_200_equal_episodes_the_first_stays_and_the_others_name_it(spec):
    curation = curated(chain(200, 0.0), spec)
    assert [d.action for d in curation.decisions] == ["keep"] + ["reject"] * 199
    assert {d.reason for d in curation.decisions[1:]} == {
        "goes the same way as episode 0, within 0.000 standard deviations"
    }


def test_of_a_chain_stays_what_repeats_nothing_that_stays(spec):
    recordings = chain(12, 0.04)
    curation = curated(recordings, spec)
    assert curation.duplicates == (tuple(range(12)),)
    kept = [i for i, d in enumerate(curation.decisions) if d.action == "keep"]
    paths = [from_text(one["path"]) for one in measured(CHECK, recordings)]

    def apart(i, j):
        return warped_distances(paths[i][None], paths[j][None], band=16, free=4)[0] / UNIT

    assert kept[0] == 0 and len(kept) > 1
    assert all(apart(i, j) > LIMITS.distance for i in kept for j in kept if i != j)
    for i, decision in enumerate(curation.decisions):
        if i not in kept:
            (other,) = decision.findings[0].others
            assert other in kept and f"episode {other}," in decision.reason
            assert decision.findings[0].value == apart(i, other) <= LIMITS.distance


def test_the_cheap_bound_of_warping_is_never_above_it():
    draw = stream(2, "bound")
    paths = np.cumsum(draw.integers(-40, 41, (60, POINTS, 3)), axis=1).astype(np.int16)
    paths[30:] = np.roll(paths[:30], 2, axis=1)
    exact = warped_distances(np.broadcast_to(paths[0], paths.shape), paths, band=16, free=4)
    bound = least_warped(paths[0], paths, band=16, free=4)
    assert (bound <= exact + 1e-9).all() and bound.max() > 0
