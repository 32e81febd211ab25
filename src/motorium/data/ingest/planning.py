"""Ingest: from a path and a mapping to a plan, and from a plan to the episodes and the description of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from motorium.data.companions import TIME, VALID
from motorium.data.episode import Episode
from motorium.data.ingest.build import Note
from motorium.data.ingest.build import episodes as build_episodes
from motorium.data.ingest.decisions import decisions_missing
from motorium.data.ingest.mapping import MappingSpec
from motorium.data.ingest.plan import PlanData
from motorium.data.ingest.resolve import resolve
from motorium.data.ingest.sources import naming, open_log
from motorium.data.ingest.suggest import Suggestion, suggest
from motorium.data.ingest.survey import Survey, survey
from motorium.data.log import Log
from motorium.data.writer import DatasetSpec

# Streams that are left out, shown in the message; the written file has them all.
SHOWN_LEFT_OUT = 20


class Plan(PlanData):
    """A plan that makes episodes; `to_plain` and `from_plain` carry it to another process."""

    def episodes(self, index: int, note: Note | None = None) -> Iterator[Episode]:
        """Yield the episodes of segment `index`: one, several where the mapping splits, none when it is left out.

        Pictures are not in memory: each of `Episode.frames` decodes while it is iterated.

        Args:
            note: told what is left out and why, where the mapping wants that; None: it is an error instead.

        Raises:
            DataError: when the segment cannot be read or does not fit the plan.
        """
        with naming(self.path):
            yield from build_episodes(self, index, note)

    def dataset_spec(self) -> DatasetSpec:
        """Return what the dataset holds."""
        return DatasetSpec(
            fps=self.fps,
            features=self.features,
            robot_type=self.mapping.robot_type or self.log.robot_type,
            conventions={**_words(self), **self.conventions},
        )


def questions(
    path: str | Path, mapping: MappingSpec | None = None, fps: float | None = None, task: str | None = None
) -> Suggestion:
    """Return what a recording leaves open, with suggestions; arguments and errors as `plan`."""
    log = _open(Path(path), mapping)
    with naming(Path(path)):
        return _suggest(log, survey(log), mapping, fps, task)


def plan(
    path: str | Path,
    mapping: MappingSpec | None = None,
    fps: float | None = None,
    task: str | None = None,
    accept: bool = False,
) -> Plan:
    """Return how a recording becomes a dataset.

    Args:
        mapping: which streams make which feature; None, or without features: as its reader suggests.
        fps, task: decisions made on the command line; they win over the mapping's.
        accept: take the suggestions for what is not decided; the plan's notes say which were taken.

    Raises:
        DataError: when the recording cannot be read, or decisions are missing: one message with all of them and a
            ready mapping.
        SpecError: when the mapping does not fit the recording.
    """
    path = Path(path)
    log = _open(path, mapping)
    with naming(path):
        known = survey(log)
        suggestion = _suggest(log, known, mapping, fps, task)
        if suggestion.decisions and not accept:
            raise decisions_missing(path, suggestion.decisions, suggestion.text(SHOWN_LEFT_OUT))
        made = resolve(log, suggestion.mapping, known)
    taken = [f"{each.field} was not decided, {each.suggestion} is taken: {each.why}" for each in suggestion.decisions]
    return Plan(**{**vars(made), "notes": (*made.notes, *taken)})


def _open(path: Path, mapping: MappingSpec | None) -> Log:
    return open_log(path) if mapping is None else open_log(path, mapping.format, mapping.source)


def _suggest(log: Log, known: Survey, mapping: MappingSpec | None, fps: float | None, task: str | None) -> Suggestion:
    given = {name: value for name, value in (("fps", fps), ("task", task)) if value is not None}
    start = mapping.replace(**given) if mapping is not None else MappingSpec.parse({"features": {}, **given})
    return suggest(log, known, start)


def _words(made: PlanData) -> dict[str, str]:
    """Return in words where the numbers come from and what was done to them; units are with the features."""
    words = {"source": f"{made.log.format}: {made.path.name}"}
    if any(source.align == "slerp" for _, source in made.sources()):
        words["quaternions"] = "w first"
    if made.resampled:
        words["resampling"] = (
            f"streams are put on {made.fps:g} steps/s: nearest, held, linear or slerp, nothing extrapolated;"
            f" '<feature>{VALID}' says what holds, '<feature>{TIME}' when its sample was taken, s since step 0"
        )
    return words
