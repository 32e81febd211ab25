"""Reacher: an arm of two links in a plane, with a target in it.

Source: the `reacher` domain of Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, 2018, section 4: two links,
a finger at the end, a target in the plane. The model is ours: links of 12 cm and 2 cm across, of the density of water,
motors of 0.05 N m, which speed up the outstretched arm by some 30 rad/s^2, and joints that damp by 0.01 N m s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mujoco

SHOULDER, ELBOW, TARGET, CAMERA = "shoulder", "elbow", "target", "above"
LINK_M, RADIUS_M, ELBOW_RAD = 0.12, 0.01, 2.8
TORQUE_NM, DAMPING_NMS = 0.05, 0.01


def make(target_radius_m: float) -> mujoco.MjSpec:
    """Return the model: hinges `shoulder` and `elbow` (rad, limited to +-2.8), a motor each ([-1, 1], 0.05 N m).

    Args:
        target_radius_m: of the mocap marker `target`, which is only seen.
    """
    import mujoco

    spec = mujoco.MjSpec()
    spec.modelname, spec.compiler.degree = "reacher", False
    spec.option.timestep, spec.option.integrator = 0.01, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.gravity = [0.0, 0.0, 0.0]
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    world, capsule = spec.worldbody, mujoco.mjtGeom.mjGEOM_CAPSULE
    world.add_light(pos=[0.0, 0.0, 1.5], dir=[0.0, 0.0, -1.0])
    world.add_camera(name=CAMERA, pos=[0.0, 0.0, 0.8])
    _seen(world, "floor", mujoco.mjtGeom.mjGEOM_PLANE, [0.35, 0.35, 0.1], [0.55, 0.6, 0.65, 1.0], [0.0, 0.0, -0.02])
    target = world.add_body(name=TARGET, mocap=True)
    _seen(target, TARGET, mujoco.mjtGeom.mjGEOM_SPHERE, [target_radius_m, 0, 0], [0.8, 0.25, 0.2, 1.0], [0, 0, 0])
    body = world
    for name, anchor in ((SHOULDER, 0.0), (ELBOW, LINK_M)):
        body = body.add_body(name=name, pos=[anchor, 0.0, 0.0])
        joint = body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0.0, 0.0, 1.0])
        joint.damping[0] = DAMPING_NMS
        if name == ELBOW:
            joint.limited, joint.range = mujoco.mjtLimited.mjLIMITED_TRUE, [-ELBOW_RAD, ELBOW_RAD]
        body.add_geom(name=name, type=capsule, fromto=[0.0, 0.0, 0.0, LINK_M, 0.0, 0.0], size=[RADIUS_M, 0.0, 0.0])
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.set_to_motor()
        motor.gear[0] = TORQUE_NM
        motor.ctrllimited, motor.ctrlrange = mujoco.mjtLimited.mjLIMITED_TRUE, [-1.0, 1.0]
    return spec


def _seen(body: mujoco.MjsBody, name: str, kind: mujoco.mjtGeom, size: list, rgba: list, pos: list) -> None:
    body.add_geom(name=name, type=kind, size=size, rgba=rgba, pos=pos, contype=0, conaffinity=0)
