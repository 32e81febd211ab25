"""Choose: a robot of the catalog, of the kind that a task is for."""

from __future__ import annotations

from typing import TypeVar

from motorium.core.errors import SimError
from motorium.robots import ROBOTS

Kind = TypeVar("Kind")


def make_robot(name: str, model: str, kind: type[Kind]) -> Kind:
    """Return the robot `name`, with the contacts of its `model`.

    Raises:
        CatalogError: when there is no such robot.
        SimError: when it is no `kind`.
    """
    robot = ROBOTS.load(name)(model)
    if not isinstance(robot, kind):
        raise SimError(
            f"robot '{name}' is not of the kind that this task is for",
            where="robot",
            got=type(robot).__name__,
            expected=kind.__name__,
            remedy="name a robot of that kind, or take a task for this one",
        )
    return robot
