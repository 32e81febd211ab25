"""Splits: which episodes of a dataset are for training and which are held out, kept in `meta/splits.json`.

LeRobot's own `splits` are ranges; held-out episodes are drawn at random, so they need names of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from motorium.core.errors import DataError, nearest
from motorium.data.info import read_json, write_json
from motorium.data.layout import INFO_PATH

FILE = Path("meta") / "splits.json"
SPLIT_NAMES = ("train", "valid", "val", "validation", "test")


def write_splits(folder: Path, splits: Mapping[str, Sequence[int]]) -> None:
    """Write the episode numbers of each split."""
    plain = {name: [int(index) for index in sorted(indices)] for name, indices in splits.items()}
    (folder / FILE).write_text(json.dumps(plain, sort_keys=True) + "\n", encoding="utf-8")


def splits_of_keys(keys: Sequence[Sequence[str]]) -> tuple[dict[str, list[int]], list[str]]:
    """Return the splits that filter keys of each episode make, and what there is to say of them.

    Of robomimic's filter keys `train`, `valid` and the like are a split; others (`20_percent`) overlap it, and stay
    with the episodes. Without `train`, or where an episode is for two, there is no split.
    """
    found = {name: [i for i, each in enumerate(keys) if name in each] for name in SPLIT_NAMES}
    splits = {name: indices for name, indices in found.items() if indices}
    others = sorted({name for each in keys for name in each} - set(splits))
    notes = [f"filter keys that are no split stay in each episode's meta: {', '.join(others)}"] if others else []
    if not splits:
        return {}, notes
    named = [index for indices in splits.values() for index in indices]
    counts = ", ".join(f"{name} {len(indices)}" for name, indices in splits.items())
    if "train" not in splits or len(set(named)) < len(named):
        why = "an episode is in two" if "train" in splits else "there is no 'train'"
        return {}, [*notes, f"the recording's splits are not taken over, {why}: {counts}"]
    left = len(keys) - len(named)
    rest = f"; {left} in none" if left else ""
    return splits, [*notes, f"splits as recorded: {counts} episodes{rest}; training reads 'train' alone"]


def state_ranges(folder: Path, splits: Mapping[str, Sequence[int]], episodes: int) -> None:
    """Write splits as LeRobot's own into `meta/info.json`, where they part all episodes into ranges."""
    ordered = sorted((min(indices), max(indices) + 1, name) for name, indices in splits.items())
    edges = [0, *(stop for _, stop, _ in ordered)]
    whole = all(start == before for (start, _, _), before in zip(ordered, edges)) and edges[-1] == episodes
    if whole and all(stop - start == len(splits[name]) for start, stop, name in ordered):
        path = folder / INFO_PATH
        info = read_json(path)
        info["splits"] = {name: f"{start}:{stop}" for start, stop, name in ordered}
        write_json(path, info)


def read_splits(folder: Path) -> dict[str, list[int]] | None:
    """Return the episode numbers of every split; None where the dataset has none.

    Raises:
        DataError: when the file holds no lists of numbers.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [int(index) for index in indices] for name, indices in splits.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            "the splits of the dataset cannot be read",
            where=path,
            got=str(error) or type(error).__name__,
            expected="lists of episode numbers by name",
            remedy="correct the file or remove it",
        ) from error


def read_split(folder: Path, name: str, episodes: int) -> list[int]:
    """Return the episode numbers of the split `name`; a dataset without splits is all `train`.

    Raises:
        DataError: when there is no such split, or it names episodes that do not exist.
    """
    path = folder / FILE
    splits = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"train": list(range(episodes))}
    if name not in splits:
        raise DataError(
            f"the dataset has no split '{name}'",
            where=folder,
            got=sorted(splits),
            expected=name,
            nearest=nearest(name, splits),
            remedy="hold episodes out when curating: `held_out: 0.15`",
        )
    if any(not 0 <= index < episodes for index in splits[name]):
        raise DataError(f"split '{name}' names episodes that do not exist", where=path, expected=f"0 to {episodes - 1}")
    return list(splits[name])
