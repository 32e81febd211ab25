"""Zarr arrays read by hand equal what zarr-python and numcodecs wrote; damaged and hostile stores are refused."""

import io
import json
import shutil
import struct
import zipfile
import zlib

import numcodecs
import numpy as np
import pytest
import zarr
from PIL import Image
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from motorium.core.errors import DataError
from motorium.data.formats.zarrs.store import ZarrStore
from motorium.data.formats.zarrs.v2 import ZarrArray, array_names
from motorium.data.formats.zarrs.v3 import ZarrArrayV3, array_names_v3

BIG_CHUNKS = {"chunks": [10**6]}
VALUES = np.arange(103 * 7, dtype=np.float32).reshape(103, 7) / 3
CODECS = [
    None,
    numcodecs.Zlib(),
    numcodecs.GZip(),
    numcodecs.LZ4(),
    numcodecs.Zstd(),
    numcodecs.BZ2(),
    numcodecs.LZMA(),
    *(numcodecs.Blosc(name, 5, shuffle) for name in ("lz4", "zstd", "zlib") for shuffle in (0, 1, 2)),
]


def store(path, values=VALUES, chunks=(10, 4), **options):
    group = zarr.open_group(path, mode="w", zarr_format=options.pop("zarr_format", 2))
    array = group.create_array("data/x", shape=values.shape, dtype=values.dtype, chunks=chunks, **options)
    array[:] = values
    return path


def pack(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target


def write_array(root, name, meta, chunks):
    """A v2 array from its specification: .zarray and the chunks' bytes by key."""
    folder = root / name
    folder.mkdir(parents=True)
    base = {"zarr_format": 2, "compressor": None, "filters": None, "fill_value": 0, "order": "C"}
    (folder / ".zarray").write_text(json.dumps(base | meta))
    for key, data in chunks.items():
        (folder / key).write_bytes(data)
    return root


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_every_codec_gives_back_what_was_stored(tmp_path, codec):
    array = ZarrArray(store(tmp_path / "a", compressors=codec), "data/x")
    assert (array.shape, array.dtype, array.missing_chunks()) == ((103, 7), np.float32, 0)
    assert np.array_equal(array.read(), VALUES)
    assert np.array_equal(array.read(17, 64), VALUES[17:64])


@pytest.mark.parametrize("dtype", ["?", "u1", "<i8", ">f8", "<f2", "<U5", "S3", "<M8[ns]", "<c8"])
def test_types_and_byte_orders_are_kept(tmp_path, dtype):
    values = np.arange(12).reshape(6, 2).astype(dtype)
    array = ZarrArray(
        write_array(
            tmp_path,
            "x",
            {"shape": [6, 2], "chunks": [6, 2], "dtype": values.dtype.str, "fill_value": None},
            {"0.0": values.tobytes()},
        ),
        "x",
    )
    assert array.dtype == values.dtype
    assert np.array_equal(array.read(), values)


def test_structured_arrays_are_read_with_their_fields(tmp_path):
    dtype = np.dtype([("stamp", "<i8"), ("pose", [("p", "<f8", (3,)), ("q", "<f4", (2, 2))]), ("name", "<U4")])
    rows = np.zeros(5, dtype)
    rows["stamp"], rows["name"] = np.arange(5), ["a", "bb", "ccc", "dddd", ""]
    rows["pose"]["p"] = np.arange(15).reshape(5, 3)
    declared = [["stamp", "<i8"], ["pose", [["p", "<f8", [3]], ["q", "<f4", [2, 2]]]], ["name", "<U4"]]
    data = rows.tobytes() + np.zeros(1, dtype).tobytes()
    chunks = {"0": zlib.compress(data[: 3 * dtype.itemsize]), "1": zlib.compress(data[3 * dtype.itemsize :])}
    meta = {"shape": [5], "chunks": [3], "dtype": declared, "compressor": {"id": "zlib", "level": 1}}
    array = ZarrArray(write_array(tmp_path, "frames", meta, chunks), "frames")
    assert array.dtype == dtype
    assert np.array_equal(array.read(), rows)
    assert array.read(2, 4)["name"].tolist() == ["ccc", "dddd"]


def test_fortran_order_and_slash_separators_are_read(tmp_path):
    values = np.arange(24).reshape(4, 6)
    for order, separator in (("F", "."), ("C", "/"), ("F", "/")):
        group = zarr.open_group(tmp_path / "a", mode="w", zarr_format=2)
        encoding = {"name": "v2", "separator": separator}
        array = group.create_array(
            "x", shape=(4, 6), dtype="i8", chunks=(3, 4), order=order, chunk_key_encoding=encoding
        )
        array[:] = values
        assert np.array_equal(ZarrArray(tmp_path / "a", "x").read(), values)


def test_filters_are_undone(tmp_path):
    values = np.arange(40, dtype=np.int64).reshape(20, 2) ** 2
    for codec in (numcodecs.Delta("<i8"), numcodecs.Shuffle(8)):
        array = ZarrArray(store(tmp_path / "a", values, (20, 2), filters=[codec]), "data/x")
        assert np.array_equal(array.read(), values)


def test_absent_chunks_read_as_the_fill_value_and_are_counted(tmp_path):
    path = store(tmp_path / "a", fill_value=2.5)
    (path / "data/x/3.1").unlink()
    array = ZarrArray(path, "data/x")
    expected = VALUES.copy()
    expected[30:40, 4:] = 2.5
    assert array.missing_chunks() == 1
    assert np.array_equal(array.read(), expected)


def test_an_absent_chunk_without_fill_value_is_an_error(tmp_path):
    path = write_array(
        tmp_path, "x", {"shape": [4], "chunks": [2], "dtype": "<f8", "fill_value": None}, {"0": bytes(16)}
    )
    assert len(ZarrArray(path, "x").read(0, 2)) == 2
    with pytest.raises(DataError, match="chunk of a zarr array is missing"):
        ZarrArray(path, "x").read()


def test_a_zip_file_reads_as_its_folder(tmp_path):
    packed = pack(store(tmp_path / "a"), tmp_path / "a.zarr.zip")
    assert array_names(packed) == ["data/x"]
    array = ZarrArray(packed, "data/x")
    assert np.array_equal(array.read(5, 50), VALUES[5:50])
    assert array.stored_bytes == ZarrArray(tmp_path / "a", "data/x").stored_bytes


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": None},
        {"compressors": GzipCodec()},
        {"compressors": BloscCodec(cname="lz4", shuffle="bitshuffle")},
        {"compressors": [ZstdCodec(), Crc32cCodec()]},
        {"compressors": [Crc32cCodec(), GzipCodec()]},
        {"filters": [TransposeCodec(order=(1, 0))]},
        {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        {"chunk_key_encoding": {"name": "default", "separator": "."}},
    ],
    ids=str,
)
def test_version_3_gives_back_what_was_stored(tmp_path, options):
    path = store(tmp_path / "a", zarr_format=3, **options)
    assert array_names_v3(ZarrStore(path)) == ["data/x"]
    for place in (path, pack(path, tmp_path / "a.zip")):
        array = ZarrArrayV3(place, "data/x")
        assert array.missing_chunks() == 0
        assert np.array_equal(array.read(), VALUES)
        assert np.array_equal(array.read(17, 64), VALUES[17:64])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float16", "float64"])
def test_version_3_types_are_kept(tmp_path, dtype):
    values = np.arange(12).reshape(6, 2).astype(dtype)
    array = ZarrArrayV3(store(tmp_path / "a", values, (4, 2), zarr_format=3), "data/x")
    assert array.dtype == values.dtype
    assert np.array_equal(array.read(), values)


@pytest.mark.parametrize("kind", ["PNG", "JPEG2000"])
def test_pictures_as_diffusion_policy_stores_them_are_decoded(tmp_path, kind):
    values = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3)).astype(np.uint8)
    chunks = {}
    for index, picture in enumerate(values):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, kind)
        chunks[f"{index}.0.0.0"] = stream.getvalue()
    codec = {"PNG": "imagecodecs_png", "JPEG2000": "imagecodecs_jpeg2k"}[kind]
    meta = {"shape": [3, 16, 24, 3], "chunks": [1, 16, 24, 3], "dtype": "|u1", "compressor": {"id": codec, "level": 50}}
    path = write_array(tmp_path, "x", meta, chunks)
    assert np.array_equal(ZarrArray(path, "x").read(), values)
    (path / "x/1.0.0.0").write_bytes(chunks["1.0.0.0"][:60])  # the head, without the picture
    with pytest.raises(DataError, match="damaged|another size"):
        ZarrArray(path, "x").read()
    meta["chunks"], meta["shape"] = [1, 8, 24, 3], [3, 8, 24, 3]
    with pytest.raises(DataError, match="another size"):
        ZarrArray(write_array(tmp_path / "other", "x", meta, chunks), "x").read()


def test_sharded_arrays_are_refused_by_name(tmp_path):
    path = store(tmp_path / "a", zarr_format=3, chunks=(10, 7), shards=(50, 7))
    with pytest.raises(DataError, match="codec that is not read") as caught:
        ZarrArrayV3(path, "data/x")
    assert "sharding_indexed" in caught.value.details["got"]


class TestHostile:
    META = {"shape": [8], "chunks": [8], "dtype": "<f8"}

    def refuse(self, root, match, meta=(), data=bytes(64)):
        shutil.rmtree(root / "x", ignore_errors=True)
        write_array(root, "x", self.META | dict(meta), {"0": data})
        with pytest.raises(DataError, match=match):
            ZarrArray(root, "x").read()

    @pytest.mark.parametrize("dtype", ["|O", "O", "object", [["a", "|O"]], [["a", [["b", "O"]]]]])
    def test_objects_are_never_unpickled(self, tmp_path, dtype):
        self.refuse(tmp_path, "dtype is not read", {"dtype": dtype})

    def test_codecs_that_hold_pickles_are_refused(self, tmp_path):
        for codec in ({"id": "pickle"}, {"id": "json2"}, {"id": ["zlib"]}, "zlib", {}):
            self.refuse(tmp_path, "codec that is not read", {"compressor": codec})
            self.refuse(tmp_path, "codec that is not read", {"filters": [codec]})

    @pytest.mark.parametrize(
        "meta",
        [
            {"shape": [-1]},
            {"shape": [8, 8]},
            {"chunks": [0]},
            {"shape": [True]},
            {"shape": [8.5]},
            {"order": "X"},
            {"dimension_separator": "/../"},
            {"fill_value": "many"},
            {"filters": 3},
            {"shape": None},
        ],
        ids=str,
    )
    def test_metadata_that_make_no_sense_are_refused(self, tmp_path, meta):
        self.refuse(tmp_path, "metadata are not valid", meta)

    @pytest.mark.parametrize(
        "meta", [{"chunks": [10**15]}, {"dtype": "<U9999999"}, {"dtype": [["a", "<f8", [10**9, 10**9]]]}], ids=str
    )
    def test_impossible_sizes_are_refused_before_anything_is_allocated(self, tmp_path, meta):
        self.refuse(tmp_path, "impossible size", meta)

    def test_a_slice_that_cannot_be_held_is_refused(self, tmp_path):
        self.refuse(tmp_path, "a slice of a zarr array has an impossible size", {"shape": [10**9]} | BIG_CHUNKS)

    def test_more_chunks_than_can_be_looked_for_are_refused(self, tmp_path):
        self.refuse(tmp_path, "number of chunks of a zarr array has an impossible size", {"shape": [10**9]})

    def test_bombs_are_decompressed_no_further_than_declared(self, tmp_path):
        bomb = bytes(8_000_000)
        for name, data in (
            ("zlib", zlib.compress(bomb)),
            ("gzip", numcodecs.GZip().encode(bomb)),
            ("bz2", numcodecs.BZ2().encode(bomb)),
            ("lzma", numcodecs.LZMA().encode(bomb)),
            ("zstd", numcodecs.Zstd().encode(bomb)),
            ("lz4", numcodecs.LZ4().encode(bomb)),
            ("blosc", numcodecs.Blosc().encode(bomb)),
        ):
            self.refuse(tmp_path, "damaged|impossible size", {"compressor": {"id": name}}, data)

    def test_a_blosc_header_that_lies_about_its_length_is_refused(self, tmp_path):
        good = numcodecs.Blosc().encode(np.arange(8.0))
        for offset in (4, 8, 12):
            lying = bytearray(good)
            struct.pack_into("<I", lying, offset, 2**31)
            self.refuse(tmp_path, "damaged", {"compressor": {"id": "blosc"}}, bytes(lying))
        self.refuse(tmp_path, "damaged", {"compressor": {"id": "blosc"}}, good[:9])

    def test_cut_off_chunks_are_refused(self, tmp_path):
        values = np.random.default_rng(0).normal(size=8)
        for codec in CODECS[1:]:
            data = bytes(codec.encode(values))
            self.refuse(tmp_path, "damaged|wrong size", {"compressor": codec.get_config()}, data[: len(data) // 2])
        self.refuse(tmp_path, "wrong size", {}, bytes(63))
        self.refuse(tmp_path, "impossible size", {}, bytes(65 + 2**20 + 8))

    def test_names_and_links_that_leave_the_store_are_refused(self, tmp_path):
        outside = write_array(tmp_path / "outside", "x", self.META, {"0": bytes(64)})
        inner = tmp_path / "store"
        inner.mkdir()
        for name in ("../outside/x", "/etc", "a/../../outside/x"):
            with pytest.raises(DataError, match="leaves"):
                ZarrArray(inner, name)
        (inner / "x").symlink_to(outside / "x")
        with pytest.raises(DataError, match="leaves the recording's folder"):
            ZarrArray(inner, "x")

    def test_a_zip_bomb_and_a_cut_off_zip_are_refused(self, tmp_path):
        target = tmp_path / "bomb.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x/.zarray", " " * 20_000_000)
        with pytest.raises(DataError, match="impossible size"):
            ZarrArray(target, "x")
        content = pack(store(tmp_path / "a"), tmp_path / "a.zip").read_bytes()
        for share in (0.2, 0.7, 0.99):
            (tmp_path / "short.zip").write_bytes(content[: int(len(content) * share)])
            with pytest.raises(DataError, match="zip file is damaged"):
                ZarrStore(tmp_path / "short.zip")

    def test_a_flipped_bit_in_a_zip_is_noticed(self, tmp_path):
        content = bytearray(pack(store(tmp_path / "a"), tmp_path / "a.zip").read_bytes())
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            place = archive.getinfo("data/x/0.0").header_offset + 60
        content[place] ^= 1
        (tmp_path / "b.zip").write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            ZarrArray(tmp_path / "b.zip", "data/x").read()

    def test_version_3_checksums_are_checked(self, tmp_path):
        path = store(tmp_path / "a", zarr_format=3, compressors=[Crc32cCodec()])
        chunk = path / "data/x/c/0/0"
        data = bytearray(chunk.read_bytes())
        data[3] ^= 1
        chunk.write_bytes(data)
        with pytest.raises(DataError, match="damaged"):
            ZarrArrayV3(path, "data/x").read()
