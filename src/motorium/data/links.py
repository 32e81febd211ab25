"""Symbolic links in a folder that was named: a stranger's may lead anywhere on the disk of whoever opens it."""

from __future__ import annotations

import os
from pathlib import Path

from motorium.core.errors import DataError

# Set to 1 it lets links lead anywhere; it changes what may be read, never what comes of it.
FOLLOW_LINKS = "MOTORIUM_FOLLOW_LINKS"
MOST_ENTRIES = 10_000_000
# Folders of the Hugging Face hub's cache: `datasets--owner--name/snapshots/REVISION/file -> ../../blobs/HASH`.
_HUB = ("datasets--", "models--", "spaces--")


def links_followed() -> bool:
    """Whether the user lets links lead out of the folders that are named."""
    return os.environ.get(FOLLOW_LINKS) == "1"


def leads_out(target: Path, root: Path) -> bool:
    """Whether a resolved path is neither below a resolved folder nor what the hub's cache keeps for it."""
    if target.is_relative_to(root):
        return False
    for folder in (root, *root.parents):
        if folder.name == "snapshots" and folder.parent.name.startswith(_HUB):
            return target.parent != folder.parent / "blobs"
    return True


def check_links(root: Path) -> None:
    """Check that no link in a folder, however deep, leads out of it; the folder itself may be one. Opens no file.

    Links that go round in a circle lead nowhere, and fail for whoever opens them.

    Raises:
        DataError: when one does and links are not followed, or the folder cannot be looked through.
    """
    if links_followed() or not root.is_dir():
        return
    top, folders, left = root.resolve(), [""], MOST_ENTRIES
    known: dict[str, str] = {}
    harmless: set[str] = set()
    while folders:
        below = folders.pop()
        links, inner, count = _entries(root, top, below, left)
        left -= count
        for link in links:
            target = _target(top, link, known)
            if os.path.dirname(target) in harmless:
                continue
            if leads_out(Path(target), top):
                raise DataError(
                    "a link leads out of the folder",
                    where=root / link,
                    got=target,
                    expected=f"links within {root}",
                    remedy=f"put a copy in its place; or, where you trust all of this folder, set {FOLLOW_LINKS}=1",
                )
            # A cache has thousands of links into one folder. A link to the top itself says nothing of what is beside.
            if target != str(top):
                harmless.add(os.path.dirname(target))
        folders += reversed(inner)


def _entries(root: Path, top: Path, below: str, at_most: int) -> tuple[list[str], list[str], int]:
    """Return the links and the folders in a folder, sorted, relative to the top, and how many entries it has."""
    links: list[str] = []
    inner: list[str] = []
    count = 0
    folder = os.path.join(top, below)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                count += 1
                if count > at_most:
                    raise DataError(
                        "the folder holds more than can be looked through",
                        where=root,
                        expected=f"at most {MOST_ENTRIES:,} entries",
                        remedy=f"name the recording in it, or set {FOLLOW_LINKS}=1",
                    )
                if entry.is_symlink():
                    links.append(os.path.join(below, entry.name))
                elif entry.is_dir(follow_symlinks=False):
                    inner.append(os.path.join(below, entry.name))
    except FileNotFoundError:
        pass  # removed meanwhile, as temporary folders are
    except OSError as error:
        # What cannot even be entered, such as lost+found, leads nowhere.
        if not isinstance(error, PermissionError) or os.access(folder, os.X_OK):
            raise DataError("a folder cannot be read", where=root / below, got=error.strerror) from error
    return sorted(links), sorted(inner), count


def _target(top: Path, link: str, known: dict[str, str]) -> str:
    """Return where a link leads; `known` holds folders that were resolved already."""
    place = os.path.join(top, link)
    try:
        said = os.readlink(place)
    except OSError:
        return str(top)  # removed meanwhile
    folder, name = os.path.split(os.path.join(os.path.dirname(place), said))
    if name in ("", ".", ".."):
        return os.path.realpath(place)
    if folder not in known:
        known[folder] = os.path.realpath(folder)
    target = os.path.join(known[folder], name)
    return os.path.realpath(target) if os.path.islink(target) else target
