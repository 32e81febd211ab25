"""The Robotiq 2F-85 as MuJoCo Menagerie models it: what every arm that carries one shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco


def simplify(spec: mujoco.MjSpec, prefix: str = "") -> None:
    """Leave contacts of the gripper's pads, of a box in place of its palm, and of the arm's own primitives.

    Meshes touch nothing; of the robot's own geoms, only the pads meet each other.

    Args:
        prefix: of the names of the gripper's parts.
    """
    import mujoco

    for side in ("left", "right"):
        _join_pads(spec, f"{prefix}{side}")
    for geom in spec.geoms:
        if not geom.contype:
            continue
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            geom.contype = geom.conaffinity = 0
        else:
            # Affinity 1 meets the scene's geoms (type 1); of the robot's own, only the pads meet each other (2).
            pad = "_pad" in geom.name
            geom.contype = 2 if pad and "left" in geom.name else 0
            geom.conaffinity = 3 if pad and "right" in geom.name else 1
    spec.body(prefix + "base").add_geom(
        name=prefix + "palm",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[0.0, 0.0, 0.048],
        size=[0.03, 0.04, 0.048],
        contype=0,
        conaffinity=1,
        group=3,
        mass=0.0,
    )


def _join_pads(spec: mujoco.MjSpec, finger: str) -> None:
    """Make the two flush halves of a finger's pad one box of their mean friction: four contacts instead of eight."""
    tip, root = (spec.geom(f"{finger}_pad{half}") for half in (1, 2))
    low, high = np.subtract(root.pos, root.size), np.add(tip.pos, tip.size)
    tip.pos, tip.size = (low + high) / 2, (high - low) / 2
    tip.friction[0] = (tip.friction[0] + root.friction[0]) / 2
    spec.delete(root)
