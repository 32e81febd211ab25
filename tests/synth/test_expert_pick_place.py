import numpy as np
import pytest

from motorium.core.errors import SpecError
from motorium.core.frames import matrix_from_quat, quat_from_yaw, quat_multiply
from motorium.synth import EXPERTS
from motorium.synth.demonstrate import demonstrate
from motorium.synth.experts import make_expert
from motorium.synth.tally import count_outcomes
from tests.support.toy_pick import ToyPick
from tests.synth.toy import demonstrations, same_episode


def test_catalog_rows_load():
    assert all(callable(EXPERTS.load(name)) for name in EXPERTS)


def test_expert_does_the_task_from_many_starts():
    env = ToyPick(64)
    assert count_outcomes(demonstrate(env, make_expert("pick-place", env), range(100, 164))) == {"success": 64}


@pytest.mark.parametrize("rows", [1, 3])
def test_demonstrations_do_not_depend_on_the_batch(rows):
    env = ToyPick(rows)
    alone = demonstrate(env, make_expert("pick-place", env), range(8))
    assert all(same_episode(a.episode, b.episode) for a, b in zip(alone, demonstrations()))


def test_people_differ():
    together = np.stack([a.episode.arrays["mimic.target_pose"][:20, 2] for a in demonstrations()])
    assert together.std(axis=0).max() > 0.01
    assert np.std([a.steps for a in demonstrations()]) > 5


def test_hand_lies_along_the_nearest_face_of_the_cube():
    for attempt in demonstrations():
        arrays = attempt.episode.arrays
        grasp = int(np.argmax(arrays["mimic.signal.grasped"][:, 0]))
        w, x, y, z = arrays["mimic.eef_pose"][grasp, 3:]
        heading = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
        off = (heading - attempt.factors["cube_yaw_rad"] + np.pi / 4) % (np.pi / 2) - np.pi / 4
        assert abs(off) < 0.06
        assert abs(heading) < np.pi / 4 + 0.06  # it never turns further than it must


def test_lost_cube_is_picked_up_again():
    env = ToyPick(1)
    expert = make_expert("pick-place", env)
    env.reset(np.array([3]))
    expert.reset(np.array([3]), np.ones(1, bool))
    slipped = False
    for _ in range(200):
        step = env.step(env.action_from_target(*expert.act(env)))
        if not slipped and env.poses()["cube"][0, 2] > 0.04:
            slipped = True
            env.state["held"][0] = False
            env.state["cube"][0, 2] = 0.02
        if step.ended[0]:
            break
    assert slipped and step.success[0]


def test_a_lost_cube_that_turned_is_gripped_along_its_faces():
    env = ToyPick(1)
    expert = make_expert("pick-place", env)
    env.reset(np.array([3]))
    expert.reset(np.array([3]), np.ones(1, bool))
    slipped, opened, off = False, False, []
    for _ in range(200):
        target, gripper = expert.act(env)
        step = env.step(env.action_from_target(target, gripper))
        if not slipped and env.poses()["cube"][0, 2] > 0.04:
            slipped = True
            env.state["held"][0] = False
            env.state["cube"][0, 2] = 0.02
            env.state["cube"][0, 3:] = quat_multiply(quat_from_yaw(0.6), env.state["cube"][0, 3:])
        opened |= slipped and gripper[0, 0] < 0
        if opened and gripper[0, 0] > 0 and not off:
            hand, cube = (matrix_from_quat(pose[0, 3:]) for pose in (target, env.poses()["cube"]))
            turn = np.arctan2(hand[1, 0], hand[0, 0]) - np.arctan2(cube[1, 0], cube[0, 0])
            off.append(turn - 0.5 * np.pi * np.round(turn / (0.5 * np.pi)))
        if step.ended[0]:
            break
    assert off and abs(off[0]) < expert.spec.tolerance_rad


def test_reset_of_some_rows_leaves_the_others_alone():
    env = ToyPick(2)
    expert = make_expert("pick-place", env)
    seeds = np.array([1, 2])
    env.reset(seeds)
    expert.reset(seeds, np.ones(2, bool))
    for _ in range(10):
        env.step(env.action_from_target(*expert.act(env)))
    before = expert.habits["speed"].copy(), expert.total.copy()
    expert.reset(np.array([7, 7]), np.array([True, False]))
    assert expert.habits["speed"][1] == before[0][1] and expert.total.tolist() == [0, before[1][1]]
    assert expert.habits["speed"][0] != before[0][0]


def test_unknown_habit_is_refused_with_the_nearest():
    with pytest.raises(SpecError, match="overshoot_m"):
        make_expert("pick-place", ToyPick(1), {"overshot_m": [0, 0]})
