"""Body: joints are found by name, in whatever order a robot lists them."""

from dataclasses import replace

import numpy as np

from motorium.robots import ROBOTS
from motorium.sim.engine import Engine
from motorium.tasks.locomotion.body import Body, add_sensors
from motorium.tasks.mdp.state import State


def test_a_robot_whose_joints_are_listed_in_another_order_stands_alike():
    robot = ROBOTS.load("go1")("training")
    backwards = {name: getattr(robot, name)[::-1] for name in ("joints", "actuators", "home_rad", "scale_rad")}
    robot = replace(robot, **backwards)
    add_sensors(robot)
    model = robot.spec.compile()
    body, none = Body(robot, model), np.zeros((1, 12))
    state = State(
        physics=Engine(model, 1),
        seeds=np.zeros(1, np.int64),
        steps=np.zeros(1, np.int64),
        factors={},
        action=none,
        last_action=none,
        memory={},
    )
    offsets = 0.01 * np.arange(12.0)[None]
    qpos, qvel, ctrl = body.standing(state, offsets)
    for i, (joint, actuator) in enumerate(zip(robot.joints, robot.actuators)):
        assert qpos[0, int(model.joint(joint).qposadr[0])] == robot.home_rad[i] + offsets[0, i]
        assert ctrl[0, model.actuator(actuator).id] == robot.home_rad[i]
    assert not qvel.any()
    assert np.array_equal(qpos[0, :7], [0.0, 0.0, robot.height_m, 1.0, 0.0, 0.0, 0.0])
