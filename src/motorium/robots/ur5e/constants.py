"""Constants of the UR5e with a Robotiq 2F-85, each with its source.

Sources:
    [model] The MJCF `universal_robots_ur5e/ur5e.xml` and `robotiq_2f85/2f85.xml` of MuJoCo Menagerie, as in the
        wheel ogbench 1.2.2 (BSD-3-Clause and BSD-2-Clause); the capsules are Menagerie's own collision model.
    [torque] Universal Robots, Max. joint torques, e-Series: 150 N m for sizes 3, 28 N m for size 1.
    [sheet] Universal Robots, UR5e technical details: every joint +-360 deg, the model limits the elbow to
        +-180 deg; 180 deg/s; repeatability 0.03 mm; payload 5 kg.
    [2f85] Robotiq, 2F-85 instruction manual: stroke 85 mm, grip force 20 to 235 N, closing speed 20 to 150 mm/s,
        mass 925 g with the coupling.
"""

from __future__ import annotations

FLANGE_SITE = "attachment_site"
GRIPPER_PREFIX = "gripper/"
EEF_SITE = "gripper/pinch"

JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
ACTUATORS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")

# The fingers point down, the pinch point is 0.45 m in front of the base and 0.25 m above it: solved from [model].
HOME_RAD = (-1.87316, -1.69923, 1.90136, -1.77293, -1.5708, -0.30236)

# Position servos. [model] has kp 2000 and kd 400: a lag of kd/kp = 0.2 s, four control periods. A UR controller
# follows its trajectory within a few milliseconds; with these gains the lag is 15 to 20 ms, at 0.6 to 0.9 of
# critical damping for the inertia that each joint sees (2 to 3 kg m^2 at the shoulder, 0.1 to 0.15 at the wrist).
# The torque limits are those of [torque].
KP = (20000.0, 20000.0, 10000.0, 2000.0, 2000.0, 1500.0)
KD = (300.0, 300.0, 200.0, 25.0, 22.0, 20.0)

# How much of its own weight each body is relieved of: a UR controller compensates for the arm and a declared payload.
# The gripper's base carries for the mount and the fingers too, 925 g in all over its 777 g: a body costs 1 % of speed.
GRAVITY_COMPENSATION = {
    "shoulder_link": 1.0,
    "upper_arm_link": 1.0,
    "forearm_link": 1.0,
    "wrist_1_link": 1.0,
    "wrist_2_link": 1.0,
    "wrist_3_link": 1.0,
    "gripper/base": 0.925 / 0.777441,
}
# Bodies that [model] weighs by the volume of their meshes: explicit, so that every variant weighs the same. The rest
# of [model]'s gripper is 900 g, the mount makes up what [2f85] has more.
MASSES_KG = {"base_mount": 0.025, "left_silicone_pad": 0.0, "right_silicone_pad": 0.0}

GRIPPER_JOINT = "gripper/right_driver_joint"
GRIPPER_ACTUATOR = "gripper/fingers_actuator"
# Grips a cube of 4 cm with 46 N, and closes at up to 0.48 m/s without load: three times as fast as [2f85] allows.
GRIPPER_OPEN_CTRL, GRIPPER_CLOSED_CTRL = 0.0, 255.0
STROKE_M = 0.085
# Distance between the pads of [model] as a polynomial of the driver's angle, fitted over its range (0.3 mm).
OPENING_M = (0.0854, -0.0952, -0.0174)
