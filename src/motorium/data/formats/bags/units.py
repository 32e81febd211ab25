"""Units of the fields that ROS and Foxglove define, as their message definitions and REP 103 state them.

Source: REP 103 (https://www.ros.org/reps/rep-0103.html); the comments in the .msg files of common_interfaces.
"""

from __future__ import annotations

from motorium.data.formats.bags.types import Leaf

# By `type.field`. Joint positions are not here: a joint turns (rad) or slides (m), and the message does not say.
_FIELDS: dict[str, str | tuple[str, ...]] = {
    "geometry_msgs/Pose.position": "m",
    "geometry_msgs/Transform.translation": "m",
    "geometry_msgs/PointStamped.point": "m",
    "geometry_msgs/Twist.linear": "m/s",
    "geometry_msgs/Twist.angular": "rad/s",
    "geometry_msgs/Accel.linear": "m/s^2",
    "geometry_msgs/Accel.angular": "rad/s^2",
    "geometry_msgs/Wrench.force": "N",
    "geometry_msgs/Wrench.torque": "N m",
    "geometry_msgs/Inertia.m": "kg",
    "sensor_msgs/Imu.angular_velocity": "rad/s",
    "sensor_msgs/Imu.linear_acceleration": "m/s^2",
    "sensor_msgs/MagneticField.magnetic_field": "T",
    "sensor_msgs/NavSatFix.latitude": "deg",
    "sensor_msgs/NavSatFix.longitude": "deg",
    "sensor_msgs/NavSatFix.altitude": "m",
    "sensor_msgs/FluidPressure.fluid_pressure": "Pa",
    "sensor_msgs/Temperature.temperature": "degC",
    "sensor_msgs/RelativeHumidity.relative_humidity": "1",
    "sensor_msgs/Illuminance.illuminance": "lx",
    "sensor_msgs/Range.range": "m",
    "sensor_msgs/Range.min_range": "m",
    "sensor_msgs/Range.max_range": "m",
    "sensor_msgs/Range.field_of_view": "rad",
    "sensor_msgs/LaserScan.angle_min": "rad",
    "sensor_msgs/LaserScan.angle_max": "rad",
    "sensor_msgs/LaserScan.angle_increment": "rad",
    "sensor_msgs/LaserScan.time_increment": "s",
    "sensor_msgs/LaserScan.scan_time": "s",
    "sensor_msgs/LaserScan.range_min": "m",
    "sensor_msgs/LaserScan.range_max": "m",
    "sensor_msgs/LaserScan.ranges": "m",
    "sensor_msgs/BatteryState.voltage": "V",
    "sensor_msgs/BatteryState.temperature": "degC",
    "sensor_msgs/BatteryState.current": "A",
    "sensor_msgs/BatteryState.charge": "A h",
    "sensor_msgs/BatteryState.capacity": "A h",
    "sensor_msgs/BatteryState.design_capacity": "A h",
    "sensor_msgs/BatteryState.percentage": "1",
    "nav_msgs/MapMetaData.resolution": "m",
    "ackermann_msgs/AckermannDrive.steering_angle": "rad",
    "ackermann_msgs/AckermannDrive.steering_angle_velocity": "rad/s",
    "ackermann_msgs/AckermannDrive.speed": "m/s",
    "ackermann_msgs/AckermannDrive.acceleration": "m/s^2",
    "ackermann_msgs/AckermannDrive.jerk": "m/s^3",
    "foxglove.Pose.position": "m",
    "foxglove.FrameTransform.translation": "m",
    "foxglove.LocationFix.latitude": "deg",
    "foxglove.LocationFix.longitude": "deg",
    "foxglove.LocationFix.altitude": "m",
    "foxglove.LaserScan.start_angle": "rad",
    "foxglove.LaserScan.end_angle": "rad",
    "foxglove.LaserScan.ranges": "m",
}  # fmt: skip

# By the type of the group itself, wherever it stands.
_GROUPS: dict[str, str | tuple[str, ...]] = {
    "geometry_msgs/Point": "m",
    "geometry_msgs/Point32": "m",
    "geometry_msgs/Quaternion": "1",
    "geometry_msgs/Pose2D": ("m", "m", "rad"),
    "foxglove.Quaternion": "1",
    "foxglove.Point3": "m",
    "std_msgs/ColorRGBA": "1",
}


def units_of(leaf: Leaf, size: int) -> tuple[str, ...] | None:
    """Return the units of a leaf's elements: one for all, or `size` of them; None where they are not defined."""
    owners = [name.replace("/msg/", "/").replace("::", "/") for name in leaf.owner]
    last = leaf.path[-1] if leaf.path else ""
    if leaf.dtype == "time":
        return ("ns",)
    holder = owners[-2] if leaf.members and len(owners) > 1 else owners[-1]
    found = _FIELDS.get(f"{holder}.{last}") or (_GROUPS.get(owners[-1]) if leaf.members else None)
    if found is None:
        return None
    return (found,) if isinstance(found, str) else found


def is_orientation(leaf: Leaf) -> bool:
    """Whether a leaf is a quaternion, w first."""
    return leaf.members == ("w", "x", "y", "z")
