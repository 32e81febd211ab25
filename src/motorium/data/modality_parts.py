"""The modality of a dataset that has none: parts of the robot, found in the names of elements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from motorium.core.features import Feature
from motorium.data.companions import ENDINGS
from motorium.data.modality import COLUMNS, Modality, from_conventions

# Which words in a name tell which part; the first part that has one wins (an index finger is of the hand).
PARTS = {
    "gripper": ("gripper", "claw", "jaw", "jaws"),
    "hand": ("hand", "finger", "fingers", "thumb", "pinky", "little", "ring", "middle", "index", "palm"),
    "leg": ("leg", "hip", "knee", "ankle", "foot"),
    "arm": ("arm", "shoulder", "elbow", "wrist", "forearm", "upperarm"),
    "waist": ("waist", "torso", "spine", "trunk"),
    "neck": ("neck",),
    "head": ("head",),
    "base": ("base", "wheel", "wheels", "chassis"),
}
SIDES = {"left": "left", "l": "left", "lh": "left", "right": "right", "r": "right", "rh": "right"}
TASK = "human.task_description"

# What every name may end with and says nothing of the part.
_QUANTITY = re.compile(r"\.(pos|position|vel|velocity|effort|torque|cmd|command|qpos|qvel)$")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def make_modality(features: Mapping[str, Feature], conventions: Mapping[str, str]) -> Modality:
    """Return the modality of a dataset.

    What `conventions` hold of an earlier one counts. Other vectors of states (`observation.*`) and actions
    (`action`, `action.*`) are cut where the part changes that the names of their elements tell; cameras and
    annotations are named after their columns, and the task's words are `human.task_description`.
    """
    recorded = from_conventions(conventions, features)
    sections: dict[str, dict[str, dict[str, Any]]] = {name: dict(recorded[name]) for name in recorded.sections}
    for key, feature in features.items():
        section = _section(key, feature)
        if section is None:
            continue
        entries = sections.setdefault(section, {})
        if any(entry["original_key"] == key for entry in entries.values()):
            continue
        if section in COLUMNS:
            _add_parts(entries, section, key, feature)
        else:
            short = key.rpartition("images.")[2] if section == "video" else key.removeprefix("annotation.")
            entries[short if short not in entries else key] = {"original_key": key}
    annotations = sections.setdefault("annotation", {})
    if not any(entry["original_key"] == "task_index" for entry in annotations.values()) and TASK not in annotations:
        annotations[TASK] = {"original_key": "task_index"}
    return Modality(sections=sections)


def parts(names: tuple[str, ...]) -> list[tuple[str | None, int, int]]:
    """Return (part or None, start, end) of each run of elements that belong to one part."""
    labels = [_part(name) for name in names]
    runs: list[tuple[str | None, int, int]] = []
    for place, label in enumerate(labels):
        if runs and runs[-1][0] == label:
            runs[-1] = (label, runs[-1][1], place + 1)
        else:
            runs.append((label, place, place + 1))
    return runs


def _section(key: str, feature: Feature) -> str | None:
    if feature.visual:
        return "video"
    if feature.dtype == "string":
        return "annotation" if key.startswith("annotation.") else None
    if len(feature.shape) != 1 or not feature.dtype.startswith("float") or key.endswith(ENDINGS):
        return None
    if key == "action" or key.startswith("action."):
        return "action"
    return "state" if key.startswith("observation.") else None


def _add_parts(entries: dict[str, dict[str, Any]], section: str, key: str, feature: Feature) -> None:
    main = key == COLUMNS[section]
    own = section if main else key.rpartition(".")[2]
    runs = parts(feature.names) if feature.names else [(None, 0, feature.shape[0])]
    for label, start, end in runs:
        # Elements of no part that is known: the whole vector is one, or the rest is called so.
        name = label or (own if len(runs) == 1 else f"{own}_rest")
        name = name if main or label is None else f"{own}_{name}"
        number, unique = 2, name
        while unique in entries:
            number, unique = number + 1, f"{name}_{number}"
        entries[unique] = {"start": start, "end": end, "original_key": key}


def _part(name: str) -> str | None:
    """The part that the name of an element tells, such as `left_arm`."""
    name = _QUANTITY.sub("", name)
    prefix, _, number = name.rpartition(".")
    if prefix and number.isdigit():
        # What an earlier modality named: `left_arm.3`.
        return prefix
    words = [word.lower() for word in _WORDS.findall(name)]
    side = next((SIDES[word] for word in words if word in SIDES), None)
    for part, marks in PARTS.items():
        if any(word in marks for word in words):
            if side:
                return f"{side}_{part}"
            return "single_arm" if part == "arm" else part
    return None
