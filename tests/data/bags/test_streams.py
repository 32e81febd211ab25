"""What becomes of messages: streams, names, units, clocks, masks and suggestions, whatever container they are in.

Expected values are those that the messages were made of; the files are written by the mcap library.
"""

import struct

import numpy as np
import pytest
from mcap.writer import Writer

from motorium.core.errors import DataError
from tests.data.bag_samples import (
    CUSTOM,
    START_NS,
    Make,
    Sent,
    drive,
    opened,
    recorded,
    ros2_store,
)

make = Make(ros2_store())


def test_joint_states_are_named_after_the_joints_and_become_the_state(tmp_path):
    _, segment = recorded(tmp_path, drive(make))
    position = segment.streams["/joint_states.position"]
    assert (position.feature.names, position.feature.shape, position.count) == (("a", "b"), (2,), 10)
    # A joint turns or slides: the message does not say which.
    assert position.feature.units is None
    assert (position.target, position.align) == ("observation.state", "linear")
    assert segment.streams["/joint_states.velocity"].feature.names == ("a.velocity", "b.velocity")
    np.testing.assert_array_equal(segment.values("/joint_states.position")[:, 0], np.arange(10.0))
    np.testing.assert_array_equal(segment.values("/joint_states.position", 3, 5), [[3, -3], [4, -4]])


def test_an_array_that_is_always_empty_is_no_stream_and_is_said(tmp_path):
    log, segment = recorded(tmp_path, drive(make))
    assert "/joint_states.effort" not in segment.streams
    assert any("effort (always empty)" in problem for problem in log.problems)


def test_joints_that_change_their_order_are_put_back_into_the_first_one(tmp_path):
    orders = [("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")]
    angle = {"a": 1.0, "b": 2.0, "c": 3.0}
    sent = [
        Sent("/js", "sensor_msgs/msg/JointState", i, make.joints(i, names, [angle[n] + 10 * i for n in names]))
        for i, names in enumerate(orders)
    ]
    _, segment = recorded(tmp_path, sent)
    assert segment.streams["/js.position"].feature.names == ("a", "b", "c")
    np.testing.assert_array_equal(segment.values("/js.position"), [[1, 2, 3], [11, 12, 13], [21, 22, 23]])


def test_two_publishers_of_different_joints_on_one_topic_are_two_streams(tmp_path):
    sent = []
    for i in range(4):
        sent.append(Sent("/js", "sensor_msgs/msg/JointState", 10 * i, make.joints(10 * i, "ab", [i, i])))
        sent.append(Sent("/js", "sensor_msgs/msg/JointState", 10 * i + 5, make.joints(10 * i + 5, ["grip"], [-i])))
    _, segment = recorded(tmp_path, sent)
    assert segment.streams["/js#1.position"].feature.names == ("a", "b")
    assert segment.streams["/js#2.position"].feature.names == ("grip",)
    np.testing.assert_array_equal(segment.values("/js#2.position")[:, 0], [0, -1, -2, -3])
    np.testing.assert_array_equal(segment.times_ns("/js#2.position", "log") - START_NS, [5, 15, 25, 35])
    assert segment.streams["/js#2.position"].target == "observation.state"


def test_velocities_that_are_missing_in_some_messages_are_masked(tmp_path):
    sent = [
        Sent("/js", "sensor_msgs/msg/JointState", i, make.joints(i, "ab", [i, i], [5, 6] if i != 1 else []))
        for i in range(3)
    ]
    _, segment = recorded(tmp_path, sent)
    assert segment.valid("/js.velocity").tolist() == [True, False, True]
    np.testing.assert_array_equal(segment.values("/js.velocity"), [[5, 6], [0, 0], [5, 6]])
    assert segment.valid("/js.position") is None


def test_odometry_has_units_frames_and_w_first_quaternions(tmp_path):
    turned = make.odometry(0, 1.0)
    turned.pose.pose.orientation = make.quaternion(0.8, 0.1, 0.2, 0.55)
    _, segment = recorded(tmp_path, [Sent("/odom", "nav_msgs/msg/Odometry", 5, turned)])
    streams = segment.streams
    assert streams["/odom.pose.pose.position"].feature.units == ("m", "m", "m")
    assert streams["/odom.pose.pose.position"].feature.frame == "odom"
    assert streams["/odom.twist.twist.angular"].feature.units == ("rad/s",) * 3
    assert streams["/odom.twist.twist.angular"].feature.frame == "base"
    assert streams["/odom.pose.pose.orientation"].align == "slerp"
    np.testing.assert_array_equal(segment.values("/odom.pose.pose.orientation"), [[0.8, 0.1, 0.2, 0.55]])
    state = [key for key, stream in streams.items() if stream.target == "observation.state"]
    assert state == [
        "/odom.pose.pose.position",
        "/odom.pose.pose.orientation",
        "/odom.twist.twist.linear",
        "/odom.twist.twist.angular",
    ]


def test_odometry_is_no_state_where_joints_are(tmp_path):
    _, segment = recorded(tmp_path, drive(make))
    assert segment.streams["/odom.pose.pose.position"].target == "observation.odom"


def test_commands_become_held_actions_and_other_motions_do_not(tmp_path):
    sent = [
        Sent("/cmd_vel", "geometry_msgs/msg/Twist", 0, make.twist(1, 2)),
        Sent("/measured", "geometry_msgs/msg/Twist", 0, make.twist(3, 4)),
    ]
    _, segment = recorded(tmp_path, sent)
    assert segment.streams["/cmd_vel.linear"].target == segment.streams["/cmd_vel.angular"].target == "action"
    assert segment.streams["/cmd_vel.linear"].align == "hold"
    assert segment.streams["/measured.linear"].target == "observation.measured"
    # Twist has no header.
    assert segment.streams["/cmd_vel.linear"].clocks == ("log",)


def test_a_trajectory_of_one_point_is_that_point_and_its_positions_the_action(tmp_path):
    point = make(
        "trajectory_msgs/msg/JointTrajectoryPoint",
        positions=np.array([0.1, 0.2]),
        velocities=np.array([1.0, 2.0]),
        accelerations=np.zeros(0),
        effort=np.zeros(0),
        time_from_start=make("builtin_interfaces/msg/Duration", sec=0, nanosec=20_000_000),
    )
    trajectory = make(
        "trajectory_msgs/msg/JointTrajectory", header=make.header(0), joint_names=["x", "y"], points=[point]
    )
    _, segment = recorded(tmp_path, [Sent("/arm/command", "trajectory_msgs/msg/JointTrajectory", 0, trajectory)])
    positions = segment.streams["/arm/command.points.positions"]
    assert (positions.feature.shape, positions.feature.names, positions.target) == ((2,), ("x", "y"), "action")
    assert segment.streams["/arm/command.points.velocities"].target is None
    assert segment.values("/arm/command.points.time_from_start").tolist() == [[20_000_000]]


def test_an_imu_without_orientation_is_masked(tmp_path):
    sent = [Sent("/imu", "sensor_msgs/msg/Imu", i, make.imu(i, known=i != 1)) for i in range(3)]
    _, segment = recorded(tmp_path, sent)
    assert segment.valid("/imu.orientation").tolist() == [True, False, True]
    assert segment.valid("/imu.angular_velocity") is None
    assert segment.streams["/imu.linear_acceleration"].feature.units == ("m/s^2",) * 3
    assert segment.streams["/imu.angular_velocity"].target == "observation.imu"


def test_every_edge_of_the_tree_of_transforms_is_a_stream(tmp_path):
    sent = []
    for i in range(3):
        both = [make.transform(i, "odom", "base", i), make.transform(i + 1, "base", "arm", 10 + i)]
        sent.append(Sent("/tf", "tf2_msgs/msg/TFMessage", 100 + i, make("tf2_msgs/msg/TFMessage", transforms=both)))
    _, segment = recorded(tmp_path, sent)
    assert sorted(segment.streams) == [
        "tf:base->arm.rotation",
        "tf:base->arm.translation",
        "tf:odom->base.rotation",
        "tf:odom->base.translation",
    ]
    np.testing.assert_array_equal(segment.values("tf:base->arm.translation"), [[10, 0, 0], [11, 0, 0], [12, 0, 0]])
    np.testing.assert_array_equal(segment.values("tf:odom->base.rotation")[0], [0.8, 0, 0, 0.6])
    assert (segment.times_ns("tf:base->arm.translation", "header") - START_NS).tolist() == [1, 2, 3]
    assert segment.streams["tf:odom->base.rotation"].align == "slerp"
    assert segment.streams["tf:odom->base.translation"].feature.units == ("m", "m", "m")


def test_header_stamps_are_the_first_clock_and_differ_from_log_times(tmp_path):
    _, segment = recorded(tmp_path, drive(make, 3))
    assert segment.streams["/odom.pose.pose.position"].clocks == ("header", "log")
    header = segment.times_ns("/odom.pose.pose.position") - START_NS
    assert header.tolist() == [-5_000_000, 95_000_000, 195_000_000]
    log = segment.times_ns("/odom.pose.pose.position", "log") - START_NS
    assert log.tolist() == [1, 100_000_001, 200_000_001]
    with pytest.raises(DataError, match="no clock 'sensor'"):
        segment.times_ns("/odom.pose.pose.position", "sensor")


def test_stamps_that_were_not_set_are_no_clock(tmp_path):
    sent = [Sent("/js", "sensor_msgs/msg/JointState", i, make.joints(None, "ab", [i, i])) for i in range(3)]
    sent += [Sent("/part", "sensor_msgs/msg/JointState", i, make.joints(i or None, "ab", [i, i])) for i in range(3)]
    log, segment = recorded(tmp_path, sent)
    assert segment.streams["/js.position"].clocks == segment.streams["/part.position"].clocks == ("log",)
    assert any("/part: 1 of 3 header stamps are 0" in problem for problem in log.problems)


def test_stamps_of_another_clock_come_second_where_some_topics_have_none(tmp_path):
    apart = -(START_NS - 10**9)  # simulated time, from one second on
    sent = []
    for i in range(3):
        sent.append(Sent("/odom", "nav_msgs/msg/Odometry", i, make.odometry(apart + i, i)))
        sent.append(Sent("/cmd_vel", "geometry_msgs/msg/Twist", i, make.twist(i, i)))
    log, segment = recorded(tmp_path, sent)
    assert segment.streams["/odom.pose.pose.position"].clocks == ("log", "header")
    assert any("different clocks" in problem for problem in log.problems)
    _, alone = recorded(tmp_path, sent[::2])
    assert alone.streams["/odom.pose.pose.position"].clocks == ("header", "log")


def test_messages_logged_out_of_order_keep_their_times(tmp_path):
    order = [3, 1, 2, 0]
    sent = [Sent("/odom", "nav_msgs/msg/Odometry", i, make.odometry(i, i)) for i in order]
    _, segment = recorded(tmp_path, sent)
    assert (segment.times_ns("/odom.pose.pose.position", "log") - START_NS).tolist() == order
    assert segment.values("/odom.pose.pose.position")[:, 0].tolist() == order


def test_a_list_whose_length_varies_is_no_stream_and_is_said(tmp_path):
    sent = [Sent("/grip", CUSTOM, i, make.grip(i, 1.0, contacts=2 + (i == 2))) for i in range(4)]
    log, segment = recorded(tmp_path, sent)
    assert "/grip.contacts" not in segment.streams and "/grip.force" in segment.streams
    assert any("contacts (its length varies (2x3, and 3x3 in sample 2))" in problem for problem in log.problems)


def test_columns_beyond_the_budget_lie_in_files_and_are_equal(tmp_path):
    from motorium.data.formats.bags.columns import Columns

    _, segment = recorded(tmp_path, drive(make))
    small, large = (
        segment.recording.collect({"/odom.pose.pose.position"}, Columns(budget))["/odom.pose.pose.position"].values
        for budget in (0, 10**6)
    )
    assert isinstance(small, np.memmap) and not isinstance(large, np.memmap)
    np.testing.assert_array_equal(small, large)


def test_an_unknown_stream_is_an_error_that_names_the_nearest(tmp_path):
    _, segment = recorded(tmp_path, drive(make, 2))
    with pytest.raises(DataError, match=r"(?s)no stream '/odom.pose.position'.*nearest"):
        segment.values("/odom.pose.position")


def test_a_receiver_without_a_fix_is_masked(tmp_path):
    def fix(i, status):
        return make(
            "sensor_msgs/msg/NavSatFix",
            header=make.header(i, "gps"),
            status=make("sensor_msgs/msg/NavSatStatus", status=status, service=1),
            latitude=48.1,
            longitude=11.5 + i,
            altitude=500.0,
            position_covariance=np.zeros(9),
            position_covariance_type=0,
        )

    sent = [Sent("/fix", "sensor_msgs/msg/NavSatFix", i, fix(i, status)) for i, status in enumerate((0, -1, 2))]
    _, segment = recorded(tmp_path, sent)
    assert segment.valid("/fix.latitude").tolist() == [True, False, True]
    assert segment.valid("/fix.status.status") is None
    assert segment.streams["/fix.longitude"].feature.units == ("deg",)
    assert segment.streams["/fix.altitude"].target == "observation.fix"


def test_a_laser_scan_has_one_stream_of_its_ranges(tmp_path):
    def scan(i):
        numbers = dict.fromkeys(("angle_min", "angle_max", "angle_increment", "time_increment", "scan_time"), 0.5)
        return make(
            "sensor_msgs/msg/LaserScan",
            header=make.header(i, "laser"),
            **numbers,
            range_min=0.1,
            range_max=30.0,
            ranges=np.array([1.0, np.inf, 2.5 + i], np.float32),
            intensities=np.zeros(0, np.float32),
        )

    sent = [Sent("/scan", "sensor_msgs/msg/LaserScan", i, scan(i)) for i in range(2)]
    _, segment = recorded(tmp_path, sent)
    np.testing.assert_array_equal(segment.values("/scan.ranges"), np.array([[1, np.inf, 2.5], [1, np.inf, 3.5]]))
    # Between a hit and no hit lies nothing: ranges are not interpolated.
    assert (segment.streams["/scan.ranges"].align, segment.streams["/scan.ranges"].target) == (
        "nearest",
        "observation.scan",
    )
    assert segment.streams["/scan.ranges"].feature.units == ("m",)


def test_two_types_on_one_topic_are_kept_apart(tmp_path):
    path = tmp_path / "a.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start()
        for kind, definition, data in (
            ("demo_msgs/msg/A", b"float64 one\n", struct.pack("<d", 1.5)),
            ("demo_msgs/msg/B", b"float32 two\n", struct.pack("<f", 2.5)),
        ):
            channel = writer.register_channel("/x", "cdr", writer.register_schema(kind, "ros2msg", definition))
            writer.add_message(channel, 1, b"\0\1\0\0" + data, 1)
        writer.finish()
    _, segment = opened(path)
    found = {key: segment.values(key).tolist() for key in segment.streams}
    assert found == {"/x.one": [[1.5]], "/x (demo_msgs/B).two": [[2.5]]}
