import numpy as np
import pytest

from motorium.core.features import vector
from motorium.core.random import stream
from motorium.learn.bundle import load_bundle
from motorium.learn.data import TrainingData
from motorium.learn.export import export_bundle
from motorium.learn.imitation import train
from motorium.learn.policy import load_policy
from motorium.learn.spec import TrainSpec
from tests.learn.toys import GOAL, STATE

STEPS, NEAR_M, SPEED = 80, 0.03, 0.05


class Reaching:
    """A point in the plane that moves by `SPEED * action` and is to come to rest within 3 cm of its goal."""

    def __init__(self, rows, seed):
        rng = stream(seed, "reaching")
        self.p_m, self.goal_m = rng.uniform(-0.5, 0.5, (2, rows, 2))

    def observe(self):
        return {STATE: self.p_m.astype(np.float32), GOAL: self.goal_m.astype(np.float32)}

    def step(self, action):
        self.p_m = self.p_m + SPEED * np.clip(action, -1, 1)

    def reached(self):
        return np.linalg.norm(self.p_m - self.goal_m, axis=1) < NEAR_M


# Demonstrations are shaken by 1 cm a step, which leaves them about 1.3 cm off on each axis at rest.
def expert(world, gain):
    return np.clip(gain[:, None] * (world.goal_m - world.p_m) / SPEED, -1, 1)


def demonstrations(episodes):
    world, rng = Reaching(episodes, seed=0), stream(0, "expert")
    gain, seen, done = rng.uniform(0.2, 0.5, episodes), [], []
    for _ in range(STEPS):
        seen.append(world.observe())
        done.append(expert(world, gain).astype(np.float32))
        world.step(done[-1] + rng.normal(0, 0.2, (episodes, 2)))
    flat = {key: np.stack([row[key] for row in seen], axis=1).reshape(-1, 2) for key in (STATE, GOAL)}
    return TrainingData(
        observations=flat,
        actions=np.stack(done, axis=1).reshape(-1, 2),
        starts=np.arange(episodes) * STEPS,
        lengths=np.full(episodes, STEPS),
        features={STATE: vector("xy", "m"), GOAL: vector("xy", "m"), "action": vector("xy", "normalized")},
        control_hz=20.0,
    )


def drive(policy, rows, seed):
    world = Reaching(rows, seed)
    policy.reset(np.arange(rows) + 1000 * seed)
    for _ in range(0, STEPS, policy.info.execute):
        chunk = policy.act(world.observe())
        for step in range(policy.info.execute):
            world.step(chunk[:, step])
    return world.reached()


@pytest.fixture(scope="module", params=["flow-matching", "regression"])
def policy(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("reaching")
    spec = TrainSpec(policy=request.param, steps=600, log_every=100, validate_every=200, checkpoint_every=200)
    return train(demonstrations(150), spec, base / "policy", scratch=base / "scratch", seed=0).folder


@pytest.mark.slow
def test_the_policy_reaches_goals_it_was_not_shown(policy):
    assert drive(load_policy(policy), 300, seed=7).mean() > 0.97


@pytest.mark.slow
def test_the_bundle_ends_where_the_policy_does(policy, tmp_path):
    bundle = load_bundle(export_bundle(policy, tmp_path / "bundle").folder)
    assert np.array_equal(drive(load_policy(policy), 64, seed=8), drive(bundle, 64, seed=8))


def test_nobody_reaches_by_standing_still():
    assert Reaching(300, seed=7).reached().mean() < 0.05
