"""Policies whose answers can be computed by hand."""

from __future__ import annotations

import threading
import time

import numpy as np

from motorium.core.features import Feature, vector
from motorium.core.protocols import PolicyInfo
from motorium.core.random import stream

STATE, CAMERA = "observation.state", "observation.images.top"
JOINTS = tuple(f"joint_{i}" for i in range(14))


def info(side: int = 8, **changes) -> PolicyInfo:
    """14 joints and one camera of `side` x `side`; chunks of 5 actions of 14."""
    values = {
        "observation": {STATE: vector(JOINTS, "rad"), CAMERA: Feature(dtype="video", shape=(side, side, 3))},
        "action": vector(JOINTS, "rad"),
        "horizon": 5,
        "execute": 3,
        "control_hz": 30.0,
        "digest": "d1" * 32,
        "conventions": {"quaternion": "w first"},
    }
    return PolicyInfo(**{**values, **changes})


class Echo:
    """actions[h] = state + h + pixel[0, 0, 0]: plain arithmetic, so that a wrong byte anywhere shows."""

    def __init__(self, side: int = 8) -> None:
        self.info = info(side)
        self.rows = 0

    def reset(self, seeds, mask=None) -> None:
        self.rows = len(seeds)

    def act(self, observation, mask=None):
        steps = np.arange(self.info.horizon, dtype=np.float32)[None, :, None]
        pixel = observation[CAMERA][:, 0, 0, 0].astype(np.float32)[:, None, None]
        actions = observation[STATE][:, None, :] + steps + pixel
        return np.where(mask[:, None, None], actions, 0).astype(np.float32)


class Noisy(Echo):
    """Each action is a draw from the row's own stream, and counts the row's calls since its reset."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: dict[int, np.random.Generator] = {}

    def reset(self, seeds, mask=None) -> None:
        super().reset(seeds)
        for row in np.flatnonzero(np.ones(len(seeds), bool) if mask is None else mask):
            self.streams[int(row)] = stream(int(seeds[row]), "noise")

    def act(self, observation, mask=None):
        actions = np.zeros((self.rows, 5, 14), np.float32)
        for row in np.flatnonzero(mask):
            actions[row] = self.streams[int(row)].standard_normal((5, 14))
        return actions


class Gated(Echo):
    """Blocks in `act` until `gate` is set; `entered` says that it does."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()
        self.calls: list[int] = []

    def act(self, observation, mask=None):
        self.calls.append(int(mask.sum()))
        self.entered.set()
        if not self.gate.wait(30):
            raise TimeoutError("nobody opened the gate")
        return super().act(observation, mask)


class Faulty(Echo):
    """Fails, or answers NaN, for the rows whose first joint says so."""

    def act(self, observation, mask=None):
        first = observation[STATE][:, 0]
        if ((first == 13.0) & mask).any():
            raise RuntimeError("secret/path/of/the/server")
        actions = super().act(observation, mask)
        actions[(first == 7.0) & mask, 2, 1] = np.nan
        return actions


class Slow(Echo):
    """Takes a while for every call, letting requests pile up."""

    def act(self, observation, mask=None):
        time.sleep(0.02)
        return super().act(observation, mask)


def sample(value: float = 0.5, pixel: int = 3, side: int = 8) -> dict[str, np.ndarray]:
    """An observation of `info(side)`."""
    state = np.full(14, value, np.float32) + np.arange(14, dtype=np.float32)
    return {STATE: state, CAMERA: np.full((side, side, 3), pixel, np.uint8)}


def expected(observation: dict[str, np.ndarray]) -> np.ndarray:
    """The answer of `Echo`, written out: (5, 14)."""
    pixel = float(observation[CAMERA][0, 0, 0])
    return np.array([[x + h + pixel for x in observation[STATE]] for h in range(5)], np.float32)
