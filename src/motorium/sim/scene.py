"""Scenes: a robot on a table with things on it, as an MjSpec to be compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

# The tabletop is the plane z = 0 of the world frame.
TABLE_LOW_M, TABLE_HIGH_M = (-0.35, -0.65), (0.95, 0.65)
TABLE_THICKNESS_M, TABLE_HEIGHT_M = 0.04, 0.75

FRONT_CAMERA, WRIST_CAMERA = "front", "wrist"


@dataclass(frozen=True, kw_only=True)
class Physics:
    """How a scene is integrated.

    Attributes:
        timestep_s: of the physics.
        iterations: at most, of the constraint solver.
    """

    timestep_s: float
    iterations: int = 50


def set_table(scene: mujoco.MjSpec, physics: Physics, detail: Literal["training", "full"]) -> None:
    """Put a lit table, its top at z = 0, and the camera `front` around the robot in `scene`.

    Args:
        scene: the robot's model, its base at the origin.
        physics: of the scene; it replaces the options of the robot's model.
        detail: `full` collides with the table as it is, and the floor under it; `training` with an endless
            plane in its place, which is cheaper.
    """
    # Grasps by friction need friction that does not creep: elliptic cones and impratio 10, as the 2F-85's model asks.
    scene.option.timestep, scene.option.iterations = physics.timestep_s, physics.iterations
    scene.option.cone, scene.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0
    scene.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    scene.visual.global_.offwidth, scene.visual.global_.offheight = 1280, 960
    scene.visual.headlight.ambient, scene.visual.headlight.diffuse = [0.35] * 3, [0.35] * 3
    scene.stat.center, scene.stat.extent = [0.4, 0.0, 0.1], 1.0
    _add_table(scene, detail)
    scene.worldbody.add_light(
        name="lamp", pos=[0.6, -0.6, 1.6], dir=[-0.15, 0.4, -1.0], diffuse=[0.6] * 3, castshadow=True
    )
    look_from(scene.worldbody, FRONT_CAMERA, eye_m=(1.20, 0.35, 0.80), at_m=(0.32, 0.0, 0.12), fovy_deg=45.0)


def add_cube(scene: mujoco.MjSpec, name: str, half_size_m: float, mass_kg: float) -> None:
    """Add a free cube; its joint and body are called `name`."""
    body = scene.worldbody.add_body(name=name, pos=[0.45, 0.0, half_size_m])
    body.add_freejoint(name=name)
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half_size_m] * 3,
        mass=mass_kg,
        friction=[1.0, 0.005, 0.0001],
        rgba=[0.86, 0.24, 0.20, 1.0],
    )


def add_zone(scene: mujoco.MjSpec, name: str, half_size_m: float) -> None:
    """Add a marker on the table, seen but not felt; its place is set through mocap."""
    body = scene.worldbody.add_body(name=name, pos=[0.45, 0.0, 0.0], mocap=True)
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half_size_m, half_size_m, 0.001],
        contype=0,
        conaffinity=0,
        rgba=[0.20, 0.62, 0.32, 1.0],
    )


def add_wrist_camera(scene: mujoco.MjSpec, site: str) -> None:
    """Add the camera `wrist` to the body that holds the end effector's site, looking at the site from behind."""
    tip = scene.site(site)
    at = np.asarray(tip.pos, np.float64)
    eye = at + np.array([0.085, 0.0, -0.125])
    look_from(tip.parent, WRIST_CAMERA, eye_m=tuple(eye), at_m=tuple(at), fovy_deg=70.0, up=(1.0, 0.0, 0.0))


def without_looks(scene: mujoco.MjSpec) -> mujoco.MjSpec:
    """Return a copy of `scene` without what is only seen: it moves the same, steps faster and compiles in no time.

    Positions, velocities, controls and mocap poses of the two have the same layout. Where a body is weighed by its
    geoms, they stay.
    """
    bare = scene.copy()
    for geom in list(bare.geoms):
        weightless = geom.parent.name == "world" or geom.parent.explicitinertial
        if weightless and not geom.contype and not geom.conaffinity:
            bare.delete(geom)
    used = {geom.meshname for geom in bare.geoms}
    for mesh in list(bare.meshes):
        if mesh.name not in used:
            bare.delete(mesh)
    return bare


def look_from(
    body: mujoco.MjsBody,
    name: str,
    eye_m: Sequence[float],
    at_m: Sequence[float],
    fovy_deg: float,
    up: Sequence[float] = (0.0, 0.0, 1.0),
) -> None:
    """Add a camera to `body`, at `eye_m` in its frame, looking at `at_m` with `up` upwards in the picture."""
    # A MuJoCo camera looks along its -z, with +y upwards.
    back = np.subtract(eye_m, at_m) / np.linalg.norm(np.subtract(eye_m, at_m))
    right = np.cross(up, back) / np.linalg.norm(np.cross(up, back))
    matrix = np.stack([right, np.cross(back, right), back], axis=1)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, matrix.ravel())
    body.add_camera(name=name, pos=list(eye_m), quat=quat, fovy=fovy_deg)


def _add_table(scene: mujoco.MjSpec, detail: Literal["training", "full"]) -> None:
    low, high = np.array(TABLE_LOW_M), np.array(TABLE_HIGH_M)
    solid = {"contype": 1, "conaffinity": 1} if detail == "full" else {"contype": 0, "conaffinity": 0}
    half, centre = (high - low) / 2, (high + low) / 2
    scene.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[*half, TABLE_THICKNESS_M / 2],
        pos=[*centre, -TABLE_THICKNESS_M / 2],
        rgba=[0.80, 0.74, 0.66, 1.0],
        **solid,
    )
    scene.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[20.0, 20.0, 0.1],
        pos=[0.0, 0.0, -TABLE_HEIGHT_M],
        rgba=[0.45, 0.48, 0.52, 1.0],
        **solid,
    )
    if detail == "training":
        scene.worldbody.add_geom(
            name="tabletop",
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=[3.0, 3.0, 0.1],
            rgba=[0.0, 0.0, 0.0, 0.0],
            contype=1,
            conaffinity=1,
            group=3,
        )
