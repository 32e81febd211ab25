"""Reward terms: pure functions of arrays with a leading batch axis, each in [0, 1]."""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace

from motorium.tasks.terms.geometry import distance

Array = Any


def near(p_W: Array, goal_W: Array, scale_m: float) -> Array:
    """Return 1 at the goal, falling with the distance over `scale_m`: points (B, n), (B, n) to (B,)."""
    return 1.0 / (1.0 + distance(p_W, goal_W) / scale_m)


def close(distance_m: Array, scale_m: float) -> Array:
    """Return 1 - tanh(d / scale) of distances (B,): 1 at the goal, nearly 0 beyond three times `scale_m`: (B,).

    It is steep up to the goal, where a bell is flat: it asks for the last millimetre too. Source: the reaching term of
    `Lift` in Y. Zhu et al., robosuite: A Modular Simulation Framework and Benchmark for Robot Learning,
    arXiv:2009.12293.
    """
    return 1.0 - array_namespace(distance_m).tanh(distance_m * (1.0 / scale_m))


def share(x: Array, whole: float) -> Array:
    """Return x / whole within [0, 1]: (B,)."""
    return array_namespace(x).clip(x * (1.0 / whole), 0.0, 1.0)


def bell(error_squared: Array, scale: float) -> Array:
    """Return exp(-error^2 / scale^2) of squared errors (B,): (B,), the error and `scale` in one unit.

    Source: N. Rudin et al., Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning,
    arXiv:2109.11978, table 3.
    """
    return array_namespace(error_squared).exp(error_squared * (-1.0 / (scale * scale)))


def tolerance(x: Array, low: float, high: float, margin: float, at_margin: float = 0.1) -> Array:
    """Return 1 where `x` (B,) is in [low, high], falling as a Gaussian to `at_margin` at `margin` beyond: (B,).

    Source: Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, section 2 (reward).
    """
    xp = array_namespace(x)
    beyond = xp.clip(xp.maximum(low - x, x - high), 0.0, None) / margin
    return xp.exp(math.log(at_margin) * beyond * beyond)


def parabola(x: Array, low: float, high: float, margin: float) -> Array:
    """Return 1 where `x` (B,) is in [low, high], falling as a parabola to 0 at `margin` beyond: (B,).

    Source: as `tolerance`.
    """
    xp = array_namespace(x)
    beyond = xp.clip(xp.maximum(low - x, x - high), 0.0, None) / margin
    return xp.clip(1.0 - beyond * beyond, 0.0, None)
