"""The files a robot model is made of: its MJCF or URDF, and the models, meshes and textures that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from motorium.core.hashing import digest, file_digest

# Attributes of MJCF and URDF that name a file, and those of MJCF's `compiler` that say where such files are.
FILE_ATTRIBUTES = ("file", "filename", "fileright", "fileleft", "fileup", "filedown", "filefront", "fileback")
FOLDER_ATTRIBUTES = ("meshdir", "texturedir", "assetdir")


def model_files(path: Path) -> list[Path]:
    """Return the model's file and every file that it, or a model it includes, names and that is there, sorted.

    A name is looked for in each folder that MuJoCo may look in, so that rather one too many is found than one too
    few. Nothing there is nothing found; a file that is no XML stands for itself.
    """
    path = Path(path)
    found, todo, folders = {path} if path.is_file() else set(), [path], {Path(".")}
    named: set[str] = set()
    while todo:
        for element in _elements(todo.pop()):
            folders |= {Path(element.attrib[name]) for name in FOLDER_ATTRIBUTES if name in element.attrib}
            named |= {element.attrib[name] for name in FILE_ATTRIBUTES if name in element.attrib}
        for candidate in _candidates(path.parent, folders, named):
            if candidate not in found and candidate.is_file():
                found.add(candidate)
                todo += [candidate] if candidate.suffix.lower() in (".xml", ".urdf", ".mjcf") else []
    return sorted(found)


def model_digest(path: Path) -> str:
    """Return the identity of a model: over the bytes of all its files."""
    return digest("model", [file_digest(one) for one in model_files(path)])


def _elements(path: Path) -> Iterator[ElementTree.Element]:
    try:
        yield from ElementTree.parse(path).iter()
    except (OSError, ElementTree.ParseError):
        return  # who loads the model says so


def _candidates(base: Path, folders: set[Path], named: set[str]) -> Iterator[Path]:
    for name in named:
        # `package://arm/meshes/link.stl`: MuJoCo drops the scheme and the package, and with `strippath` the folders.
        plain = Path(name.partition("://")[2].partition("/")[2] or name)
        for folder in folders:
            yield base / folder / plain
            yield base / folder / plain.name
