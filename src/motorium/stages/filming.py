"""Filming: episodes of a policy run again with a camera, as one mp4 each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from motorium.core.errors import SpecError, nearest
from motorium.core.protocols import EnvInfo
from motorium.core.spec import Spec

if TYPE_CHECKING:
    from motorium.evaluate.episodes import Rollout
    from motorium.evaluate.recording import Record


# What tasks call the camera that shows the whole: of a table, of a robot that goes about.
USUAL = ("front", "follow")


class FilmSpec(Spec):
    """How episodes are filmed."""

    camera: str | None = Field(None, description="camera to film with; none: `front`, `follow`, or the first")
    height: int = Field(192, ge=16, multiple_of=2, description="picture height, pixels")
    width: int = Field(256, ge=16, multiple_of=2, description="picture width, pixels")
    stride: int = Field(2, ge=1, description="control steps between pictures")


def film(info: EnvInfo, made: Rollout, seeds: Sequence[int], spec: FilmSpec, folder: Path) -> list[dict[str, Any]]:
    """Write `<seed>-<outcome>.mp4` of each recorded seed into `folder`; return what was written."""
    from motorium.data.video_write import PROFILES, encode

    folder.mkdir(parents=True, exist_ok=True)
    filmed, camera = [], camera_of(spec.camera, info.cameras)
    for seed in seeds:
        tape = made.recordings[int(seed)]
        name = f"{int(seed)}-{tape.outcome}.mp4"
        encode(folder / name, tape.frames[camera], info.control_hz / spec.stride, PROFILES["fast"])
        filmed.append({"seed": int(seed), "outcome": tape.outcome, "file": name, "steps": len(tape.actions)})
    return filmed


def record_of(spec: FilmSpec, cameras: tuple[str, ...]) -> Record:
    """Return what a rollout must record to be filmed.

    Raises:
        SpecError: when the env has no such camera.
    """
    from motorium.evaluate.recording import Record

    return Record(cameras=(camera_of(spec.camera, cameras),), stride=spec.stride, height=spec.height, width=spec.width)


def camera_of(camera: str | None, cameras: tuple[str, ...]) -> str:
    """Return the camera that is named, or where none is, the first of `USUAL` there is, or the first of all.

    Raises:
        SpecError: when the task has no such camera.
    """
    usual = next((name for name in USUAL if name in cameras), cameras[0] if cameras else USUAL[0])
    named = camera or usual
    if named not in cameras:
        raise SpecError(
            f"there is no camera '{named}'",
            expected=", ".join(cameras) or "none: this task has no cameras",
            nearest=nearest(named, cameras),
        )
    return named


def replay_words(ref: str, task: str, options: Mapping[str, Any]) -> list[str]:
    """Return the command line, as words, that films episodes of a policy in a task; `{seeds}` stands for them."""
    words = ["motorium", "replay", ref, "--task", task]
    if options:
        words += ["--options", json.dumps(dict(options), sort_keys=True)]
    return words
