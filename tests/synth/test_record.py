import numpy as np
import pytest

from motorium.synth.demonstrate import demonstrate
from motorium.synth.experts import ExpertController, make_expert
from motorium.synth.record import Pictures, RecordOptions, record, record_features
from tests.support.toy_pick import ToyPick
from tests.synth.toy import demonstrations


def expert_for(env, **options):
    return make_expert("pick-place", env, options)


def test_observation_is_of_the_state_before_the_action():
    episode = demonstrations()[0].episode
    env = ToyPick(1)
    observation = env.reset(np.array([episode.meta["seed"]]))
    for step in range(episode.length):
        assert np.array_equal(episode.arrays["observation.state"][step], observation["observation.state"][0])
        assert np.array_equal(episode.arrays["mimic.object.cube"][step], env.poses()["cube"][0].astype(np.float32))
        assert episode.arrays["mimic.signal.grasped"][step, 0] == env.signals()["grasped"][0]
        ending = env.step(episode.arrays["action"][step][None])
        observation = ending.observation
    assert ending.success[0]


def test_target_pose_is_what_the_action_asked_for():
    episode = demonstrations()[0].episode
    move = episode.arrays["mimic.target_pose"][:, :3] - episode.arrays["mimic.eef_pose"][:, :3]
    assert np.allclose(move, episode.arrays["action"][:, :3] * 0.05, atol=1e-6)
    assert np.array_equal(episode.arrays["mimic.gripper"][:, 0], episode.arrays["action"][:, 6])


def test_rows_stop_with_their_own_ending():
    lengths = {a.steps for a in demonstrations()}
    assert len(lengths) > 3
    assert all(a.episode.length == a.steps for a in demonstrations())


def test_episodes_fit_their_features():
    features = record_features(ToyPick(1), RecordOptions())
    for attempt in demonstrations():
        attempt.episode.check(features)


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_attempts_come_in_the_order_of_their_seeds(rows):
    env = ToyPick(rows)
    seeds = [5, 3, 9, 100, 4, 7, 2]
    attempts = record(env, ExpertController(expert_for(env)), seeds)
    assert [a.seed for a in attempts] == seeds
    assert all(a.episode.meta["seed"] == a.seed for a in attempts)


def test_start_conditions_are_kept_and_can_be_given():
    env = ToyPick(2)
    given = {"cube_x_m": np.array([0.31, np.nan, 0.42])}
    attempts = demonstrate(env, expert_for(env), [1, 2, 3], RecordOptions(factors=given))
    drawn = demonstrate(env, expert_for(env), [1, 2, 3])
    assert [a.factors["cube_x_m"] for a in attempts] == [0.31, drawn[1].factors["cube_x_m"], 0.42]
    assert all(a.factors["zone_x_m"] == b.factors["zone_x_m"] for a, b in zip(attempts, drawn))
    assert attempts[0].episode.arrays["mimic.object.cube"][0, 0] == np.float32(0.31)


def test_failures_are_reported_by_the_worlds_own_name_for_them():
    env = ToyPick(4, max_steps=20)
    attempts = demonstrate(env, expert_for(env), range(4))
    assert [a.outcome for a in attempts] == ["timeout"] * 4
    assert all(a.steps == 20 and a.episode.length == 20 for a in attempts)
    kept = demonstrate(env, expert_for(env), range(4), RecordOptions(keep=("success",)))
    assert [a.episode for a in kept] == [None] * 4


def test_pictures_are_one_a_step_of_the_world_as_it_stood():
    env = ToyPick(2)
    options = RecordOptions(pictures=Pictures(cameras=("front",), height=4, width=6))
    for attempt in demonstrate(env, expert_for(env), range(3), options):
        frames = attempt.episode.frames["observation.images.front"]
        assert frames.shape == (attempt.steps, 4, 6, 3)
        assert np.array_equal(frames[:, 0, 0, 0], np.arange(attempt.steps))  # the toy's pictures show its step
        attempt.episode.check(record_features(env, options))


def test_progress_hears_of_every_attempt_once():
    env = ToyPick(3)
    heard = []
    demonstrate(env, expert_for(env), range(7), on_end=lambda attempt: heard.append(attempt.seed))
    assert sorted(heard) == list(range(7))
