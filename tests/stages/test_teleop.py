"""The loop on recordings of a real robot, small: what is missing is said, what was held out stays held out."""

import json

import numpy as np
import pytest

from motorium.data.dataset import open_dataset
from motorium.evaluate.report import read_report
from motorium.flow.store import Store
from tests.stages import tiny
from tests.support.real import real_data

pytestmark = [pytest.mark.slow, pytest.mark.real]

SMALL = {"train.steps": 150, "train.validate_every": 50, "train.checkpoint_every": 50, "curate.pictures": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = tmp_path_factory.mktemp("teleop") / "store"
    done = tiny.run(tiny.G1, store, {**SMALL, "source": real_data("g1_inspire_lerobot_v21")})
    assert done.returncode in (0, 3), done.stderr  # 3: so short a training need not beat both baselines
    artifacts = {
        name: Store(store).load(stage["artifact"]["kind"], stage["artifact"]["id"])
        for name, stage in tiny.newest(store)["stages"].items()
    }
    return artifacts, done


def test_recordings_become_a_v30_dataset_with_units(made):
    dataset = open_dataset(made[0]["ingest"].path)
    assert (dataset.version, dataset.num_episodes, dataset.num_frames, dataset.fps) == ("v3.0", 100, 35_965, 30)
    units = dict(zip(dataset.features["action"].names, dataset.features["action"].units, strict=True))
    assert units["kLeftElbow"] == "rad"
    assert units["kRightHandIndex"] == "1"


def test_missing_videos_are_said_and_those_there_are_kept(made):
    artifacts, done = made
    assert "88 of 100" in done.stderr
    assert "88 of 100" in done.stdout
    dataset = open_dataset(artifacts["ingest"].path)
    (camera,) = dataset.cameras
    assert len(dataset.missing_videos()[camera]) == 88
    assert dataset.frames(12, camera, [0]).shape == (1, 480, 640, 3)
    page = (artifacts["page"].path / "index.html").read_text()
    assert "the video of 88 of 100 episodes" in page
    assert page.count("data:video/mp4") == 3


def test_held_out_episodes_are_not_trained_on(made):
    splits = json.loads((made[0]["curate"].path / "meta" / "splits.json").read_text())
    assert len(splits["test"]) == 15
    assert not set(splits["train"]) & set(splits["test"])
    assert sorted(splits["train"] + splits["test"]) == list(range(100))
    training = json.loads((made[0]["train"].path / "policy.json").read_text())["training"]
    assert sum(training["episodes"].values()) == 85
    (scored,) = read_report(made[0]["evaluate"].path).open_loop.values()
    assert {int(row.episode) for row in scored.episodes} == set(splits["test"])


def test_errors_are_per_joint_in_physical_units_with_intervals_over_episodes(made):
    (scored,) = read_report(made[0]["evaluate"].path).open_loop.values()
    assert len(scored.joints) == 26
    elbow = next(row for row in scored.joints if row.name == "kRightElbow")
    assert elbow.unit == "rad"
    for estimate in (elbow.policy, elbow.hold, elbow.mean):
        assert estimate.n == 15
        assert 0 < estimate.low <= estimate.value <= estimate.high


def test_hold_baseline_is_what_arithmetic_says(made):
    """The error of holding the last command, worked out from the recording alone, for one joint and one step ahead."""
    dataset = open_dataset(made[0]["curate"].path)
    (scored,) = read_report(made[0]["evaluate"].path).open_loop.values()
    row = next(row for row in scored.steps if row.name == "+1")
    action = [dataset.episode(int(one.episode)).arrays["action"].astype(float) for one in scored.episodes]
    spread = {name: i for i, name in enumerate(dataset.features["action"].names)}
    moving = [i for name, i in spread.items() if name not in scored.constant]
    held = [abs(part[1:] - part[:-1]).mean(axis=0) for part in action]
    # In deviations of each joint's commands over these episodes, as the report's headline.
    deviation = np.concatenate(action).std(axis=0)
    expected = np.mean([(one / deviation)[moving].mean() for one in held])
    assert row.hold.value == pytest.approx(expected, rel=0.05)


def test_what_is_served_is_what_was_exported(made):
    served = json.loads((made[0]["serve"].path / "served.json").read_text())
    assert served["equal"] == served["requests"] == 64
