"""Facts about tagged hashing and random streams."""

import numpy as np
import pytest

from motorium.core.hashing import digest, file_digest
from motorium.core.random import derive_seed, stream


def test_values_that_print_alike_hash_apart():
    plain = [None, "", 0, 0.0, False, "0", b"", "a", 1, True, 1.0]
    nested = [[], {}, [0], ["0"], [[], []], [[[]]], ["a"], {"a": None}]
    values = plain + nested
    assert len({digest("t", value) for value in values}) == len(values)


def test_layout_cannot_be_confused():
    assert digest("t", ["ab", "c"]) != digest("t", ["a", "bc"])
    assert digest("t", ["a", ["b"]]) != digest("t", [["a"], "b"])
    assert digest("a", "b") != digest("ab", "")


def test_order_of_keys_does_not_matter_and_of_items_does():
    assert digest("t", {"a": 1, "b": 2}) == digest("t", {"b": 2, "a": 1})
    assert digest("t", [1, 2]) != digest("t", [2, 1])


def test_arrays_hash_by_type_shape_and_bytes():
    array = np.arange(6, dtype=np.float32)
    assert digest("t", array) == digest("t", array.copy())
    assert digest("t", array) != digest("t", array.reshape(2, 3))
    assert digest("t", array) != digest("t", array.astype(np.float64))
    assert digest("t", array[::2]) == digest("t", np.ascontiguousarray(array[::2]))


def test_arrays_of_objects_are_refused_for_their_bytes_are_addresses():
    with pytest.raises(TypeError, match="object"):
        digest("t", np.array(["a", None], object))


def test_unknown_types_are_refused():
    with pytest.raises(TypeError, match="object"):
        digest("t", object())
    with pytest.raises(TypeError, match="string keys"):
        digest("t", {1: 2})


def test_file_digest_is_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_streams_are_reproducible_and_distinct():
    draws = {name: stream(7, *name).normal(size=4).tobytes() for name in [("a", 0), ("a", 1), ("b", 0), ("a",)]}
    assert len(set(draws.values())) == 4
    assert stream(7, "a", 0).normal(size=4).tobytes() == draws[("a", 0)]
    assert stream(8, "a", 0).normal(size=4).tobytes() != draws[("a", 0)]


def test_streams_leave_the_global_generator_alone():
    np.random.seed(1)
    expected = np.random.RandomState(1).random_sample(3)
    stream(1, "x").normal(size=100)
    np.testing.assert_array_equal(np.random.random_sample(3), expected)


def test_derived_seeds_fit_int64():
    assert all(0 <= derive_seed(3, "x", i) < 2**63 for i in range(100))
