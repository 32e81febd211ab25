"""Ways to damage a recording: plain data that Hypothesis draws and shrinks, applied by a pure function of bytes.

A `Mutation` names no offset but a place relative to what is there, so that one list of mutations fits any recording.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from motorium.core.random import stream

# What a forged length says: the largest of every width, one less than a sign, sizes that nearly fit.
LENGTHS = (2**64 - 1, 2**63, 2**63 - 1, 2**48, 2**40, 2**32 - 1, 2**31, 2**31 - 1, 2**28, 2**24, 2**16, 255, 1, 0)
WIDTHS = (8, 4, 2, 1)
# A value in text: a string, a number or a word of JSON; XML's attributes, YAML's values and CSV's cells are such too.
TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.){0,400}"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\b(?:true|false|null)\b')
# What takes its place, beside paths out of the recording.
VALUES = (
    b"null",
    b"NaN",
    b"Infinity",
    b"-1",
    b"0",
    b"1e999",
    b"99999999999",
    b"9" * 400,
    b"-9223372036854775809",
    b"0.5",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"x"',
    b'"\\u0000"',
    b'"' + b"A" * 5000 + b'"',
    b"[" * 3000,
    b"\xff\xfe",
    b"",
    b'["a", 1]',
    b'{"a": {"b": 1}}',
    b'"../../outside"',
)
KINDS = (
    "truncate",
    "flip",
    "overwrite",
    "forge",
    "token",
    "delete",
    "duplicate",
    "swap",
    "empty",
    "drop",
    "folder",
    "link",
)
BYTES = KINDS[:7]


@dataclass(frozen=True)
class Mutation:
    """One change.

    Attributes:
        kind: one of KINDS.
        file: which file of the recording, counted in sorted order, modulo their number.
        region: `head` and `tail` count `place` in bytes from there, `all` in 2^-32 of the size (or of the tokens).
        value: what is written, modulo what the kind knows.
        span: how many bytes are concerned.
    """

    kind: str
    file: int
    region: str
    place: int
    value: int
    span: int


def one_of_each_kind(name: str) -> list[list[Mutation]]:
    """Return a list of changes for every kind, always the same ones for a name; every other has a second change."""
    draw = stream(0, "fuzz", name)

    def one(kind: str) -> Mutation:
        region = ("head", "tail", "all")[draw.integers(3)]
        place = draw.integers(2**32) if region == "all" else draw.integers(2000)
        span = draw.integers(1, 17) if draw.integers(2) else draw.integers(1, 5001)
        return Mutation(kind, int(draw.integers(200)), region, int(place), int(draw.integers(10**6)), int(span))

    made = [[one(kind)] for kind in KINDS]
    for changes in made[1::2]:
        changes.append(one(KINDS[draw.integers(len(KINDS))]))
    return made


def mutations() -> st.SearchStrategy[list[Mutation]]:
    """Return lists of one to three changes."""
    return st.lists(one_mutation(), min_size=1, max_size=3)


def one_mutation() -> st.SearchStrategy[Mutation]:
    """Return single changes; small numbers are simple ones."""
    near = st.tuples(st.sampled_from(["head", "tail"]), st.integers(0, 2000))
    anywhere = st.tuples(st.just("all"), st.integers(0, 2**32 - 1))
    kinds = st.sampled_from(("flip", "overwrite", "forge", "token", "token", *KINDS))
    return st.builds(
        lambda kind, file, where, value, span: Mutation(kind, file, *where, value, span),
        kinds,
        st.integers(0, 199),
        st.one_of(anywhere, near),
        st.integers(0, 10**6),
        st.one_of(st.integers(1, 16), st.integers(1, 5000)),
    )


def apply(root: Path, changes: Sequence[Mutation], outside: Path) -> list[str]:
    """Change a recording on disk; return in words what was done.

    Args:
        root: file or folder; it is a copy, and stays where it is.
        outside: a good copy of the same recording that no reader of `root` may open.
    """
    return [_apply(root, change, outside) for change in changes]


def change_bytes(data: bytes, change: Mutation, names: Sequence[bytes] = ()) -> tuple[bytes, str]:
    """Return changed bytes, and in words what was done; `names`: paths that a text may be made to name."""
    if change.kind == "token":
        return _token(data, change, names)
    at = _place(len(data), change)
    end = min(at + change.span, len(data))
    if change.kind == "truncate":
        return data[:at], f"cut at byte {at} of {len(data)}"
    if change.kind == "delete":
        return data[:at] + data[end:], f"bytes {at} to {end} deleted"
    if change.kind == "duplicate":
        return data[:end] + data[at:end] + data[end:], f"bytes {at} to {end} doubled"
    if change.kind == "flip":
        if not data:
            return data, "nothing to flip"
        flipped = bytearray(data)
        flipped[at] ^= 1 << change.value % 8
        return bytes(flipped), f"bit {change.value % 8} of byte {at} flipped"
    if change.kind == "overwrite":
        fill = (bytes(end - at), b"\xff" * (end - at), _random(end - at, change.value))[change.value % 3]
        return data[:at] + fill + data[end:], f"bytes {at} to {end} overwritten ({change.value % 3})"
    width = WIDTHS[change.value % len(WIDTHS)]
    at -= at % width if change.span % 2 else 0
    number = LENGTHS[change.value // 8 % len(LENGTHS)] & (1 << 8 * width) - 1
    order = "little" if change.value // 4 % 2 == 0 else "big"
    forged = data[:at] + number.to_bytes(width, order) + data[at + width :]
    return forged, f"{number} as {width} bytes, {order} end first, at byte {at}"


def _token(data: bytes, change: Mutation, names: Sequence[bytes]) -> tuple[bytes, str]:
    found = [match.span() for match in TOKEN.finditer(data[: 2**20])]
    if not found:
        return data, "no token"
    start, end = found[_place(len(found), change)]
    values = [*VALUES, *(b'"' + name + b'"' for name in names)]
    value = values[change.value % len(values)]
    quoted = data[start:end].startswith(b'"')
    # A string keeps its quotes where the new value has none and the number says so: text of another kind.
    if quoted and not value.startswith(b'"') and change.span % 2:
        value = b'"' + value + b'"'
    if not quoted and change.span % 2:
        value = value.strip(b'"')
    return data[:start] + value + data[end:], f"{data[start:end][:60]!r} at byte {start} becomes {value[:60]!r}"


def _place(size: int, change: Mutation) -> int:
    if size == 0:
        return 0
    if change.region == "all":
        return change.place * size >> 32
    near = change.place % size
    return near if change.region == "head" else size - 1 - near


def _random(count: int, seed: int) -> bytes:
    return stream(seed, "fuzz").integers(0, 256, count, "u1").tobytes()


def _apply(root: Path, change: Mutation, outside: Path) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    if not files or not root.exists():
        return "nothing left"
    file = files[change.file % len(files)]
    name = file.relative_to(root).as_posix() if file != root else root.name
    if change.kind in BYTES:
        try:
            data = file.read_bytes()
        except OSError:
            return "nothing left"
        names = list(_names_outside(root, file, outside))
        made, words = change_bytes(data, change, names)
        _replace(file, lambda: file.write_bytes(made))
        return f"{name}: {words}"
    other = files[change.value % len(files)]
    twin = outside / file.relative_to(root) if file != root else outside
    actions: dict[str, Callable[[], object]] = {
        "empty": lambda: file.write_bytes(b""),
        "drop": lambda: None,
        "folder": file.mkdir,
        "link": lambda: file.symlink_to(twin),
    }
    if change.kind == "swap":
        first, second = file.read_bytes(), other.read_bytes()
        _replace(file, lambda: file.write_bytes(second))
        _replace(other, lambda: other.write_bytes(first))
        return f"{name}: swapped with {other.name}"
    # A recording of one file stays a file: a user names it, and knows what it is.
    if file == root and change.kind != "empty":
        return "nothing: the recording is one file"
    _replace(file, actions[change.kind])
    return f"{name}: {change.kind}"


def _names_outside(root: Path, file: Path, outside: Path) -> list[bytes]:
    """Return ways to name the file's twin, or a neighbour's, outside of the recording: absolute, and climbing."""
    files = sorted(path for path in outside.rglob("*") if path.is_file()) if outside.is_dir() else [outside]
    names = []
    for twin in dict.fromkeys((files[0], files[-1], files[len(files) // 2], outside)):
        names += [str(twin), os.path.relpath(twin, file.parent), os.path.relpath(twin, root)]
    return [name.encode() for name in dict.fromkeys(names)]


def _replace(file: Path, make: Callable[[], object]) -> None:
    """Put something in a file's place; links and folders are removed, never followed."""
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
    make()
