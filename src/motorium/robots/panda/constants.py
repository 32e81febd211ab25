"""Constants of the Franka Emika Panda with a Robotiq 2F-85, each with its source.

Sources:
    [model] The MJCF `gym_hil/assets/panda.xml` in the wheel gym-hil 0.1.14: an Apache-2.0 wheel that holds no licence
        text of its own for the Panda. Masses, meshes, joint ranges, armature 0.1 kg m^2 and damping 1 N m s/rad.
    [fci] Franka Emika, Robot and interface specifications: torque limits 87 N m (joints 1 to 4) and 12 N m
        (joints 5 to 7); joints 1 to 4 turn at up to 2.175 rad/s, 5 to 7 at 2.61 rad/s. Its controller compensates
        for gravity, that of a declared end effector included.
    [libfranka] libfranka, `examples/examples_common.cpp`, setDefaultBehavior: joint impedance 3000, 3000, 3000, 2500,
        2500, 2000, 2000 N m/rad.
    [2f85] Robotiq, 2F-85 instruction manual: stroke 85 mm, grip force 20 to 235 N, closing speed 20 to 150 mm/s,
        mass 925 g with the coupling.
"""

from __future__ import annotations

EEF_SITE = "pinch"

JOINTS = tuple(f"joint{i}" for i in range(1, 8))
ACTUATORS = tuple(f"actuator{i}" for i in range(1, 8))

# The fingers point down, the pinch point is 0.45 m in front of the base and 0.25 m above it: solved from [model],
# nearest to the ready pose of libfranka (0, -45, 0, -135, 0, 90, 45 degrees).
HOME_RAD = (0.0, -0.25354, 0.0, -2.43829, 0.0, 2.18475, 0.7854)

# Position servos of [libfranka]'s stiffness, within the torques of [fci]. How the robot damps is not published: 0.7 of
# critical damping for the inertia that each joint sees in the ready pose (0.7 to 1.7 kg m^2 at joints 1 to 4, 0.1 to
# 0.16 at the wrist), less the 1 N m s/rad of [model]. They lag 30 ms behind at the shoulder, 10 ms at the wrist.
KP = (3000.0, 3000.0, 3000.0, 2500.0, 2500.0, 2000.0, 2000.0)
KD = (80.0, 100.0, 80.0, 75.0, 26.0, 24.0, 19.0)
EFFORT_NM = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)

# How much of its own weight each body is relieved of. The gripper's base carries for the mount and the fingers too,
# 925 g in all over its 777 g: a body costs 1 % of speed.
GRAVITY_COMPENSATION = {f"link{i}": 1.0 for i in range(1, 8)} | {"base": 0.925 / 0.777441}
# Bodies that [model] weighs by the volume of their meshes: explicit, so that every variant weighs the same. The rest
# of [model]'s gripper is 900 g, the mount makes up what [2f85] has more.
MASSES_KG = {"base_mount": 0.025, "left_silicone_pad": 0.0, "right_silicone_pad": 0.0}

# Capsules of the training model: (body, one end, other end, radius), metres in the body's frame. Of least volume about
# 98 % of the vertices of the convex hull of [model]'s collision mesh; the rest stands out by at most 4 mm.
CAPSULES = (
    ("link1", (-0.001, -0.053, 0.001), (-0.001, 0.0, -0.140), 0.077),
    ("link2", (-0.001, -0.143, 0.0), (0.0, 0.003, 0.054), 0.076),
    ("link3", (0.098, 0.052, 0.015), (-0.021, -0.021, -0.107), 0.069),
    ("link4", (0.014, -0.018, 0.052), (-0.091, 0.098, -0.014), 0.070),
    ("link5", (0.003, 0.047, -0.164), (0.003, 0.002, -0.239), 0.062),
    ("link5", (-0.003, 0.062, -0.171), (0.003, 0.100, -0.074), 0.040),
    ("link5", (0.002, 0.051, -0.002), (0.001, 0.092, -0.010), 0.061),
    ("link6", (0.038, 0.007, 0.007), (0.069, 0.003, 0.019), 0.089),
    ("link7", (0.031, 0.031, 0.080), (-0.001, -0.006, 0.075), 0.051),
    ("left_coupler", (0.0, 0.006, 0.047), (0.0, 0.0, 0.0), 0.014),
    ("right_coupler", (0.0, 0.006, 0.047), (0.0, 0.0, 0.0), 0.014),
)

# Of the gripper's passive joints, kg m^2: [model]'s older 2F-85 has none, and its linkage gives by 5 mm where that of
# the later one (MuJoCo Menagerie's, as in the wheel ogbench 1.2.2) gives by 1 mm.
LINKAGE_ARMATURE = 0.001
LINKAGE_JOINTS = tuple(
    f"{side}_{part}_joint" for side in ("left", "right") for part in ("follower", "spring_link", "coupler")
)
GRIPPER_JOINT = "right_driver_joint"
GRIPPER_ACTUATOR = "fingers_actuator"
GRIPPER_OPEN_CTRL, GRIPPER_CLOSED_CTRL = 0.0, 255.0
STROKE_M = 0.085
# Distance between the pads of [model] as a polynomial of the driver's angle, fitted over its range (0.7 mm).
OPENING_M = (0.0854, -0.0952, -0.0174)
