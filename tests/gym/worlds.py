"""What the tests of the adapters share: short episodes of every task, and comparison bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from motorium.tasks import TASKS

STEPS = 6


def short(task: str) -> dict[str, Any]:
    """Return options of a task by which an episode has `STEPS` steps."""
    fields = TASKS.load(task).Spec.model_fields
    return {"max_steps": STEPS} if "max_steps" in fields else {"episode_s": STEPS / fields["control_hz"].default}


def random_actions(space, steps: int, seed: int = 0) -> np.ndarray:
    """Return actions (steps, ...) within the bounds of a space."""
    rng = np.random.default_rng(seed)
    return rng.uniform(space.low, space.high, (steps, *space.shape)).astype(np.float32)


def assert_same(left: Any, right: Any, where: str = "") -> None:
    """Check that two returned values hold the same, bit by bit, down to the types."""
    if isinstance(left, dict) and isinstance(right, dict):
        assert left.keys() == right.keys(), where
        for key in left:
            assert_same(left[key], right[key], f"{where}.{key}")
        return
    assert type(left) is type(right), where
    if isinstance(left, tuple | list) or (isinstance(left, np.ndarray) and left.dtype == object):
        assert len(left) == len(right), where
        for i, (one, other) in enumerate(zip(left, right)):
            assert_same(one, other, f"{where}[{i}]")
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype and left.shape == right.shape, where
        assert left.tobytes() == right.tobytes(), where
    else:
        assert left == right, where


def arrays(value: Any) -> list[np.ndarray]:
    """Return all arrays of numbers in a returned value."""
    if isinstance(value, dict):
        return [array for one in value.values() for array in arrays(one)]
    if isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.dtype == object):
        return [array for one in value for array in arrays(one)]
    return [value] if isinstance(value, np.ndarray) else []
