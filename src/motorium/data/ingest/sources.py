"""Sources: what a file or folder is, by its content, and the log in it; folders of recordings become one log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import CatalogError, DataError, MotoriumError, nearest
from motorium.data.bounds import within_memory
from motorium.data.formats import FORMATS, LOGS
from motorium.data.links import check_links
from motorium.data.log import Log, Segment, Stream

DEEPEST = 4
MOST_ENTRIES = 20_000
SHOWN = 12
# A LeRobot dataset says what episodes it has in one of these; without them it is damaged, or was never finished.
FINISHED = ("meta/episodes", "meta/episodes.jsonl")
UNFINISHED = {
    "meta/info.json": "meta/info.json, but no list of episodes",
    ".recording/spec.json": "a recording of Motorium that was not finished",
}
# The format whose files do not say what their numbers are.
TAKES_OPTIONS = "table"
# They read what any program writes: beside recordings of a format of its own such files are notes, not recordings.
GENERIC = ("video", "table")
MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"#ROSBAG V", "ROS 1 bag"),
    (b"\x89MCAP0\r\n", "MCAP"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow/Feather"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x89PNG", "PNG picture"),
    (b"\xff\xd8\xff", "JPEG picture"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (b"<?xml", "XML"),
    (b"%PDF", "PDF"),
    (b"{", "JSON text"),
)


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A format that a path is of.

    Attributes:
        format: its name in the catalog.
        evidence: what in the content shows it.
        kind: `log` is ingested with a mapping, `dataset` is converted.
    """

    format: str
    evidence: str
    path: Path
    kind: Literal["log", "dataset"]


@dataclass(frozen=True, kw_only=True)
class _Reader:
    name: str
    kind: Literal["log", "dataset"]
    recognise: Callable[[Path], Any]


def recognise(path: str | Path) -> list[Recognised]:
    """Return every format that a file or folder is of by its content, the most particular first; often one or none.

    Raises:
        DataError: when there is no such path, or a link in it leads out.
    """
    path = _named(path)
    return _ask(_readers()[0], path)


def find(path: str | Path) -> list[Recognised]:
    """Return what a path is, or, for a folder that is nothing itself, what lies in it; sorted by path.

    Each entry is named once, by the most particular format. A folder that is recognised is not searched.

    Raises:
        DataError: when there is no such path, a link in it leads out, or it has more entries than can be looked at.
    """
    return _find(_named(path), _readers()[0])


def open_log(path: str | Path, format: str | None = None, options: Mapping[str, Any] | None = None) -> Log:
    """Open a recording, or a folder of recordings of one format as one log.

    Args:
        format: name in the catalog: nothing else is looked for, and no other reader is imported.
        options: how to read it, for a format that takes options (`table`).

    Raises:
        DataError: when it is nothing that can be read, a dataset, or several formats; when a link in it leads out
            (see `links`); or as its reader says.
        CatalogError: when there is no such format.
    """
    path = _named(path)
    with naming(path):
        return _opened(path, format, options)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every error that is raised within say of which recording it is: readers name places in it."""
    try:
        with within_memory(path):
            yield
    except MotoriumError as error:
        if path.name not in str(error):
            place = error.details["where"]
            error.details["where"] = path if place is None else f"{path}: {place}"
        raise


def _opened(path: Path, format: str | None, options: Mapping[str, Any] | None) -> Log:
    if format is not None:
        reader = _Reader(name=format, kind="log", recognise=_load(format).recognise)
        found = _find(path, [reader])
        if not found or found[0].path == path:
            return _open(format, path, options)
        return _joined(path, found, [], options)
    found = _find(path, _readers()[0])
    if not found:
        raise nothing_found(path)
    logs = [each for each in found if each.kind == "log"]
    if len(logs) < len(found):
        raise _datasets(path, [each for each in found if each.kind == "dataset"], logs)
    if logs[0].path == path:
        return _open(logs[0].format, path, options)
    particular = [each for each in logs if each.format not in GENERIC]
    chosen, beside = (particular, [e for e in logs if e.format in GENERIC]) if particular else (logs, [])
    if len({each.format for each in chosen}) > 1:
        raise DataError(
            "this folder holds recordings of several formats",
            where=path,
            got=_listed(path, chosen),
            remedy="name one of these instead",
        )
    return _joined(path, chosen, beside, options)


def _open(format: str, path: Path, options: Mapping[str, Any] | None) -> Log:
    reader = _load(format)
    if not options:
        return reader.open(path)
    if format != TAKES_OPTIONS:
        raise DataError(
            f"'{format}' takes no options",
            where=path,
            got=f"source: {dict(options)}",
            remedy=f"leave `source` out of the mapping; it is for '{TAKES_OPTIONS}'",
        )
    return reader.open(path, options)


def nothing_found(path: Path) -> DataError:
    """Return the error that says what was looked at, and what would have been recognised."""
    readers, broken = _readers()
    for reader in readers:
        try:
            reader.recognise(path)
        except Exception as error:  # as in `_ask`, where it must not hide the others; here it may be why
            broken.append(f"{reader.name} ({type(error).__name__}: {error})")
    if path.is_dir():
        names = [entry.name + "/" * entry.is_dir() for entry in _listing(path)]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        got = f"a folder with {', '.join(names[:SHOWN])}{more}" if names else "an empty folder"
    else:
        got = f"{path.stat().st_size:,} bytes that begin as {_magic(path)}"
    known = ", ".join(reader.name for reader in readers)
    if broken:
        known += "; not available: " + "; ".join(broken)
    return DataError(
        "nothing here is recognised as a recording or a dataset",
        where=path,
        got=got,
        expected=f"one of: {known}",
        remedy="unpack archives; write what is something else as CSV or Parquet with a column of times",
    )


def _readers() -> tuple[list[_Reader], list[str]]:
    """Return the readers that can be imported, and what is wrong with the others."""
    readers, broken = [], []
    for catalog, kind in ((FORMATS, "dataset"), (LOGS, "log")):
        for name in catalog:
            try:
                readers.append(_Reader(name=name, kind=kind, recognise=catalog.load(name).recognise))
            except CatalogError as error:
                broken.append(f"{name} ({error.details['got']})")
            except Exception as error:  # a reader that cannot be imported must not keep others from reading
                broken.append(f"{name} ({type(error).__name__}: {error})")
    # Whoever reads anything is asked last.
    return sorted(readers, key=lambda reader: reader.name in GENERIC), broken


def _ask(readers: Sequence[_Reader], path: Path) -> list[Recognised]:
    found = []
    for sign, words in UNFINISHED.items():
        # Files within it would be taken for recordings of their own, where what is wrong is to be said.
        if (path / sign).exists() and not any((path / one).exists() for one in FINISHED):
            return [Recognised(format="lerobot", evidence=words, path=path, kind="dataset")]
    for reader in readers:
        try:
            evidence = reader.recognise(path)
        except Exception:  # readers promise to raise nothing here; one that does must not hide the others
            continue
        if evidence:
            words = evidence if isinstance(evidence, str) else f"the files of {reader.name}"
            found.append(Recognised(format=reader.name, evidence=words, path=path, kind=reader.kind))
    return found


def _load(format: str) -> Any:
    if format in FORMATS:
        raise DataError(f"'{format}' is a dataset, not a log", expected=f"one of: {', '.join(LOGS)}")
    return LOGS.load(format)


def _named(path: str | Path) -> Path:
    """Return a path that a user names, once it is known to be there and no link in it to lead out."""
    path = _existing(path)
    check_links(path)
    return path


def _existing(path: str | Path) -> Path:
    path = Path(path)
    try:
        if path.is_file() or path.is_dir():
            return path
        if path.exists():
            raise DataError("this is neither a file nor a folder", where=path, remedy="store the recording in a file")
    except (OSError, ValueError):
        pass
    try:
        beside = sorted(entry.name for _, entry in zip(range(MOST_ENTRIES), path.parent.iterdir()))
    except (OSError, ValueError):
        beside = []
    near = nearest(path.name, beside)
    raise DataError("there is no such file or folder", where=path, nearest=path.parent / near if near else None)


def _listing(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted, without hidden entries."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError("the folder cannot be read", where=folder, got=error.strerror) from error


def _find(path: Path, readers: Sequence[_Reader]) -> list[Recognised]:
    found = _ask(readers, path)
    if found or not path.is_dir():
        return found[:1]
    root, budget = path.resolve(), MOST_ENTRIES
    searched = {root}

    def search(folder: Path, depth: int) -> None:
        """Ask of everything in a folder, and of the folders in it that nothing recognised."""
        nonlocal budget
        for entry in _listing(folder):
            budget -= 1
            if budget < 0:
                raise DataError(
                    "the folder holds more than can be searched",
                    where=path,
                    expected=f"at most {MOST_ENTRIES:,} entries",
                    remedy="name the recording in it",
                )
            # A pipe would make whoever opens it wait.
            if not (entry.is_file() or entry.is_dir()):
                continue
            here = _ask(readers, entry)
            found.extend(here[:1])
            if not here and entry.is_dir() and depth < DEEPEST and leads_on(entry):
                search(entry, depth + 1)

    def leads_on(folder: Path) -> bool:
        """Whether a folder is to be searched: a link is where it leads to one that is not searched anyhow."""
        place = folder.resolve()
        if place in searched or (folder.is_symlink() and place.is_relative_to(root)):
            return False
        searched.add(place)
        return True

    search(path, 1)
    return found


def _magic(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError as error:
        return f"unreadable ({error.strerror})"
    if not head:
        return "nothing: the file is empty"
    if head[4:8] == b"ftyp":
        return "MP4 or QuickTime video"
    for magic, name in MAGIC:
        if head.startswith(magic):
            return name
    text = head.decode("utf-8", "replace")
    return (
        f"text: {text.splitlines()[0][:40]!r}" if text.isprintable() or "\n" in text[:64] else f"{head[:16].hex(' ')}"
    )


def _listed(root: Path, found: Sequence[Recognised]) -> str:
    lines = [f"{each.path.relative_to(root).as_posix()} is {each.format}" for each in found[:SHOWN]]
    return "; ".join(lines) + (f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _datasets(path: Path, datasets: Sequence[Recognised], logs: Sequence[Recognised]) -> DataError:
    if datasets[0].path == path:
        return DataError(
            "this is a dataset, not a log",
            where=path,
            got=f"{datasets[0].format}: {datasets[0].evidence}",
            remedy="open it with open_dataset; `motorium ingest` converts it without a mapping",
        )
    return DataError(
        "this folder holds datasets" + (" beside recordings" if logs else ""),
        where=path,
        got=_listed(path, [*datasets, *logs]),
        remedy="name one of these instead",
    )


class _Member(Segment):
    """A segment under a name that says which recording of the folder it is in."""

    def __init__(self, inner: Segment, name: str) -> None:
        self._inner, self.name = inner, name

    @property
    def task(self) -> str | None:  # type: ignore[override]
        """The instruction in words, where the recording has one."""
        return self._inner.task

    @property
    def meta(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Plain data about the episode, as the recording has them."""
        return self._inner.meta

    @property
    def streams(self) -> Mapping[str, Stream]:  # type: ignore[override]
        """By the recording's own names."""
        return self._inner.streams

    def prepare(self, keys: Collection[str]) -> None:
        self._inner.prepare(keys)

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        return self._inner.times_ns(key, clock)

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        return self._inner.values(key, start, stop)

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        return self._inner.valid(key)

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        return self._inner.pictures(key, samples)

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        return self._inner.attachments()


def _joined(
    root: Path, members: Sequence[Recognised], beside: Sequence[Recognised], options: Mapping[str, Any] | None
) -> Log:
    """Open every recording of a folder and make one log of them."""
    logs = [(one.path.relative_to(root).as_posix(), _open(one.format, one.path, options)) for one in members]
    if len(logs) == 1:
        name, log = logs[0]
        return replace(log, path=root, problems=[*log.problems, *_ignored(root, beside)])
    segments: list[Segment] = []
    for name, log in logs:
        alone = len(log.segments) == 1
        segments += [_Member(each, name if alone else f"{name}/{each.name}") for each in log.segments]
    problems = _common_problems([(name, problem) for name, log in logs for problem in log.problems])
    rate = _common("rate", [(name, log.rate_hz) for name, log in logs], problems)
    robot = _common("robot", [(name, log.robot_type) for name, log in logs], problems)
    conventions = _common_entries("convention", [(name, log.conventions) for name, log in logs], problems)
    facts = _common_entries("", [(name, log.facts) for name, log in logs], problems)
    return Log(
        format=members[0].format,
        path=root,
        segments=segments,
        rate_hz=rate,
        robot_type=robot,
        conventions=conventions,
        facts={"recordings": str(len(logs)), **facts},
        problems=[*problems, *_ignored(root, beside)],
    )


def _common_problems(said: Sequence[tuple[str, str]]) -> list[str]:
    """Return problems with the recordings that have them; one that many have is said once."""
    by_problem: dict[str, list[str]] = {}
    for name, problem in said:
        by_problem.setdefault(problem, []).append(name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {problem}"
        for problem, names in by_problem.items()
    ]


def _ignored(root: Path, beside: Sequence[Recognised]) -> list[str]:
    return [f"left out beside the recordings: {_listed(root, beside)}"] if beside else []


def _common(what: str, values: Sequence[tuple[str, Any]], problems: list[str]) -> Any:
    """Return what all recordings agree on; None, and a problem, where they do not."""
    distinct = list(dict.fromkeys(value for _, value in values))
    if len(distinct) == 1:
        return distinct[0]
    shown = [f"{next(name for name, value in values if value == each)}: {each}" for each in distinct[:SHOWN]]
    problems.append(f"the recordings disagree on the {what}, so none is taken: {', '.join(shown)}")
    return None


def _common_entries(what: str, values: Sequence[tuple[str, Mapping[str, str]]], problems: list[str]) -> dict[str, str]:
    """Return the entries that all recordings share; where one differs and `what` names it, a problem."""
    keys = list(dict.fromkeys(key for _, entries in values for key in entries))
    common = {}
    for key in keys:
        distinct = {entries.get(key) for _, entries in values}
        if len(distinct) == 1:
            common[key] = values[0][1][key]
        elif what:
            _common(f"{what} '{key}'", [(name, entries.get(key)) for name, entries in values], problems)
    return common
