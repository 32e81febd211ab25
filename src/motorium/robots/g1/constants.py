"""Constants of the Unitree G1 with 29 joints, each with its source.

Sources:
    [model] The MJCF `unitree_g1/xmls/g1.xml` in the wheel mjlab 1.6.0 (Apache-2.0; no licence text of its own for the
        Unitree model): masses, joints and the capsules and spheres that it collides with.
    [mjlab] The same wheel, `unitree_g1/g1_constants.py`: per motor type, inertia of the rotor and of both gear stages
        seen at the joint, effort limit; servos of 10 Hz and damping ratio 2 on that inertia alone; a command of 1 is a
        quarter of the effort limit over the stiffness; the pose with bent knees; friction 0.6 of the feet, contacts
        of anything else without friction.
    [gait] Unitree, `unitree_rl_gym`, G1: a cycle of 0.8 s, 0.55 of it on the ground; K. Zakka et al., MuJoCo
        Playground, arXiv:2502.08844, G1 joystick: 1.25 to 1.5 cycles in a second. Here the latter's faster end.
"""

from __future__ import annotations

import math

BASE = "pelvis"
SIDES = ("left", "right")
LEG = ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")
WAIST = ("waist_yaw", "waist_roll", "waist_pitch")
ARM = ("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow", "wrist_roll", "wrist_pitch", "wrist_yaw")
# In [model]'s order.
NAMES = (
    *(f"{side}_{part}" for side in SIDES for part in LEG),
    *WAIST,
    *(f"{side}_{part}" for side in SIDES for part in ARM),
)
JOINTS = tuple(f"{name}_joint" for name in NAMES)


def part(name: str) -> str:
    """Return what a joint is without its side: `left_hip_roll` is `hip_roll`."""
    return name.removeprefix("left_").removeprefix("right_")


# [mjlab]: inertia of (rotor, first stage, second stage) in kg m^2, (first ratio, second ratio).
_MOTORS = {
    "5020": ((0.139e-4, 0.017e-4, 0.169e-4), (1 + 46 / 18, 1 + 56 / 16)),
    "7520_14": ((0.489e-4, 0.098e-4, 0.533e-4), (4.5, 1 + 48 / 22)),
    "7520_22": ((0.489e-4, 0.109e-4, 0.738e-4), (4.5, 5.0)),
    "4010": ((0.068e-4, 0.0, 0.0), (5.0, 5.0)),
}
_EFFORT_NM = {"5020": 25.0, "7520_14": 88.0, "7520_22": 139.0, "4010": 5.0}


def _reflected(motor: str) -> float:
    """Return the inertia at the joint, kg m^2: each stage's times the square of the ratio behind it."""
    (rotor, first, second), (ratio_1, ratio_2) = _MOTORS[motor]
    return rotor * (ratio_1 * ratio_2) ** 2 + first * ratio_2**2 + second


# (motor, how many of them drive the joint): waist and ankles are moved by two rods.
_DRIVES = (
    dict.fromkeys(("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow", "wrist_roll"), ("5020", 1))
    | dict.fromkeys(("hip_pitch", "hip_yaw", "waist_yaw"), ("7520_14", 1))
    | dict.fromkeys(("hip_roll", "knee"), ("7520_22", 1))
    | dict.fromkeys(("wrist_pitch", "wrist_yaw"), ("4010", 1))
    | dict.fromkeys(("waist_pitch", "waist_roll", "ankle_pitch", "ankle_roll"), ("5020", 2))
)
ARMATURE = {name: count * _reflected(motor) for name, (motor, count) in _DRIVES.items()}
EFFORT_NM = {name: count * _EFFORT_NM[motor] for name, (motor, count) in _DRIVES.items()}
_OMEGA_RAD_S, _DAMPING_RATIO = 2.0 * math.pi * 10.0, 2.0
KP = {name: inertia * _OMEGA_RAD_S**2 for name, inertia in ARMATURE.items()}
KD = {name: 2.0 * _DAMPING_RATIO * inertia * _OMEGA_RAD_S for name, inertia in ARMATURE.items()}
SCALE_RAD = tuple(0.25 * EFFORT_NM[part(name)] / KP[part(name)] for name in NAMES)

_HOME = {"hip_pitch": -0.312, "knee": 0.669, "ankle_pitch": -0.363, "elbow": 0.6, "shoulder_pitch": 0.2}
_HOME_SIDEWAYS = {"left_shoulder_roll": 0.2, "right_shoulder_roll": -0.2}
HOME_RAD = tuple(_HOME_SIDEWAYS.get(name, _HOME.get(part(name), 0.0)) for name in NAMES)

# Solved from [model]: the toes touch the ground with the joints at home; [mjlab] starts it at 0.76 m.
HEIGHT_M, FALLEN_M = 0.757, 0.5
GAIT_HZ, SWING_M, STANCE_SHARE = 1.5, 0.08, 0.55
PHASES = (0.0, 0.5)

FEET = ("left_foot", "right_foot")
FOOT_GEOMS = tuple(f"{foot}{i}_collision" for foot in FEET for i in range(1, 8))
FOOT_FRICTION = 0.6
# [model]: the site lies 2 mm under the sole.
SOLE_M = -0.002

# Training model: a box in place of the seven capsules, (centre, half sizes) in the foot's body's frame: as low, and
# 4 % shorter and 5 % smaller than the hull of the capsules' ends, which is what touches flat ground.
FOOT_BODY = "{side}_ankle_roll_link"
FOOT_BOX = ((0.039, 0.0, -0.030), (0.089, 0.022, 0.005))
# What else of the training model touches the ground: whatever a fall or a crouch puts there first.
TOUCHING = ("pelvis", "torso", "head", "left_hand", "right_hand", "left_shin", "right_shin")
