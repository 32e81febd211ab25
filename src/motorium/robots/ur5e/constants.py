"""Constants of the UR5e with a Robotiq 2F-85, each with its source.

Sources:
    [model] The MJCF `universal_robots_ur5e/ur5e.xml` and `robotiq_2f85/2f85.xml` of MuJoCo Menagerie, as in the
        wheel ogbench 1.2.2 (BSD-3-Clause and BSD-2-Clause); the capsules are Menagerie's own collision model.
    [torque] Universal Robots, Max. joint torques, e-Series: 150 N m for sizes 3, 28 N m for size 1.
    [sheet] Universal Robots, UR5e technical details: every joint +-360 deg, the model limits the elbow to
        +-180 deg; 180 deg/s; repeatability 0.03 mm; payload 5 kg.
    [2f85] Robotiq, 2F-85 instruction manual: stroke 85 mm, grip force 20 to 235 N, closing speed 20 to 150 mm/s.
"""

from __future__ import annotations

ARM_XML = "ogbench/manipspace/descriptions/universal_robots_ur5e/ur5e.xml"
GRIPPER_XML = "ogbench/manipspace/descriptions/robotiq_2f85/2f85.xml"

ROOT = "base"
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
# follows its trajectory within a few milliseconds; these gains are close to critically damped for the inertia
# each joint sees (about 3 kg m^2 at the shoulder, 0.1 at the wrist), lag 45 ms, and keep the limits of [torque].
KP = (9000.0, 9000.0, 6000.0, 1200.0, 1000.0, 800.0)
KD = (400.0, 400.0, 250.0, 40.0, 30.0, 20.0)

GRIPPER_JOINT = "gripper/right_driver_joint"
GRIPPER_ACTUATOR = "gripper/fingers_actuator"
GRIPPER_OPEN_CTRL, GRIPPER_CLOSED_CTRL = 0.0, 255.0
STROKE_M = 0.085
# Distance between the pads of [model] as a polynomial of the driver's angle, fitted over its range (0.3 mm).
OPENING_M = (0.0854, -0.0952, -0.0174)
PAD_GEOMS = ("left_pad1", "left_pad2", "right_pad1", "right_pad2")
