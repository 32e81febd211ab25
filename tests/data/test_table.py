"""Tables as recordings: what is found out, what is said, what is refused with file and row."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from motorium.core.errors import DataError, SpecError
from motorium.data.formats.table import FORMAT
from motorium.data.formats.tables import csv as table_csv
from motorium.data.formats.tables import files as table_files
from motorium.data.formats.tables.columns import split_unit
from tests.data.damage import damaged, read_all, survives
from tests.data.driving_samples import picture

DRIVE = """t [s],run,pos_x_m,pos_y_m,pos_z_m,q_x,q_y,q_z,q_w,speed [km/h],cmd_steer_rad,note,gear
0.0,1,1,2,3,0,0,0,1,10.5,0.1,"hello, ""you""
there",1
0.1,1,1.5,2,3,0,0,0,1,,0.2,x,0
0.2,1,1.5,2,3,0,0,0,1,inf,0.2,,1
0.0,2,1.5,2,3,0.5,0.5,0.5,0.5,nan,0.2,,1
0.1,2,1.5,2,4,0,0,0,1,12,0.2,,2
"""


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def drive(tmp_path):
    return write(tmp_path / "drive.csv", DRIVE)


def only(path, options=None):
    (segment,) = FORMAT.open(path, options).segments
    return segment


def test_a_table_is_recognised_by_its_content(drive, tmp_path):
    assert "csv" in FORMAT.recognise(drive)
    assert FORMAT.recognise(tmp_path)
    assert FORMAT.recognise(write(tmp_path / "prose.txt", "It was a bright\ncold day in April\n")) is None
    assert FORMAT.recognise(write(tmp_path / "one.csv", "a\n1\n2\n")) is None
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\0\0,\0\n")
    assert FORMAT.recognise(tmp_path / "binary.csv") is None
    assert FORMAT.recognise(tmp_path / "absent.csv") is None


def test_episodes_are_parted_where_their_column_changes(drive):
    log = FORMAT.open(drive)
    assert [segment.name for segment in log.segments] == ["run=1", "run=2"]
    assert [segment.times_ns("gear").tolist() for segment in log.segments] == [[0, 10**8, 2 * 10**8], [0, 10**8]]
    assert FORMAT.suggest(drive)["episode"] == "run"
    assert FORMAT.suggest(drive)["time"] == "t [s]" and FORMAT.suggest(drive)["time_unit"] == "s"
    whole = only(drive, {"episode": None, "time": None})
    assert whole.streams["gear"].count == 5 and whole.streams["gear"].clocks == ()


def test_columns_that_belong_together_become_vectors_with_their_units(drive):
    first, second = FORMAT.open(drive).segments
    assert first.streams["pos"].feature.units == ("m", "m", "m")
    assert first.streams["pos"].feature.names == ("pos_x_m", "pos_y_m", "pos_z_m")
    assert second.values("pos").tolist() == [[1.5, 2.0, 3.0], [1.5, 2.0, 4.0]]
    # Stored x, y, z, w; handed over w first.
    assert first.values("q")[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert first.streams["q"].align == "slerp"
    assert first.streams["speed [km/h]"].feature.units == ("km/h",)


def test_commands_are_held_and_codes_are_not_interpolated(drive):
    streams = FORMAT.open(drive).segments[0].streams
    assert (streams["cmd_steer_rad"].target, streams["cmd_steer_rad"].align) == ("action", "hold")
    assert (streams["speed [km/h]"].target, streams["speed [km/h]"].align) == ("observation.state", "linear")
    assert streams["gear"].align == "nearest"
    assert streams["t [s]"].target is streams["run"].target is streams["note"].target is None


def test_empty_and_infinite_cells_are_masked_not_filled(drive):
    first, second = FORMAT.open(drive).segments
    assert first.valid("speed [km/h]")[:, 0].tolist() == [True, False, False]
    assert second.valid("speed [km/h]")[:, 0].tolist() == [False, True]
    values = first.values("speed [km/h]")[:, 0]
    assert values[0] == 10.5 and np.isnan(values[1]) and np.isinf(values[2])
    assert first.valid("pos") is None and first.valid("gear") is None


def test_a_cell_may_span_lines(drive):
    assert FORMAT.open(drive).segments[0].values("note")[:, 0].tolist() == ['hello, "you"\nthere', "x", ""]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("speed [m/s]", ("speed", "m/s")),
        ("speed (rad/s)", ("speed", "rad/s")),
        ("speed_mps", ("speed", "m/s")),
        ("yaw_rate_rad_s", ("yaw_rate", "rad/s")),
        ("x_m", ("x", "m")),
        ("t_ms", ("t", "ms")),
        ("m", ("m", None)),
        ("q[3]", ("q[3]", None)),
        ("arm", ("arm", None)),
        ("temperature [°C]", ("temperature", "°C")),
    ],
)
def test_units_are_read_off_headers(header, expected):
    assert split_unit(header) == expected


def test_delimiters_decimal_commas_marks_comments_and_line_ends_are_found_out(tmp_path):
    for text in (
        "t;x\n0;1,5\n1;2,25\n",
        "t\tx\n0\t1.5\n1\t2.25\n",
        "t|x\r\n0|1.5\r\n1|2.25\r\n",
        "t,x\n\n0,1.5\n\n1,2.25",
    ):
        segment = only(write(tmp_path / "a.csv", text))
        assert segment.values("x")[:, 0].tolist() == [1.5, 2.25], text
    segment = only(write(tmp_path / "a.csv", "\ufeff# made by hand\n# on a day\nt,x\n0,1.5\n1,2.25\n"))
    assert segment.values("x")[:, 0].tolist() == [1.5, 2.25] and "t" in segment.streams
    segment = only(write(tmp_path / "a.csv", "# t,x\n0,1.5\n1,2.25\n"))
    assert segment.values("x")[:, 0].tolist() == [1.5, 2.25]
    segment = only(write(tmp_path / "a.csv", "0,1.5\n1,2.25\n"))
    assert segment.values("column_1")[:, 0].tolist() == [1.5, 2.25]


def test_encodings(tmp_path):
    segment = only(write(tmp_path / "a.csv", "t,größe,wo\n0,1,café\n1,2,Köln\n", "latin-1"))
    assert segment.values("wo")[:, 0].tolist() == ["café", "Köln"] and "größe" in segment.streams
    segment = only(write(tmp_path / "a.csv", "t,größe,wo\n0,1,café\n1,2,Köln\n"))
    assert segment.values("wo")[:, 0].tolist() == ["café", "Köln"]
    with pytest.raises(DataError, match="UTF-16"):
        FORMAT.open(write(tmp_path / "a.csv", "t,x\n0,1\n", "utf-16"), {"delimiter": ","})


def test_columns_without_a_name_of_their_own_get_one_and_it_is_said(tmp_path):
    log = FORMAT.open(write(tmp_path / "a.csv", "t,x,x,\n0,1,2,3\n1,4,5,6\n"))
    assert {"x", "x.2", "column_3"} <= set(log.segments[0].streams)
    assert any("renamed" in problem for problem in log.problems)


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("t", ("0", "0.1"), [0, 10**8]),
        ("t_ms", ("5", "7"), [5_000_000, 7_000_000]),
        ("timestamp_ns", ("1700000000000000001", "1700000000000000002"), [1700000000000000001, 1700000000000000002]),
        # By their size: 1.7e9 s, 1.7e12 ms and 1.7e15 us are November 2023.
        ("timestamp", ("1700000000000", "1700000000001"), [1_700_000_000_000_000_000, 1_700_000_000_001_000_000]),
        ("timestamp", ("1700000000000000", "1700000000000001"), [1_700_000_000_000_000_000, 1_700_000_000_000_001_000]),
        ("timestamp", ("1700000000.25", "1700000000.5"), [1_700_000_000_250_000_000, 1_700_000_000_500_000_000]),
        ("time", ("2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"), [1_700_000_000 * 10**9, 1_700_000_001 * 10**9]),
        ("time", ("2023-11-14 22:13:20.5", "2023-11-14 22:13:21"), [1_700_000_000_500_000_000, 1_700_000_001 * 10**9]),
    ],
)
def test_times_by_header_size_or_date(tmp_path, header, cells, expected):
    segment = only(write(tmp_path / "a.csv", f"{header},x\n{cells[0]},1\n{cells[1]},2\n"))
    assert segment.times_ns("x").tolist() == expected


def test_a_unit_that_was_assumed_is_said_and_may_be_stated(tmp_path):
    path = write(tmp_path / "a.csv", "t,x\n0,1\n20,2\n")
    assert any("taken as seconds" in problem for problem in FORMAT.open(path).problems)
    assert only(path, {"time_unit": "ms"}).times_ns("x").tolist() == [0, 20_000_000]
    assert not FORMAT.open(path, {"time_unit": "ms"}).problems


def test_times_that_go_back_are_said_with_their_row(tmp_path):
    log = FORMAT.open(write(tmp_path / "a.csv", "t_s,x\n0,1\n1,2\n0,3\n1,4\n"))
    assert any("go back in 1 rows, first in row 3" in problem for problem in log.problems)
    log = FORMAT.open(write(tmp_path / "a.csv", "t_s,run,x\n0,a,1\n1,a,2\n0,b,3\n1,b,4\n"))
    assert not log.problems and len(log.segments) == 2


def test_a_time_that_is_missing_names_its_row(tmp_path):
    with pytest.raises(DataError, match="time is missing") as caught:
        FORMAT.open(write(tmp_path / "a.csv", "t_s,x\n0,1\n,2\n"))
    assert "row 2" in str(caught.value)


def test_a_word_among_numbers_names_file_and_row(tmp_path):
    with pytest.raises(DataError, match="numbers, and something else") as caught:
        FORMAT.open(write(tmp_path / "a.csv", "t,x\n0,1\n1,2\n2,oops\n3,4\n"))
    assert "a.csv, row 3" in str(caught.value) and "'oops'" in str(caught.value)
    log = FORMAT.open(tmp_path / "a.csv", {"null_values": ["oops"]})
    assert log.segments[0].valid("x")[:, 0].tolist() == [True, True, False, True]
    segment = only(tmp_path / "a.csv", {"types": {"x": "string"}})
    assert segment.values("x")[:, 0].tolist() == ["1", "2", "oops", "4"]


def test_a_row_with_another_number_of_cells_names_file_and_row(tmp_path):
    with pytest.raises(DataError, match="another number of cells") as caught:
        FORMAT.open(write(tmp_path / "a.csv", "t,x,y\n0,1,1\n1,2,2\n2,3\n3,4,4\n"))
    assert "row 3" in str(caught.value) and "expected: 3" in str(caught.value)


def test_rows_and_types_are_the_same_whatever_the_blocks(tmp_path, monkeypatch):
    rows = [f'{n / 10},{n},{n if n < 300 else n + 0.5},"a ""{n}"",\nb"' for n in range(600)]
    path = write(tmp_path / "a.csv", "t_s,n,v,note\n" + "\n".join(rows) + "\n")
    whole = only(path)
    monkeypatch.setattr(table_csv, "BLOCK", 512)
    parts = only(path)
    for name in ("n", "v", "note"):
        assert parts.streams[name].feature == whole.streams[name].feature
        assert parts.values(name).tolist() == whole.values(name).tolist()
        assert parts.values(name, 299, 302).tolist() == whole.values(name)[299:302].tolist()
    assert whole.streams["v"].feature.dtype == "float64" and whole.streams["n"].feature.dtype == "int64"
    assert whole.values("note")[7, 0] == 'a "7",\nb'


def test_a_type_that_changes_far_down_names_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(table_csv, "BLOCK", 256)
    cells = [str(n) for n in range(500)]
    cells[421] = "broken"
    path = write(tmp_path / "a.csv", "t_s,x\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    with pytest.raises(DataError, match="numbers, and something else") as caught:
        FORMAT.open(path)
    assert "row 422 (line 423" in str(caught.value)


def test_rows_of_an_episode_that_are_not_together_are_refused_when_it_was_stated(tmp_path):
    path = write(tmp_path / "a.csv", "t_s,run,x\n0,a,1\n0,b,2\n1,a,3\n1,b,4\n")
    log = FORMAT.open(path)
    assert len(log.segments) == 1 and any("does not part episodes" in problem for problem in log.problems)
    with pytest.raises(DataError, match="not together") as caught:
        FORMAT.open(path, {"episode": "run"})
    assert "row 3" in str(caught.value)


def test_a_stated_column_that_is_not_there_is_named_with_its_nearest(drive):
    with pytest.raises(DataError, match="no column 'gaer'") as caught:
        FORMAT.open(drive, {"episode": "gaer"})
    assert "gear" in str(caught.value)
    with pytest.raises(SpecError, match="delimeter"):
        FORMAT.open(drive, {"delimeter": ","})


def test_streams_may_be_stated_in_full(drive):
    stated = {
        "columns": ["pos_z_m", "gear"],
        "dtype": "float32",
        "names": ["z", "g"],
        "units": ["m", "1"],
        "frame": "map",
    }
    segment = FORMAT.open(drive, {"streams": {"observation.state": stated}}).segments[0]
    feature = segment.streams["observation.state"].feature
    assert (feature.dtype, feature.shape, feature.names) == ("float32", (2,), ("z", "g"))
    assert (feature.units, feature.frame) == (("m", "1"), "map")
    assert segment.values("observation.state").tolist() == [[3.0, 1.0], [3.0, 0.0], [3.0, 1.0]]
    assert segment.streams["speed [km/h]"].target is None
    grid = {"columns": ["pos_x_m", "pos_y_m", "pos_z_m", "gear"], "shape": [2, 2]}
    segment = FORMAT.open(drive, {"streams": {"grid": grid}}).segments[0]
    assert segment.values("grid")[0].tolist() == [[1.0, 2.0], [3.0, 1.0]]
    with pytest.raises(DataError, match="does not fit"):
        FORMAT.open(drive, {"streams": {"grid": {**grid, "shape": [3, 2]}}})


def arrow_table():
    flat = pa.array(np.arange(30.0, dtype=np.float32))
    return pa.table(
        {
            "timestamp": pa.array([datetime.datetime(2023, 11, 14, 22, 13, 20 + n) for n in range(10)]),
            "episode_index": pa.array([0] * 6 + [1] * 4),
            "joints": pa.FixedSizeListArray.from_arrays(flat, 3),
            "imu": pa.array([{"ax": n * 0.5, "ay": -1.0} for n in range(10)]),
            "mode": pa.array(["auto", "hand"] * 5).dictionary_encode(),
            "count": pa.array([1, None] * 5, pa.int32()),
            "bag": pa.array([[1], [2, 3]] * 5),
        }
    )


@pytest.mark.parametrize("kind", ["parquet", "feather", "feather-lz4"])
def test_parquet_and_feather_give_lists_structs_words_and_holes(tmp_path, kind):
    path = tmp_path / "table"
    if kind == "parquet":
        pq.write_table(arrow_table(), path, row_group_size=4)
    else:
        compression = "lz4" if kind.endswith("lz4") else "uncompressed"
        feather.write_feather(arrow_table(), path, compression=compression, chunksize=4)
    log = FORMAT.open(path)
    first, second = log.segments
    assert (first.streams["joints"].count, second.streams["joints"].count) == (6, 4)
    assert second.values("joints", 1, 3).tolist() == [[21.0, 22.0, 23.0], [24.0, 25.0, 26.0]]
    assert first.streams["joints"].feature.dtype == "float32"
    assert second.values("imu.ax")[:, 0].tolist() == [3.0, 3.5, 4.0, 4.5]
    assert first.values("mode")[:2, 0].tolist() == ["auto", "hand"]
    assert second.valid("count")[:, 0].tolist() == [True, False, True, False]
    assert first.times_ns("joints")[0] == 1_700_000_000 * 10**9
    assert "bag" not in first.streams and any("bag" in problem for problem in log.problems)


def test_what_was_prepared_is_read_like_what_was_not(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(arrow_table(), path, row_group_size=4)
    for segment, again in zip(FORMAT.open(path).segments, FORMAT.open(path).segments):
        again.prepare(["joints", "imu.ax", "count"])
        for name in ("joints", "imu.ax", "count", "mode"):
            assert again.values(name, 1, 3).tolist() == segment.values(name, 1, 3).tolist()
            assert again.values(name).tolist() == segment.values(name).tolist()
        assert again.times_ns("joints").tolist() == segment.times_ns("joints").tolist()


def test_a_folder_of_tables_is_a_log_of_segments(tmp_path):
    for name, extra in (("b.csv", ""), ("a.csv", ""), ("c.csv", ",more")):
        tail = ",7" if extra else ""
        write(tmp_path / name, f"t_s,x{extra}\n0,1{tail}\n1,2{tail}\n")
    write(tmp_path / "README", "t,x\n0,1\n")
    log = FORMAT.open(tmp_path)
    assert [segment.name for segment in log.segments] == ["a.csv", "b.csv", "c.csv"]
    assert any("more" in problem for problem in log.problems)


def test_a_hole_in_one_table_masks_the_column_in_all(tmp_path):
    write(tmp_path / "a.csv", "t_s,x\n0,1.5\n1,2\n")
    write(tmp_path / "b.csv", "t_s,x\n0,1.5\n1,\n")
    first, second = FORMAT.open(tmp_path).segments
    assert first.valid("x")[:, 0].tolist() == [True, True] and second.valid("x")[:, 0].tolist() == [True, False]


def test_columns_that_name_pictures_are_cameras(tmp_path):
    (tmp_path / "shots").mkdir()
    for number in range(3):
        picture(number).save(tmp_path / f"shots/{number}.png")
    rows = "".join(f"{n},shots/{n}.png\n" for n in range(3))
    segment = only(write(tmp_path / "a.csv", f"t_s,front\n{rows}"))
    stream = segment.streams["front"]
    assert (stream.target, stream.feature.shape) == ("observation.images.front", (32, 48, 3))
    got = list(segment.pictures("front", np.array([0, 2, 2])))
    assert [np.array_equal(a, np.asarray(picture(n))) for a, n in zip(got, (0, 2, 2))] == [True] * 3


def test_pictures_within_cells_are_cameras(tmp_path):
    picture(4).save(tmp_path / "one.png")
    data = (tmp_path / "one.png").read_bytes()
    struct = pa.array([{"bytes": data, "path": "x.png"}] * 2)
    pq.write_table(pa.table({"t_s": [0.0, 1.0], "front": [data, data], "back": struct}), tmp_path / "a.parquet")
    segment = only(tmp_path / "a.parquet")
    for name in ("front", "back"):
        (got,) = segment.pictures(name, np.array([1]))
        assert np.array_equal(got, np.asarray(picture(4)))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "a/../../secret.png"])
def test_a_picture_outside_the_folder_is_never_opened(tmp_path, name):
    folder = tmp_path / "inside"
    folder.mkdir()
    picture(0).save(tmp_path / "secret.png")
    with pytest.raises(DataError, match="leaves"):
        read_all(FORMAT.open(write(folder / "a.csv", f"t_s,front\n0,{name}\n1,{name}\n")))


def test_the_task_column_is_the_instruction(tmp_path):
    path = write(tmp_path / "a.csv", "t_s,run,task,x\n0,1,pick,1\n1,1,pick,1\n0,2,place,2\n")
    assert [segment.task for segment in FORMAT.open(path).segments] == ["pick", "place"]


def test_more_rows_than_a_file_can_hold_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t_s": pa.array(np.zeros(100_000, np.int8)), "x": pa.nulls(100_000)}), path)
    monkeypatch.setattr(table_files, "MOST_ROWS_PER_BYTE", 1)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="impossible size"):
        FORMAT.open(path)


def test_feather_of_the_first_version_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(DataError, match="version 1"):
        FORMAT.open(tmp_path / "a.feather")


def test_damaged_tables_are_refused_or_read(drive, tmp_path):
    (tmp_path / "scratch").mkdir()
    pq.write_table(arrow_table(), tmp_path / "a.parquet", row_group_size=4)
    feather.write_feather(arrow_table(), tmp_path / "a.feather", compression="lz4")
    feather.write_feather(arrow_table(), tmp_path / "b.feather", compression="uncompressed")
    for path in (drive, tmp_path / "a.parquet", tmp_path / "a.feather", tmp_path / "b.feather"):
        outcomes = set()
        for _, copy in damaged(path, [""], tmp_path / "scratch", flips=30):
            outcomes.add(survives(FORMAT, copy))
            copy.unlink()
        assert any("samples" not in outcome for outcome in outcomes)


def joined_log(path):
    """Write one table of recorders at 100, 50 and 5 Hz, as an outer join gives it; return times (ms) and values."""
    recorders = {"accel": (10, 0, 1000), "wheel_1": (20, 3, 500), "lat": (200, 5, 50)}
    times = {name: np.arange(n) * step + first for name, (step, first, n) in recorders.items()}
    values = {name: np.arange(len(each)) + 0.25 for name, each in times.items()}
    every = np.unique(np.concatenate(list(times.values())))
    columns = {"time_ms": every}
    for name, each in times.items():
        columns[name] = np.full(len(every), np.nan)
        columns[name][np.searchsorted(every, each)] = values[name]
    # Half of the wheel's messages tell of one wheel, half of the other.
    columns["wheel_2"] = columns["wheel_1"].copy()
    columns["wheel_1"][np.searchsorted(every, times["wheel_1"][1::2])] = np.nan
    columns["wheel_2"][np.searchsorted(every, times["wheel_1"][::2])] = np.nan
    pq.write_table(pa.table(columns), path)
    return times, values


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_columns_of_joined_logs_keep_their_own_rates(tmp_path, suffix):
    times, values = joined_log(tmp_path / "drive.parquet")
    path = tmp_path / "drive.parquet"
    if suffix == ".csv":
        path = tmp_path / "text" / "drive.csv"
        path.parent.mkdir()
        pa.csv.write_csv(pq.read_table(tmp_path / "drive.parquet"), path)
    segment = only(path)
    expected = {"accel": slice(None), "lat": slice(None), "wheel_1": slice(0, None, 2), "wheel_2": slice(1, None, 2)}
    for name, rows in expected.items():
        source = name.replace("wheel_2", "wheel_1")
        assert segment.streams[name].count == len(times[source][rows])
        assert segment.times_ns(name).tolist() == (times[source][rows] * 10**6).tolist()
        assert segment.values(name)[:, 0].tolist() == values[source][rows].tolist()
        assert segment.values(name, 7, 11)[:, 0].tolist() == values[source][rows][7:11].tolist()
        assert segment.valid(name) is None
    segment.prepare(["lat", "accel"])
    assert segment.values("lat")[:, 0].tolist() == values["lat"].tolist()


def test_without_times_holes_stay_holes(tmp_path):
    joined_log(tmp_path / "drive.parquet")
    segment = only(tmp_path / "drive.parquet", {"time": None})
    assert segment.streams["lat"].count == segment.streams["accel"].count == len(segment.valid("lat"))
    assert segment.valid("lat").sum() == 50


def test_pictures_in_some_rows_are_a_camera_of_their_own_rate(tmp_path):
    picture(1).save(tmp_path / "a.png")
    cells = [("a.png" if row % 4 == 2 else None) for row in range(80)]
    pq.write_table(pa.table({"t": np.arange(80) * 0.01, "x": np.arange(80.0), "cam": cells}), tmp_path / "log.parquet")
    segment = only(tmp_path / "log.parquet")
    assert segment.streams["cam"].count == 20 and segment.streams["x"].count == 80
    assert segment.times_ns("cam").tolist() == [20_000_000 + 40_000_000 * n for n in range(20)]
    assert len(list(segment.pictures("cam", np.arange(20)))) == 20


@pytest.mark.parametrize(
    ("header", "other", "taken"),
    [("Zeit [s]", "x", True), ("sim_time", "x", True), ("laufend", "x", False), ("Zeit [s]", "log_time", False)],
)
def test_a_time_by_another_name_is_taken_when_it_is_the_only_one_and_said(tmp_path, header, other, taken):
    rows = "".join(f"{n * 0.5};{n + 3};{(7 * n) % 5}\n" for n in range(6))
    log = FORMAT.open(write(tmp_path / "log.csv", f"{header};{other};speed\n{rows}"))
    (segment,) = log.segments
    (said,) = [problem for problem in log.problems if "source.time" in problem and "time_unit" not in problem]
    if taken:
        assert segment.times_ns("speed").tolist() == [500_000_000 * n for n in range(6)]
        assert header in said
    else:
        assert segment.streams["speed"].clocks == () and "rows are steps" in said
