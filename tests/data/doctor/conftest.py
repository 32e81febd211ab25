"""A sound dataset of three episodes, as v3.0 and v2.1, and copies of it to be damaged."""

import shutil

import pytest

from motorium.core.progress import Silent
from motorium.data.dataset import open_dataset
from motorium.data.writer import DatasetWriter
from motorium.data.writers.lerobot_v21 import LeRobotV21Spec, write
from tests.data.doctor.faults import LENGTHS
from tests.data.recordings import FRONT, WRIST, make_episode, make_spec


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("good") / "d"
    with DatasetWriter(root, spec=make_spec(FRONT, WRIST)) as writer:
        for number, length in enumerate(LENGTHS):
            writer.add(make_episode(number, length, FRONT, WRIST))
    return root


@pytest.fixture(scope="module")
def good_v21(good, tmp_path_factory):
    root = tmp_path_factory.mktemp("good") / "v21"
    write(open_dataset(good), root, LeRobotV21Spec(), Silent())
    return root


@pytest.fixture
def root(good, tmp_path):
    return shutil.copytree(good, tmp_path / "d")


@pytest.fixture
def v21(good_v21, tmp_path):
    return shutil.copytree(good_v21, tmp_path / "v21")
