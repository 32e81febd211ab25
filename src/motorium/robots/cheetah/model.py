"""Cheetah: a runner in a plane, a trunk with two legs of three parts each.

Source: P. Wawrzynski, A Cat-Like Robot Real-Time Learning to Run, ICANNGA 2009, where it comes from, and the `cheetah`
domain of Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, 2018, section 4: a trunk of 1 m, springy joints,
hind legs stronger than fore legs, 14 kg. The model is ours, of capsules along the bones in `LEGS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mujoco

ROOT = ("root_x", "root_z", "root_pitch")
TRUNK, HALF_TRUNK_M, RADIUS_M, MASS_KG = "trunk", 0.5, 0.046, 14.0
HEAD_M = (0.22, 0.2)
ARMATURE_KGM2 = 0.1
# Of the trunk above the ground, with straight springs: the hind leg's bones reach 0.58 m down.
HEIGHT_M = 0.63


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A part of a leg: from its joint to the next (x to the front, z up), and what moves the joint.

    `range_rad` from the straight spring; `stiffness` in N m/rad, `damping` in N m s/rad.
    """

    name: str
    to_m: tuple[float, float]
    torque_nm: float
    range_rad: tuple[float, float]
    stiffness: float
    damping: float


def _bone(name: str, to_m: tuple[float, float], torque: float, bounds: tuple[float, float], springs: float) -> Bone:
    return Bone(name=name, to_m=to_m, torque_nm=torque, range_rad=bounds, stiffness=springs, damping=springs / 40.0)


LEGS = {
    -HALF_TRUNK_M: (
        _bone("hind_thigh", (0.16, -0.25), 120.0, (-0.5, 1.0), 240.0),
        _bone("hind_shin", (-0.28, -0.14), 90.0, (-0.8, 0.8), 180.0),
        _bone("hind_foot", (0.06, -0.19), 60.0, (-0.4, 0.8), 120.0),
    ),
    HALF_TRUNK_M: (
        _bone("fore_thigh", (-0.14, -0.24), 120.0, (-1.0, 0.7), 180.0),
        _bone("fore_shin", (0.13, -0.18), 60.0, (-1.2, 0.9), 120.0),
        _bone("fore_foot", (0.09, -0.14), 30.0, (-0.5, 0.5), 60.0),
    ),
}
JOINTS = tuple(bone.name for bones in LEGS.values() for bone in bones)


def make() -> mujoco.MjSpec:
    """Return the model, without ground: `root_x`, `root_z` (m), `root_pitch` (rad, nose down), the joints of `JOINTS`.

    Each joint has a motor of its name ([-1, 1], the bone's torque). All parts touch the ground, none another.
    """
    import mujoco

    spec = mujoco.MjSpec()
    spec.modelname, spec.compiler.degree = "cheetah", False
    spec.option.timestep, spec.option.integrator = 0.01, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    trunk = spec.worldbody.add_body(name=TRUNK)
    for name, axis in zip(ROOT, ([1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0])):
        kind = mujoco.mjtJoint.mjJNT_HINGE if name == "root_pitch" else mujoco.mjtJoint.mjJNT_SLIDE
        trunk.add_joint(name=name, type=kind, axis=axis)
    _capsule(trunk, TRUNK, (-HALF_TRUNK_M, 0.0), (HALF_TRUNK_M, 0.0))
    _capsule(trunk, "head", (HALF_TRUNK_M, 0.0), (HALF_TRUNK_M + HEAD_M[0], HEAD_M[1]))
    for start, bones in LEGS.items():
        body, anchor = trunk, (start, 0.0)
        for bone in bones:
            body = _add_bone(spec, body, anchor, bone)
            anchor = bone.to_m
    return spec


def _add_bone(spec: mujoco.MjSpec, parent: mujoco.MjsBody, anchor: tuple[float, float], bone: Bone) -> mujoco.MjsBody:
    import mujoco

    body = parent.add_body(name=bone.name, pos=[anchor[0], 0.0, anchor[1]])
    joint = body.add_joint(
        name=bone.name,
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=[0.0, 1.0, 0.0],
        range=list(bone.range_rad),
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        armature=ARMATURE_KGM2,
    )
    joint.stiffness[0], joint.damping[0] = bone.stiffness, bone.damping
    _capsule(body, bone.name, (0.0, 0.0), bone.to_m)
    motor = spec.add_actuator(name=bone.name, target=bone.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    motor.set_to_motor()
    motor.gear[0] = bone.torque_nm
    motor.ctrllimited, motor.ctrlrange = mujoco.mjtLimited.mjLIMITED_TRUE, [-1.0, 1.0]
    return body


def _capsule(body: mujoco.MjsBody, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    import mujoco

    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[start[0], 0.0, start[1], end[0], 0.0, end[1]],
        size=[RADIUS_M, 0.0, 0.0],
        contype=0,
        conaffinity=1,
        density=_density(),
        friction=[0.8, 0.005, 0.0001],
        rgba=[0.85, 0.6, 0.25, 1.0],
    )


def _density() -> float:
    """Return the density of all capsules that makes them weigh `MASS_KG`, in kg/m^3."""
    lengths = [
        2 * HALF_TRUNK_M,
        math.hypot(*HEAD_M),
        *(math.hypot(*bone.to_m) for leg in LEGS.values() for bone in leg),
    ]
    volume_m3 = sum(math.pi * RADIUS_M**2 * (length + 4.0 / 3.0 * RADIUS_M) for length in lengths)
    return MASS_KG / volume_m3
