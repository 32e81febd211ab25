"""The evaluation report: `report.json`, every number with n, seeds, interval and method, and `episodes.parquet`.

Same results, same bytes. The report names the hashes of policy, task and data, the versions of the
simulator, and the commands that reproduce it, each arm and each failure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from motorium.core.errors import SpecError, StoreError
from motorium.core.hashing import file_digest
from motorium.core.spec import Spec
from motorium.evaluate.ablation import Ablation
from motorium.evaluate.breakdown import FactorBreakdown, Failure, by_factors, failures
from motorium.evaluate.compare import Comparison
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.intervals import Estimate, mean
from motorium.evaluate.measures import RETURN_UNIT, metrics, reward_rates
from motorium.evaluate.openloop import OpenLoop
from motorium.evaluate.seeds import format_seeds
from motorium.evaluate.sweeps import Sweep
from motorium.evaluate.table import read_table, write_table

FORMAT = "motorium.evaluation"
VERSION = 1
REPORT = "report.json"
EPISODES = "episodes.parquet"


class Origin(Spec):
    """Where an arm's policy comes from, and how to run it again.

    Attributes:
        policy: digest of the policy.
        data: digest of what it was trained on; empty where not known.
        command: command line that runs the arm again.
        replay: the same with `{seeds}` in it, for chosen episodes.
    """

    policy: str = ""
    data: str = ""
    command: str = ""
    replay: str = ""


class ArmReport(Spec):
    """One policy in one world.

    Attributes:
        name: of the arm.
        origin: hashes and commands.
        n, seeds: episodes, one a seed.
        success: success rate.
        total_reward: mean over episodes.
        success_time_s: mean simulated time to success, over the successful episodes.
        outcomes: number of episodes by outcome.
        by_factor: success by start condition.
        failures: by reason, with seeds and commands.
        rewards: mean over episodes of what each reward term gave in a second of the episode.
        metrics: mean over episodes of each of the task's measures, at the end of the episode.
    """

    name: str
    origin: Origin
    n: int
    seeds: str
    success: Estimate
    total_reward: Estimate
    success_time_s: Estimate
    outcomes: dict[str, int]
    by_factor: tuple[FactorBreakdown, ...]
    failures: tuple[Failure, ...]
    rewards: dict[str, Estimate] = Field(default_factory=dict)
    metrics: dict[str, Estimate] = Field(default_factory=dict)


class Report(Spec):
    """Everything an evaluation says.

    Attributes:
        format, version: of this file.
        kind: what was done.
        task: name of the task, or of the recording.
        task_digest: digest of the task's spec, or of the recording; empty where not known.
        versions: of simulator, assets and libraries.
        command: command line that makes this report again.
        arms: closed-loop results, the control or baseline first.
        comparisons: between arms.
        ablation: where the arms are an ablation.
        sweeps: where the arms are the points of sweeps.
        open_loop: results on recordings, by name of the policy.
        notes: what a reader must know.
        episodes_sha256: of `episodes.parquet`; empty where there are none.
    """

    format: Literal["motorium.evaluation"] = FORMAT
    version: Literal[1] = VERSION
    kind: Literal["evaluation", "comparison", "ablation", "axes", "open-loop"]
    task: str
    task_digest: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    command: str = ""
    arms: tuple[ArmReport, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    ablation: Ablation | None = None
    sweeps: tuple[Sweep, ...] = ()
    open_loop: dict[str, OpenLoop] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    episodes_sha256: str = ""


def arm_report(
    name: str,
    made: Rollout,
    bounds: Mapping[str, tuple[float, float]],
    *,
    origin: Origin | None = None,
    bins: int = 4,
    level: float = 0.95,
    seed: int = 0,
) -> ArmReport:
    """Return what a rollout says.

    Args:
        name: of the arm.
        made: its episodes.
        bounds: `EnvInfo.factors`.
        origin: hashes and commands; the policy's digest is the rollout's.
        bins: parts of each start condition's range.
        level: of all intervals.
        seed: of the bootstrap.

    Raises:
        SpecError: when a start condition is unknown, or the replay command has no `{seeds}`.
    """
    origin = (origin or Origin()).replace(policy=made.policy)
    seconds = made.length[made.success] / made.control_hz
    names, counts = np.unique(made.outcome, return_counts=True)
    return ArmReport(
        name=name,
        origin=origin,
        n=made.n,
        seeds=format_seeds(made.seeds),
        success=made.rate(level),
        total_reward=mean(made.returns, level=level, seed=seed, unit=RETURN_UNIT),
        success_time_s=mean(seconds, level=level, seed=seed, unit="s"),
        outcomes={made.outcomes[code]: int(count) for code, count in zip(names, counts, strict=True)},
        by_factor=by_factors(made, bounds, bins=bins, level=level, seed=seed),
        failures=failures(made, command=origin.replay, level=level),
        rewards=reward_rates(made, level=level, seed=seed),
        metrics=metrics(made, level=level, seed=seed),
    )


def write_report(folder: Path, report: Report, rollouts: Mapping[str, Rollout] | None = None) -> Report:
    """Write `report.json`, and `episodes.parquet` where there are rollouts; return the report as written.

    Args:
        folder: existing.
        report: what to write.
        rollouts: {arm name: episodes}, of the arms of the report.

    Raises:
        SpecError: when arms and rollouts do not match.
        DataError: when the rollouts have different columns.
    """
    folder = Path(folder)
    rollouts = rollouts or {}
    if rollouts and list(rollouts) != [arm.name for arm in report.arms]:
        raise SpecError(
            "the episodes are not those of the report's arms",
            got=list(rollouts),
            expected=[arm.name for arm in report.arms],
        )
    if rollouts:
        write_table(folder / EPISODES, rollouts)
        report = report.replace(episodes_sha256=file_digest(folder / EPISODES))
    (folder / REPORT).write_text(report_text(report), encoding="utf-8")
    return report


def report_text(report: Report) -> str:
    """Return the report's JSON, one text for one report."""
    return json.dumps(report.to_plain(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_report(folder: Path) -> Report:
    """Read and check `report.json`, and the hash of `episodes.parquet`.

    Raises:
        StoreError: when a file is missing, cut short or changed.
        SpecError: when a field is missing, unknown or of the wrong type, with its place.
    """
    path = Path(folder) / REPORT
    plain = _read_json(path)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        got = plain.get("format") if isinstance(plain, dict) else type(plain).__name__
        raise SpecError("this is not an evaluation report", where=path, got=got, expected=FORMAT)
    if plain.get("version") != VERSION:
        raise SpecError(
            "the report is of another version",
            where=path,
            got=plain.get("version"),
            expected=VERSION,
            remedy="read it with the Motorium version that wrote it, or evaluate again",
        )
    report = Report.parse(plain, where=str(path))
    _check_episodes(path.parent / EPISODES, report)
    return report


def read_rollouts(folder: Path) -> dict[str, Rollout]:
    """Read the episodes of every arm, for another comparison.

    Raises:
        StoreError: when the table is missing or changed.
        DataError: when it is malformed.
    """
    report = read_report(folder)
    if not report.episodes_sha256:
        raise StoreError("this report has no episodes", where=folder, expected=EPISODES)
    return read_table(Path(folder) / EPISODES)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError("there is no report here", where=path.parent, expected=REPORT) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreError(
            "the report is not valid JSON", where=path, got=str(error), remedy="evaluate again: the file is damaged"
        ) from error


def _check_episodes(path: Path, report: Report) -> None:
    if not report.episodes_sha256:
        return
    if not path.exists():
        raise StoreError("the report's episodes are missing", where=path, expected=report.episodes_sha256)
    got = file_digest(path)
    if got != report.episodes_sha256:
        raise StoreError(
            "the episodes are not those of the report", where=path, got=got, expected=report.episodes_sha256
        )
