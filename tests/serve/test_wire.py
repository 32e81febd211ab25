"""The decoder reads openpi's bytes and refuses everything else with one clear error."""

import struct
import tracemalloc

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorium.core.errors import ServeError
from motorium.serve.wire import Limits, decode, encode, short


def array_bytes(data: bytes, dtype: object = "<f4", shape: object = (2,), **extra) -> bytes:
    """An array as openpi's client packs it, with any field spoiled; made by msgpack, not by our encoder."""
    fields = {b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape}
    return msgpack.packb({**fields, **{key.encode(): value for key, value in extra.items()}})


def test_an_array_written_byte_by_byte_is_read():
    message = b"\x81\xa5state" + (
        b"\x84\xc4\x0b__ndarray__\xc3\xc4\x04data\xc4\x08" + struct.pack("<2f", 1.5, -2.0) + b"\xc4\x05dtype\xa3<f4"
        b"\xc4\x05shape\x91\x02"
    )
    found = decode(message)["state"]
    assert found.dtype == np.float32 and found.tolist() == [1.5, -2.0]


def test_an_array_is_written_with_bin_keys_in_the_reference_order():
    message = encode({"a": np.array([[1, 2]], np.uint8)})
    assert message == b"\x81\xa1a\x84\xc4\x0b__ndarray__\xc3\xc4\x04data\xc4\x02\x01\x02\xc4\x05dtype\xa3|u1" + (
        b"\xc4\x05shape\x92\x01\x02"
    )


def test_a_scalar_keeps_its_dtype():
    message = msgpack.packb({b"__npgeneric__": True, b"data": 3, b"dtype": "<i2"})
    found = decode(message)
    assert found == 3 and found.dtype == np.int16
    assert encode(np.int16(3)) == message


def test_decoded_arrays_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        decode(array_bytes(bytes(8)))[0] = 1.0


def test_decoded_arrays_are_aligned_wherever_they_stand():
    for pad in range(9):
        found = decode(msgpack.packb({"p": "x" * pad, "a": msgpack.unpackb(array_bytes(bytes(16), "<f8"), raw=True)}))
        assert found["a"].flags.aligned and not found["a"].flags.writeable


def test_big_endian_numbers_keep_their_value():
    assert decode(array_bytes(struct.pack(">2i", 258, -1), ">i4")).tolist() == [258, -1]


def test_keys_may_be_bytes_or_text():
    assert decode(msgpack.packb({b"a": 1, "b": 2})) == {"a": 1, "b": 2}


REFUSED = {
    "object dtype": array_bytes(bytes(16), "|O", (2,)),
    "object dtype as bytes": array_bytes(bytes(16), b"|O", (2,)),
    "structured dtype": array_bytes(bytes(8), "f4,f4", (1,)),
    "string dtype": array_bytes(bytes(8), "<U1", (2,)),
    "void dtype": array_bytes(bytes(8), "|V4", (2,)),
    "complex dtype": array_bytes(bytes(16), "<c8", (2,)),
    "datetime dtype": array_bytes(bytes(16), "<M8[s]", (2,)),
    "long double": array_bytes(bytes(32), "<f16", (2,)),
    "list of fields as dtype": array_bytes(bytes(8), [["a", "<f4"]], (2,)),
    "no dtype": msgpack.packb({b"__ndarray__": True, b"data": b"", b"shape": [0]}),
    "another field": array_bytes(bytes(8), strides=[0]),
    "marker that is false": msgpack.packb({b"__ndarray__": False, b"data": b"", b"dtype": "<f4", b"shape": [0]}),
    "data as text": array_bytes("abcdefgh"),
    "data as list": array_bytes([0] * 8),
    "huge shape": array_bytes(bytes(8), shape=(2**40, 2**40)),
    "huge empty shape": array_bytes(b"", shape=(0, 2**62, 2**62)),
    "many axes": array_bytes(bytes(4), shape=(1,) * 64),
    "negative shape": array_bytes(bytes(8), shape=(-2, -1)),
    "minus one": array_bytes(bytes(8), shape=(-1,)),
    "shape of floats": array_bytes(bytes(8), shape=(2.0,)),
    "shape of booleans": array_bytes(bytes(4), shape=(True,)),
    "shape as number": array_bytes(bytes(8), shape=2),
    "too few bytes": array_bytes(bytes(7)),
    "too many bytes": array_bytes(bytes(9)),
    "boolean byte 2": array_bytes(b"\x00\x02", "|b1"),
    "scalar out of range": msgpack.packb({b"__npgeneric__": True, b"data": 300, b"dtype": "|u1"}),
    "scalar of the wrong type": msgpack.packb({b"__npgeneric__": True, b"data": "1", b"dtype": "<f4"}),
    "scalar of objects": msgpack.packb({b"__npgeneric__": True, b"data": 1, b"dtype": "|O"}),
    "truncated": array_bytes(bytes(8))[:-3],
    "empty": b"",
    "trailing bytes": array_bytes(bytes(8)) + b"\x00",
    "extension type": msgpack.packb(msgpack.ExtType(4, b"payload")),
    "timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "reserved byte": b"\xc1",
    "map that promises 2^32 pairs": b"\xdf\xff\xff\xff\xff\x00",
    "list that promises 2^32 values": b"\xdd\xff\xff\xff\xff\x00",
    "bytes that promise 2^32": b"\xc6\xff\xff\xff\xff\x00",
    "text that is not UTF-8": b"\xa2\xff\xfe",
    "key that is not UTF-8": b"\x81\xc4\x01\xff\x01",
    "number as key": b"\x81\x01\x01",
    "list as key": b"\x81\x91\x01\x01",
    "key twice": b"\x82\xa1a\x01\xc4\x01a\x02",
    "long key": msgpack.packb({"k" * 300: 1}),
    "deep lists": b"\x91" * 100_000 + b"\xc0",
    "deep maps": b"\x81\xa1a" * 100_000 + b"\xc0",
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_a_clear_error(message):
    with pytest.raises(ServeError) as caught:
        decode(message)
    assert len(str(caught.value)) < 1000


def test_a_dtype_error_names_the_nearest():
    with pytest.raises(ServeError, match="nearest:  <f4"):
        decode(array_bytes(bytes(8), "<f44"))


def test_a_message_over_the_limit_is_not_looked_at():
    with pytest.raises(ServeError, match="too large"):
        decode(bytes(101), Limits(max_bytes=100))


@pytest.mark.parametrize("filler", [b"\x80", b"\x90", b"\xa0", b"\xc0"], ids=["maps", "lists", "texts", "nils"])
def test_memory_stays_bounded_when_every_byte_is_a_value(filler):
    count = 4 << 20
    message = b"\xdd" + struct.pack(">I", count) + filler * count
    rows = b"\xdc\x27\x00" + (b"\xdc\x00\x64" + filler * 100) * 9984
    for hostile in (message, rows):
        tracemalloc.start()
        with pytest.raises(ServeError, match="too many values"):
            decode(hostile)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20


def test_arrays_that_share_no_copy_with_a_hostile_shape():
    tracemalloc.start()
    with pytest.raises(ServeError):
        decode(array_bytes(b"", "<f8", (1 << 22,)))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array(["text"]),
        np.array([1j]),
        np.zeros(2, "f4,f4"),
        {1, 2},
        object(),
        np.longdouble(1),
    ],
    ids=["object", "text", "complex", "structured", "set", "any", "long double"],
)
def test_what_the_format_does_not_have_is_not_written(value):
    with pytest.raises(ServeError, match="cannot be encoded"):
        encode({"a": value})


def test_short_text_says_how_long_it_was():
    assert short("x" * 5000).endswith("(5000 characters)") and len(short("x" * 5000)) < 200


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=400),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(value=plain)
def test_plain_data_is_read_as_msgpack_reads_it(value):
    message = msgpack.packb(value)
    try:
        found = decode(message)
    except ServeError as error:
        assert "nested" in error.what or "key" in error.what or "array" in error.what or "scalar" in error.what
        return
    assert found == msgpack.unpackb(message, strict_map_key=False)


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from(["|b1", "|u1", "|i1", "<i2", ">i4", "<i8", "<u2", "<f2", "<f4", ">f8"]),
    shape=st.lists(st.integers(0, 5), max_size=4),
    seed=st.integers(0, 1000),
)
def test_arrays_survive_the_round_trip_bit_by_bit(dtype, shape, seed):
    raw = np.random.default_rng(seed).integers(0, 2 if dtype == "|b1" else 256, 1000 * 8).astype(np.uint8).tobytes()
    array = np.frombuffer(raw, dtype, int(np.prod(shape, dtype=int))).reshape(shape)
    found = decode(encode({"a": array}))["a"]
    assert found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == array.tobytes()


valid = msgpack.packb(
    {
        "state": msgpack.unpackb(array_bytes(bytes(8)), raw=True),
        "n": {b"__npgeneric__": True, b"data": 1.5, b"dtype": "<f8"},
        "list": [1, -1, 1e300, None, True, "text", b"bytes"],
    }
)
random_bytes = st.binary(max_size=400)
edits = st.dictionaries(st.integers(0, len(valid) - 1), st.integers(0, 255), min_size=1, max_size=6)
spoiled = edits.map(lambda changes: bytes(changes.get(i, byte) for i, byte in enumerate(valid)))
markers = st.dictionaries(
    st.sampled_from([b"__ndarray__", b"__npgeneric__", b"data", b"dtype", b"shape", "__ndarray__"]),
    st.sampled_from([True, "<f4", "|O", b"<f4", bytes(8), [2], [-1], [2**63], 2, 1.5, None, 2**64 - 1, {}, "O", "<M8"]),
).map(msgpack.packb)


@settings(max_examples=800, deadline=None)
@given(message=random_bytes | spoiled | markers)
def test_whatever_the_bytes_nothing_but_a_serve_error_comes_out(message):
    try:
        decode(message)
    except ServeError as error:
        assert len(str(error)) < 1000
