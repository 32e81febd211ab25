"""What the streams of a bag usually become: suggestions by type of message and name of topic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from motorium.data.formats.bags.topic import Source

# Words in a topic's name that say its messages are orders, not measurements.
_ORDERS = {
    "cmd",
    "command",
    "commands",
    "commanded",
    "action",
    "setpoint",
    "desired",
    "target",
    "goal",
    "leader",
    "ctrl",
}

# Types that are measurements when their topic says nothing else, and what of them is kept.
_STATES = {
    "geometry_msgs/Pose": None, "geometry_msgs/PoseStamped": None, "geometry_msgs/PoseWithCovarianceStamped": None,
    "geometry_msgs/Twist": None, "geometry_msgs/TwistStamped": None, "geometry_msgs/TwistWithCovarianceStamped": None,
    "geometry_msgs/PointStamped": None, "geometry_msgs/Wrench": None, "geometry_msgs/WrenchStamped": None,
    "geometry_msgs/AccelStamped": None, "geometry_msgs/Vector3Stamped": None, "nav_msgs/Odometry": None,
    "sensor_msgs/Imu": None, "sensor_msgs/MagneticField": None, "sensor_msgs/Joy": None, "sensor_msgs/Range": None,
    "sensor_msgs/LaserScan": ("ranges",), "sensor_msgs/NavSatFix": ("latitude", "longitude", "altitude"),
    "ackermann_msgs/AckermannDrive": None, "ackermann_msgs/AckermannDriveStamped": None,
    "std_msgs/Float32": None, "std_msgs/Float64": None, "std_msgs/Float32MultiArray": ("data",),
    "std_msgs/Float64MultiArray": ("data",),
    "foxglove.LocationFix": ("latitude", "longitude", "altitude"), "foxglove.PoseInFrame": None,
}  # fmt: skip

_ORDER_TYPES = {
    "geometry_msgs/Twist", "geometry_msgs/TwistStamped", "trajectory_msgs/JointTrajectory", "sensor_msgs/JointState",
    "std_msgs/Float64MultiArray", "std_msgs/Float32MultiArray", "std_msgs/Float64", "std_msgs/Float32",
    "geometry_msgs/PoseStamped", "ackermann_msgs/AckermannDrive", "ackermann_msgs/AckermannDriveStamped",
}  # fmt: skip

# Ends of camera topics that do not tell one camera from another.
_PICTURE_WORDS = {"image", "image_raw", "image_color", "image_rect", "image_rect_color", "compressed", "raw", "video"}


def suggest(sources: Mapping[str, Source]) -> None:
    """Give the streams of a recording their targets and alignments."""
    _suggest_cameras([one for one in sources.values() if one.role == "picture"])
    fields = [one for one in sources.values() if not one.bulky and not one.key.startswith("tf:")]
    orders = [one for one in fields if one.topic.type in _ORDER_TYPES and is_order(one.topic.name)]
    for one in orders:
        if _is_command(one):
            one.retarget(target="action", align="hold")
    states = [one for one in fields if one not in orders]
    joints = [one for one in states if one.topic.type == "sensor_msgs/JointState"]
    for one in joints:
        kept = {"position": "observation.state", "velocity": "observation.velocity", "effort": "observation.effort"}
        if one.role in kept:
            one.retarget(target=kept[one.role])
    _suggest_states([one for one in states if one not in joints], {"observation.state"} if joints else set())


def is_order(topic: str) -> bool:
    """Whether a topic's name says that its messages are orders: `/cmd_vel`, `/arm/joint_commands`."""
    return bool(_ORDERS & set(re.split(r"[^a-z0-9]+", topic.lower())))


def feature_name(topic: str) -> str:
    """Return a topic as a part of a feature's name: `/front/imu` is `front_imu`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", topic).strip("_") or "topic"


def _is_command(one: Source) -> bool:
    """Whether a field of an order is what is ordered; of joints, positions come before velocities and efforts."""
    if one.stream.feature.dtype in ("string", "bool") or one.role.endswith("covariance"):
        return False
    if one.topic.type not in ("trajectory_msgs/JointTrajectory", "sensor_msgs/JointState"):
        return "layout" not in one.role and one.stream.feature.dtype.startswith("float")
    roles = [other.role.split(".")[-1] for other in one.topic.sources()]
    for first in ("positions", "position", "velocities", "velocity", "effort"):
        if first in roles:
            return one.role.split(".")[-1] == first
    return False


def _suggest_states(states: Iterable[Source], taken: set[str]) -> None:
    """Name poses, motions and sensors after their topics; the busiest odometry is the state when no joints are."""
    known = [one for one in states if one.topic.type in _STATES]
    odometry = [one.topic for one in known if one.topic.type == "nav_msgs/Odometry"]
    best = max(odometry, key=lambda topic: topic.count, default=None)
    names: dict[str, str] = {}
    for one in known:
        kept = _STATES[one.topic.type]
        numbers = one.stream.feature.dtype.startswith("float") and len(one.stream.feature.shape) == 1
        if not numbers or "covariance" in one.role.split(".")[-1] or (kept and one.role not in kept):
            continue
        if one.topic is best and "observation.state" not in taken:
            one.retarget(target="observation.state")
            continue
        if one.topic.name not in names:
            names[one.topic.name] = _unique(
                f"observation.{feature_name(one.topic.name)}", taken | {"observation.state"}
            )
            taken.add(names[one.topic.name])
        one.retarget(target=names[one.topic.name])


def _suggest_cameras(cameras: list[Source]) -> None:
    taken: set[str] = set()
    served: dict[str, str] = {}
    # Raw before compressed: the same camera is often recorded as both, and one is enough.
    for one in sorted(cameras, key=lambda one: one.key.endswith("/compressed")):
        base = one.key.removesuffix("/compressed")
        if base in served:
            one.retarget(note=f"{one.stream.note}; the same camera as {served[base]}")
            continue
        served[base] = one.key
        target = _unique(f"observation.images.{_camera_name(one.key)}", taken)
        taken.add(target)
        one.retarget(target=target)


def _camera_name(topic: str) -> str:
    parts = [part for part in topic.split("/") if part]
    kept = [part for part in parts if part not in _PICTURE_WORDS]
    return feature_name("_".join(kept or parts))


def _unique(name: str, taken: set[str]) -> str:
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique
