"""Camera checks on drawn scenes whose faults are known: blur, exposure, delay, and recordings kept twice."""

import numpy as np
import pytest

from motorium.core.random import stream
from motorium.data.curate import blur, camera, exposure, lookalike, looks, sync
from motorium.data.curate.leakage import leaks
from motorium.data.curate.policy import CurationSpec, decide
from motorium.data.curate.recording import Recording

CAMERA, FPS, SIZE = "observation.images.front", 30.0, (96, 128)


def scene(number: int, steps: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """(state (T, 2), pictures): a textured square wanders over a textured wall, in bursts, differently each time."""
    rng = np.random.default_rng(number)
    time = np.arange(steps) / FPS
    speed = 0.4 + 0.35 * np.sin(2 * np.pi * (0.35 + 0.1 * rng.random()) * time + 6 * rng.random())
    path = np.cumsum(speed) / FPS
    turn, at = 2 * np.pi * rng.random(), 0.3 * rng.random(2)
    state = np.stack([np.sin(2.5 * path + turn) + at[0], np.cos(2.0 * path + turn) + at[1]], axis=1)
    wall = np.random.default_rng(99).integers(60, 200, (12, 16, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    patch = np.random.default_rng(98).integers(0, 255, (12, 12, 3), np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    pictures = np.repeat(wall[None], steps, axis=0)
    for step, (x, y) in enumerate(state):
        row, column = int(36 + 20 * y), int(52 + 30 * x)
        row, column = np.clip(row, 0, SIZE[0] - 24), np.clip(column, 0, SIZE[1] - 24)
        pictures[step, row : row + 24, column : column + 24] = patch
    return state, pictures


def recording(state, pictures) -> Recording:
    return Recording(arrays={"observation.state": state}, fps=FPS, frames={CAMERA: pictures})


def smear(pictures: np.ndarray, size: int = 5) -> np.ndarray:
    """Box filter over `size` pixels each way."""
    wide = pictures.astype(np.float32)
    for axis in (1, 2):
        wide = sum(np.roll(wide, shift, axis) for shift in range(-(size // 2), size // 2 + 1)) / size
    return wide.astype(np.uint8)


def shown_late(pictures: np.ndarray, steps: int) -> np.ndarray:
    return np.concatenate([np.repeat(pictures[:1], steps, axis=0), pictures[:-steps]])


SCENES = [scene(number) for number in range(10)]


def found(check, recordings) -> list[list[str]]:
    limits = check.limits()
    return [
        [one.message for one in each] for each in check.judge([check.measure(r, limits) for r in recordings], limits)
    ]


@pytest.mark.parametrize("check", [blur.CHECK, exposure.CHECK, sync.CHECK, lookalike.CHECK], ids=lambda c: c.name)
def test_sound_episodes_are_not_flagged(check):
    assert found(check, [recording(*one) for one in SCENES]) == [[]] * 10


@pytest.mark.parametrize("check", [blur.CHECK, exposure.CHECK, sync.CHECK, lookalike.CHECK], ids=lambda c: c.name)
def test_without_pictures_a_check_says_that_it_did_not_look(check):
    blind = Recording(arrays={"observation.state": SCENES[0][0]}, fps=FPS)
    measured = check.measure(blind, check.limits())
    assert measured == {"missing": "no pictures"}
    assert check.judge([measured], check.limits()) == [[]]


def test_a_camera_out_of_focus_is_found():
    made = [recording(state, smear(pictures) if i == 4 else pictures) for i, (state, pictures) in enumerate(SCENES)]
    flagged = found(blur.CHECK, made)
    assert len(flagged[4]) == 1 and "is blurred" in flagged[4][0]
    assert [i for i, one in enumerate(flagged) if one] == [4]


def test_a_camera_smeared_for_part_of_the_episode_is_found():
    state, pictures = SCENES[0]
    half = np.concatenate([pictures[:140], smear(pictures[140:], 9)])
    flagged = found(blur.CHECK, [recording(state, half)])
    assert "of its pictures" in flagged[0][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: np.minimum(p.astype(int) * 4, 255).astype(np.uint8), "white"),
        (lambda p: (p // 60).astype(np.uint8), "black"),
        (lambda p: (p * 0.5).astype(np.uint8), "unlike the group"),
    ],
    ids=["white", "black", "half"],
)
def test_wrong_exposure_is_found(change, words):
    made = [recording(state, change(pictures) if i == 7 else pictures) for i, (state, pictures) in enumerate(SCENES)]
    flagged = found(exposure.CHECK, made)
    assert any(words in message for message in flagged[7])
    assert [i for i, one in enumerate(flagged) if one] == [7]


def test_a_camera_that_is_late_is_found_with_its_delay():
    made = [
        recording(state, shown_late(pictures, 10) if i == 2 else pictures) for i, (state, pictures) in enumerate(SCENES)
    ]
    limits = sync.CHECK.limits()
    measures = [sync.CHECK.measure(one, limits) for one in made]
    flagged = sync.CHECK.judge(measures, limits)
    assert [i for i, one in enumerate(flagged) if one] == [2]
    # Ten pictures at 30 Hz, as injected; a single episode tells the delay to a few frames.
    assert flagged[2][0].value == pytest.approx(10 / FPS, abs=3 / FPS)


def test_a_recording_kept_twice_is_found_though_it_was_brightened_and_coded_again():
    rng = np.random.default_rng(5)
    state, pictures = SCENES[3]
    again = np.clip(pictures.astype(int) + 12 + rng.integers(-4, 5, pictures.shape), 0, 255).astype(np.uint8)
    made = [recording(*one) for one in SCENES] + [recording(state, again)]
    flagged = found(lookalike.CHECK, made)
    assert [i for i, one in enumerate(flagged) if one] == [3, 10]
    assert "episode 3" in flagged[10][0] and "episode 10" in flagged[3][0]


def test_episodes_that_show_nothing_are_not_called_copies():
    still = np.full((240, *SIZE, 3), 90, np.uint8)
    made = [recording(SCENES[i][0], still) for i in range(3)]
    assert found(lookalike.CHECK, made) == [[]] * 3


def test_copies_are_found_in_groups_larger_than_a_block():
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**63, (700, 16), np.uint64)
    hashes[650] = hashes[10]
    hashes[300] = hashes[299]
    measures = [
        {"cameras": {CAMERA: {"hashes": [f"{int(one):016x}" for one in row], "change": 20.0}}} for row in hashes
    ]
    assert lookalike.lookalikes(measures, lookalike.LookalikeLimits()) == {300: (299, 0.0), 650: (10, 0.0)}


def test_pictures_are_looked_at_once_whatever_the_number_of_checks():
    passes = []

    class Once:
        def __len__(self):
            return 60

        def __iter__(self):
            passes.append(1)
            return iter(SCENES[0][1][:60])

    one = Recording(arrays={"observation.state": SCENES[0][0][:60]}, fps=FPS, frames={CAMERA: Once()})
    for check in (blur.CHECK, exposure.CHECK, sync.CHECK, lookalike.CHECK):
        check.measure(one, check.limits())
    assert len(passes) == 1


def test_sharpness_is_the_variance_of_the_laplacian():
    picture = np.zeros((5, 5, 3), np.uint8)
    picture[2, 2] = 10
    bright = looks.brightness(picture)
    # Nine inner pixels: -40 in the middle, 10 at its four neighbours, 0 in the corners; their mean is 0.
    assert looks.sharpness(bright) == pytest.approx((40**2 + 4 * 10**2) / 9)


def test_area_means_weigh_every_pixel_once():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (60, 80, 3), np.uint8)
    assert looks.area_means(looks.brightness(picture), 20, 16).mean() == pytest.approx(picture.mean(), abs=1e-3)
    assert looks.area_means(looks.brightness(picture), 1, 1)[0, 0] == pytest.approx(picture.mean(), abs=1e-3)


def test_areas_of_one_size_and_of_several_are_means_of_their_pixels():
    bright = np.random.default_rng(0).integers(0, 766, (60, 80)).astype(np.uint16)
    even, uneven = looks.area_means(bright, 20, 16), looks.area_means(bright, 7, 9)
    assert even[3, 5] == pytest.approx(bright[9:12, 25:30].mean() / 3, rel=1e-6)
    # 60 / 7 rows and 80 / 9 columns: the second area is of rows 8 to 16 and columns 8 to 16.
    assert uneven[1, 1] == pytest.approx(bright[8:17, 8:17].mean() / 3, rel=1e-6)
    assert looks.block_means(bright)[4, 7] == pytest.approx(bright[4, 14:16].mean() / 3)


def test_a_picture_that_stays_is_told_from_slow_motion():
    noise = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8))
    stays, creeps = 100 + noise, 100 + noise + np.arange(40)[:, None, None]
    assert looks.still(stays.astype(np.float32), 3.0).tolist() == [False] + [True] * 39
    runs = np.diff(np.flatnonzero(~looks.still(creeps.astype(np.float32), 3.0)))
    assert len(runs) > 8 and runs.max() <= 5


def test_a_camera_frozen_under_coding_noise_is_found():
    state, pictures = SCENES[1]
    rng = np.random.default_rng(2)
    shown = pictures.copy()
    shown[60:100] = shown[60]
    noisy = np.clip(shown.astype(int) + rng.integers(-6, 7, shown.shape), 0, 255).astype(np.uint8)
    limits = camera.CHECK.limits()
    [[found]] = camera.CHECK.judge([camera.CHECK.measure(recording(state, noisy), limits)], limits)
    # What moved by less than the noise just before is taken with it.
    assert found.severity == "error" and 57 <= found.steps[0] <= 60 and found.steps[1] == 100


def test_pictures_on_both_sides_of_a_split_are_a_leak():
    draw = stream(3, "leak")
    hashes = [[f"{int(one):016x}" for one in draw.integers(0, 2**63, looks.HASHES)] for _ in range(4)]
    seen = [hashes[0], hashes[1], hashes[0], hashes[2], hashes[0], hashes[3]]
    measures = [{"lookalike": {"cameras": {"front": {"hashes": each, "change": 20.0}}}} for each in seen]
    # 4 repeats 0 and 2: only the first of them is on another side.
    [leak] = leaks(measures, {"train": [0, 1, 3], "test": [2, 4, 5]})
    assert leak.others == (0, 2, 4) and leak.value == 2
    assert "0 and 2 (pictures differ by 0.0 of 64 bits)" in leak.message
    assert leaks(measures, {"train": [0, 2, 4], "test": [1, 3, 5]}) == []
    assert leaks([{}] * 6, {"train": [0], "test": [2]}) == []


def test_of_a_set_of_lookalikes_one_stays_and_the_others_name_it():
    draw = stream(4, "kept")
    one, other = ([f"{int(each):016x}" for each in draw.integers(0, 2**63, looks.HASHES)] for _ in range(2))
    measures = [{"cameras": {"front": {"hashes": each, "change": 20.0}}} for each in (other, one, one, one)]
    found = lookalike.repeats(measures, lookalike.LookalikeLimits(), 1, [0, 2, 3])
    assert found[0] is None and [each.others for each in found[1:]] == [(1,), (1,)]
    spec = CurationSpec(checks=("lookalike",), strict=("lookalike",))
    decisions = decide([{"lookalike": each} for each in measures], [100] * 4, spec, fps=30.0).decisions
    assert [d.action for d in decisions] == ["keep", "keep", "reject", "reject"]
    assert all("those of episode 1 " in d.reason for d in decisions[2:])
