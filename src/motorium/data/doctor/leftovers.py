"""Check for what is left of interrupted work, and for files that nothing refers to."""

from __future__ import annotations

from pathlib import Path

from motorium.core.wording import counted
from motorium.data.doctor.finding import NOTE, Finding
from motorium.data.doctor.survey import Survey
from motorium.data.layout import INFO_PATH, STAGING_DIR

CHECK = "leftovers"
BACKUP_DIR = ".doctor-backup"
SHOWN = 5


def check(survey: Survey, deep: bool) -> list[Finding]:
    """List an unfinished recording, and files under data/ and videos/ that the tables do not name."""
    found = []
    if (survey.root / STAGING_DIR).is_dir():
        finished = (survey.root / INFO_PATH).is_file()
        found.append(
            Finding(
                check=CHECK,
                what="a finished recording was not tidied up" if finished else "this recording was not finished",
                where=STAGING_DIR,
                got=counted(len(list((survey.root / STAGING_DIR).glob("episode_*.parquet"))), "finished episode"),
                severity=NOTE if finished else "problem",
                fix="removed" if finished else "its finished episodes become the dataset",
            )
        )
    loose = unreferenced(survey)
    if loose:
        names = [survey.relative(path) for path in loose]
        found.append(
            Finding(
                check=CHECK,
                what="files that nothing refers to",
                where=", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""),
                got=f"{len(names)} files, {sum(path.stat().st_size for path in loose) / 1e6:.1f} MB",
                severity=NOTE,
                remedy="remove them if they are of no use",
            )
        )
    return found


def unreferenced(survey: Survey) -> list[Path]:
    """Return files under data/ and videos/ that are neither rows of the dataset nor videos its table names."""
    if survey.info is None or not survey.episodes:
        return []
    known = {file.path for file in survey.files}
    cameras = [key for key, feature in survey.info.features.items() if feature.dtype == "video"]
    for row in survey.episodes:
        known |= {place[0] for place in (survey.video_of(key, row) for key in cameras) if place}
    every = [path for name in ("data", "videos", "images") for path in sorted((survey.root / name).rglob("*"))]
    return [path for path in every if path.is_file() and path not in known]
