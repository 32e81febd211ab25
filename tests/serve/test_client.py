"""The client: a chunk at a time, and errors that say what to do."""

import contextlib
import threading

import msgpack
import numpy as np
import pytest
from websockets.sync.server import serve

from motorium.core.errors import ServeError
from motorium.serve.client import ChunkRunner, PolicyClient
from motorium.serve.openpi import running
from motorium.serve.wire import decode, encode
from tests.serve.policies import STATE, Echo, expected, sample


@contextlib.contextmanager
def scripted(handler):
    """A server of the protocol that is not ours; yields its URL."""
    with serve(handler, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(10)


def test_a_chunk_is_executed_before_the_server_is_asked_again():
    with running(Echo()) as server, PolicyClient(server.url) as client:
        runner = ChunkRunner(client)
        first, later = expected(sample(1.0)), expected(sample(9.0))
        got = [runner.action(sample(1.0 if step == 0 else 9.0)) for step in range(5)]
        # `execute` is 3: the observations of steps 1 and 2 are not looked at.
        np.testing.assert_array_equal(got, [first[0], first[1], first[2], later[0], later[1]])
        runner.reset()
        np.testing.assert_array_equal(runner.action(sample(1.0)), first[0])


def test_execute_can_be_chosen_and_is_checked():
    with running(Echo()) as server, PolicyClient(server.url) as client:
        runner = ChunkRunner(client, execute=1)
        got = [runner.action(sample(value)) for value in (1.0, 2.0)]
        np.testing.assert_array_equal(got, [expected(sample(1.0))[0], expected(sample(2.0))[0]])
        with pytest.raises(ServeError, match="at least one action"):
            ChunkRunner(client, execute=0)
        with pytest.raises(ServeError, match="too short"):
            ChunkRunner(client, execute=6).action(sample())


def test_the_servers_words_reach_the_caller():
    with running(Echo()) as server, PolicyClient(server.url) as client:
        with pytest.raises(ServeError, match="nearest:  observation.state"):
            client.infer({**{k: v for k, v in sample().items() if k != STATE}, "observation.sate": sample()[STATE]})
        np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))


def test_an_observation_too_large_is_refused_before_it_is_sent():
    with running(Echo()) as server, PolicyClient(server.url) as client:
        with pytest.raises(ServeError, match="too large"):
            client.infer({**sample(), STATE: np.zeros(2_000_000)})
        np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))


def test_nobody_there_says_how_to_start_a_server():
    with running(Echo()) as server:
        url = server.url
    with pytest.raises(ServeError, match="motorium serve"):
        PolicyClient(url)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "ws://", "ws://127.0.0.1:99999999"])
def test_an_address_that_is_none_is_a_clear_error(address):
    with pytest.raises(ServeError, match="no policy server"):
        PolicyClient(address, timeout_s=2)


def test_a_server_that_never_answers_times_out_and_is_not_asked_again():
    def silent(connection):
        connection.send(encode({}))
        with contextlib.suppress(Exception):
            while True:
                connection.recv()

    with scripted(silent) as url, PolicyClient(url, timeout_s=0.3) as client:
        with pytest.raises(ServeError, match="did not answer in time"):
            client.infer(sample())
        with pytest.raises(ServeError, match="connection is closed"):
            client.infer(sample())


def test_a_server_that_goes_away_is_a_clear_error():
    def leaving(connection):
        connection.send(encode({}))
        connection.recv()

    with scripted(leaving) as url, PolicyClient(url) as client, pytest.raises(ServeError, match="connection is closed"):
        client.infer(sample())


@pytest.mark.parametrize(
    "reply",
    [b"\xc1", msgpack.packb({"action": 1}), msgpack.packb([1]), msgpack.packb({"actions": 3})]
    + [msgpack.packb({"actions": {b"__ndarray__": True, b"data": bytes(8), b"dtype": "|O", b"shape": [1]}})],
    ids=["not msgpack", "no actions", "no map", "a number", "objects"],
)
def test_a_hostile_answer_is_refused(reply):
    def hostile(connection):
        connection.send(encode({}))
        connection.recv()
        connection.send(reply)

    with scripted(hostile) as url, PolicyClient(url) as client, pytest.raises(ServeError):
        client.infer(sample())


def test_a_server_that_knows_no_episodes_is_not_told_of_them():
    seen: list = []

    def reference(connection):
        connection.send(encode({"robot": "aloha"}))
        seen.append(decode(connection.recv()))
        connection.send(encode({"actions": np.zeros((2, 3), np.float32)}))

    with scripted(reference) as url, PolicyClient(url) as client:
        client.reset(seed=3)
        assert client.infer(sample())["actions"].shape == (2, 3)
    assert set(seen[0]) == set(sample())
