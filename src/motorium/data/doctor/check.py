"""Checking a dataset: every check of the catalog over one survey."""

from __future__ import annotations

from pathlib import Path

from motorium.data.doctor import DOCTOR_CHECKS
from motorium.data.doctor.finding import NOTE, PROBLEM, Finding
from motorium.data.doctor.survey import Survey
from motorium.data.formats import FORMATS
from motorium.data.layout import INFO_PATH, STAGING_DIR, no_dataset
from motorium.data.links import check_links


def check(path: str | Path, *, deep: bool = False) -> list[Finding]:
    """Return what is wrong with the dataset in a folder, and what is worth knowing; [] for a sound one.

    Args:
        deep: decode every frame, and compare the statistics of every episode.

    Raises:
        DataError: when there is no folder, or nothing in it says that it is a dataset.
    """
    root = Path(path)
    if not root.is_dir():
        raise no_dataset(root, "no folder")
    if not (root / "meta").is_dir() and not (root / STAGING_DIR).is_dir():
        raise no_dataset(root, "no meta/", f"the folder that holds {INFO_PATH} and data/")
    check_links(root)
    survey = Survey(root)
    if (root / STAGING_DIR).is_dir() and not (root / INFO_PATH).is_file():
        return _run("leftovers", survey, deep)
    return [finding for name in DOCTOR_CHECKS for finding in _run(name, survey, deep)] + _version(survey)


def problems(findings: list[Finding]) -> list[Finding]:
    """Return those that something fails because of."""
    return [finding for finding in findings if finding.severity == PROBLEM]


def _run(name: str, survey: Survey, deep: bool) -> list[Finding]:
    return DOCTOR_CHECKS.load(name)(survey, deep)


def _version(survey: Survey) -> list[Finding]:
    """The stated version must be one of those that lay out a folder so; older ones are worth a note."""
    version = survey.plain.get("codebase_version")
    known = [name.removeprefix("lerobot-") for name in FORMATS]
    if survey.info is None:
        return []
    laid_out = ["v3.0"] if survey.v30 else [one for one in known if one != "v3.0"]
    if version not in laid_out:
        what = "the stated version contradicts the files"
        return [Finding(check="info", what=what, where=INFO_PATH, got=str(version), expected=" or ".join(laid_out))]
    words = [f"{problem}" for problem in survey.info.problems]
    return [
        Finding(check="info", what="something is not read", where=INFO_PATH, got=one, severity=NOTE) for one in words
    ]
