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


class FilmSpec(Spec):
    """How episodes are filmed."""

    camera: str = Field("front", description="camera to film with")
    height: int = Field(192, ge=16, multiple_of=2, description="picture height, pixels")
    width: int = Field(256, ge=16, multiple_of=2, description="picture width, pixels")
    stride: int = Field(2, ge=1, description="control steps between pictures")


def film(info: EnvInfo, made: Rollout, seeds: Sequence[int], spec: FilmSpec, folder: Path) -> list[dict[str, Any]]:
    """Write `<seed>-<outcome>.mp4` of each recorded seed into `folder`; return what was written."""
    from motorium.data.video_write import PROFILES, encode

    folder.mkdir(parents=True, exist_ok=True)
    filmed = []
    for seed in seeds:
        tape = made.recordings[int(seed)]
        name = f"{int(seed)}-{tape.outcome}.mp4"
        encode(folder / name, tape.frames[spec.camera], info.control_hz / spec.stride, PROFILES["fast"])
        filmed.append({"seed": int(seed), "outcome": tape.outcome, "file": name, "steps": len(tape.actions)})
    return filmed


def record_of(spec: FilmSpec, cameras: tuple[str, ...]) -> Record:
    """Return what a rollout must record to be filmed.

    Raises:
        SpecError: when the env has no such camera.
    """
    from motorium.evaluate.recording import Record

    if spec.camera not in cameras:
        raise SpecError(
            f"there is no camera '{spec.camera}'",
            expected=", ".join(cameras) or "none: this task has no cameras",
            nearest=nearest(spec.camera, cameras),
        )
    return Record(cameras=(spec.camera,), stride=spec.stride, height=spec.height, width=spec.width)


def replay_words(ref: str, task: str, options: Mapping[str, Any]) -> list[str]:
    """Return the command line, as words, that films episodes of a policy in a task; `{seeds}` stands for them."""
    words = ["motorium", "replay", ref, "--task", task]
    if options:
        words += ["--options", json.dumps(dict(options), sort_keys=True)]
    return words
