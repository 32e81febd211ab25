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
        foot_geoms: names of the geoms that touch the ground: as many for each foot, foot after foot.
        sole_m: height of a foot's site above its sole, standing.
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
    sole_m: float
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
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Check that what there is one of a joint or a foot is there for each."""
        joints, feet = len(self.joints), len(self.feet)
        parts = {
            "joint": (joints, (self.actuators, self.home_rad, self.scale_rad, self.mirrored, self.mirror_signs)),
            "foot": (feet, (self.mirrored_feet, self.phases)),
        }
        for what, (count, sizes) in parts.items():
            if any(len(part) != count for part in sizes):
                raise SimError(
                    f"robot '{self.name}' does not say everything of each {what}",
                    got=[len(part) for part in sizes],
                    expected=f"{count} of each",
                )
        if len(self.foot_geoms) % feet:
            raise SimError(
                f"the feet of robot '{self.name}' have different numbers of geoms",
                got=f"{len(self.foot_geoms)} geoms, {feet} feet",
                expected="as many for each foot, foot after foot",
            )
