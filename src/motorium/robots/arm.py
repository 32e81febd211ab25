"""Arm: what a task needs to know about an arm with a gripper, beside its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from motorium.core.errors import AssetError, SimError, nearest

if TYPE_CHECKING:
    import mujoco


@dataclass(frozen=True, kw_only=True)
class Gripper:
    """A gripper with one degree of freedom.

    Attributes:
        joint: name of the joint whose angle tells how far it is open.
        actuator: name of its actuator.
        open_ctrl, closed_ctrl: the actuator's control when open and when closed.
        opening_m: coefficients (c0, c1, ...) of the opening between the pads in metres as a polynomial of
            the joint's position.
        stroke_m: the largest opening.
    """

    joint: str
    actuator: str
    open_ctrl: float
    closed_ctrl: float
    opening_m: tuple[float, ...]
    stroke_m: float


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An arm with a gripper, its base at the origin, for a scene to be put around.

    Attributes:
        name: of the robot, for metadata.
        spec: its model, with the gripper attached and without keyframes and lights; a task adds its things to it.
        joints, actuators: names, in the order of observations and actions; position servos in radians.
        home_rad: joint positions of the start pose.
        eef_site: name of the site that is the end effector's frame: z is the direction of approach, y the
            direction in which the fingers close.
        gripper: of the arm.
        versions: versions of its assets, for reports.
    """

    name: str
    spec: mujoco.MjSpec
    joints: tuple[str, ...]
    actuators: tuple[str, ...]
    home_rad: tuple[float, ...]
    eef_site: str
    gripper: Gripper
    versions: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Check that the model holds everything that is named.

        Raises:
            SimError: naming the first thing it lacks, and the nearest it has.
        """
        kinds = {
            "joint": (self.spec.joints, [*self.joints, self.gripper.joint]),
            "actuator": (self.spec.actuators, [*self.actuators, self.gripper.actuator]),
            "site": (self.spec.sites, [self.eef_site]),
        }
        for kind, (elements, wanted) in kinds.items():
            known = [element.name for element in elements if element.name]
            for name in wanted:
                if name not in known:
                    raise SimError(
                        f"robot '{self.name}' has no {kind} '{name}'",
                        where=f"robot model '{self.spec.modelname}'",
                        expected=f"one of: {', '.join(known)}",
                        nearest=nearest(name, known),
                        remedy=f"name the {kind} as the model does",
                    )
        if not len(self.joints) == len(self.actuators) == len(self.home_rad):
            raise SimError(
                f"robot '{self.name}' needs one actuator and one home position a joint",
                got=f"{len(self.joints)} joints, {len(self.actuators)} actuators, {len(self.home_rad)} home positions",
                expected="equal numbers, in one order",
            )


def read_model(path: Path) -> mujoco.MjSpec:
    """Return the model in an MJCF or URDF file, without keyframes and lights, which a scene has its own of.

    Raises:
        AssetError: when the file is absent or is no such model.
    """
    import mujoco

    if not path.is_file():
        raise AssetError("there is no robot model here", where=path, expected="an MJCF or URDF file")
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise AssetError("this is no model that MuJoCo can read", where=path, got=str(error)) from None
    for element in [*spec.keys, *spec.lights]:
        spec.delete(element)
    return spec
