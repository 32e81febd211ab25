"""Legged: what a task needs to know about a robot that walks, beside its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from motorium.core.errors import SimError, nearest

if TYPE_CHECKING:
    import mujoco


@dataclass(frozen=True, kw_only=True)
class Legged:
    """A robot with a free base, for a ground to be put under it.

    Attributes:
        name: of the robot, for metadata.
        spec: its model with actuators, without keyframes, lights and ground; a task adds its things to it.
        base: name of the body that moves freely: x to the front, y to the left, z up.
        joints, actuators: names, in the order of observations and actions; position servos in radians.
        home_rad: joint positions to stand in; commands are relative to them.
        scale_rad: what a command of 1 adds to each joint's home position.
        height_m: of the base above flat ground, standing at home.
        fallen_m: a base lower than this above the ground has fallen.
        feet: name of each foot: of its site, at the foot's centre.
        foot_geoms: names of the geoms that touch the ground, one a foot.
        mirrored: index of the joint that each joint becomes when left and right change places.
        mirror_signs: 1 or -1 for each joint: whether its angle changes sign then.
        mirrored_feet: index of the foot that each foot becomes.
        gait_hz, swing_m: of an ordinary walk: steps of a foot in a second, and height of a swinging foot's lowest
            point at the top of its swing.
        phases: of each foot in the cycle, 0 to 1: where its swing begins.
        stance_share: part of the cycle in which a foot is on the ground.
        versions: versions of its assets, for reports.
    """

    name: str
    spec: mujoco.MjSpec
    base: str
    joints: tuple[str, ...]
    actuators: tuple[str, ...]
    home_rad: tuple[float, ...]
    scale_rad: tuple[float, ...]
    height_m: float
    fallen_m: float
    feet: tuple[str, ...]
    foot_geoms: tuple[str, ...]
    mirrored: tuple[int, ...]
    mirror_signs: tuple[float, ...]
    mirrored_feet: tuple[int, ...]
    gait_hz: float
    swing_m: float
    phases: tuple[float, ...]
    stance_share: float
    versions: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Check that the model holds everything that is named.

        Raises:
            SimError: naming the first thing it lacks, and the nearest it has.
        """
        kinds = {
            "body": (self.spec.bodies, [self.base]),
            "joint": (self.spec.joints, self.joints),
            "actuator": (self.spec.actuators, self.actuators),
            "site": (self.spec.sites, self.feet),
            "geom": (self.spec.geoms, self.foot_geoms),
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
