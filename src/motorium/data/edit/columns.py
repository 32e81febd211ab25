"""Features renamed or removed; what refers to them follows."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.spec import Spec
from motorium.data.companions import ENDINGS
from motorium.data.edit.operation import Operation, Others, matching
from motorium.data.edit.view import View
from motorium.data.layout import AUTOMATIC, check_key
from motorium.data.modality import PREFIX, from_conventions, renamed, to_conventions
from motorium.data.statistics import Statistics


class RenameSpec(Spec):
    """Options of `rename`."""

    features: dict[str, str] = Field(description="{old name: new name}")


class RemoveSpec(Spec):
    """Options of `remove`."""

    features: str | list[str] = Field(description="names of the features, or patterns such as 'observation.images.*'")


class Keyed(View):
    """A view with other names for some features, and without some."""

    def __init__(self, inner: View, names: Mapping[str, str]) -> None:
        """Take `names` as {name in the inner view: name here}, of all features that stay, in their order."""
        super().__init__(inner)
        self.names, self.old = dict(names), {new: old for old, new in names.items()}
        self.features = _keyed(inner.features, names)
        self.extra_cameras = _keyed(inner.extra_cameras, names)
        self.encoded = {names[key] for key in inner.encoded if key in names}
        words = renamed(inner.conventions, names)
        fitting = to_conventions(from_conventions(words, {**self.features, **self.extra_cameras}))
        self.conventions = {key: word for key, word in words.items() if not key.startswith(PREFIX)} | fitting

    def key(self, key: str) -> str:
        return self.old[key]

    def arrays(self, index: int) -> dict[str, NDArray]:
        inner = self.inner.arrays(index)
        return {self.names[key]: array for key, array in inner.items() if key in self.names}

    def episode_statistics(self, index: int) -> dict[str, Statistics]:
        inner = self.inner.episode_statistics(index)
        return {self.names[key]: found for key, found in inner.items() if key in self.names}


def _keyed(features: Mapping[str, Feature], names: Mapping[str, str]) -> dict[str, Feature]:
    return {names[key]: feature for key, feature in features.items() if key in names}


def _rename(view: View, spec: RenameSpec, others: Others) -> View:
    every = [*view.features, *view.extra_cameras]
    names = {key: key for key in every}
    for old, new in spec.features.items():
        matching(old, every, "rename")
        check_key(new, "rename")
        if new in AUTOMATIC:
            raise DataError(f"'{new}' is a column that is added by itself", where="rename", got=f"{old} -> {new}")
        names[old] = new
        for companion in ENDINGS:
            # What says of a feature which samples are valid, and from when, goes with it.
            if f"{old}{companion}" in names and f"{old}{companion}" not in spec.features:
                names[f"{old}{companion}"] = f"{new}{companion}"
    twice = sorted({new for new in names.values() if list(names.values()).count(new) > 1})
    if twice:
        raise DataError(f"two features would be called '{twice[0]}'", where="rename", got=spec.features)
    return Keyed(view, names)


def _remove(view: View, spec: RemoveSpec, others: Others) -> View:
    every = [*view.features, *view.extra_cameras]
    patterns = [spec.features] if isinstance(spec.features, str) else spec.features
    gone = {key for pattern in patterns for key in matching(pattern, every, "remove")}
    gone |= {f"{key}{companion}" for key in gone for companion in ENDINGS}
    kept = {key: key for key in every if key not in gone}
    if all(view.features[key].visual for key in kept if key in view.features):
        raise DataError("a dataset needs at least one feature that is no camera", where="remove", got=sorted(gone))
    return Keyed(view, kept)


RENAME = Operation(name="rename", spec=RenameSpec, short="features", apply=_rename)
REMOVE = Operation(name="remove", spec=RemoveSpec, short="features", apply=_remove)
