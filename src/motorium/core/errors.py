"""Errors that say where, what was got, what was expected, the nearest valid choice and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Libraries quote what they read, and a stranger's file may hold anything.
LONGEST_LINE = 500


class MotoriumError(Exception):
    """Base of every error a user may meet; the message is ready to print.

    Args:
        what: one sentence naming the problem.
        where: file, key, stage or call in which it was found.
        got: what was found there.
        expected: what would have been valid.
        nearest: the valid choice closest to what was got.
        remedy: what to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        expected: object = None,
        nearest: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.details = {
            "where": where,
            "got": got,
            "expected": expected,
            "nearest": nearest,
            "remedy": remedy,
        }
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {name + ':':10}{_printed(value)}" for name, value in self.details.items() if value is not None]
        return "\n".join(lines)

    def __reduce__(self):
        # Errors cross process borders in the executors; keyword-only details need their own way.
        return _rebuild, (type(self), self.what, self.details)


def _printed(value: object) -> str:
    try:
        return str(value)
    except (ValueError, RecursionError):
        # A number of more digits than Python prints, or data nested too deeply: a file may hold either.
        return f"a value that cannot be printed ({type(value).__name__})"


def _rebuild(kind: type[MotoriumError], what: str, details: dict) -> MotoriumError:
    return kind(what, **details)


class SpecError(MotoriumError):
    """A spec, recipe or option is not valid."""


class CatalogError(MotoriumError):
    """A name is not in a catalog, or its row cannot be loaded."""


class DataError(MotoriumError):
    """A dataset, episode or recording is malformed or inconsistent."""


class StoreError(MotoriumError):
    """An artifact is missing or corrupt, or the store cannot be written."""


class AssetError(MotoriumError):
    """A robot model or other asset cannot be had or is not what was pinned."""


class SimError(MotoriumError):
    """A simulated world could not be built or became invalid."""


class ConventionError(MotoriumError):
    """Units, frames, joint order or rates differ on the two sides of a seam."""


class ServeError(MotoriumError):
    """A request to, or the start of, a policy server is not valid."""


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most similar to `name`, or None when none is similar."""
    found = difflib.get_close_matches(str(name), [str(choice) for choice in choices], n=1, cutoff=0.5)
    return found[0] if found else None


def first_line(error: object) -> str:
    """Return the first line of a library's error, to be said in `got`; the name of its type where it has no text."""
    lines = str(error).splitlines()
    return lines[0][:LONGEST_LINE] if lines and lines[0] else type(error).__name__
