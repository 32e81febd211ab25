"""What a request must hold, and what it is told when it does not."""

import numpy as np
import pytest

from motorium.core.errors import ServeError
from motorium.core.features import Feature, vector
from motorium.serve.requests import check_servable, frame_limit, read_request
from tests.serve.policies import CAMERA, JOINTS, STATE, info, sample


def changed(**changes):
    return {**sample(), **{{"state": STATE, "camera": CAMERA}.get(k, k): v for k, v in changes.items()}}


def test_wider_floats_and_integers_become_the_features_floats():
    for dtype in (np.float64, np.float16, np.int64, np.uint8, ">f8"):
        got = read_request(changed(state=np.arange(14).astype(dtype)), info()).observation[STATE]
        assert got.dtype == np.dtype("float32") and got.tolist() == list(range(14))


REFUSED = {
    "not a map": ([1, 2], "map of observations"),
    "batch axis": (changed(state=np.zeros((1, 14), np.float32)), "without a batch axis"),
    "13 joints": (changed(state=np.zeros(13, np.float32)), "wrong shape"),
    "list": (changed(state=[0.0] * 14), "not an array"),
    "NaN": (changed(state=np.where(np.arange(14) == 4, np.nan, 0)), "joint_4"),
    "infinite": (changed(state=np.full(14, -np.inf)), "not finite"),
    "too large for float32": (changed(state=np.full(14, 1e300)), "not finite"),
    "float picture": (changed(camera=np.zeros((8, 8, 3), np.float32)), "uint8 RGB"),
    "channels first": (changed(camera=np.zeros((3, 8, 8), np.uint8)), "wrong shape"),
    "boolean picture": (changed(camera=np.zeros((8, 8, 3), bool)), "uint8 RGB"),
    "unknown key": (changed(prompt="pick the cube"), "'prompt' is not an observation"),
    "reset that is a number": (changed(reset=1), "true or false"),
    "seed without reset": (changed(seed=4), "together with 'reset'"),
    "negative seed": (changed(reset=True, seed=-1), "0 <= seed"),
    "seed of 64 bits": (changed(reset=True, seed=2**63), "0 <= seed"),
    "seed that is true": (changed(reset=True, seed=True), "0 <= seed"),
    "array of resets": (changed(reset=np.array([True])), "true or false"),
}


@pytest.mark.parametrize(("message", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_the_reason(message, words):
    with pytest.raises(ServeError) as caught:
        read_request(message, info())
    assert words in str(caught.value)


def test_a_misspelt_key_names_the_one_that_was_meant():
    message = sample()
    message["observation.stat"] = message.pop(STATE)
    with pytest.raises(ServeError, match="nearest:  observation.state"):
        read_request(message, info())


def test_a_missing_key_is_named():
    message = sample()
    del message[CAMERA]
    with pytest.raises(ServeError, match=f"'{CAMERA}' is missing"):
        read_request(message, info())


def test_floats_are_never_rounded_to_integers():
    counting = info(observation={"count": Feature(dtype="int64", shape=(1,))})
    assert read_request({"count": np.array([3], np.int32)}, counting).observation["count"].tolist() == [3]
    with pytest.raises(ServeError, match="wrong dtype"):
        read_request({"count": np.array([3.0])}, counting)


def test_integers_that_do_not_fit_are_refused_not_wrapped():
    small = info(observation={"gear": Feature(dtype="uint8", shape=(1,))})
    for value in (-1, 300):
        with pytest.raises(ServeError, match="out of range"):
            read_request({"gear": np.array([value], np.int64)}, small)
    assert read_request({"gear": np.array([200], np.int64)}, small).observation["gear"].tolist() == [200]


@pytest.mark.parametrize("key", ["reset", "seed"])
def test_a_policy_that_reads_a_key_of_the_protocol_cannot_be_served(key):
    with pytest.raises(ServeError, match="own key"):
        check_servable(info(observation={key: vector(JOINTS, "rad")}))


def test_a_policy_that_reads_text_cannot_be_served():
    with pytest.raises(ServeError, match="cannot be served"):
        check_servable(info(observation={"task": Feature(dtype="string", shape=(1,))}))


def test_the_frame_limit_has_room_for_every_value_as_float64():
    wide = info(side=2048)
    assert frame_limit(wide) >= 8 * (2048 * 2048 * 3 + 14)
    assert frame_limit(info()) == 8 << 20
