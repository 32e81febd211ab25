"""The same facts as in the toy world, on the real arm: physics must not bring the batch back in."""

from dataclasses import replace

import numpy as np
import pytest

from motorium.synth.amplify import amplify_shard
from motorium.synth.amplify_spec import AmplifySpec
from motorium.synth.demonstrate import demonstrate
from motorium.synth.experts import make_expert
from motorium.synth.record import RecordOptions, record_features
from motorium.synth.segments import make_sources
from motorium.tasks.make import make_env
from tests.synth.toy import same_episode

pytestmark = pytest.mark.slow

TASK = "ur5e/pick-place"


@pytest.fixture(scope="module")
def shown():
    env = make_env(TASK, 12, threads=1)
    return demonstrate(env, make_expert("pick-place", env), range(500, 512))


def test_expert_does_the_task(shown):
    assert sum(attempt.success for attempt in shown) >= 11
    features = record_features(make_env(TASK, 1), RecordOptions())
    for attempt in shown:
        attempt.episode.check(features)


def test_demonstrations_do_not_depend_on_the_batch_nor_on_threads(shown):
    env = make_env(TASK, 3, threads=2)
    again = demonstrate(env, make_expert("pick-place", env), range(500, 505))
    assert all(same_episode(one.episode, two.episode) for one, two in zip(shown, again))


def test_attempts_do_not_depend_on_batch_shards_nor_threads(shown):
    sources = make_sources([a.episode for a in shown if a.success], make_env(TASK, 1).segments)
    seeds, spec = np.arange(200_000, 200_012), AmplifySpec(action_noise=0.2, record_poses=True)
    whole = amplify_shard(make_env(TASK, 12, threads=2), sources, seeds, spec)
    small = make_env(TASK, 5, threads=1)
    parts = [a for part in (seeds[:7], seeds[7:]) for a in amplify_shard(small, sources, part, spec)]
    assert sum(a.success for a in whole) >= 6
    for one, two in zip(whole, parts):
        assert replace(one, episode=None) == replace(two, episode=None)
        assert one.episode is None or same_episode(one.episode, two.episode)
