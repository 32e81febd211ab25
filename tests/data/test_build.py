"""From segments to episodes: what stands in every array, what is masked, and what is read when."""

import json

import numpy as np
import pytest

from motorium.core.errors import DataError, SpecError
from motorium.data.ingest import gather, sources
from motorium.data.ingest.mapping import MappingSpec
from motorium.data.ingest.planning import Plan, plan
from motorium.data.ingest.resolve import resolve
from motorium.data.ingest.suggest import suggest
from motorium.data.writer import DatasetWriter
from tests.data.toylog import S, Toy, ToySegment, every, film, toy_log

STATE, ACTION, FRONT = "observation.state", "action", "observation.images.front"


def planned(log, **mapping):
    mapping = {"fps": 10.0, **mapping}
    return Plan(**vars(resolve(log, MappingSpec.parse(mapping))))


def build(log, note=None, index=0, **mapping):
    made = list(planned(log, **mapping).episodes(index, note))
    return made[0] if len(made) == 1 else made


def steps(values, **told):
    return Toy(np.asarray(values, np.float32).reshape(len(values), -1), **told)


def stamped(values, hz=10.0, start=0.0, **told):
    values = np.asarray(values)
    return Toy(
        values.reshape(len(values), -1) if values.ndim < 2 else values, {"log": every(hz, len(values), start)}, **told
    )


def test_steps_are_taken_one_by_one_without_companions():
    toys = {"s": steps(range(5)), "a": steps([[0, 1]] * 5)}
    log = toy_log(ToySegment(toys=toys, meta={"seed": 7}))
    episode = build(log, features={STATE: "s", ACTION: "a"})
    assert list(episode.arrays) == [STATE, ACTION]
    assert episode.arrays[STATE][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert (episode.length, episode.task, episode.meta["seed"]) == (5, "do it", 7)
    assert episode.meta["ingest"] == {"segment": "toy", "format": "toy"}


def test_steps_that_one_stream_has_beyond_the_others_are_reported():
    log = toy_log(ToySegment(toys={"s": steps(range(6)), "a": steps(range(5))}))
    episode = build(log, features={STATE: "s", ACTION: "a"})
    assert episode.length == 5 and episode.meta["ingest"]["beyond_the_end"] == {"s": 1}


def test_steps_of_a_known_rate_are_resampled_to_another():
    log = toy_log(ToySegment(toys={"s": steps(range(9), align="linear")}), rate_hz=20.0)
    episode = build(log, features={STATE: "s"}, fps=10.0)
    assert episode.arrays[STATE][:, 0].tolist() == [0, 2, 4, 6, 8]
    assert episode.arrays[STATE + ".valid"].all()
    assert list(build(log, features={STATE: "s"}, fps=20.0).arrays) == [STATE]


def test_streams_are_put_on_one_grid_with_masks_and_times():
    # By hand: steps at 1.0, 1.1, ..., 1.4 s.
    toys = {
        "slow": Toy(np.array([[0.0], [4.0]]), {"log": np.array([1.0, 1.4]) * S}, align="linear"),
        "near": Toy(np.array([[7], [8], [9]]), {"log": np.array([1.0, 1.12, 1.4]) * S}),
        "held": Toy(np.array([[1.0], [2.0]]), {"log": np.array([0.5, 1.25]) * S}, align="hold"),
    }
    parts = [{"stream": "slow", "max_gap_s": 1}, {"stream": "near", "tolerance_s": 0.05}, {"stream": "held"}]
    episode = build(toy_log(ToySegment(toys=toys)), features={STATE: parts})
    np.testing.assert_allclose(
        episode.arrays[STATE], [[0, 7, 1], [1, 8, 1], [2, 0, 1], [3, 0, 2], [4, 9, 2]], atol=1e-9
    )
    valid = [[1, 1, 1], [1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 1, 1]]
    assert episode.arrays[STATE + ".valid"].tolist() == np.array(valid, bool).tolist()
    times = [[0, -0.5], [0.12, -0.5], [0, -0.5], [0, 0.25], [0.4, 0.25]]
    np.testing.assert_allclose(episode.arrays[STATE + ".time"], times, atol=1e-9)
    found = episode.meta["ingest"]
    assert found["start_ns"] == S and found["invalid"][STATE] == pytest.approx(2 / 15, abs=1e-6)


def test_a_declared_offset_moves_a_stream():
    toys = {"a": stamped(range(10), align="linear"), "b": stamped(range(10), align="linear")}
    parts = ["a", {"stream": "b", "offset_s": 0.2}]
    episode = build(toy_log(ToySegment(toys=toys)), features={STATE: parts})
    np.testing.assert_allclose(episode.arrays[STATE][:, 0] - episode.arrays[STATE][:, 1], 2.0, atol=1e-9)
    assert episode.length == 8


def test_the_clock_is_the_mappings_for_all_and_a_parts_for_itself():
    toys = {"a": Toy(np.arange(20.0)[:, None], {"header": every(10, 20), "log": every(10, 20, 1.0)}, align="linear")}
    toys["b"] = Toy(np.arange(20.0)[:, None], {"header": every(10, 20), "log": every(10, 20, 0.5)}, align="linear")
    log = toy_log(ToySegment(toys=toys))
    for extra, expected in (({}, 0.0), ({"clock": "log"}, -5.0)):
        values = build(log, features={STATE: ["a", "b"]}, **extra).arrays[STATE]
        np.testing.assert_allclose(values[:, 0] - values[:, 1], expected, atol=1e-6)
    mixed = build(log, features={STATE: ["a", {"stream": "b", "clock": "log"}]})
    np.testing.assert_allclose(mixed.arrays[STATE][:, 0] - mixed.arrays[STATE][:, 1], 5.0, atol=1e-6)
    assert mixed.meta["ingest"]["clock"] == {"a": "header", "b": "log"}
    assert mixed.meta["ingest"]["clock_offset_s"] == {"a": 1.0, "b": -0.5}
    assert build(log, features={STATE: ["a", "b"]}).meta["ingest"]["clock"] == "header"


def test_the_grid_begins_on_a_picture_so_that_a_camera_of_the_same_rate_is_met_exactly():
    toys = {"s": stamped(range(30), align="linear"), "cam": Toy(film(20), {"log": every(10, 20, 0.33)}, visual=True)}
    episode = build(toy_log(ToySegment(toys=toys)), features={STATE: "s", FRONT: "cam"})
    np.testing.assert_allclose(episode.arrays[FRONT + ".time"][:, 0], np.arange(20) / 10, atol=1e-9)
    assert [int(frame[0, 0, 0]) for frame in episode.frames[FRONT]] == list(range(1, 21))


def test_pictures_are_decoded_only_while_they_are_looked_at_and_a_gap_is_black():
    times = np.delete(every(10, 12), [4, 5, 6, 7])
    segment = ToySegment(toys={"s": stamped(range(12)), "cam": Toy(film(8), {"log": times}, visual=True)})
    episode = build(toy_log(segment), features={STATE: "s", FRONT: {"stream": "cam", "tolerance_s": 0.11}}, span="s")
    frames = episode.frames[FRONT]
    assert frames.shape == (12, 4, 6, 3) and frames.dtype == np.uint8 and len(frames) == 12
    assert segment.shown == []
    shown = [int(frame.max()) for frame in frames]
    assert shown == [1, 2, 3, 4, 4, 0, 0, 5, 5, 6, 7, 8]
    assert episode.arrays[FRONT + ".valid"][:, 0].tolist() == [number > 0 for number in shown]
    assert [int(frame.max()) for frame in frames] == shown


def test_pictures_stamped_out_of_order_are_shown_in_order_of_time():
    times = every(10, 6)[[0, 2, 1, 3, 5, 4]]
    log = toy_log(ToySegment(toys={"s": stamped(range(6)), "cam": Toy(film(6), {"log": times}, visual=True)}))
    episode = build(log, features={STATE: "s", FRONT: "cam"})
    assert [int(frame.max()) for frame in episode.frames[FRONT]] == [1, 3, 2, 4, 6, 5]
    assert episode.meta["ingest"]["backward"] == {"cam": 2}


def test_pictures_are_cut_or_padded_at_the_bottom_and_the_right():
    log = toy_log(ToySegment(toys={"s": steps(range(3)), "cam": Toy(film(3, 5, 7), visual=True)}))
    cut = build(log, features={STATE: "s", FRONT: "cam"}).frames[FRONT]
    assert cut.shape == (3, 4, 6, 3) and all(frame.min() > 0 for frame in cut)
    part = {"stream": "cam", "height": 8, "width": 4}
    first = next(iter(build(log, features={STATE: "s", FRONT: part}).frames[FRONT]))
    assert (first[:5] == 1).all() and (first[5:] == 0).all() and first.shape == (8, 4, 3)


def test_a_picture_of_another_size_is_an_error_that_names_it_unless_a_size_is_given():
    class Changing(ToySegment):
        def pictures(self, key, samples):
            for sample in samples:
                yield np.full((4 if sample < 2 else 9, 6, 3), 1, np.uint8)

    log = toy_log(Changing(toys={"s": steps(range(4)), "cam": Toy(film(4), visual=True)}))
    frames = build(log, features={STATE: "s", FRONT: "cam"}).frames[FRONT]
    with pytest.raises(DataError, match="another size") as caught:
        list(frames)
    assert "sample 2" in str(caught.value) and "height and width" in str(caught.value)
    part = {"stream": "cam", "height": 4, "width": 6}
    assert len(list(build(log, features={STATE: "s", FRONT: part}).frames[FRONT])) == 4


@pytest.mark.parametrize(("channels", "shown"), [("bgr", [255, 0, 0]), ("rgb", [0, 0, 255]), (None, [0, 0, 255])])
def test_pictures_stored_blue_first_are_swapped_where_the_mapping_says_so(channels, shown):
    # A red picture, as OpenCV holds it: blue, green, red.
    red = np.zeros((3, 4, 6, 3), np.uint8)
    red[..., 2] = 255
    log = toy_log(ToySegment(toys={"s": steps(range(3)), "cam": Toy(red, visual=True)}))
    part = {"stream": "cam", "height": 8, "width": 6, **({"channels": channels} if channels else {})}
    made = planned(log, features={STATE: "s", FRONT: part})
    plain = json.loads(json.dumps(made.to_plain()))
    assert plain["outputs"][1]["sources"][0]["bgr"] is (channels == "bgr")
    for picture in next(made.episodes(0)).frames[FRONT]:
        assert picture.flags.c_contiguous and (picture[:4] == shown).all() and not picture[4:].any()


def test_only_pictures_have_channels():
    log = toy_log(ToySegment(toys={"s": steps(range(3))}))
    with pytest.raises(SpecError, match="only pictures have channels") as caught:
        build(log, features={STATE: {"stream": "s", "channels": "bgr"}})
    assert "features.observation.state[0].channels" in str(caught.value)


def test_how_long_a_command_was_held_is_reported():
    commands = Toy(
        np.arange(5.0).reshape(5, 1), {"log": np.array([0.0, 0.1, 0.2, 0.3, 60.0]).astype(float) * S}, align="hold"
    )
    commands.times = {"log": np.round(commands.times["log"]).astype(np.int64)}
    log = toy_log(ToySegment(toys={"s": stamped(np.arange(611.0)), "a": commands}))
    held = build(log, features={STATE: "s", ACTION: "a"}).meta["ingest"]["held"]
    # The sample of 0.3 s stands until 59.9 s, the step before that of 60 s.
    assert held == {"a": {"longest_s": pytest.approx(59.6), "usual_s": pytest.approx(0.1)}}
    part = {"stream": "a", "max_gap_s": 0.5}
    held = build(log, features={STATE: "s", ACTION: part}).meta["ingest"]["held"]
    assert held["a"]["longest_s"] == pytest.approx(0.5)


def test_a_camera_that_ends_early_is_an_error():
    class Short(ToySegment):
        def pictures(self, key, samples):
            yield from film(2)

    log = toy_log(Short(toys={"s": steps(range(4)), "cam": Toy(film(4), visual=True)}))
    with pytest.raises(DataError, match="fewer pictures"):
        list(build(log, features={STATE: "s", FRONT: "cam"}).frames[FRONT])


def test_numbers_that_are_not_finite_drop_the_episode_of_steps_and_say_so():
    log = toy_log(ToySegment("bad", {"s": steps([0, np.nan, 2])}), ToySegment("good", {"s": steps([0, 1])}))
    notes = []
    assert build(log, notes.append, 0, features={STATE: "s"}) == []
    assert len(notes) == 1 and "bad" in notes[0] and "step 1" in notes[0]
    assert build(log, notes.append, 1, features={STATE: "s"}).length == 2 and len(notes) == 1
    with pytest.raises(DataError, match="not finite"):
        build(log, None, 0, features={STATE: "s"})
    with pytest.raises(DataError, match="not finite"):
        build(log, notes.append, 0, features={STATE: "s"}, nonfinite="stop")
    masked = build(log, None, 0, features={STATE: "s"}, nonfinite="mask")
    assert masked.arrays[STATE][:, 0].tolist() == [0, 0, 2]
    assert masked.arrays[STATE + ".valid"][:, 0].tolist() == [True, False, True]


def test_the_features_follow_from_the_plan_and_not_from_an_episodes_data():
    toys = {"s": stamped(np.arange(5.0)), "b": stamped(np.array([[True]] * 5))}
    toys["t"] = stamped(np.array([["a"]] * 5, object))
    good = planned(toy_log(ToySegment(toys=toys)), features={STATE: "s", "b": "b", "t": "t"})
    toys["s"] = stamped([0, np.nan, 2, 3, 4])
    bad = planned(toy_log(ToySegment(toys=toys)), features={STATE: "s", "b": "b", "t": "t"})
    assert good.features == bad.features
    for one in (good, bad):
        episode = next(one.episodes(0))
        episode.check(one.features)
    assert not episode.arrays[STATE + ".valid"][1, 0]


def test_masks_of_the_source_are_kept_by_element_and_by_sample():
    valid = np.array([[True, False], [True, True], [True, True]])
    toys = {"s": steps(np.ones((3, 2)), valid=valid), "a": steps(range(3), valid=np.array([True, False, True]))}
    episode = build(toy_log(ToySegment(toys=toys)), features={STATE: "s", ACTION: "a"})
    assert episode.arrays[STATE + ".valid"].tolist() == valid.tolist()
    assert episode.arrays[ACTION + ".valid"][:, 0].tolist() == [True, False, True]
    assert episode.arrays[STATE][0].tolist() == [1, 0]


def scene(name, slots):
    shown = {"objects.position": Toy(np.ones((4, slots, 3)) * slots, target="objects.position", ragged=True)}
    shown["objects.valid"] = Toy(np.ones((4, slots), bool), target="objects.valid", ragged=True)
    return ToySegment(name, shown)


def test_slots_of_objects_are_padded_to_the_most_of_any_segment_and_masked():
    log = toy_log(scene("a", 2), scene("b", 5))
    made = planned(log, features={key: key for key in ("objects.position", "objects.valid")})
    assert {key: feature.shape for key, feature in made.features.items()} == {
        "objects.position": (5, 3),
        "objects.position.valid": (5, 3),
        "objects.valid": (5,),
    }
    first, second = next(made.episodes(0)), next(made.episodes(1))
    assert first.arrays["objects.valid"].sum(axis=1).tolist() == [2] * 4
    assert first.arrays["objects.position.valid"].sum() == 4 * 2 * 3
    assert (first.arrays["objects.position"][:, 2:] == 0).all()
    assert second.arrays["objects.position.valid"].all()
    few = planned(log, features={"objects.position": {"stream": "objects.position", "slots": 3}})
    assert next(few.episodes(1)).arrays["objects.position"].shape == (4, 3, 3)


def test_parts_are_joined_by_elements_with_names_units_and_scale():
    toys = {
        "/left/arm.position": steps([[1, 2, 3]] * 2, names=["x", "y", "z"], units=["m"]),
        "/right/arm.position": steps([[4, 5, 6]] * 2, names=["x", "y", "z"], units=["m", "m", "m"]),
        "grip": steps([[1500]] * 2, units=["mm"]),
    }
    grip = {"stream": "grip", "scale": 0.001, "units": "m", "names": ["opening"]}
    parts = ["/left/arm.position", {"stream": "/right/arm.position", "elements": ["z", 0]}, grip]
    made = planned(toy_log(ToySegment(toys=toys)), features={STATE: parts})
    feature = made.features[STATE]
    left, right = ("left.arm.position.", "right.arm.position.")
    assert feature.names[:5] == (left + "x", left + "y", left + "z", right + "z", right + "x")
    assert feature.names[5].endswith("opening") and feature.units == ("m",) * 6
    np.testing.assert_allclose(next(made.episodes(0)).arrays[STATE][0], [1, 2, 3, 6, 4, 1.5], rtol=1e-6)


def test_names_without_any_come_from_the_stream():
    made = planned(toy_log(ToySegment(toys={"/a/b.pose": steps([[1, 2]] * 2)})), features={STATE: "/a/b.pose"})
    assert made.features[STATE].names == ("pose.0", "pose.1") and made.features[STATE].units is None


def test_precision_is_kept_unless_float32_is_wanted():
    log = toy_log(ToySegment(toys={"s": Toy(np.array([[1e9 + 0.1]] * 2)), "n": Toy(np.array([[7]] * 2))}))
    made = planned(log, features={STATE: "s", "n": "n"})
    assert (made.features[STATE].dtype, made.features["n"].dtype) == ("float64", "int64")
    assert next(made.episodes(0)).arrays[STATE][0, 0] == 1e9 + 0.1
    assert planned(log, features={STATE: "s"}, floats="float32").features[STATE].dtype == "float32"


def test_silences_of_a_stream_part_a_segment_into_episodes():
    times = np.concatenate([every(10, 20), every(10, 15, 10.0), every(10, 1, 20.0)])
    values = np.arange(36.0)[:, None]
    log = toy_log(ToySegment(toys={"s": Toy(values, {"log": times}), "a": Toy(values, {"log": times})}))
    notes = []
    made = build(log, notes.append, features={STATE: "s", ACTION: "a"}, split={"stream": "s", "gap_s": 1.0})
    assert [episode.length for episode in made] == [20, 15]
    assert made[1].arrays[STATE][:, 0].tolist() == list(range(20, 35))
    assert made[1].meta["ingest"]["segment"] == "toy, part 2 of 3"
    assert len(notes) == 1 and "part 2" in notes[0] and "shorter" in notes[0]


def test_a_segment_without_a_stream_is_dropped_masked_or_an_error():
    full, poor = {"s": stamped(range(5)), "a": stamped(range(5))}, {"s": stamped(range(5))}
    log = toy_log(ToySegment("full", full), ToySegment("poor", poor))
    features, notes = {STATE: "s", ACTION: "a"}, []
    with pytest.raises(DataError, match="lacks a stream"):
        build(log, notes.append, 1, features=features)
    assert build(log, notes.append, 1, features=features, lacking="drop") == []
    assert len(notes) == 1 and "poor" in notes[0] and "a" in notes[0]
    masked = build(log, None, 1, features=features, lacking="mask")
    assert masked.length == 5 and not masked.arrays[ACTION + ".valid"].any() and masked.arrays[STATE + ".valid"].all()


def test_streams_that_share_no_time_leave_the_segment_out_and_say_so():
    log = toy_log(ToySegment(toys={"s": stamped(range(5)), "a": stamped(range(5), start=100.0)}))
    notes = []
    assert build(log, notes.append, features={STATE: "s", ACTION: "a"}) == []
    assert "share no time" in notes[0] and "100.000 to 100.400 s" in notes[0]


@pytest.mark.parametrize(
    "mapping, where, nearest",
    [
        ({"features": {STATE: "/odom.positon"}}, f"features.{STATE}[0]", "/odom.position"),
        ({"features": {STATE: {"stream": "/odom.position", "elements": ["w"]}}}, "elements", None),
        ({"features": {STATE: {"stream": "/odom.position", "elements": [3]}}}, "elements", None),
        ({"features": {STATE: {"stream": "/odom.position", "clock": "heder"}}}, "clock", "header"),
        ({"features": {STATE: {"stream": "/odom.position", "align": "slerp"}}}, "align", None),
        ({"features": {STATE: {"stream": "/odom.position", "names": ["a"]}}}, "names", None),
        ({"features": {STATE: ["/odom.position", "/cam"]}}, STATE, None),
        ({"features": {STATE: ["/odom.position", "step"]}}, "features", None),
        ({"features": {"a/b": "/odom.position"}}, "a/b", None),
        ({"features": {"timestamp": "/odom.position"}}, "timestamp", None),
        ({"features": {STATE: "/odom.position", STATE + ".valid": "/odom.position"}}, STATE, None),
        ({"features": {STATE: "/odom.position"}, "span": "/odom"}, "span", "/odom.position"),
        ({"features": {STATE: "/odom.position"}, "split": {"stream": "x", "gap_s": 1}}, "split.stream", None),
        ({"features": {STATE: "step"}, "split": {"stream": "step", "gap_s": 1}}, "split", None),
        ({"features": {STATE: []}}, STATE, None),
        ({"features": {}}, "features", None),
        ({"features": {STATE: "/odom.position"}, "fps": None}, "fps", None),
    ],
)
def test_a_mapping_that_does_not_fit_says_where_and_what_is_near(mapping, where, nearest):
    toys = {
        "/odom.position": Toy(np.zeros((5, 3)), {"header": every(10, 5), "log": every(10, 5)}),
        "/cam": Toy(film(5), {"log": every(10, 5)}, visual=True),
        "step": steps(range(5)),
    }
    with pytest.raises(SpecError) as caught:
        planned(toy_log(ToySegment(toys=toys)), **mapping)
    assert where in str(caught.value.details["where"])
    assert nearest is None or caught.value.details["nearest"] == nearest


def test_samples_are_read_in_slices_and_only_those_that_are_needed(monkeypatch):
    monkeypatch.setattr(gather, "SLICE_BYTES", 80)
    values = np.arange(1000.0)[:, None]
    segment = ToySegment(toys={"s": Toy(values, {"log": every(1000, 1000)}, align="linear")})
    episode = build(toy_log(segment), features={STATE: "s"})
    np.testing.assert_allclose(episode.arrays[STATE][:, 0], np.arange(0, 1000, 100))
    sizes = [stop - start for key, start, stop in segment.reads]
    assert max(sizes) <= 10 and sum(sizes) <= 20


def test_an_array_too_large_for_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(gather, "LARGEST_ARRAY", 1000)
    with pytest.raises(DataError, match="too large"):
        build(toy_log(ToySegment(toys={"s": stamped(np.zeros((100, 50)))})), features={STATE: "s"})


def test_a_reader_that_gives_other_shapes_than_it_said_is_an_error():
    class Lying(ToySegment):
        def values(self, key, start=0, stop=None):
            return np.zeros((1, 1), np.float32)

    with pytest.raises(DataError, match="not what the stream was said to hold"):
        build(toy_log(Lying(toys={"s": steps(range(5))})), features={STATE: "s"})


def test_streams_are_announced_before_they_are_read():
    segment = ToySegment(toys={"s": stamped(range(5)), "a": stamped(range(5)), "other": stamped(range(5))})
    build(toy_log(segment), features={STATE: "s", ACTION: "a"})
    assert segment.prepared == [["a", "s"]]


def test_attachments_travel_with_every_episode():
    class Mapped(ToySegment):
        def attachments(self):
            return {"map.json": lambda: b"{}"}

    episode = build(toy_log(Mapped(toys={"s": steps(range(5))})), features={STATE: "s"})
    assert dict(episode.attachments) == {"map.json": b"{}"}


def test_a_late_stream_is_reported_and_not_moved():
    rng = np.random.default_rng(1)
    speed = np.convolve(rng.normal(size=420), np.ones(21) / 21, "valid") * (np.sin(np.arange(400) / 15) > -0.2)
    motion = np.cumsum(speed)
    toys = {"a": stamped(motion, 20.0, align="linear"), "b": stamped(motion, 20.0, start=0.3, align="linear")}
    episode = build(toy_log(ToySegment(toys=toys)), features={STATE: ["a", "b"]}, fps=20.0)
    found = episode.meta["ingest"]["motion_offset"]["b"]
    assert found["against"] == "a" and found["offset_s"] == pytest.approx(0.3, abs=0.03)
    first, second = episode.arrays[STATE].T
    np.testing.assert_allclose(first[:-6], second[6:], atol=1e-9)


def test_a_plan_crosses_to_another_process_and_builds_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(sources.LOGS._rows, "toy", "tests.data.toylog:FORMAT")
    for name, hz in (("a.toy", 5), ("b.toy", 5)):
        (tmp_path / name).write_text(f"TOY {hz}")
    log = sources.open_log(tmp_path)
    made = Plan(**vars(resolve(log, suggest(log).mapping)))
    again = Plan.from_plain(json.loads(json.dumps(made.to_plain())))
    assert again.features == made.features and again.mapping == made.mapping and again.outputs == made.outputs
    for index in range(2):
        one, other = next(made.episodes(index)), next(again.episodes(index))
        np.testing.assert_array_equal(one.arrays[STATE], other.arrays[STATE])
        assert one.meta == other.meta
    (tmp_path / "c.toy").write_text("TOY 5")
    with pytest.raises(DataError, match="has changed"):
        Plan.from_plain(made.to_plain())


def test_decisions_are_asked_for_answered_or_accepted(tmp_path, monkeypatch):
    monkeypatch.setitem(sources.LOGS._rows, "toy", "tests.data.toylog:FORMAT")
    (tmp_path / "a").write_text("TOY 0")
    with pytest.raises(DataError, match="1 decision is needed") as caught:
        plan(tmp_path / "a")
    assert "features:" in str(caught.value) and "--mapping" in caught.value.details["remedy"]
    assert plan(tmp_path / "a", fps=7).fps == 7 and plan(tmp_path / "a", fps=7).notes == ()
    accepted = plan(tmp_path / "a", accept=True)
    assert accepted.fps == 10 and "fps was not decided, 10 is taken" in accepted.notes[0]
    given = MappingSpec.parse({"features": {ACTION: "x"}, "fps": 5, "task": "wave"})
    decided = plan(tmp_path / "a", given, fps=6)
    assert list(decided.features) == [ACTION] and (decided.fps, decided.mapping.task) == (6, "wave")
    with pytest.raises(DataError, match="decision is needed"):
        plan(tmp_path / "a", MappingSpec.parse({"features": {ACTION: "x"}}))


def test_what_is_built_can_be_written_and_read_back(tmp_path):
    toys = {
        "s": stamped(np.cumsum(np.ones((40, 2)), 0), 20.0, align="linear", target=STATE, units=["m", "m"]),
        "cam": Toy(film(20, 32, 48), {"log": every(10, 20)}, visual=True, target=FRONT),
        "say": Toy(np.array([["on"], ["off"]], object), {"log": every(1, 2)}, align="hold", target="words"),
    }
    log = toy_log(ToySegment(toys=toys), robot_type="arm", conventions={"frame": "base"})
    made = Plan(**vars(resolve(log, suggest(log).mapping.replace(fps=10.0))))
    with DatasetWriter(tmp_path / "made", spec=made.dataset_spec()) as writer:
        for episode in made.episodes(0):
            writer.add(episode)
    from motorium.data.dataset import open_dataset

    read = open_dataset(tmp_path / "made")
    assert (read.fps, read.robot_type, read.num_frames) == (10.0, "arm", 20)
    assert read.features[STATE].units == ("m", "m") and read.conventions["frame"] == "base"
    episode = read.episode(0)
    np.testing.assert_allclose(episode.arrays[STATE][:, 0], 1 + 2 * np.arange(20), atol=1e-9)
    assert episode.arrays["words"][[0, 9, 10], 0].tolist() == ["on", "on", "off"]
    assert episode.meta["ingest"]["segment"] == "toy"
    means = read.frames(0, FRONT).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, np.arange(1, 21), atol=2.0)


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("digits", [9, 6, 3])
def test_no_picture_is_lost_at_the_end_to_stamps_that_were_cut_off(fps, digits):
    times = np.floor(np.arange(60) / fps * 10**digits).astype(np.int64) * 10 ** (9 - digits)
    toys = {
        "cam": Toy(film(60), {"log": times}, visual=True),
        "joints": Toy(np.arange(600.0)[:, None], {"log": every(100.0, 600)}, align="linear"),
    }
    episode = build(toy_log(ToySegment(toys=toys)), fps=fps, features={STATE: "joints", FRONT: "cam"})
    assert episode.length == 60 and episode.arrays[STATE + ".valid"].all() and episode.arrays[FRONT + ".valid"].all()


def test_a_part_that_is_joined_by_lines_ends_with_its_last_sample():
    toys = {"x": stamped(np.arange(10.0), align="linear"), "y": stamped(np.arange(11.0), start=-0.001, align="linear")}
    episode = build(toy_log(ToySegment(toys=toys)), features={STATE: ["x", "y"]})
    assert episode.length == 10 and episode.arrays[STATE + ".valid"].all()
