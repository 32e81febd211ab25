"""The worlds the Env contract is checked on: every row of the task catalog, its variants, and the cars."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from motorium.core.protocols import Env
from motorium.tasks import TASKS
from motorium.tasks.make import make_env
from tests.support.cars import Cars

VARIANTS = {
    "ur5e/pick-place joint_delta": partial(make_env, "ur5e/pick-place", control="joint_delta"),
    "ur5e/pick-place joint_position": partial(make_env, "ur5e/pick-place", control="joint_position"),
    "ur5e/pick-place full": partial(make_env, "ur5e/pick-place", model="full"),
}
WORLDS: dict[str, Callable[..., Env]] = {
    **{name: partial(make_env, name) for name in TASKS},
    **VARIANTS,
    "cars": Cars,
}

# Of robots that fall within a second when nobody balances them, to see the end of an episode's time.
BRIEF = {name: {"episode_s": 0.3} for name in ("g1/velocity", "g1/velocity-rough", "g1/tracking")}

# Tasks that can be demonstrated and amplified; the others are learned by reinforcement.
OBJECT_CENTRIC = [
    name for name in WORLDS if name.split()[0] in TASKS and hasattr(TASKS.load(name.split()[0]), "segments")
]


def random_actions(env: Env, steps: int, seed: int = 0) -> np.ndarray:
    """Return actions (steps, B, A) float32, uniform within the bounds; a row's do not depend on B."""
    low, high = env.info.action_low, env.info.action_high
    rows = [
        np.random.Generator(np.random.Philox([seed, row])).uniform(low, high, (steps, len(low)))
        for row in range(env.num_envs)
    ]
    return np.stack(rows, axis=1).astype(np.float32)


def flat(step_or_observation) -> dict[str, np.ndarray]:
    """Return all arrays of a Step or an observation, by name."""
    if not hasattr(step_or_observation, "reward"):
        return dict(step_or_observation)
    step = step_or_observation
    parts = {name: getattr(step, name) for name in ("reward", "terminated", "truncated", "outcome")}
    return {**step.observation, **parts, **{f"info.{key}": value for key, value in step.info.items()}}


def assert_same(a, b, rows_a=slice(None), rows_b=slice(None)) -> None:
    """Check that two steps or observations hold bitwise the same arrays."""
    a, b = flat(a), flat(b)
    assert a.keys() == b.keys()
    for name in a:
        left, right = a[name][rows_a], b[name][rows_b]
        assert left.dtype == right.dtype and left.tobytes() == right.tobytes(), name
