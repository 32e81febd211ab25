"""Constants of the pair of Trossen ViperX 300 S arms (ALOHA), each with its source.

Sources:
    [model] The MJCF `gym_aloha/assets/bimanual_viperx_transfer_cube.xml` in the wheel gym-aloha 0.1.5 (Apache-2.0 and
        MIT): masses, meshes, ranges, frictions, servos and the pose of its keyframe; the simulation of T. Zhao et al.,
        Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware, arXiv:2304.13705.
    [sheet] Trossen Robotics, ViperX 300 S: the gripper's two fingers are moved by one servo.
"""

from __future__ import annotations

SIDES = ("left", "right")
PREFIX = "vx300s_{side}/"
JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
LEFT_FINGER, RIGHT_FINGER = "left_finger", "right_finger"
# Bodies of [model] that belong to its scene.
SCENE = ("table", "midair", "box")

# [model]: both bases lie 0.5 m off the origin; here midway between them is the origin.
BASES_X_M = {"left": -0.469, "right": 0.469}
HOME_RAD = (0.0, -0.96, 1.16, 0.0, -0.3, 0.0)

# [model] gives each finger a servo of 200 N/m; by [sheet] one moves both, which a joint equality ties.
FINGER_KP_N_M = 400.0
OPEN_CTRL_M, CLOSED_CTRL_M = 0.057, 0.021
# [model]: the inner faces of the fingers' hulls lie 22.4 mm inside of the fingers' frames.
OPENING_M = (-0.0448, 2.0)
STROKE_M = 0.0692

# The end effector's frame in `gripper_link`: z along the fingers, y in the direction in which they close, 14 mm from
# the fingertips.
EEF_SITE = "pinch"
EEF_M, EEF_QUAT = (0.14, 0.0, 0.0), (0.70710678, 0.0, 0.70710678, 0.0)

# Training model. Capsules: (body, one end, other end, radius), metres in the body's frame, of least volume about 98 %
# of the vertices of the convex hull of [model]'s mesh; the rest stands out by at most 1 mm.
CAPSULES = (
    ("shoulder_link", (0.001, 0.0, 0.016), (0.001, 0.0, 0.018), 0.064),
    ("upper_arm_link", (0.0, 0.0, 0.022), (0.039, 0.0, 0.307), 0.058),
    ("upper_forearm_link", (0.005, 0.0, 0.0), (0.149, 0.0, 0.0), 0.053),
    ("lower_forearm_link", (0.096, 0.009, 0.0), (0.016, 0.011, -0.001), 0.039),
    ("wrist_link", (0.051, 0.0, 0.010), (0.011, 0.0, -0.004), 0.035),
)
GRIPPER_CAPSULE = ("gripper_link", (0.047, -0.054, 0.0), (0.047, 0.054, 0.0), 0.041)
# A box for the grasping part of each finger, (centre, half sizes) in the left finger's frame: its inner face is the
# hull's; as wide as the tapered hull is at the end effector's point.
FINGER_BOX = ((0.0575, -0.0194, 0.0), (0.0275, 0.003, 0.010))
