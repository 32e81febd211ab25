"""Another rate: every n-th step is picked, or values are resampled by a stated policy; no picture is invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.spec import Spec
from motorium.data.companions import VALID
from motorium.data.edit.operation import Operation, Others
from motorium.data.edit.view import View
from motorium.data.statistics import Statistics

Policy = Literal["linear", "hold"]
EXACT = 1e-9


class FpsSpec(Spec):
    """Options of `fps`."""

    to: float = Field(gt=0, description="new steps in a second")
    resample: bool = Field(
        False, description="also where the new rate does not divide the old one: values by `policies`, pictures held"
    )
    policies: dict[str, Policy] = Field(
        {},
        description="{pattern of features: linear or hold}, the first match holds; else floats linear, the rest held",
    )


class Resampled(View):
    """A view at another rate."""

    def __init__(self, inner: View, fps: float, policies: Mapping[str, Policy]) -> None:
        super().__init__(inner)
        self.policies, self.ratio = dict(policies), inner.fps / fps
        self.fps = fps
        self.lengths = np.floor((inner.lengths - 1) / self.ratio + EXACT).astype(np.int64) + 1
        self.encoded = set(self.cameras)

    def source(self, index: int) -> NDArray[np.float64]:
        """Return where each step falls among the inner view's: (T,) in its steps."""
        return np.arange(int(self.lengths[index])) * self.ratio

    def arrays(self, index: int) -> dict[str, NDArray]:
        inner, at = self.inner.arrays(index), self.source(index)
        return {key: self._resampled(key, array, at) for key, array in inner.items()}

    def frames(self, index: int, key: str, steps: Sequence[int] | NDArray | None = None) -> NDArray[np.uint8]:
        before = np.floor(self.source(index) + EXACT).astype(np.int64)
        return self.inner.frames(index, key, before if steps is None else before[np.asarray(steps, np.int64)])

    def episode_statistics(self, index: int) -> dict[str, Statistics]:
        return {}

    def base_steps(self, index: int) -> range | None:
        return None

    def policy(self, key: str) -> Policy:
        """Return how a feature is resampled."""
        for pattern, policy in self.policies.items():
            if fnmatchcase(key, pattern):
                return policy
        return "linear" if self.features[key].dtype.startswith("float") else "hold"

    def _resampled(self, key: str, array: NDArray, at: NDArray[np.float64]) -> NDArray:
        before = np.floor(at + EXACT).astype(np.int64)
        share = np.maximum(at - before, 0.0)
        after = np.minimum(before + (share > EXACT), len(array) - 1)
        if not np.any(after > before):
            return array[before]
        base = key.removesuffix(VALID)
        if base != key and base in self.features and self.policy(base) == "linear":
            # Of two samples, both have to be valid.
            return array[before] & array[after]
        if self.policy(key) == "hold":
            return array[before]
        weight = share.reshape(-1, *(1,) * (array.ndim - 1))
        mixed = array[before] * (1.0 - weight) + array[after] * weight
        return mixed.astype(array.dtype)


def _fps(view: View, spec: FpsSpec, others: Others) -> View:
    ratio = view.fps / spec.to
    exact = ratio >= 1 and abs(ratio - round(ratio)) < 1e-6
    if exact and abs(ratio - 1) < 1e-6:
        return view
    where = f"fps, from {view.fps:g} to {spec.to:g} frames/s"
    if not exact and not spec.resample:
        raise DataError(
            "the new rate does not divide the old one",
            where=where,
            got=f"{ratio:g} steps become one",
            expected=f"one of {', '.join(f'{view.fps / n:g}' for n in (2, 3, 4, 5))}, ...",
            remedy="say `resample: true` (--resample) to have floats interpolated and the rest held, as `policies` say",
        )
    if ratio < 1 and view.cameras:
        raise DataError(
            "pictures of a higher rate would have to be invented",
            where=where,
            got=view.cameras,
            expected=f"at most {view.fps:g} frames/s",
            remedy="remove the cameras first, or keep the rate",
        )
    made = Resampled(view, view.fps / round(ratio) if exact else spec.to, spec.policies)
    if not exact:
        for key, feature in view.features.items():
            if _turns(feature) and not any(fnmatchcase(key, pattern) for pattern in spec.policies):
                raise DataError(
                    f"'{key}' holds an orientation, which is not to be interpolated element by element",
                    where=where,
                    got=feature.names,
                    remedy=f"state a policy for it, such as policies: {{'{key}': hold}}",
                )
    return made


def _turns(feature: Feature) -> bool:
    """Whether a vector has a quaternion among its elements, by their names."""
    names = [name.lower() for name in feature.names or ()]
    quaternion = any(name.endswith(("qw", "quat_w", "orientation.w", "rotation.w")) for name in names)
    return feature.dtype.startswith("float") and (quaternion or names == ["w", "x", "y", "z"])


FPS = Operation(name="fps", spec=FpsSpec, short="to", apply=_fps)
