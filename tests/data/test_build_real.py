"""Episodes of real recordings against what NumPy and rosbags make of the same files."""

import numpy as np
import pytest

from motorium.data.ingest.mapping import MappingSpec
from motorium.data.ingest.planning import plan
from tests.data.toylog import S
from tests.support.real import real_data

STATE = "observation.state"


@pytest.mark.real
def test_a_real_drive_is_interpolated_as_numpy_does_from_its_own_arrays():
    folder = next(real_data("comma2k19_example").glob("*/*/processed_log/CAN/speed"))
    times, speed = (np.load(folder / name, allow_pickle=False).reshape(-1) for name in ("t", "value"))
    part = {"stream": "ego.speed", "align": "linear"}
    mapping = MappingSpec.parse({"features": {STATE: part}, "fps": 20, "task": "drive"})
    episode = next(plan(real_data("comma2k19_example"), mapping).episodes(0))
    grid = episode.meta["ingest"]["start_ns"] / S + np.arange(episode.length) / 20
    assert episode.length == int((times[-1] - times[0]) * 20) + 1
    assert episode.arrays[STATE + ".valid"].all()
    np.testing.assert_allclose(episode.arrays[STATE][:, 0], np.interp(grid, times, speed), atol=1e-4)


@pytest.mark.slow
@pytest.mark.real
def test_a_real_robots_odometry_is_interpolated_as_numpy_does_from_what_rosbags_reads():
    from rosbags.highlevel import AnyReader

    path = real_data("bags") / "robot_localization_test1_ros1.bag"
    topic = "/husky_velocity_controller/odom"
    with AnyReader([path]) as bag:
        wanted = [connection for connection in bag.connections if connection.topic == topic]
        read = [bag.deserialize(raw, connection.msgtype) for connection, _, raw in bag.messages(wanted)]
    times = np.array([message.header.stamp.sec * S + message.header.stamp.nanosec for message in read])
    x = np.array([message.pose.pose.position.x for message in read])
    part = {"stream": topic + ".pose.pose.position", "elements": [0], "align": "linear", "max_gap_s": 0.15}
    mapping = MappingSpec.parse({"features": {STATE: part}, "fps": 30, "task": "drive"})
    episode = next(plan(path, mapping).episodes(0))
    grid = episode.meta["ingest"]["start_ns"] - times[0] + np.arange(episode.length) * (S / 30)
    valid = episode.arrays[STATE + ".valid"][:, 0]
    expected = np.interp(grid, times - times[0], x)
    np.testing.assert_allclose(episode.arrays[STATE][valid, 0], expected[valid], atol=1e-5)
    # Its README: gaps to 209 ms; what falls into one of more than 150 ms is not known.
    left = np.clip(np.searchsorted(times - times[0], grid + 1) - 1, 0, len(times) - 2)
    wide = np.diff(times)[left] > 150_000_000
    inside = np.abs(grid - (times - times[0])[left]) > 2
    assert 0 < (~valid).sum() == (wide & inside).sum()
