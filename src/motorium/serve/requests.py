"""A client's message checked against what the policy reads: the observation of one row, and a new episode's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import ServeError, nearest
from motorium.core.features import Feature
from motorium.core.protocols import PolicyInfo
from motorium.serve.wire import short

RESET, SEED = "reset", "seed"
MAX_SEED = 2**63


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one message asks for.

    Attributes:
        observation: {key: feature's shape and dtype}, every key the policy reads and no other.
        reset: whether a new episode starts before this observation.
        seed: of the new episode, where the client chose it.
    """

    observation: Mapping[str, NDArray]
    reset: bool
    seed: int | None


def sample_dtype(feature: Feature) -> np.dtype:
    """Return the NumPy dtype of one sample of `feature`.

    Raises:
        ServeError: for text, which no array on the wire can hold.
    """
    try:
        dtype = np.dtype("uint8" if feature.visual else feature.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        raise ServeError("a policy that reads this feature cannot be served", got=feature.dtype, expected="numbers")
    return dtype


def check_servable(info: PolicyInfo) -> None:
    """Check that every observation of `info` has a place in a request.

    Raises:
        ServeError: for a feature that is not numbers, or a key that the protocol uses itself.
    """
    for key, feature in info.observation.items():
        if key in (RESET, SEED):
            raise ServeError(f"'{key}' is the protocol's own key", where="the policy's observation", got=key)
        sample_dtype(feature)


def frame_limit(info: PolicyInfo) -> int:
    """Return the bytes a request may have: every value as float64 (to be told of, not cut off), at least 8 MiB."""
    return max(8 << 20, (64 << 10) + 8 * sum(feature.size for feature in info.observation.values()))


def read_request(message: Any, info: PolicyInfo) -> Request:
    """Return the request that a decoded message holds.

    Floats of another width and integers are cast to a float feature; nothing is ever rounded to an
    integer, and pictures must be uint8 as they are.

    Raises:
        ServeError: naming the key, what it holds, what it should, and the nearest known key.
    """
    if not isinstance(message, Mapping):
        raise ServeError("a request is a map of observations", got=type(message).__name__, expected=_keys(info))
    known = [*info.observation, RESET, SEED]
    missing = [key for key in info.observation if key not in message]
    for key in message:
        if key not in known:
            raise ServeError(
                f"'{short(key)}' is not an observation of this policy",
                expected=_keys(info),
                nearest=nearest(key, missing or known),
                remedy="rename or remove the key",
            )
    if missing:
        raise ServeError(f"'{missing[0]}' is missing", got=short(sorted(message)), expected=_keys(info))
    reset, seed = message.get(RESET, False), message.get(SEED)
    if not isinstance(reset, (bool, np.bool_)):
        raise ServeError("'reset' is true or false", got=short(reset))
    if seed is not None and (not reset or not _is_seed(seed)):
        raise ServeError(
            "'seed' is not valid", got=short(seed), expected="0 <= seed < 2^63, together with 'reset': true"
        )
    observation = {key: _sample(key, message[key], feature) for key, feature in info.observation.items()}
    return Request(observation=observation, reset=bool(reset), seed=None if seed is None else int(seed))


def _keys(info: PolicyInfo) -> str:
    return ", ".join(f"{key} {tuple(f.shape)} {sample_dtype(f)}" for key, f in info.observation.items())


def _is_seed(seed: Any) -> bool:
    return isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and 0 <= int(seed) < MAX_SEED


def _sample(key: str, value: Any, feature: Feature) -> NDArray:
    """The value of one observation key as an array of the feature's shape and dtype."""
    dtype = sample_dtype(feature)
    if not isinstance(value, (np.ndarray, np.generic)):
        raise ServeError(f"'{key}' is not an array", got=type(value).__name__, expected=f"{feature.shape} {dtype}")
    value = np.asarray(value)
    if value.shape != tuple(feature.shape):
        raise ServeError(
            f"'{key}' has the wrong shape",
            got=value.shape,
            expected=tuple(feature.shape),
            remedy="send one sample, without a batch axis",
        )
    if feature.visual and value.dtype != dtype:
        raise ServeError(f"'{key}' is a picture", got=value.dtype, expected="uint8 RGB, height x width x 3")
    if value.dtype == dtype and dtype.kind != "f":
        return value
    whole = dtype.kind in "iu" and value.dtype.kind in "iu"
    if not whole and not np.can_cast(value.dtype, dtype, "same_kind"):
        raise ServeError(f"'{key}' has the wrong dtype", got=value.dtype, expected=dtype)
    given = value
    with np.errstate(over="ignore"):
        value = given.astype(dtype, copy=False)
    if whole and (value != given).any():
        raise ServeError(f"'{key}' is out of range", got=short(given[value != given].tolist()), expected=dtype)
    if dtype.kind == "f" and not np.isfinite(value).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        name = feature.names[index[0]] if feature.names and len(index) == 1 else f"element {list(index)}"
        raise ServeError(f"'{key}' is not finite", where=name, got=str(value[index]), expected="finite numbers")
    return value
