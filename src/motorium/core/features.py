"""Feature: what one named array of an observation, an action or a dataset column is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from motorium.core.errors import ConventionError

VISUAL = ("video", "image")


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Type, shape, names and units of one array, without batch and time axes.

    Attributes:
        dtype: a NumPy name (`float32`, `int64`, `bool`), or `video`, `image`, `string`.
        shape: of one sample; `(height, width, 3)` for pictures.
        names: one for each element of a vector (joint names in order), or of each axis of a picture.
        units: one for each element of a vector, or a single one for all; SI spelled out as in names (`m`,
            `rad`, `m/s`), `1` where there is none, `normalized` in [-1, 1]. None: not known.
        frame: the coordinate frame the values are expressed in (`world`, `base`), or None.
    """

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    frame: str | None = None

    @property
    def size(self) -> int:
        """Number of elements in one sample."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def visual(self) -> bool:
        """Whether samples are pictures, kept outside the table."""
        return self.dtype in VISUAL

    def to_plain(self) -> dict[str, Any]:
        """Return the feature as JSON-compatible data; `from_plain` reverses it."""
        return {
            "dtype": self.dtype,
            "shape": list(self.shape),
            "names": None if self.names is None else list(self.names),
            "units": None if self.units is None else list(self.units),
            "frame": self.frame,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Feature:
        """Build a feature from `to_plain` data."""
        names, units = plain.get("names"), plain.get("units")
        return cls(
            dtype=plain["dtype"],
            shape=tuple(plain["shape"]),
            names=None if names is None else tuple(names),
            units=None if units is None else tuple(units),
            frame=plain.get("frame"),
        )


def vector(names: tuple[str, ...] | list[str], units: str | tuple[str, ...], frame: str | None = None) -> Feature:
    """Return a float32 vector feature with one name an element; a single unit holds for all."""
    names = tuple(names)
    units = (units,) * len(names) if isinstance(units, str) else tuple(units)
    if len(units) != len(names):
        raise ConventionError("a vector needs one unit an element", got=len(units), expected=len(names))
    return Feature(dtype="float32", shape=(len(names),), names=names, units=units, frame=frame)


def check_same(name: str, got: Feature, expected: Feature, where: str) -> None:
    """Check that two sides of a seam mean the same array.

    Units and frames are compared where both sides state them; shape and element names always.

    Raises:
        ConventionError: naming the first difference.
    """
    for field in ("shape", "names", "units", "frame"):
        ours, theirs = getattr(got, field), getattr(expected, field)
        if field in ("names", "units", "frame") and (ours is None or theirs is None):
            continue
        if ours != theirs:
            raise ConventionError(
                f"'{name}' differs in its {field}",
                where=where,
                got=ours,
                expected=theirs,
                remedy=f"convert '{name}', or use the task, the data or the policy that belong together",
            )
