"""The manifest of an artifact: what it is, what it was made from, by whom, and the digest of every file."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from motorium import __version__
from motorium.core.errors import StoreError
from motorium.core.hashing import digest
from motorium.flow.digests import FileEntry, installed
from motorium.flow.stage import Artifact

NAME = "manifest.json"
SCHEMA = "motorium-artifact/1"
# What is read from a manifest without a second look.
KEYS = {
    **dict.fromkeys(("kind", "id", "key", "content", "stage", "summary", "command"), str),
    **dict.fromkeys(("spec", "inputs", "metrics", "sources"), dict),
    "files": list,
    "created": (int, float),
}
REMEDY = "make the artifact again: `motorium run ... --force STAGE`"
VERSIONED = ("numpy", "mujoco", "mujoco-warp", "torch", "pyarrow", "av", "onnx", "onnxruntime")


def artifact_id(kind: str, key: str, content: str) -> str:
    """Return the identity of an artifact: what derived it, and what came out."""
    return digest("artifact", [kind, key, content])


def plain(value: Any, where: str = "") -> Any:
    """Return `value` as plain JSON data, NumPy scalars and arrays converted.

    Raises:
        StoreError: on a number that is not finite, or a type JSON does not have.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StoreError("a number is not finite", where=where, got=value, expected="a finite number, or null")
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}.{place}".lstrip(".")) for place, item in enumerate(value)]
    raise StoreError(
        "a value is not plain data",
        where=where,
        got=type(value).__name__,
        expected="null, true/false, numbers, text, lists and mappings of these",
    )


def host_versions() -> dict[str, str]:
    """Return the versions of what runs here, for the manifest; part of no digest."""
    versions = {"motorium": __version__, "python": platform.python_version(), "machine": platform.machine()}
    return versions | {package: version for package in VERSIONED if (version := installed(package))}


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the file form of a manifest."""
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def read(folder: Path) -> dict[str, Any]:
    """Read the manifest of the artifact in `folder`.

    Raises:
        StoreError: when it is missing or not a manifest.
    """
    path = folder / NAME
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError("an artifact has no manifest", where=path, remedy=REMEDY) from error
    except ValueError as error:
        raise StoreError(
            "an artifact's manifest is damaged",
            where=path,
            got=str(error),
            remedy=REMEDY,
        ) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        got = manifest.get("schema") if isinstance(manifest, dict) else type(manifest).__name__
        raise StoreError(
            "an artifact's manifest is not one of this Motorium's",
            where=path,
            got=got,
            expected=f"schema {SCHEMA}",
            remedy=REMEDY,
        )
    for key, kinds in KEYS.items():
        if not isinstance(manifest.get(key), kinds):
            raise StoreError(
                f"an artifact's manifest is damaged: '{key}' is not what it should be",
                where=path,
                got=repr(manifest.get(key)),
                remedy=REMEDY,
            )
    return manifest


def read_foreign(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder outside the store if it is a copied artifact, else None."""
    try:
        return read(folder)
    except (StoreError, NotADirectoryError):
        return None


def file_rows(entries: list[FileEntry]) -> list[dict[str, Any]]:
    """Return the manifest's list of files."""
    return [asdict(entry) for entry in entries]


def as_artifact(manifest: Mapping[str, Any], path: Path) -> Artifact:
    """Return the artifact that `manifest` describes, at `path`."""
    return Artifact(kind=manifest["kind"], id=manifest["id"], content=manifest["content"], path=path, manifest=manifest)
