"""Pick and place: an arm picks a cube from the table and puts it down in a target zone.

Start (`EnvInfo.factors`): the cube lies on the left of the table, turned by up to 45 degrees either way (a cube looks
the same after 90); the zone lies on the right; the end effector points down above the middle. All uniform.

Success, at the end of a control step, all of:
    the cube's centre is within 0.03 m of the zone's, horizontally;
    the cube lies on the table: its centre is within 5 mm of half its edge above it;
    the cube is at rest: slower than 0.03 m/s and 0.3 rad/s;
    the gripper is open by more than the cube's edge and 2 cm, and clear: the pinch point is more than 0.05 m from
        the cube's centre.

Failure:
    `cube_off_table`: the cube's centre is beyond the table's edges or 0.02 m under its top;
    `unstable`: MuJoCo gave the world up as not finite;
    `timeout` (truncation): `max_steps` went by.

How the cube gets there is not judged: pushing it into the zone would count.

The observation holds the true poses of cube and zone. A real robot has to perceive them, so a success rate here is that
of control alone.

The signal `grasped` of the first segment: the cube's centre is within 0.02 m of the pinch point, the gripper is open
by less than the cube's edge and 8 mm, and the cube has been lifted by more than 0.01 m.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core import frames
from motorium.core.features import vector
from motorium.core.protocols import RUNNING, SUCCESS, Segment
from motorium.core.spec import Spec
from motorium.robots.arm import Arm
from motorium.robots.choose import make_robot
from motorium.robots.own import OwnArm, make_own
from motorium.sim import scene
from motorium.sim.control.modes import Scale
from motorium.tasks.arm_env import OUTCOMES, About, ArmEnv, Judgement, Rates, yaw_down
from motorium.tasks.ranges import Range
from motorium.tasks.terms import observation as terms
from motorium.tasks.terms.reward import near
from motorium.tasks.terms.termination import at_rest, off_table, within

Array = NDArray[np.float64]

HALF_CUBE_M, CUBE_KG, HALF_ZONE_M = 0.02, 0.05, 0.045
ZONE_RADIUS_M, ON_TABLE_M, BELOW_TABLE_M = 0.03, 0.005, 0.02
REST_M_S, REST_RAD_S = 0.03, 0.3
OPEN_MARGIN_M, CLEAR_M = 0.02, 0.05
GRASP_RADIUS_M, GRASP_MARGIN_M, LIFT_M = 0.02, 0.008, 0.01
CUBE_OFF_TABLE = len(OUTCOMES)


class PickPlaceSpec(Spec):
    """Options of the task `pick-place`."""

    robot: str = Field("ur5e", description="robot of the catalog, or module:attribute of a function that makes an Arm")
    own: OwnArm | None = Field(None, description="your own MJCF or URDF, in place of `robot`")
    model: Literal["training", "full"] = Field(
        "training",
        description="contacts: 'training' is cheaper (pads, palm, arm capsules), 'full' has the gripper's meshes",
    )
    control: Literal["eef_delta", "joint_delta", "joint_position"] = Field(
        "eef_delta", description="what an action is: end-effector step, joint step, or joint positions"
    )
    control_hz: float = Field(20.0, gt=0, le=500, description="control steps in a second")
    timestep_s: float = Field(0.005, gt=0, le=0.02, description="physics step, in seconds")
    max_steps: int = Field(240, gt=0, description="control steps until an episode is truncated")
    linear_step_m: float = Field(0.02, gt=0, description="largest end-effector step, in metres")
    angular_step_rad: float = Field(0.1, gt=0, description="largest end-effector turn in a step, in radians")
    joint_step_rad: float = Field(0.05, gt=0, description="largest step of a joint, in radians")
    cube_x_m: Range = Field((0.35, 0.58), description="where the cube starts")
    cube_y_m: Range = Field((0.05, 0.28), description="where the cube starts")
    cube_yaw_rad: Range = Field((-np.pi / 4, np.pi / 4), description="how the cube is turned")
    zone_x_m: Range = Field((0.35, 0.58), description="where the zone is")
    zone_y_m: Range = Field((-0.28, -0.05), description="where the zone is")
    eef_x_m: Range = Field((0.40, 0.50), description="where the end effector starts")
    eef_y_m: Range = Field((-0.05, 0.05), description="where the end effector starts")
    eef_z_m: Range = Field((0.20, 0.28), description="where the end effector starts")
    eef_yaw_rad: Range = Field((-0.2, 0.2), description="how the end effector is turned about the vertical")


class PickPlace(ArmEnv):
    """A batch of pick-and-place worlds; the module's text has the conditions."""

    Spec = PickPlaceSpec
    segments = (Segment(object="cube", signal="grasped"), Segment(object="zone", signal=None))

    def __init__(self, spec: PickPlaceSpec, *, num_envs: int, threads: int = 0, name: str = "ur5e/pick-place") -> None:
        self.spec = spec
        arm: Arm = make_own(spec.own) if spec.own else make_robot(spec.robot, spec.model, Arm)
        _furnish(arm, spec)
        rates = Rates(
            control_hz=spec.control_hz,
            timestep_s=spec.timestep_s,
            max_steps=spec.max_steps,
            control=spec.control,
            scale=Scale(linear_m=spec.linear_step_m, angular_rad=spec.angular_step_rad, joint_rad=spec.joint_step_rad),
        )
        super().__init__(_about(name, spec, arm), arm, rates, num_envs, threads)
        cube = self._engine.model.joint("cube")
        self._cube_q, self._cube_v = int(cube.qposadr[0]), int(cube.dofadr[0])

    def poses(self) -> dict[str, NDArray[np.float64]]:
        """Return the poses of `eef`, `cube` and `zone`: {name: (B, 7)}."""
        engine = self._engine
        zone = frames.make_pose(engine.mocap_pos[:, 0], engine.mocap_quat[:, 0])
        return {"eef": self._reach.X_WE.copy(), "cube": self._cube().copy(), "zone": zone}

    def signals(self) -> dict[str, NDArray[np.bool_]]:
        """Return whether `grasped` holds now: {name: (B,)}."""
        cube = self._cube()
        held = within(cube[:, :3], self._reach.p_WE, GRASP_RADIUS_M)
        closed = self._opening_m() < 2 * HALF_CUBE_M + GRASP_MARGIN_M
        return {"grasped": held & closed & (cube[:, 2] > HALF_CUBE_M + LIFT_M)}

    def _cube(self) -> Array:
        return self._engine.qpos[:, self._cube_q : self._cube_q + 7]

    def _start_pose(self, factors: Mapping[str, Array]) -> Array:
        return yaw_down(factors["eef_x_m"], factors["eef_y_m"], factors["eef_z_m"], factors["eef_yaw_rad"])

    def _place(self, factors: Mapping[str, Array], rows: NDArray[np.bool_]) -> None:
        x, y = factors["cube_x_m"], factors["cube_y_m"]
        position = np.stack([x, y, np.full_like(x, HALF_CUBE_M)], axis=1)
        pose = frames.make_pose(position, frames.quat_from_yaw(factors["cube_yaw_rad"]))
        self._engine.qpos[rows, self._cube_q : self._cube_q + 7] = pose
        self._engine.mocap_pos[rows, 0, 0], self._engine.mocap_pos[rows, 0, 1] = (
            factors["zone_x_m"],
            factors["zone_y_m"],
        )

    def _observe(self) -> dict[str, NDArray[np.float32]]:
        eef, cube, zone = self._reach, self._cube(), self._engine.mocap_pos[:, 0]
        parts = [
            self._joints(),
            self._opening_m()[:, None],
            terms.matrix_pose(eef.p_WE, eef.R_WE),
            terms.pose(cube),
            cube[:, :3] - eef.p_WE,
            zone[:, :2],
            zone - cube[:, :3],
        ]
        return {"observation.state": np.concatenate(parts, axis=1).astype(np.float32)}

    def _judge(self) -> Judgement:
        eef, cube, zone = self._reach.p_WE, self._cube()[:, :3], self._engine.mocap_pos[:, 0]
        velocity = self._engine.qvel[:, self._cube_v : self._cube_v + 6]
        placed = within(cube[:, :2], zone[:, :2], ZONE_RADIUS_M) & (np.abs(cube[:, 2] - HALF_CUBE_M) < ON_TABLE_M)
        released = (self._opening_m() > 2 * HALF_CUBE_M + OPEN_MARGIN_M) & ~within(eef, cube, CLEAR_M)
        success = placed & released & at_rest(velocity, REST_M_S, REST_RAD_S)
        lost = off_table(cube, scene.TABLE_LOW_M, scene.TABLE_HIGH_M, BELOW_TABLE_M)
        outcome = np.where(success, SUCCESS, np.where(lost, CUBE_OFF_TABLE, RUNNING)).astype(np.int8)
        held = self.signals()["grasped"]
        rewards = {
            "reach": 0.1 * near(eef, cube, 0.1),
            "grasp": 0.2 * held,
            "place": 0.3 * np.where(held | placed, near(cube[:, :2], zone[:, :2], 0.1), 0.0),
            "success": 10.0 * success,
        }
        return Judgement(outcome=outcome, rewards=rewards)


def _furnish(arm: Arm, spec: PickPlaceSpec) -> None:
    """Put table, cube, zone and cameras around the arm."""
    scene.set_table(arm.spec, scene.Physics(timestep_s=spec.timestep_s), spec.model)
    scene.add_wrist_camera(arm.spec, arm.eef_site)
    scene.add_cube(arm.spec, "cube", HALF_CUBE_M, CUBE_KG)
    scene.add_zone(arm.spec, "zone", HALF_ZONE_M)


def _about(name: str, spec: PickPlaceSpec, arm: Arm) -> About:
    joints = [f"{joint}.position" for joint in arm.joints]
    names = [
        *joints,
        "gripper.opening",
        *(f"eef.{part}" for part in terms.POSE_NAMES),
        *(f"cube.{part}" for part in terms.POSE_NAMES),
        *(f"cube_from_eef.{axis}" for axis in "xyz"),
        *(f"zone.{axis}" for axis in "xy"),
        *(f"zone_from_cube.{axis}" for axis in "xyz"),
    ]
    units = ("rad",) * len(joints) + ("m",) + terms.POSE_UNITS * 2 + ("m",) * 8
    factors = (
        "cube_x_m",
        "cube_y_m",
        "cube_yaw_rad",
        "zone_x_m",
        "zone_y_m",
        "eef_x_m",
        "eef_y_m",
        "eef_z_m",
        "eef_yaw_rad",
    )
    return About(
        name=name,
        instruction="pick up the cube and place it in the zone",
        observation={"observation.state": vector(names, units, frame="world")},
        factors={factor: getattr(spec, factor) for factor in factors},
        failures=("cube_off_table",),
    )
