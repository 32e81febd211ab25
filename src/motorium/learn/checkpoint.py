"""Checkpoints of a training run: tensors and a small JSON, committed by rename, so that a kill loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from motorium.core.durable import sync
from motorium.core.hashing import file_digest

POINTER = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """State after `step` optimiser steps: named tensors, and plain data (the training curve)."""

    step: int
    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]


def write_checkpoint(folder: Path, identity: str, checkpoint: Checkpoint) -> None:
    """Commit `checkpoint`; the one before it is removed only afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = folder / f"checkpoint-{checkpoint.step:08d}.safetensors"
    aside = folder / "checkpoint.tmp"
    save_file(dict(checkpoint.tensors), aside)
    _commit(aside, tensors)
    pointer = {
        "identity": identity,
        "step": checkpoint.step,
        "file": tensors.name,
        "sha256": file_digest(tensors),
        "plain": checkpoint.plain,
    }
    aside.write_text(json.dumps(pointer, allow_nan=False), encoding="utf-8")
    _commit(aside, folder / POINTER)
    for old in folder.glob("checkpoint-*.safetensors"):
        if old != tensors:
            old.unlink()


def read_checkpoint(folder: Path, identity: str) -> Checkpoint | None:
    """Return the last committed checkpoint of the run named `identity`.

    None where there is none, or it is another run's, or it is damaged: training then starts at step 0 and
    comes to the same result.
    """
    try:
        pointer = json.loads((folder / POINTER).read_text(encoding="utf-8"))
        if pointer["identity"] != identity:
            return None
        tensors = folder / pointer["file"]
        if file_digest(tensors) != pointer["sha256"]:
            return None
        return Checkpoint(pointer["step"], load_file(tensors), pointer["plain"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _commit(aside: Path, path: Path) -> None:
    """Rename `aside` to `path`, durably."""
    sync(aside)
    os.replace(aside, path)
    sync(path.parent)
