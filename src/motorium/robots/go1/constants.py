"""Constants of the Unitree Go1, each with its source.

Sources:
    [model] The MJCF `unitree_go1/xmls/go1.xml` in the wheel mjlab 1.6.0 (Apache-2.0): masses, joints and the capsules
        and spheres that it collides with.
    [urdf] Unitree, `go1_description/urdf/go1.urdf`: rotor inertia 1.11842e-4 kg m^2 about the axis, effort limits
        23.7 N m (hip, thigh) and 35.55 N m (calf).
    [gears] Gear ratios 6 (hip, thigh) and 9 (calf); the armature is rotor inertia times the ratio squared.
    [playground] K. Zakka et al., MuJoCo Playground, arXiv:2502.08844, Go1 joystick: joint stiffness 35 N m/rad,
        damping 0.5 N m s/rad, home pose, 0.5 rad for a command of 1.
    [mjlab] The wheel mjlab 1.6.0, `unitree_go1/go1_constants.py`: servos of 10 Hz and damping ratio 2 on the armature
        alone; a command of 1 is a quarter of the effort limit over the stiffness; the same home pose.
"""

from __future__ import annotations

import math

LEGS = ("FR", "FL", "RR", "RL")
PARTS = ("hip", "thigh", "calf")
JOINTS = tuple(f"{leg}_{part}_joint" for leg in LEGS for part in PARTS)
BASE = "trunk"

# [playground]; the sign of the hip's spread is the side's.
HOME_RAD = tuple(value for leg in LEGS for value in (0.1 if leg.endswith("R") else -0.1, 0.9, -1.8))
EFFORT_NM = {"hip": 23.7, "thigh": 23.7, "calf": 35.55}
ARMATURE = {"hip": 1.11842e-4 * 6**2, "thigh": 1.11842e-4 * 6**2, "calf": 1.11842e-4 * 9**2}

# Gains by their source: stiffness and damping of each part of a leg, and what a command of 1 adds to it.
_OMEGA_RAD_S, _DAMPING_RATIO = 2.0 * math.pi * 10.0, 2.0
_MJLAB_KP = {part: inertia * _OMEGA_RAD_S**2 for part, inertia in ARMATURE.items()}
KP = {"playground": dict.fromkeys(PARTS, 35.0), "mjlab": _MJLAB_KP}
KD = {
    "playground": dict.fromkeys(PARTS, 0.5),
    "mjlab": {part: 2.0 * _DAMPING_RATIO * inertia * _OMEGA_RAD_S for part, inertia in ARMATURE.items()},
}
SCALE_RAD = {
    "playground": dict.fromkeys(PARTS, 0.5),
    "mjlab": {part: 0.25 * EFFORT_NM[part] / kp for part, kp in _MJLAB_KP.items()},
}

# Solved from [model]: the feet's spheres touch the ground with the joints at home.
HEIGHT_M, FALLEN_M = 0.2945, 0.18
# A trot: diagonal legs together.
GAIT_HZ, SWING_M, STANCE_SHARE = 2.0, 0.08, 0.5
PHASES = {"FR": 0.0, "FL": 0.5, "RR": 0.5, "RL": 0.0}

FOOT_FRICTION = 0.8
FOOT_RADIUS_M = 0.023  # [model]
