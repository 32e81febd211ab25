"""BimanualArm: two arms with grippers in one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from motorium.core.errors import SimError
from motorium.robots.arm import Arm

if TYPE_CHECKING:
    import mujoco


@dataclass(frozen=True, kw_only=True)
class BimanualArm:
    """Two arms that face each other along x, for a scene to be put around; the origin is midway between their bases.

    Attributes:
        name: of the robot, for metadata.
        spec: the model of both, without keyframes, lights and cameras; a task adds its things to it.
        left, right: the arm at negative x, which faces +x, and the one that faces it. Unlike an arm of its own, its
            base is not at the origin; its `spec` is that of both.
        versions: versions of the assets, for reports.
    """

    name: str
    spec: mujoco.MjSpec
    left: Arm
    right: Arm
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """The left and the right arm: the order of observations and actions."""
        return self.left, self.right

    def check(self) -> None:
        """Check that the model holds everything that is named, and that the arms are two parts of it.

        Raises:
            SimError: naming what is wrong.
        """
        for arm in self.arms:
            if arm.spec is not self.spec:
                raise SimError(f"the arms of '{self.name}' are of different models", where=arm.name)
            arm.check()
        shared = set(self.left.joints) & set(self.right.joints)
        if shared:
            raise SimError(
                f"the arms of '{self.name}' share joints", got=sorted(shared), expected="joints of their own"
            )
