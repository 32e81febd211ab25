"""Tables that a dataset is written to: what pyarrow and the csv module read in them, and the way back, bit for bit."""

import csv

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from motorium.core.errors import DataError
from motorium.core.features import Feature, vector
from motorium.core.progress import Silent
from motorium.data.dataset import open_dataset
from motorium.data.episode import Episode
from motorium.data.formats.table import FORMAT
from motorium.data.ingest.build import episodes
from motorium.data.ingest.mapping import MappingSpec
from motorium.data.ingest.resolve import resolve
from motorium.data.video_read import decode_image
from motorium.data.writer import DatasetSpec, DatasetWriter
from motorium.data.writers.table import CSV, PARQUET
from tests.data.recordings import FPS, FRONT, make_pictures, picture_feature

LENGTHS = (5, 3)
FEATURES = {
    "observation.state": vector(("shoulder", "elbow"), ("rad", "m"), frame="base"),
    "observation.grid": Feature(dtype="float64", shape=(2, 3), units=("m",)),
    "observation.mode": Feature(dtype="string", shape=(1,)),
    FRONT: picture_feature(),
    "action": Feature(dtype="float64", shape=(1,), names=("push",), units=("N",)),
    "observation.half": Feature(dtype="float16", shape=(2,)),
    "observation.count": Feature(dtype="uint64", shape=(1,)),
    "observation.small": Feature(dtype="int8", shape=(3,)),
    "next.success": Feature(dtype="bool", shape=(1,)),
}
# Numbers whose digits or signs are easily lost.
HARD = np.array([0.1, -0.0, 1e-40, 3.4e38, 1 / 3, 16777217.0, -2.5e-7, 5.0])
WORDS = ("", "NA", 'a "b", c', "line\nbreak", "123", "nan", "é", "0.5")


@pytest.fixture
def dataset(tmp_path):
    """Two episodes of every type of feature."""
    made = DatasetSpec(fps=FPS, features=FEATURES, robot_type="toy", conventions={"rotation": "w first"}, durable=False)
    with DatasetWriter(tmp_path / "dataset", spec=made) as writer:
        for number, length in enumerate(LENGTHS):
            hard = np.resize(HARD, (length, 6))
            arrays = {
                "observation.state": hard[:, :2].astype(np.float32),
                "observation.grid": hard.reshape(length, 2, 3),
                "observation.mode": np.array([[WORDS[(n + number) % 8]] for n in range(length)], object),
                "action": hard[:, 3:4],
                "observation.half": hard[:, [0, 4]].astype(np.float16),
                "observation.count": np.array([[2**62 + 1 + n] for n in range(length)], np.uint64),
                "observation.small": np.resize(np.array([-128, 127, 0], np.int8), (length, 3)),
                "next.success": (np.arange(length) == length - 1)[:, None],
            }
            frames = {FRONT: make_pictures(number, length)}
            task = 'put "it", there' if number else "wave"
            writer.add(Episode(arrays=arrays, task=task, frames=frames, meta={"seed": number}))
    return open_dataset(tmp_path / "dataset")


def write(writer, dataset, path, **options):
    return writer.write(dataset, path, writer.spec(**options), Silent())


def back(path):
    """The episodes that the written mapping makes of the written tables."""
    plain = yaml.safe_load((path / "mapping.yaml").read_text())
    source = plain.pop("source")
    mapping = MappingSpec.parse(plain)
    log = FORMAT.open(path, source)
    plan = resolve(log, mapping)
    return plan, [episode for index in range(len(log.segments)) for episode in episodes(plan, index)]


@pytest.mark.parametrize("writer", [CSV, PARQUET], ids=["csv", "parquet"])
@pytest.mark.parametrize("tables", ["each", "one"])
def test_the_way_back_is_bitwise(dataset, tmp_path, writer, tables):
    written = write(writer, dataset, tmp_path / "tables", tables=tables)
    assert [path.suffix for path in written.paths if path.is_file()].count(f".{writer.name}") == (
        1 if tables == "one" else 2
    )
    plan, made = back(tmp_path / "tables")
    assert plan.mapping.fps == dataset.fps and plan.mapping.robot_type == "toy"
    expected = {key: feature for key, feature in FEATURES.items() if not feature.visual}
    assert list(plan.features) == list(expected)
    for key, feature in expected.items():
        got = plan.features[key]
        assert (got.dtype, got.shape, got.frame) == (feature.dtype, feature.shape, feature.frame), key
        assert got.units == feature.units and (feature.names is None or got.names == feature.names), key
    assert len(made) == 2
    for number, episode in enumerate(made):
        original = dataset.episode(number)
        assert episode.task == original.task
        assert set(episode.arrays) == set(expected)
        for key in expected:
            got, want = episode.arrays[key], original.arrays[key]
            assert got.dtype == want.dtype and got.shape == want.shape, key
            if want.dtype == object:
                assert got.tolist() == want.tolist()
            else:
                assert got.tobytes() == np.ascontiguousarray(want).tobytes(), key


def test_csv_has_a_column_an_element_and_the_exact_value_of_floats(dataset, tmp_path):
    write(CSV, dataset, tmp_path / "tables")
    with (tmp_path / "tables/episode_000000.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == LENGTHS[0]
    head = ["episode_index", "frame_index", "time", "task", "observation.state.shoulder", "observation.state.elbow"]
    assert list(rows[0])[:6] == head
    assert "observation.grid.1.2" in rows[0] and "action" in rows[0]
    # 0.1 as a 32-bit float, exactly: 13421773 / 2^27.
    assert float(rows[0]["observation.state.shoulder"]) == 13421773 / 2**27
    assert rows[2]["time"] == repr(2 / FPS)
    assert [row["observation.mode"] for row in rows] == list(WORDS[:5])
    assert rows[0]["observation.count"] == str(2**62 + 1)


def test_parquet_keeps_types_and_has_a_row_group_an_episode(dataset, tmp_path):
    write(PARQUET, dataset, tmp_path / "tables", tables="one")
    file = pq.ParquetFile(tmp_path / "tables/episodes.parquet")
    assert file.num_row_groups == 2
    assert str(file.schema_arrow.field("observation.small.0").type) == "int8"
    assert str(file.schema_arrow.field("observation.state.elbow").type) == "float"


def test_pictures_are_left_out_and_said_or_written_without_loss(dataset, tmp_path):
    written = write(CSV, dataset, tmp_path / "bare")
    assert any(FRONT in each for each in written.left_out)
    assert not (tmp_path / "bare/pictures").exists()
    written = write(CSV, dataset, tmp_path / "tables", pictures="png")
    assert not any(FRONT in each for each in written.left_out)
    plan, made = back(tmp_path / "tables")
    assert plan.features[FRONT].shape == FEATURES[FRONT].shape
    for number, episode in enumerate(made):
        for step, got in enumerate(episode.frames[FRONT]):
            assert np.array_equal(got, dataset.frames(number, FRONT, [step])[0])
    path = tmp_path / "tables/pictures" / FRONT / "episode_000001/frame_000002.png"
    assert np.array_equal(decode_image(path.read_bytes(), path), dataset.frames(1, FRONT, [2])[0])


def test_reading_tables_without_the_mapping_beside_them_is_said(dataset, tmp_path):
    written = write(CSV, dataset, tmp_path / "tables")
    assert any("--with pictures=png" in each for each in written.left_out)
    assert any(
        "--mapping" in problem and "mapping.yaml" in problem for problem in FORMAT.open(tmp_path / "tables").problems
    )
    stated = MappingSpec.parse(yaml.safe_load((tmp_path / "tables/mapping.yaml").read_text())).source
    assert not any("--mapping" in problem for problem in FORMAT.open(tmp_path / "tables", stated).problems)


def test_what_has_no_place_is_said(dataset, tmp_path):
    left_out = write(PARQUET, dataset, tmp_path / "tables").left_out
    assert any("meta" in each for each in left_out)


def test_nothing_is_overwritten_and_nothing_half_written_stays(dataset, tmp_path):
    (tmp_path / "tables").mkdir()
    with pytest.raises(DataError, match="already something"):
        write(CSV, dataset, tmp_path / "tables")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write(CSV, dataset, file / "tables")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "file", "tables"]


def test_two_columns_of_one_name_are_refused(tmp_path):
    features = {"a.b": Feature(dtype="float32", shape=(1,)), "a": vector(("b", "c"), "1")}
    made = DatasetSpec(fps=10, features=features, durable=False)
    with DatasetWriter(tmp_path / "dataset", spec=made) as writer:
        arrays = {"a.b": np.zeros((2, 1), np.float32), "a": np.zeros((2, 2), np.float32)}
        writer.add(Episode(arrays=arrays, task="t"))
    with pytest.raises(DataError, match="two columns"):
        write(CSV, open_dataset(tmp_path / "dataset"), tmp_path / "tables")
