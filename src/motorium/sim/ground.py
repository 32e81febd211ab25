"""Ground: something to walk on, with light and a camera that follows."""

from __future__ import annotations

import mujoco

GROUND, CAMERA = "ground", "follow"


def add_ground(scene: mujoco.MjSpec, follow: str) -> None:
    """Put a flat, lit ground, its top at z = 0, under the robot in `scene`, and the camera `follow` beside its body.

    Args:
        scene: the robot's model.
        follow: name of the body that the camera follows.
    """
    scene.visual.global_.offwidth, scene.visual.global_.offheight = 1280, 960
    scene.visual.headlight.ambient, scene.visual.headlight.diffuse = [0.35] * 3, [0.4] * 3
    scene.add_texture(
        name="checks",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        width=300,
        height=300,
        rgb1=[0.36, 0.41, 0.46],
        rgb2=[0.29, 0.34, 0.39],
    )
    material = scene.add_material(name="checks", texrepeat=[2.0, 2.0], texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "checks"
    world = scene.worldbody
    world.add_geom(name=GROUND, type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 0.05], material="checks")
    world.add_light(name="sun", pos=[0.0, 0.0, 6.0], dir=[0.2, 0.3, -1.0], diffuse=[0.6] * 3, castshadow=True)
    scene.body(follow).add_camera(
        name=CAMERA,
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM,
        pos=[0.9, -1.6, 0.7],
        xyaxes=[0.87, 0.49, 0.0, -0.16, 0.29, 0.94],
    )


def add_contact(scene: mujoco.MjSpec, name: str, geom: str) -> None:
    """Add the sensor `name`: the net force that `geom` presses with, (3,) N, world frame; zero without contact."""
    sensor = scene.add_sensor(name=name, type=mujoco.mjtSensor.mjSENS_CONTACT)
    sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_GEOM, geom
    # dataspec: found (bit 0), force (bit 1); reduce: 3 is the net force; one slot.
    sensor.intprm[:3] = [1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1]
