"""Attacks on HDF5, zarr and TFRecord files: they ask for other files, for more memory than there is, or for no end."""

import json
import shutil
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from tests.data.driving_samples import tfrecord
from tests.data.fuzz.attack import png_header
from tests.data.hdf5_samples import write_act, write_maniskill, write_robomimic
from tests.data.test_diffusion_policy import replay_buffer
from tests.data.test_rlds import example, fractal

MIB = 1024**2
ACTIONS = "data/demo_0/actions"
pytestmark = pytest.mark.slow


@pytest.fixture
def demo(tmp_path):
    """Return a robomimic file, and a function that opens it to be changed."""
    path = tmp_path / "demo.hdf5"
    write_robomimic(path, (3, 4))
    return path


def put(path, name=ACTIONS, **options):
    """Put another array, made with plain h5py, in the place of one."""
    with h5py.File(path, "a") as file:
        del file[name]
        return file.create_dataset(name, **options).name


class TestHdf5:
    def test_external_links_are_not_followed(self, attacked, demo):
        write_robomimic(attacked.outside / "secret.hdf5", (3,))
        with h5py.File(demo, "a") as file:
            file["data/demo_2"] = h5py.ExternalLink("outside/secret.hdf5", "data/demo_0")
            file["data/demo_1/obs/far"] = h5py.ExternalLink(str(attacked.outside / "secret.hdf5"), ACTIONS)
        attacked.refused(demo, "robomimic", "links to another file")

    @pytest.mark.parametrize("place", ["data", "data/demo_0", ACTIONS, "mask"])
    def test_external_links_in_the_place_of_what_is_read_first(self, attacked, demo, place):
        write_robomimic(attacked.outside / "secret.hdf5", (3,))
        with h5py.File(demo, "a") as file:
            del file[place]
            file[place] = h5py.ExternalLink("outside/secret.hdf5", place)
        assert attacked.read(demo, "robomimic").refused or place == "mask"

    @pytest.mark.parametrize("place", ["observations", "observations/qpos", "action", "observations/images"])
    def test_external_links_in_other_layouts(self, attacked, place):
        write_act(attacked.outside / "secret.hdf5", 4, 0)
        path = attacked.folder / "episode_0.hdf5"
        write_act(path, 4, 0)
        with h5py.File(path, "a") as file:
            del file[place]
            file[place] = h5py.ExternalLink("outside/secret.hdf5", place)
        attacked.refused(path, "act", ".")

    def test_external_storage_is_not_read(self, attacked, demo):
        (attacked.outside / "secret.bin").write_bytes(bytes(10_000))
        secret = [(str(attacked.outside / "secret.bin"), 0, 10_000)]
        put(demo, shape=(3, 7), dtype="f8", external=secret)
        attacked.refused(demo, "robomimic", "keeps its data in another file")

    def test_virtual_arrays_are_not_read(self, attacked, demo):
        write_robomimic(attacked.outside / "secret.hdf5", (3,))
        layout = h5py.VirtualLayout((3, 7), "f8")
        layout[:] = h5py.VirtualSource(str(attacked.outside / "secret.hdf5"), ACTIONS, (3, 7))
        with h5py.File(demo, "a") as file:
            del file[ACTIONS]
            file.create_virtual_dataset(ACTIONS, layout)
        attacked.refused(demo, "robomimic", "keeps its data in another file")

    @pytest.mark.parametrize("chunks", [None, (1, 7), (10**6, 7)])
    def test_arrays_of_a_trillion_rows(self, attacked, demo, chunks):
        shape = (10**12 if chunks else 10**8, 7)
        with h5py.File(demo, "a") as file:
            del file[ACTIONS]
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            if chunks:
                plist.set_chunk(chunks)
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(file.id, ACTIONS.encode(), h5py.h5t.IEEE_F64LE, space, plist)
        attacked.refused(demo, "robomimic", "impossible size")

    @pytest.mark.parametrize("filters", [1, 2])
    def test_chunks_that_unfold_to_gibibytes(self, attacked, demo, filters):
        rows = 64 * MIB // 56
        packed = zlib.compress(bytes(rows * 56))
        with h5py.File(demo, "a") as file:
            del file[ACTIONS]
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((rows, 7))
            for _ in range(filters):
                plist.set_deflate(9)
            space = h5py.h5s.create_simple((rows * 32, 7))
            made = h5py.h5d.create(file.id, ACTIONS.encode(), h5py.h5t.IEEE_F64LE, space, plist)
            for number in range(32):
                made.write_direct_chunk((rows * number, 0), zlib.compress(packed) if filters == 2 else packed)
        assert attacked.read(demo, "robomimic").grown_mib < 900

    @pytest.mark.parametrize("kind", ["vlen", "reference", "compound", "vlen text", "enum", "opaque", "nested"])
    def test_other_types(self, attacked, demo, kind):
        kinds = {
            "vlen": h5py.vlen_dtype("f8"),
            "reference": h5py.ref_dtype,
            "compound": np.dtype([("a", "f8"), ("b", "i4", (3,))]),
            "vlen text": h5py.string_dtype(),
            "enum": h5py.enum_dtype({"a": 0, "b": 1}),
            "opaque": np.dtype("V8"),
            "nested": np.dtype([("a", [("b", h5py.vlen_dtype("f8"))])]),
        }
        put(demo, shape=(3,), dtype=kinds[kind])
        put(demo, "data/demo_1/rewards", shape=(4,), dtype=kinds[kind])
        attacked.read(demo, "robomimic")

    def test_groups_in_a_circle_and_deep_ones(self, attacked, demo):
        with h5py.File(demo, "a") as file:
            file["data/demo_0/obs/again"] = file["data"]
            file["data/demo_0/obs/soft"] = h5py.SoftLink("/data/demo_0")
        attacked.refused(demo, "robomimic", "nested too deeply")
        with h5py.File(demo, "a") as file:
            del file["data/demo_0/obs/again"]
            group = file["data/demo_0/obs"]
            for _ in range(2000):
                group = group.create_group("g")
        attacked.refused(demo, "robomimic", "nested too deeply")

    @pytest.mark.parametrize("text", ["[" * 100_000, "9" * 100_000, "[]", '{"env_kwargs": 1}', '{"env_kwargs": []}'])
    def test_attributes_that_are_hostile_json(self, attacked, demo, text):
        with h5py.File(demo, "a") as file:
            file["data"].attrs["env_args"] = text if len(text) < 60_000 else np.bytes_(text[:60_000])
            file["data/demo_0"].attrs["num_samples"] = 2**62
            file["data/demo_1"].attrs["num_samples"] = -1
            file["data"].attrs["total"] = np.zeros((2, 2))
        attacked.read(demo, "robomimic")

    def test_filters_that_would_load_a_library(self, attacked, demo):
        with h5py.File(demo, "a") as file:
            del file[ACTIONS]
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((3, 7))
            plist.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, (1, 2))
            space = h5py.h5s.create_simple((3, 7))
            h5py.h5d.create(file.id, ACTIONS.encode(), h5py.h5t.IEEE_F64LE, space, plist)
        attacked.refused(demo, "robomimic", "filter that is not read")

    def test_pictures_that_claim_to_be_huge(self, attacked):
        path = attacked.folder / "episode_0.hdf5"
        write_act(path, 4, 0, compressed=True)
        bomb = png_header(60_000, 60_000)
        rows = np.tile(np.frombuffer(bomb, np.uint8), (4, 1))
        put(path, "observations/images/cam_high", data=rows)
        put(path, "compress_len", data=np.full((1, 4), float(len(bomb))))
        assert attacked.read(path, "act").refused

    @pytest.mark.parametrize("length", [-1.0, np.nan, np.inf, 1e300, 0.0])
    def test_lengths_of_pictures_that_are_none(self, attacked, length):
        path = attacked.folder / "episode_0.hdf5"
        write_act(path, 4, 0, compressed=True)
        put(path, "compress_len", data=np.full((1, 4), length))
        attacked.read(path, "act")

    def test_a_description_of_another_trajectory(self, attacked):
        path = attacked.folder / "trajectory.h5"
        write_maniskill(path, episodes=[{"episode_id": 10**30}, {"episode_id": None}, 7, {}])
        attacked.read(path, "maniskill")


@pytest.fixture(scope="module")
def good_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "buffer.zarr"
    replay_buffer(folder)
    return folder


@pytest.fixture
def store(tmp_path, good_store):
    return shutil.copytree(good_store, tmp_path / "buffer.zarr")


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


class TestZarr:
    @pytest.mark.parametrize(
        "changes",
        [
            {"chunks": [10**12, 2]},
            {"chunks": [0, 2]},
            {"chunks": [-1, 2]},
            {"shape": [10**12, 2]},
            {"shape": [10**12, 2], "chunks": [1, 1]},
            {"shape": [11, 10**15]},
            {"shape": [2**62, 2**62], "chunks": [2**61, 2**61]},
            {"shape": [11, 2, 0]},
            {"shape": [1] * 200, "chunks": [1] * 200},
            {"dtype": "|O", "filters": [{"id": "pickle"}]},
            {"dtype": "|O", "filters": [{"id": "json2"}]},
            {"dtype": "<V99999999999"},
            {"dtype": "<U999999999"},
            {"dtype": [["a", "<f4", [10**9, 10**9]]]},
            {"dtype": [["a", [["b", [["c", "<f4"]]]]]]},
            {"dtype": "<f4" * 5000},
            {"dtype": "f4,f4"},
            {"dimension_separator": "/../../outside/"},
            {"dimension_separator": 7},
            {"compressor": {"id": "pickle"}},
            {"compressor": {"id": ["blosc"]}},
            {"fill_value": "9" * 10_000},
            {"fill_value": {"a": 1}},
            {"fill_value": [1] * 1000},
            {"order": "K"},
            {"zarr_format": 99},
            {"filters": [{"id": "delta", "dtype": "|O"}]},
            {"filters": [{"id": "delta", "dtype": "<f4", "astype": "<U9999"}]},
            {"filters": [{"id": "shuffle", "elementsize": 10**30}]},
            {"filters": 7},
            {"filters": [7]},
        ],
        ids=lambda one: json.dumps(one)[:60],
    )
    @pytest.mark.parametrize("name", ["data/action", "meta/episode_ends"])
    def test_descriptions_that_make_no_sense(self, attacked, store, name, changes):
        (attacked.outside / "0").write_bytes(bytes(100))
        if name == "meta/episode_ends":
            changes = {key: value[:1] if key in ("shape", "chunks") else value for key, value in changes.items()}
        edit(store / name / ".zarray", **changes)
        attacked.read(store, "diffusion-policy")

    @pytest.mark.parametrize(
        "ends",
        [[2**62, 2**63 - 1], [-1, 5], [5, 4], [], [0, 0, 0], [10**12]],
        ids=str,
    )
    def test_episodes_that_end_elsewhere(self, attacked, tmp_path, ends):
        replay_buffer(tmp_path / "b.zarr", ends=np.array([4, 9, 11]))
        (tmp_path / "b.zarr/meta/episode_ends/0").write_bytes(np.array(ends, "<i8").tobytes())
        edit(tmp_path / "b.zarr/meta/episode_ends/.zarray", shape=[len(ends)], chunks=[max(len(ends), 1)])
        edit(tmp_path / "b.zarr/meta/episode_ends/.zarray", compressor=None)
        attacked.read(tmp_path / "b.zarr", "diffusion-policy")

    @pytest.mark.parametrize("kind", ["zlib", "gzip", "zstd", "lz4", "blosc", "bz2", "lzma"])
    def test_chunks_that_unfold_to_more_than_declared(self, attacked, store, kind):
        import bz2
        import gzip
        import lzma

        import numcodecs
        import zstandard

        big = bytes((32 if kind == "lzma" else 128) * MIB)
        pack = {
            "zlib": zlib.compress,
            "gzip": gzip.compress,
            "zstd": zstandard.compress,
            "lz4": numcodecs.LZ4().encode,
            "blosc": numcodecs.Blosc("lz4").encode,
            "bz2": bz2.compress,
            "lzma": lzma.compress,
        }[kind]
        edit(store / "data/action/.zarray", compressor={"id": kind})
        (store / "data/action/0.0").write_bytes(bytes(pack(big)))
        assert attacked.refused(store, "diffusion-policy", "damaged|size").grown_mib < 100

    def test_names_in_zip_files_that_leave_them(self, attacked, store):
        (attacked.outside / "secret").write_bytes(bytes(100))
        path = attacked.folder / "b.zarr.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(one for one in store.rglob("*") if one.is_file()):
                archive.write(file, file.relative_to(store).as_posix())
            for name in ("../outside/secret", "/etc/passwd", "data/../../x/.zarray", "a" * 60_000 + "/.zarray"):
                archive.writestr(name, "{}")
        attacked.read(path, "diffusion-policy")

    def test_zip_files_that_unfold_to_gibibytes(self, attacked, store):
        path = attacked.folder / "b.zarr.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(one for one in store.rglob("*") if one.is_file()):
                name = file.relative_to(store).as_posix()
                if name.startswith("data/action/0"):
                    archive.writestr(name, bytes(256 * MIB))
                elif name == "data/state/.zarray":
                    archive.writestr(name, b" " * (256 * MIB))
                else:
                    archive.write(file, name)
        assert attacked.read(path, "diffusion-policy").grown_mib < 400

    def test_zip_files_of_many_empty_files(self, attacked, store):
        path = attacked.folder / "b.zarr.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(one for one in store.rglob("*") if one.is_file()):
                archive.write(file, file.relative_to(store).as_posix())
            for number in range(6000):
                archive.writestr(f"data/state/{number}.{number}", b"")
        attacked.read(path, "diffusion-policy")


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def nested(depth):
    data = b""
    for _ in range(depth):
        data = field(1, data)
        if len(data) > 10**6:
            break
    return data


class TestTfrecord:
    @pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**63 - 1, 2**40, 2**31, 0])
    @pytest.mark.parametrize("format", ["rlds", "waymo-motion"])
    def test_lengths_beyond_the_file(self, attacked, tmp_path, length, format):
        good = tfrecord([example(label=[3], values=[0.5])])
        head = struct.pack("<Q", length)
        (tmp_path / "x.tfrecord").write_bytes(good + head + tfrecord([b""])[8:12] + bytes(100))
        (tmp_path / "y.tfrecord").write_bytes(head + bytes(100))
        attacked.read(tmp_path / "x.tfrecord", format)
        attacked.read(tmp_path / "y.tfrecord", format)

    @pytest.mark.parametrize(
        "record",
        [
            nested(100_000),
            b"\xff" * 1000,
            b"\x80" * 10_000,
            varint(1 << 3 | 2) + varint(2**63),
            varint(1 << 3 | 2) + b"\xff" * 9 + b"\x01",
            varint((2**29 - 1) << 3 | 2) + varint(3) + b"abc",
            b"\x0b" * 50_000,
            b"\x0c",
            field(1, field(1, field(1, b"steps/x") + field(2, field(3, field(1, b"\xff" * 100_000))))),
            field(1, field(1, field(1, b"steps/x") + field(2, field(3, field(1, b"\x00" * 2_000_000))))),
            field(1, field(1, field(1, b"a" * 1_000_000) + field(2, field(1, field(1, b"x"))))),
            field(1, b"".join(field(1, field(1, b"k%d" % n) + field(2, b"")) for n in range(10_000))),
            field(1, field(1, field(1, b"steps/\xff\xfe") + field(2, field(1, field(1, b"x"))))),
            field(1, field(1, field(2, field(1, field(1, b"x"))))),
        ],
        ids=range(14),
    )
    @pytest.mark.parametrize("format", ["rlds", "waymo-motion"])
    def test_messages_without_end_depth_or_sense(self, attacked, tmp_path, record, format):
        (tmp_path / "x.tfrecord").write_bytes(tfrecord([record]) if len(record) < 10**5 else _framed(record))
        assert attacked.read(tmp_path / "x.tfrecord", format).grown_mib < 500

    @pytest.mark.parametrize(
        "change",
        [
            ("dimensions", ["1000000000", "1000000000"]),
            ("dimensions", ["-5"]),
            ("dimensions", ["0"]),
            ("dimensions", ["x"]),
            ("dimensions", ["9" * 5000]),
            ("dimensions", [None]),
            ("dimensions", 7),
            ("dtype", "object"),
            ("dtype", "variant"),
            ("dtype", 7),
            ("dtype", "float32" * 1000),
            ("encoding", "zlib"),
            ("encoding", "pickle"),
            ("pythonClassName", "os.system"),
            ("featuresDict", 7),
            ("featuresDict", {"features": []}),
            ("sequence", {"feature": None}),
            ("length", "1000000000000"),
        ],
        ids=str,
    )
    def test_descriptions_that_make_no_sense(self, attacked, tmp_path, change):
        root = tmp_path / "d"
        root.mkdir()
        path = fractal(root) / "features.json"
        key, value = change

        def put_in(node):
            if isinstance(node, dict):
                return {name: value if name == key else put_in(one) for name, one in node.items()}
            return node

        path.write_text(json.dumps(put_in(json.loads(path.read_text()))))
        attacked.read(root, "rlds")

    def test_tensors_and_pictures_that_unfold_to_gibibytes(self, attacked, tmp_path):
        root = tmp_path / "d"
        root.mkdir()
        fractal(root)
        bomb = zlib.compress(bytes(256 * MIB), 1)
        made = example(
            steps__blob=[bomb, bomb],
            steps__observation__image=[png_header(60_000, 60_000)] * 2,
            steps__action__world_vector=[0.0] * 6,
            steps__is_first=[1, 0],
        )
        (root / "fractal-train.tfrecord-00000-of-00001").write_bytes(_framed(made))
        assert attacked.refused(root, "rlds", ".").grown_mib < 300

    @pytest.mark.parametrize(
        "lengths", [["9" * 30], ["-1"], [None], "x", [["1"]], ["1000000000000"]], ids=lambda one: str(one)[:20]
    )
    def test_lists_of_shards_that_make_no_sense(self, attacked, tmp_path, lengths):
        root = tmp_path / "d"
        root.mkdir()
        fractal(root)
        info = {"name": "../../outside/fractal", "splits": [{"name": "../train", "shardLengths": lengths}]}
        (root / "dataset_info.json").write_text(json.dumps(info))
        attacked.read(root, "rlds")


def _framed(record):
    """A record whose checksum is made by a table: the bit by bit one takes long."""
    from tests.data.test_rlds import framed

    return framed(record)
