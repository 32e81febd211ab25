from dataclasses import replace

import numpy as np
import pytest

from motorium.synth.amplify import amplify, amplify_shard
from motorium.synth.amplify_spec import AmplifySpec
from motorium.synth.record import RecordOptions, record, record_features
from motorium.synth.tally import count_outcomes, failures_by_segment
from motorium.synth.walk import SegmentWalker
from tests.support.toy_pick import ToyPick
from tests.synth.toy import demonstrations, same_episode, sources

SEEDS = np.arange(1000, 1024)
# Loud enough that some attempts fail.
SPEC = AmplifySpec(action_noise=0.6, selection="random", record_poses=True)


def shard(rows, seeds=SEEDS, spec=SPEC, demos=None):
    return amplify_shard(ToyPick(rows), sources() if demos is None else demos, seeds, spec)


@pytest.mark.parametrize("selection", ["random", "nearest_object", "nearest_robot"])
def test_few_demonstrations_become_many(selection):
    attempts = shard(24, spec=AmplifySpec(selection=selection))
    assert count_outcomes(attempts)["success"] >= 22
    assert all((a.episode is not None) == a.success for a in attempts)


@pytest.mark.parametrize("rows", [1, 5, 24, 31])
def test_attempts_do_not_depend_on_the_batch(rows):
    reference, attempts = shard(8), shard(rows)
    assert 0 < sum(a.success for a in reference) < len(SEEDS)
    for one, two in zip(reference, attempts):
        assert replace(one, episode=None) == replace(two, episode=None)
        assert one.episode is None or same_episode(one.episode, two.episode)


def test_attempts_do_not_depend_on_the_layout_of_shards():
    whole = shard(8)
    parts = [a for seeds in (SEEDS[:5], SEEDS[5:6], SEEDS[6:]) for a in shard(8, seeds)]
    backwards = shard(8, SEEDS[::-1])[::-1]
    for one, two, three in zip(whole, parts, backwards):
        assert replace(one, episode=None) == replace(two, episode=None) == replace(three, episode=None)
        assert one.episode is None or same_episode(one.episode, two.episode)
        assert one.episode is None or same_episode(one.episode, three.episode)


def test_amplified_actions_replayed_give_the_episode():
    attempt = next(a for a in shard(8) if a.success)
    env = ToyPick(1)
    observation = env.reset(np.array([attempt.seed]))
    for step in range(attempt.steps):
        state = attempt.episode.arrays["observation.state"][step]
        assert np.array_equal(state, observation["observation.state"][0])
        ending = env.step(attempt.episode.arrays["action"][step][None])
        observation = ending.observation
    assert ending.success[0]


def test_source_alone_in_its_own_world_is_followed_to_success():
    for demonstration in demonstrations()[:3]:
        env = ToyPick(1)
        spec = AmplifySpec(action_noise=0, jitter_low=0, jitter_high=0)
        number = [a.seed for a in demonstrations()].index(demonstration.seed)
        own = replace(
            sources(),
            **{name: getattr(sources(), name)[number : number + 1] for name in ("eef", "target", "gripper", "bounds")},
            objects={name: poses[number : number + 1] for name, poses in sources().objects.items()},
        )
        factors = {name: np.array([value]) for name, value in demonstration.factors.items()}
        walker = SegmentWalker(env, own, spec)
        attempts = record(env, walker, [demonstration.seed], RecordOptions(factors=factors))
        assert attempts[0].success
        assert abs(attempts[0].steps - demonstration.steps) <= 2 * spec.interpolation_steps + spec.settle_steps


def test_reasons_of_failure_add_up():
    attempts = shard(8, np.arange(2000, 2060))
    outcomes = count_outcomes(attempts)
    table = failures_by_segment(attempts, ToyPick.segments)
    failed = {reason: count for reason, count in outcomes.items() if reason != "success"}
    assert sum(outcomes.values()) == 60 and failed
    for reason, count in failed.items():
        assert sum(segment.get(reason, 0) for segment in table.values()) == count


def test_grasp_that_never_closes_fails_by_its_signal_in_the_first_segment():
    open_hand = replace(sources(), gripper=-np.ones_like(sources().gripper))
    attempts = shard(8, spec=AmplifySpec(), demos=open_hand)
    assert failures_by_segment(attempts, ToyPick.segments)["0:cube"] == {"missed_grasped": len(SEEDS)}
    assert all(a.note["sources"][0] >= 0 and a.note["sources"][1] == -1 for a in attempts)


def test_missed_signal_is_walked_on_from_when_asked():
    open_hand = replace(sources(), gripper=-np.ones_like(sources().gripper))
    attempts = shard(8, spec=AmplifySpec(stop_early=False), demos=open_hand)
    assert set(count_outcomes(attempts)) <= {"unfinished", "timeout"}
    assert all(a.note["segment"] == 1 for a in attempts)


def test_plan_that_ends_before_the_task_is_unfinished_after_settling():
    short = replace(sources(), bounds=sources().bounds - np.array([0, 0, 30]))
    lengths = [shard(8, spec=AmplifySpec(settle_steps=settle), demos=short) for settle in (0, 9)]
    assert count_outcomes(lengths[0]) == {"unfinished": len(SEEDS)}
    assert [b.steps - a.steps for a, b in zip(*lengths)] == [9] * len(SEEDS)


def test_intended_actions_can_be_recorded_instead_of_noisy_ones():
    spec = AmplifySpec(action_noise=0.05)
    noisy, clean = shard(8, spec=spec), shard(8, spec=spec.replace(noisy_labels=False))
    for one, two in zip(noisy, clean):
        assert one.steps == two.steps
        assert np.array_equal(one.episode.arrays["observation.state"], two.episode.arrays["observation.state"])
        assert not np.array_equal(one.episode.arrays["action"], two.episode.arrays["action"])
        difference = one.episode.arrays["action"] - two.episode.arrays["action"]
        assert np.abs(difference).max() < 0.05 * 6 and not difference[:, 6].any()


def test_noise_ablation_changes_nothing_but_the_noise():
    noisy, clean = shard(8, spec=AmplifySpec(action_noise=0.05)), shard(8, spec=AmplifySpec(action_noise=0))
    assert [a.note["sources"][0] for a in noisy] == [a.note["sources"][0] for a in clean]
    assert [a.factors for a in noisy] == [a.factors for a in clean]


def test_amplified_episodes_can_be_amplified():
    env = ToyPick(8)
    options = RecordOptions()
    first = [a.episode for a in shard(8, spec=AmplifySpec(record_poses=True)) if a.success]
    for episode in first:
        episode.check(record_features(env, options))
    again = amplify(env, first, AmplifySpec(target_successes=5, first_seed=9000))
    assert sum(a.success for a in again) == 5


@pytest.mark.parametrize("size", [4, 7, 100])
def test_kept_episodes_do_not_depend_on_the_size_of_shards(size):
    spec = SPEC.replace(target_successes=9)
    demos = [a.episode for a in demonstrations()]
    reference = amplify(ToyPick(8), demos, spec.replace(shard_attempts=16))
    attempts = amplify(ToyPick(8), demos, spec.replace(shard_attempts=size))
    assert sum(a.success for a in attempts) == 9 and attempts[-1].success
    assert [a.seed for a in attempts] == [a.seed for a in reference] == list(range(100_000, 100_000 + len(reference)))
    for one, two in zip(reference, attempts):
        assert one.episode is None or same_episode(one.episode, two.episode)
