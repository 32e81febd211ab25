"""What ablate takes for an arm, and what it refuses."""

import pytest

from motorium.core.errors import MotoriumError
from motorium.evaluate.report import Report, arm_report, write_report
from motorium.evaluate.rollout import rollout
from motorium.flow.runner import run_stage
from motorium.flow.store import Store
from motorium.stages import STAGES
from tests.evaluate.worlds import Dot, Steer

SEEDS = range(10_000, 10_012)


def written(folder, *gains):
    """A folder with a report of one arm a gain, as somebody might have been sent it."""
    folder.mkdir()
    rollouts = {f"arm{gain}": rollout(Dot(4), Steer(gain, digest=f"d{gain}"), SEEDS) for gain in gains}
    arms = tuple(arm_report(name, made, Dot(1).info.factors) for name, made in rollouts.items())
    write_report(folder, Report(kind="evaluation", task="dot", command="x", arms=arms), rollouts)
    return folder


def ablate(tmp_path, reports, **options):
    return run_stage(STAGES.load("ablate"), options, {"reports": reports}, Store(tmp_path / "store"))


def test_reports_from_outside_the_store_are_arms_too(tmp_path):
    reports = {"weak": written(tmp_path / "a", 0.4), "strong": written(tmp_path / "b", 1.0)}
    assert "weak" in ablate(tmp_path, reports, equal=[]).manifest["summary"]
    with pytest.raises(MotoriumError, match="training of 'weak' does not state"):
        ablate(tmp_path, reports)


def test_a_report_of_several_policies_is_no_arm(tmp_path):
    reports = {"both": written(tmp_path / "a", 0.4, 1.0), "strong": written(tmp_path / "b", 1.0)}
    with pytest.raises(MotoriumError, match="both"):
        ablate(tmp_path, reports)


def test_a_report_without_episodes_is_no_arm(tmp_path):
    (tmp_path / "a").mkdir()
    write_report(tmp_path / "a", Report(kind="open-loop", task="", command="x"))
    with pytest.raises(MotoriumError, match="episodes"):
        ablate(tmp_path, {"a": tmp_path / "a", "b": written(tmp_path / "b", 1.0)})
