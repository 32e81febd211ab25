"""Scripts of the experts, one a task: each steps its env to the end of the episode and returns the last step."""

from __future__ import annotations

import numpy as np

from motorium.core.protocols import Step
from tests.tasks.manipulation.expert import Expert


def reach(expert: Expert, seeds: np.ndarray) -> Step:
    """Go to the target."""
    observation = expert.env.reset(seeds)
    for _ in range(expert.env.info.max_steps):
        step = expert.env.step(expert.action(expert.seen(observation, "target.x")))
        observation = step.observation
    return step


def lift(expert: Expert, seeds: np.ndarray, height_m: float = 0.10) -> Step:
    """Go above the cube, turn as it is turned, go down, close, go up."""
    env = expert.env
    observation, factors = env.reset(seeds), env.factors()
    start, phase, waited = expert.seen(observation, "cube.x"), np.zeros(len(seeds), int), np.zeros(len(seeds), int)
    above, up = start + [0.0, 0.0, 0.1], start.copy()
    up[:, 2] = factors["cube_half_m"] + height_m
    for _ in range(env.info.max_steps):
        hand, cube = expert.seen(observation, "hand.x"), expert.seen(observation, "cube.x")
        goal = np.choose(phase[:, None], [above, cube, cube, up])
        action = expert.action(goal, factors["cube_yaw_rad"], 0.0)
        action[:, -1] = np.where(phase >= 2, 1.0, -1.0)
        step = env.step(action)
        observation = step.observation
        arrived = np.linalg.norm(hand - goal, axis=1) < 0.006
        waited = waited + (phase == 2)
        phase = phase + ((phase < 2) & arrived) + ((phase == 2) & (waited > 8))
    return step


def push(expert: Expert, seeds: np.ndarray) -> Step:
    """Go above the place behind the cube, go down, and follow the line to the zone, ever slower; stop there."""
    env = expert.env
    observation = env.reset(seeds)
    phase = np.zeros(len(seeds), int)
    for _ in range(env.info.max_steps):
        hand, cube = expert.seen(observation, "hand.x"), expert.seen(observation, "cube.x")
        zone = expert.seen(observation, "zone.x", 2)
        way = zone - cube[:, :2]
        apart = np.linalg.norm(way, axis=1, keepdims=True)
        ahead = way / np.maximum(apart, 1e-3)
        side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
        behind = np.column_stack([cube[:, :2] - 0.07 * ahead, np.full(len(cube), 0.03)])
        # A cube that is pushed beside its middle turns away: lean to the side that it leaves the line to.
        aside = ((hand[:, :2] - cube[:, :2]) * side).sum(axis=1, keepdims=True)
        pace = np.clip(0.15 * apart, 0.004, 0.01)
        onward = np.column_stack([hand[:, :2] + pace * ahead - 0.8 * aside * side, np.full(len(cube), 0.03)])
        goal = np.choose(phase[:, None], [behind + [0.0, 0.0, 0.1], behind, onward, hand])
        step = env.step(expert.action(goal))
        observation = step.observation
        phase = phase + ((phase < 2) & (np.linalg.norm(hand - goal, axis=1) < 0.012))
        # A cube that slid past the zone is pushed back from its other side.
        phase = np.where((phase == 2) & (((cube - hand)[:, :2] * ahead).sum(axis=1) < 0.0), 0, phase)
        phase = np.where((phase == 2) & (apart[:, 0] < 0.02), 3, phase)
    return step


def insert(expert: Expert, seeds: np.ndarray) -> Step:
    """Bring the peg's tip above the hole, then down."""
    env = expert.env
    observation = env.reset(seeds)
    inserting = np.zeros(len(seeds), bool)
    for _ in range(env.info.max_steps):
        tip, hole = expert.seen(observation, "tip.x"), expert.seen(observation, "hole.x", 2)
        aside = np.linalg.norm(tip[:, :2] - hole, axis=1)
        inserting = inserting | ((aside < 0.001) & (tip[:, 2] < 0.06))
        lower = np.maximum(tip[:, 2] - 0.01, 0.005)
        height = np.where(inserting, lower, 0.055) + 0.06
        step = env.step(expert.action(np.column_stack([hole, height])))
        observation = step.observation
    return step
