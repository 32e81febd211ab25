"""A user's arm of six hinges and two sliding fingers, as MJCF and as URDF: links 0.35 m long, a shoulder 0.3 m up.

At zero it stands straight up. The home pose is solved by trigonometry for fingers pointing down at (0.45, 0, 0.25).
"""

from __future__ import annotations

import math
from pathlib import Path

from motorium.robots.own import OwnArm

SHOULDER_M, LINK_M, TOOL_M, GRIP_M = 0.3, 0.35, 0.15, 0.05
AXES = {"yaw": "0 0 1", "shoulder": "0 1 0", "elbow": "0 1 0", "pitch": "0 1 0", "roll": "1 0 0", "turn": "0 0 1"}
HEIGHTS_M = {"yaw": 0.1, "shoulder": SHOULDER_M - 0.1, "elbow": LINK_M, "pitch": LINK_M, "roll": 0.0, "turn": 0.0}
JOINTS = tuple(AXES)


def home_rad() -> tuple[float, ...]:
    """Two links of one length to a wrist TOOL_M above the pinch point; the last pitch turns the tool down."""
    x, z = 0.45, 0.25 + TOOL_M - SHOULDER_M
    bend = math.acos(math.hypot(x, z) / 2 / LINK_M)
    bearing = math.atan2(x, z)
    upper, fore = bearing - bend, bearing + bend
    return (0.0, upper, fore - upper, math.pi - fore, 0.0, math.pi)


def mjcf() -> str:
    """Return the arm as MJCF, without actuators."""
    finger = (
        '<body name="{n}" pos="0 {y} {z}"><joint name="{n}" type="slide" axis="0 {a} 0" range="0 0.04" armature="0.1"/>'
        '<geom type="box" pos="0 {o} 0" size="0.01 0.005 0.02" mass="0.05" friction="1.5" condim="4"/></body>'
    )
    body = finger.format(n="left", y=0.04, z=TOOL_M, a=-1, o=0.005) + finger.format(
        n="right", y=-0.04, z=TOOL_M, a=1, o=-0.005
    )
    for name in reversed(JOINTS):
        body = (
            f'<body name="{name}_link" pos="0 0 {HEIGHTS_M[name]}"><inertial mass="1" pos="0 0 0.05" '
            f'diaginertia="0.01 0.01 0.01"/><joint name="{name}" axis="{AXES[name]}" range="-6 6" armature="0.1"/>'
            f"{body}</body>"
        )
    return f'<mujoco><compiler angle="radian" autolimits="true"/><worldbody>{body}</worldbody></mujoco>'


def urdf() -> str:
    """Return the arm as URDF."""

    def link(name: str, mass: float, collision: str = "") -> str:
        inertia = '<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/>'
        return (
            f'<link name="{name}"><inertial><origin xyz="0 0 0.05"/><mass value="{mass}"/>{inertia}</inertial>'
            f"{collision}</link>"
        )

    def joint(name: str, kind: str, parent: str, child: str, at: str, axis: str, limits: str) -> str:
        return (
            f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
            f'<origin xyz="{at}"/><axis xyz="{axis}"/><limit {limits} effort="100" velocity="3"/></joint>'
        )

    parts, parent = [link("base", 1.0)], "base"
    for name in JOINTS:
        parts += [link(f"{name}_link", 1.0)]
        at, limits = f"0 0 {HEIGHTS_M[name]}", 'lower="-6" upper="6"'
        parts += [joint(name, "revolute", parent, f"{name}_link", at, AXES[name], limits)]
        parent = f"{name}_link"
    for name, side in (("left", 1), ("right", -1)):
        shape = '<geometry><box size="0.02 0.01 0.04"/></geometry>'
        box = f'<collision><origin xyz="0 {0.005 * side} 0"/>{shape}</collision>'
        parts += [link(f"{name}_link", 0.05, box)]
        at, axis = f"0 {0.04 * side} {TOOL_M}", f"0 {-side} 0"
        parts += [joint(name, "prismatic", parent, f"{name}_link", at, axis, 'lower="0" upper="0.04"')]
    return f'<robot name="own">{"".join(parts)}</robot>'


def own_arm(path: Path) -> OwnArm:
    """Write the model to `path` (`.xml` or `.urdf`) and return its description."""
    path.write_text(urdf() if path.suffix == ".urdf" else mjcf())
    return OwnArm(
        path=path,
        joints=JOINTS,
        home_rad=home_rad(),
        eef_body="turn_link",
        eef_position_m=(0.0, 0.0, TOOL_M),
        gripper_joint="left",
        mimics=("right",),
        open_ctrl=0.0,
        closed_ctrl=0.04,
        opening_m=(0.08, -2.0),
        stroke_m=0.08,
    )
