"""Constants of the I2RT YAM with its crank gripper, each with its source.

Sources:
    [model] The MJCF `i2rt_yam/xmls/yam.xml` in the wheel mjlab 1.6.0 (Apache-2.0; no licence text of its own for the
        I2RT model): masses, joints, and the capsules, boxes and spheres that it collides with.
    [mjlab] The same wheel, `i2rt_yam/yam_constants.py`: inertia of the rotors at the joints, effort limits, the
        gripper's crank of 71 mm over 2.7 rad and a tenth of its effort limit; effective inertias of the joints, from
        which servos of 2 Hz (the gripper's 1 Hz) and damping ratio 2 follow; friction of the fingertips.
    [i2rt] I2RT, Python API `i2rt`, get_yam_robot: gains 80, 80, 80, 40, 10, 10 N m/rad and 5, 5, 5, 1.5, 1.5, 1.5
        N m s/rad; 20 N m/rad and 0.5 N m s/rad at the gripper's motor; gravity compensated.
"""

from __future__ import annotations

import math

JOINTS = tuple(f"joint{i}" for i in range(1, 7))

# The fingers point down, the point between them is 0.30 m in front of the base and 0.15 m above it: solved from
# [model].
HOME_RAD = (0.0, 1.85402, 1.74032, -1.4571, 0.0, 0.0)

ARMATURE = (0.032, 0.032, 0.032, 0.0018, 0.0018, 0.0018)
EFFORT_NM = (28.0, 28.0, 28.0, 10.0, 10.0, 10.0)
_CRANK_M_RAD = 0.071 / 2.7
FINGER_ARMATURE_KG = 0.0018 / _CRANK_M_RAD**2
FINGER_EFFORT_N = 0.1 * 10.0 / _CRANK_M_RAD

_EFFECTIVE = (0.123153, 0.277411, 0.232763, 0.030154, 0.009126, 0.002868)
_EFFECTIVE_FINGER_KG = 2.781624
_OMEGA_RAD_S, _FINGER_RAD_S, _DAMPING_RATIO = 2.0 * math.pi * 2.0, 2.0 * math.pi * 1.0, 2.0

# Gains by their source: stiffness and damping of the joints, and of the fingers (N/m, N s/m).
KP = {
    "i2rt": (80.0, 80.0, 80.0, 40.0, 10.0, 10.0),
    "mjlab": tuple(inertia * _OMEGA_RAD_S**2 for inertia in _EFFECTIVE),
}
KD = {
    "i2rt": (5.0, 5.0, 5.0, 1.5, 1.5, 1.5),
    "mjlab": tuple(2.0 * _DAMPING_RATIO * inertia * _OMEGA_RAD_S for inertia in _EFFECTIVE),
}
FINGER_KP = {"i2rt": 20.0 / _CRANK_M_RAD**2, "mjlab": _EFFECTIVE_FINGER_KG * _FINGER_RAD_S**2}
FINGER_KD = {
    "i2rt": 0.5 / _CRANK_M_RAD**2,
    "mjlab": 2.0 * _DAMPING_RATIO * _EFFECTIVE_FINGER_KG * _FINGER_RAD_S,
}

FINGER = "left_finger"  # moves the other one too
OPEN_CTRL_M, CLOSED_CTRL_M = 0.0375, -0.002
# [model]: a fingertip's spheres stand 0.2 mm inside of the finger's frame.
OPENING_M = (-0.0004, 2.0)
STROKE_M = 0.0746

# The end effector's frame in `link_6`: midway between the fingertips' spheres; z along the fingers, y in the direction
# in which they close.
EEF_SITE = "pinch"
EEF_BODY, EEF_M, EEF_QUAT = "link_6", (0.0, -0.044, 0.130), (0.70710678, 0.0, 0.0, 0.70710678)

# Bodies that [model] weighs by the geoms that it collides with: explicit, so that every variant weighs the same.
# (mass, kg; its centre, m; orientation of its axes; inertia, kg m^2)
INERTIALS = {
    "lf_rot": (
        0.039794,
        (-0.008421, -0.015789, 0.020421),
        (0.467786, 0.526975, 0.658698, 0.263799),
        (2.39104e-05, 2.07302e-05, 5.66018e-06),
    ),
    "lf_down": (
        0.020776,
        (0.004866, -0.012786, 0.029346),
        (0.627599, -0.022665, 0.177737, 0.757638),
        (1.57671e-05, 1.30711e-05, 3.94367e-06),
    ),
    "rf_rot": (
        0.039794,
        (0.008421, -0.015789, 0.020421),
        (0.658698, 0.263799, 0.467786, 0.526975),
        (2.39104e-05, 2.07302e-05, 5.66018e-06),
    ),
    "rf_down": (
        0.020776,
        (-0.004866, -0.012786, 0.029346),
        (0.757638, -0.177737, 0.022665, 0.627599),
        (1.57671e-05, 1.30711e-05, 3.94367e-06),
    ),
    "camera_d405": (0.02592, (0.0, 0.0, -0.01), (1.0, 0.0, 0.0, 0.0), (3.66336e-06, 3.66336e-06, 5.59872e-06)),
}

# [mjlab]: the fingertips' spheres; everything else has friction 0.6.
TIPS = tuple(f"{side}f_down{i}_collision" for side in "lr" for i in range(6, 12))
TIP_FRICTION, FRICTION, TIP_SOLREF = (1.0, 0.005, 0.0005), 0.6, (0.01, 1.0)
# Training model: the box of each fingertip, with the spheres' friction, and a capsule a link.
PADS = ("lf_down4_collision", "rf_down4_collision")
TOUCHING = (
    "link2_1_collision",
    "link3_1_collision",
    "link4_1_collision",
    "link5_1_collision",
    "link6_2_collision",
    "lf_rot1_collision",
    "rf_rot1_collision",
)
