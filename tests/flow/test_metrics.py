"""Metrics: every row that was written is read again, whatever happened to the last one."""

import math

import pytest

from motorium.core.errors import DataError
from motorium.flow.metrics import MetricsFile, compact, read_rows


def write(path, rows):
    metrics = MetricsFile(path)
    for step, values in rows:
        metrics.log(step, **values)
    metrics.close()


def test_rows_come_back(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, [(0, {"loss": 1}), (1, {"loss": 0.5, "rate": 1e-3})])
    rows = [{name: value for name, value in row.items() if name != "time"} for row in read_rows(path)]
    assert rows == [{"step": 0, "loss": 1.0}, {"step": 1, "loss": 0.5, "rate": 0.001}]


def test_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, [(step, {"loss": step}) for step in range(3)])
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        assert len(list(read_rows(path))) == (3 if cut == 1 else 2)


def test_torn_line_before_the_last_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, [(step, {"loss": step}) for step in range(3)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:9], lines[2]]) + "\n")
    with pytest.raises(DataError) as caught:
        list(read_rows(path))
    assert caught.value.details["where"] == f"{path}, line 2"


def test_compacting_keeps_every_row(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, [(0, {"loss": math.nan, "a": -math.inf}), (1, {"b": 2})])
    before = list(read_rows(path))
    assert compact(path) == tmp_path / "m.parquet"
    after = list(read_rows(path))
    assert not path.exists()
    assert math.isnan(before[0].pop("loss")) and math.isnan(after[0].pop("loss"))
    assert after == before
    assert after[0]["a"] == -math.inf
    assert "b" not in after[0]


def test_rows_are_appended_by_a_second_try(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, [(0, {"loss": 1})])
    write(path, [(1, {"loss": 2})])
    assert [row["step"] for row in read_rows(path)] == [0, 1]


def test_nothing_logged_leaves_no_file(tmp_path):
    write(tmp_path / "m.jsonl", [])
    assert list(tmp_path.iterdir()) == []
    assert compact(tmp_path / "m.jsonl") is None


@pytest.mark.parametrize("values", [{"loss": "low"}, {"loss": None}, {"time": 1.0}])
def test_what_is_no_number_is_refused(tmp_path, values):
    with pytest.raises(DataError):
        MetricsFile(tmp_path / "m.jsonl").log(0, **values)
