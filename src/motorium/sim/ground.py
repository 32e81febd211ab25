"""Ground: something to walk on, with light and a camera that follows."""

from __future__ import annotations

import mujoco

from motorium.sim.scene import look_from

GROUND, CAMERA = "ground", "follow"
# Where the camera looks from: a direction, and how far off for something flat on the ground.
FROM, NEAR_M = (0.48, -0.83, 0.28), 0.8


def add_ground(scene: mujoco.MjSpec, follow: str) -> None:
    """Put a flat, lit ground, its top at z = 0, under the robot in `scene`, and the camera `follow` beside its body.

    Args:
        scene: the robot's model.
        follow: name of the body that the camera follows.
    """
    add_looks(scene, follow)
    scene.worldbody.add_geom(name=GROUND, type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 0.05], material="checks")


def add_looks(scene: mujoco.MjSpec, follow: str) -> None:
    """Add light, the material `checks` for a ground, and the camera `follow` beside the body that it follows."""
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
    add_sky(scene)
    body = scene.body(follow)
    # The sun keeps above the robot: shadows are drawn near it only.
    body.add_light(
        name="sun",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM,
        pos=[0.0, 0.0, 6.0],
        dir=[0.2, 0.3, -1.0],
        diffuse=[0.6] * 3,
        castshadow=True,
    )
    # The body, not the centre of mass: that lies elsewhere in the model's reference pose, for which offsets hold.
    height_m = max(float(body.pos[2]), 0.0)
    far_m = NEAR_M + 2.0 * height_m
    eye_m = [part * far_m for part in FROM]
    look_from(body, CAMERA, eye_m=eye_m, at_m=[0.0, 0.0, -0.25 * height_m], fovy_deg=45.0)
    scene.camera(CAMERA).mode = mujoco.mjtCamLight.mjCAMLIGHT_TRACK


def add_sky(scene: mujoco.MjSpec) -> None:
    """Put a sky around the scene: a background that tells up from down."""
    scene.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        width=64,
        height=384,
        rgb1=[0.62, 0.71, 0.80],
        rgb2=[0.30, 0.38, 0.47],
    )


def add_contact(scene: mujoco.MjSpec, name: str, geom: str) -> None:
    """Add the sensor `name`: the net force that `geom` presses with, (3,) N, world frame; zero without contact."""
    sensor = scene.add_sensor(name=name, type=mujoco.mjtSensor.mjSENS_CONTACT)
    sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_GEOM, geom
    # dataspec: found (bit 0), force (bit 1); reduce: 3 is the net force; one slot.
    sensor.intprm[:3] = [1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1]
