"""ArmTask: what the tasks of an arm at a table share; a task adds things, rewards and an ending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import mujoco
import numpy as np
from pydantic import Field

from motorium.core.features import vector
from motorium.core.protocols import SUCCESS
from motorium.robots.arm import Arm
from motorium.robots.bimanual import BimanualArm
from motorium.robots.choose import make_robot
from motorium.sim.scene import Physics, set_table
from motorium.tasks.manipulation.arm import CONVENTIONS, Manipulator, add_sensors, stiffen_gripper
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.terms.geometry import squared
from motorium.tasks.terms.termination import lasted, streak

Array = Any

# Names and units of elements that follow one another in an observation.
Part = tuple[Sequence[str], Sequence[str]]


class ArmSpec(TaskSpec):
    """Options that every task of an arm has."""

    robot: str = Field("panda", description="arm of the catalog, or module:attribute of a function that makes an Arm")
    model: Literal["training", "full"] = Field("training", description="contacts of the robot: few, or all")
    control_hz: float = Field(20.0, gt=0, le=1000, description="control steps in a second")
    timestep_s: float = Field(0.005, gt=0, le=0.02, description="physics step, in seconds")
    iterations: int = Field(20, gt=0, description="of the constraint solver, at most")
    episode_s: float = Field(4.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    joint_step_rad: float = Field(0.05, gt=0, description="largest step of a joint, in radians")
    start_rad: float = Field(0.1, ge=0, description="joints start within this of home")


class ArmTask(Task):
    """Base of the tasks of an arm at a table.

    Attributes:
        commands_gripper: whether the action has a gripper's command after each arm's joints.
        hands: 1, or 2 for a task of a `BimanualArm`.
        stiff_gripper: whether the training model's gripper has no joints: it stays as the model has it, mostly open.
        held_s: for how long what is asked for must hold at the end of an episode for a success.
        gripper: the gripper's command, -1 open, 1 closed, where the action has none, and at the start.
    """

    Spec = ArmSpec
    interpolate = True
    hands = 1
    commands_gripper = False
    stiff_gripper = False
    held_s = 0.5
    gripper = -1.0

    def scene(self) -> mujoco.MjSpec:
        """Return the arm at its table, with the task's things."""
        spec = self.spec
        kind = Arm if self.hands == 1 else BimanualArm
        self.robot: Arm | BimanualArm = make_robot(spec.robot, spec.model, kind)
        self.arms = {"": self.robot} if self.hands == 1 else {"left.": self.robot.left, "right.": self.robot.right}
        scene = self.robot.spec
        set_table(scene, Physics(timestep_s=spec.timestep_s, iterations=spec.iterations), spec.model)
        if self.stiff_gripper and spec.model == "training":
            stiffen_gripper(self.robot)
        self.furnish(scene)
        for arm in self.arms.values():
            add_sensors(arm)
        return scene

    def furnish(self, scene: mujoco.MjSpec) -> None:
        """Add the task's things."""

    def achieved(self, state: State) -> Array:
        """Return whether what is asked for holds now: (B,) bool."""
        raise NotImplementedError

    # Parts for a task's `prepare`.

    def describe(
        self,
        instruction: str,
        observation: Mapping[str, Sequence[Part]],
        factors: Mapping[str, tuple[float, float]],
        failures: tuple[str, ...] = (),
    ) -> About:
        """Return what the task is; `observation` has the parts of each key."""
        names, _ = self._commands("step", "command")
        origin = "where the joints are" if all(body.held_up for body in self.bodies) else "their last targets"
        return About(
            instruction=instruction,
            observation={key: _vector(parts) for key, parts in observation.items()},
            action=vector(names, "normalized"),
            factors=factors,
            failures=failures,
            conventions={
                **CONVENTIONS,
                "control": f"joint positions from {origin}, times joint_step_rad",
                "joint_step_rad": f"{self.spec.joint_step_rad:g}",
                "home_rad": ", ".join(f"{angle:g}" for arm in self.arms.values() for angle in arm.home_rad),
                "robot": self.robot.name,
            },
            versions=self.robot.versions,
        )

    def own_parts(self) -> list[Part]:
        """Return the parts of an observation that `own` returns."""
        parts = []
        for label, arm in self.arms.items():
            parts += [named("position", arm.joints, "rad"), named("velocity", arm.joints, "rad/s")]
            parts += [([f"{label}gripper.opening"], ["m"])] * self.commands_gripper
        return parts

    def last_part(self) -> Part:
        """Return the part of an observation that is the last action."""
        return self._commands("last_action", "last_action")

    def own(self, state: State) -> list[Array]:
        """Return joint positions from home, joint velocities, and the opening of a gripper that is commanded."""
        parts = []
        for body in self.bodies:
            parts += [body.joints(state), body.speeds(state)]
            parts += [body.opening(state)[:, None]] if self.commands_gripper else []
        return parts

    def _commands(self, what: str, of_gripper: str) -> Part:
        """Return names and units of the elements of an action: `what` of joints, `of_gripper` of grippers."""
        names = []
        for label, arm in self.arms.items():
            names += [f"{joint}.{what}" for joint in arm.joints]
            names += [f"{label}gripper.{of_gripper}"] * self.commands_gripper
        return names, ["normalized"] * len(names)

    # Task.

    def begin(self, state: State) -> dict[str, Array]:
        """Return that nothing has been achieved yet."""
        return {"held": state.xp.zeros_like(state.qpos[:, 0])}

    def control(self, state: State) -> Array:
        """Return the servos' targets."""
        ctrl, first = state.xp.asarray(state.physics.ctrl, copy=True), 0
        for body in self.bodies:
            steps = self.spec.joint_step_rad * state.action[:, first : first + body.size]
            first += body.size
            gripper = state.action[:, first] if self.commands_gripper else self.gripper
            first += self.commands_gripper
            body.command(state, ctrl, steps, gripper)
        return ctrl

    def advance(self, state: State) -> dict[str, Array]:
        """Return for how many steps what is asked for has held."""
        return {"held": streak(state.memory["held"], self.achieved(state))}

    def outcome(self, state: State) -> Array:
        """Return that it runs on."""
        return state.xp.zeros_like(state.steps, dtype=state.xp.int8)

    def verdict(self, state: State) -> Array:
        """Return success where what is asked for held for the last `held_s`."""
        return lasted(state.memory["held"], self.held_s * self.spec.control_hz, SUCCESS, TIMEOUT)

    def at_home(self, state: State) -> Start:
        """Return the arms near home, the things where the model has them."""
        model = self.bodies[0].model
        qpos, ctrl, first = state.each(model.qpos0), state.each(np.zeros(model.nu)), 0
        offsets = self.spec.start_rad * state.draw("start", sum(body.size for body in self.bodies))
        for body in self.bodies:
            body.pose(state, qpos, ctrl, offsets[:, first : first + body.size])
            first += body.size
        return Start(qpos=qpos, ctrl=ctrl)

    def rate(self, state: State) -> Array:
        """Return the squared change of the action: (B,)."""
        return squared(state.action - state.last_action)

    def speed(self, state: State) -> Array:
        """Return the sum of squared joint velocities: (B,) (rad/s)^2."""
        return squared(state.xp.concat([body.speeds(state) for body in self.bodies], axis=1))

    def look_up(self, model: mujoco.MjModel) -> Manipulator:
        """Find the arms in the model, keep them as `bodies`, the first as `body`; return that."""
        self.bodies = [Manipulator(arm, model, self.gripper) for arm in self.arms.values()]
        self.body = self.bodies[0]
        return self.body


def named(what: str, names: Sequence[str], unit: str) -> Part:
    """Return the part of an observation that has `what` of each of `names`."""
    return [f"{name}.{what}" for name in names], [unit] * len(names)


def axes(name: str, unit: str = "m", which: str = "xyz") -> Part:
    """Return the part of an observation that is a vector."""
    return [f"{name}.{axis}" for axis in which], [unit] * len(which)


def around(offsets: tuple[float, float], centre: float) -> tuple[float, float]:
    """Return the range of a factor, from that of offsets from `centre`."""
    return offsets[0] + float(centre), offsets[1] + float(centre)


def _vector(parts: Sequence[Part]):
    names = [name for part in parts for name in part[0]]
    return vector(names, tuple(unit for part in parts for unit in part[1]), frame="world")
