"""Cart and pole: a pole hinged to a cart that a motor pushes along a rail.

Source: the proportions (1 m pole of 0.1 kg, 1 kg cart, 3.6 m rail, 10 N at full command) are those of the `cartpole`
domain in Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, 2018, section 4; the model itself is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mujoco

SLIDER, HINGE, MOTOR, CAMERA = "slider", "hinge", "slide", "side"
RAIL_M, POLE_M = 1.8, 1.0


def make() -> mujoco.MjSpec:
    """Return the model: `slider` (m, limited by the rail), `hinge` (rad, 0 is upright), `slide` ([-1, 1], 10 N)."""
    import mujoco

    from motorium.sim.ground import add_sky

    spec = mujoco.MjSpec()
    spec.modelname = "cartpole"
    spec.option.timestep, spec.option.integrator = 0.01, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    add_sky(spec)
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.35] * 3, [0.4] * 3
    world = spec.worldbody
    world.add_light(pos=[0.0, -2.0, 4.0], dir=[0.0, 0.4, -1.0])
    world.add_camera(name=CAMERA, pos=[0.0, -4.0, 1.0], xyaxes=[1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    _seen(world, "floor", mujoco.mjtGeom.mjGEOM_PLANE, [4.0, 4.0, 0.1], rgba=[0.55, 0.6, 0.65, 1.0], pos=[0, 0, -0.2])
    for side, y in (("left", 0.07), ("right", -0.07)):
        rail = [-RAIL_M - 0.2, y, 1.0, RAIL_M + 0.2, y, 1.0]
        _seen(world, f"rail_{side}", mujoco.mjtGeom.mjGEOM_CAPSULE, [0.02, 0, 0], fromto=rail)
    cart = world.add_body(name="cart", pos=[0.0, 0.0, 1.0])
    cart.add_joint(
        name=SLIDER,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[1.0, 0.0, 0.0],
        range=[-RAIL_M, RAIL_M],
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        solref_limit=[0.08, 1.0],
        damping=[5e-4, 0.0, 0.0],
    )
    cart.add_geom(name="cart", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.2, 0.15, 0.1], mass=1.0)
    pole = cart.add_body(name="pole")
    pole.add_joint(name=HINGE, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0.0, 1.0, 0.0], damping=[2e-6, 0.0, 0.0])
    pole.add_geom(
        name="pole",
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[0.0, 0.0, 0.0, 0.0, 0.0, POLE_M],
        size=[0.045, 0.0, 0.0],
        mass=0.1,
        rgba=[0.85, 0.5, 0.2, 1.0],
    )
    motor = spec.add_actuator(name=MOTOR, target=SLIDER, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    motor.set_to_motor()
    motor.gear[0] = 10.0
    motor.ctrllimited, motor.ctrlrange = mujoco.mjtLimited.mjLIMITED_TRUE, [-1.0, 1.0]
    return spec


def _seen(body: mujoco.MjsBody, name: str, kind: mujoco.mjtGeom, size: list[float], **more) -> None:
    body.add_geom(name=name, type=kind, size=size, contype=0, conaffinity=0, **more)
