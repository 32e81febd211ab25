"""The server: openpi's frames, errors that leave it standing, rows that do not meet, a loopback it keeps to."""

import http.client
import itertools
import json
import logging
import socket
import struct
import threading

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from motorium.core.errors import ServeError
from motorium.core.random import derive_seed, stream
from motorium.serve.client import PolicyClient
from motorium.serve.openpi import PolicyServer, ServeSpec, running
from tests.serve.policies import CAMERA, STATE, Echo, Faulty, Gated, Noisy, Slow, expected, info, sample
from tests.serve.test_wire import REFUSED as HOSTILE

ACTION_KEYS = {b"__ndarray__", b"data", b"dtype", b"shape"}


@pytest.fixture(scope="module")
def echo():
    with running(Echo()) as server:
        yield server


def raw(server):
    return connect(server.url, compression=None, max_size=None, proxy=None, open_timeout=10, close_timeout=1)


def request_bytes(observation) -> bytes:
    """A request by the published format, without our encoder: bin keys, little-endian data."""
    arrays = {
        key: {b"__ndarray__": True, b"data": a.tobytes(), b"dtype": a.dtype.str, b"shape": list(a.shape)}
        for key, a in observation.items()
    }
    return msgpack.packb(arrays)


def answer(frame):
    """The `actions` of a binary frame, by the published format, without our decoder."""
    fields = msgpack.unpackb(frame)["actions"]
    assert set(fields) == ACTION_KEYS and fields[b"dtype"] == "<f4"
    values = struct.unpack(f"<{len(fields[b'data']) // 4}f", fields[b"data"])
    return np.array(values, np.float32).reshape(fields[b"shape"])


def test_the_protocol_spoken_byte_by_byte(echo):
    with raw(echo) as client:
        metadata = msgpack.unpackb(client.recv(timeout=10))
        assert metadata["horizon"] == 5 and metadata["observation"][CAMERA]["shape"] == [8, 8, 3]
        assert metadata["action"]["units"] == ["rad"] * 14 and metadata["conventions"] == {"quaternion": "w first"}
        for index, value in enumerate((0.25, 0.75)):
            client.send(request_bytes(sample(value)))
            frame = client.recv(timeout=10)
            assert isinstance(frame, bytes)
            np.testing.assert_array_equal(answer(frame), expected(sample(value)))
            timing = msgpack.unpackb(frame)["server_timing"]
            assert timing["infer_ms"] >= 0 and ("prev_total_ms" in timing) == (index == 1)


def test_health_is_answered_over_http(echo):
    host, port = echo.addresses[0]
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("GET", "/healthz")
    reply = connection.getresponse()
    assert (reply.status, reply.read().strip()) == (200, b"OK")


def test_every_hostile_frame_gets_a_text_answer_and_the_connection_lives(echo):
    with raw(echo) as client:
        client.recv(timeout=10)
        spoiled_state = [
            {**{k: msgpack.unpackb(request_bytes(sample()))[k] for k in (STATE, CAMERA)}, **change}
            for change in ({STATE: None}, {STATE: {b"__ndarray__": True}}, {"x" * 200: 1}, {})
        ]
        frames = [*HOSTILE.values(), *map(msgpack.packb, spoiled_state[:3]), msgpack.packb([1]), b"\xc0", "a text"]
        for frame in frames:
            client.send(frame)
            reply = client.recv(timeout=10)
            assert isinstance(reply, str) and 0 < len(reply) < 2000 and "Traceback" not in reply
        client.send(request_bytes(sample()))
        np.testing.assert_array_equal(answer(client.recv(timeout=10)), expected(sample()))


def test_a_frame_of_100_megabytes_closes_its_connection_and_no_other(echo):
    with raw(echo) as other, raw(echo) as client:
        other.recv(timeout=10), client.recv(timeout=10)
        with pytest.raises(ConnectionClosed) as caught:
            client.send(bytes(100_000_000))
            client.recv(timeout=10)
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1009
        other.send(request_bytes(sample()))
        np.testing.assert_array_equal(answer(other.recv(timeout=10)), expected(sample()))


def test_a_frame_just_over_the_limit_is_told_1009(echo):
    with raw(echo) as client:
        limit = msgpack.unpackb(client.recv(timeout=10))["max_request_bytes"]
        with pytest.raises(ConnectionClosed) as caught:
            client.send(bytes(limit + 1))
            client.recv(timeout=10)
        assert caught.value.rcvd.code == 1009


def test_the_bound_address_is_the_loopback(echo):
    assert echo.addresses and all(host == "127.0.0.1" for host, _ in echo.addresses)
    port = echo.addresses[0][1]
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [entry for entry in listening if entry.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_an_address_that_others_reach_needs_a_token(host):
    with pytest.raises(ServeError, match="needs a token"):
        PolicyServer(Echo(), ServeSpec(host=host, port=0))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_the_loopback_needs_none(host):
    PolicyServer(Echo(), ServeSpec(host=host, port=0))


def test_a_token_opens_every_address_and_is_asked_for():
    with running(Echo(), ServeSpec(host="0.0.0.0", port=0), token="s3cret") as server:
        url = f"ws://127.0.0.1:{server.addresses[0][1]}"
        for headers in ({}, {"Authorization": "Api-Key wrong"}, {"Authorization": "Basic s3cret"}):
            with pytest.raises(InvalidStatus) as caught:
                connect(url, additional_headers=headers, proxy=None)
            assert caught.value.response.status_code == 401
        with PolicyClient(url, token="s3cret") as client:
            np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))
        with pytest.raises(ServeError, match="pass the server's token"):
            PolicyClient(url, token="wrong")
        status = http.client.HTTPConnection("127.0.0.1", server.addresses[0][1], timeout=10)
        status.request("GET", "/healthz")
        assert status.getresponse().status == 200


def test_a_browser_page_is_turned_away(echo):
    with pytest.raises(InvalidStatus) as caught:
        connect(echo.url, origin="http://evil.example", proxy=None)
    assert caught.value.response.status_code == 403


def test_a_port_in_use_is_a_clear_error(echo):
    with pytest.raises(ServeError, match="cannot listen"), running(Echo(), ServeSpec(port=echo.addresses[0][1])):
        pass


def test_eight_clients_at_once_each_get_their_own_actions():
    with running(Slow(), ServeSpec(port=0, connections=8)) as server:
        wrong: list = []

        def drive(index: int) -> None:
            with PolicyClient(server.url, timeout_s=60) as client:
                for step in range(10):
                    observation = sample(index + step / 16, pixel=index)
                    if not np.array_equal(client.infer(observation)["actions"], expected(observation)):
                        wrong.append((index, step))

        threads = [threading.Thread(target=drive, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not wrong and not any(thread.is_alive() for thread in threads)


def test_the_ninth_client_is_turned_away_until_a_place_is_free():
    with running(Echo(), ServeSpec(port=0, connections=1)) as server:
        first = PolicyClient(server.url)
        with pytest.raises(ServeError, match="503"):
            PolicyClient(server.url)
        first.close()
        for _ in range(200):
            try:
                PolicyClient(server.url).close()
                return
            except ServeError:
                threading.Event().wait(0.01)
        pytest.fail("the place was never given back")


def test_requests_that_wait_are_answered_by_one_call():
    policy = Gated()
    with running(policy, ServeSpec(port=0, connections=3)) as server:
        clients = [PolicyClient(server.url, timeout_s=30) for _ in range(3)]
        answers: dict = {}

        def ask(index: int) -> None:
            answers[index] = clients[index].infer(sample(index))["actions"]

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(3)]
        threads[0].start()
        assert policy.entered.wait(10)
        for thread in threads[1:]:
            thread.start()
        for _ in range(1000):
            if len(server._rows._pending) == 2:
                break
            threading.Event().wait(0.01)
        policy.gate.set()
        for thread in threads:
            thread.join(30)
        assert policy.calls == [1, 2]
        for index in range(3):
            np.testing.assert_array_equal(answers[index], expected(sample(index)))
        for client in clients:
            client.close()


def test_health_is_answered_while_the_policy_computes():
    policy = Gated()
    with running(policy) as server, PolicyClient(server.url, timeout_s=30) as client:
        thread = threading.Thread(target=client.infer, args=(sample(),))
        thread.start()
        try:
            assert policy.entered.wait(10)
            connection = http.client.HTTPConnection(*server.addresses[0], timeout=10)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
        finally:
            policy.gate.set()
            thread.join(30)


def test_a_client_that_sends_half_a_frame_and_waits_blocks_nobody(echo):
    with socket.create_connection(echo.addresses[0]) as slow:
        slow.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in slow.recv(100)
        slow.sendall(b"\x82\xfe\x10\x00\x00\x00\x00\x00" + bytes(100))
        with PolicyClient(echo.url) as client:
            np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))


def test_a_client_that_reads_nothing_blocks_nobody(echo):
    with raw(echo) as greedy:
        greedy.recv(timeout=10)
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(200):
            greedy.send(request_bytes(sample()))
        with PolicyClient(echo.url) as client:
            np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))


def test_a_policy_that_fails_tells_the_client_little_and_the_log_all(caplog):
    with running(Faulty()) as server, PolicyClient(server.url) as client:
        with caplog.at_level(logging.ERROR, "motorium.serve"), pytest.raises(ServeError) as caught:
            client.infer(sample(13))
        assert "secret" not in str(caught.value) and "the policy failed" in str(caught.value)
        assert "secret/path/of/the/server" in caplog.text
        with pytest.raises(ServeError, match="not finite"):
            client.infer(sample(7))
        np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))


def test_one_rows_failure_does_not_reach_the_row_computed_with_it():
    class GatedFaulty(Gated):
        def act(self, observation, mask=None):
            actions = super().act(observation, mask)
            if ((observation[STATE][:, 0] == 13) & mask).any():
                raise RuntimeError("bad row")
            return actions

    policy = GatedFaulty()
    with running(policy, ServeSpec(port=0, connections=3)) as server:
        clients = [PolicyClient(server.url, timeout_s=30) for _ in range(3)]
        results: dict = {}

        def ask(index: int, value: float) -> None:
            try:
                results[index] = clients[index].infer(sample(value))["actions"]
            except ServeError as error:
                results[index] = error

        threads = [threading.Thread(target=ask, args=pair) for pair in ((0, 1.0), (1, 13.0), (2, 2.0))]
        threads[0].start()
        assert policy.entered.wait(10)
        for thread in threads[1:]:
            thread.start()
        for _ in range(1000):
            if len(server._rows._pending) == 2:
                break
            threading.Event().wait(0.01)
        policy.gate.set()
        for thread in threads:
            thread.join(30)
        assert isinstance(results[1], ServeError)
        np.testing.assert_array_equal(results[2], expected(sample(2.0)))
        for client in clients:
            client.close()


def noise(seed: int, calls: int) -> np.ndarray:
    """What `Noisy` draws for an episode of `calls` requests from `seed`."""
    generator = stream(seed, "noise")
    return np.stack([generator.standard_normal((5, 14)) for _ in range(calls)]).astype(np.float32)


def ask(client: PolicyClient, calls: int) -> np.ndarray:
    return np.stack([client.infer(sample())["actions"] for _ in range(calls)])


def test_a_connection_is_an_episode_with_the_seed_it_was_told():
    with running(Noisy(), ServeSpec(port=0, seed=3)) as server:
        seeds = []
        for _ in range(2):
            with PolicyClient(server.url) as client:
                seeds.append(client.metadata["seed"])
                np.testing.assert_array_equal(ask(client, 3), noise(derive_seed(seeds[-1], "episode", 0), 3))
                client.reset()
                np.testing.assert_array_equal(ask(client, 2), noise(derive_seed(seeds[-1], "episode", 1), 2))
                client.reset(seed=77)
                np.testing.assert_array_equal(ask(client, 2), noise(77, 2))
        assert seeds[0] != seeds[1]


def test_an_episode_does_not_feel_the_other_connections():
    with running(Noisy()) as server, PolicyClient(server.url) as one, PolicyClient(server.url) as two:
        one.reset(seed=5), two.reset(seed=6)
        got = [[], []]
        for turn in itertools.islice(itertools.cycle((0, 1, 1, 0, 1)), 20):
            got[turn].append((one, two)[turn].infer(sample())["actions"])
        np.testing.assert_array_equal(got[0], noise(5, len(got[0])))
        np.testing.assert_array_equal(got[1], noise(6, len(got[1])))


def test_a_refused_request_neither_moves_the_stream_nor_uses_up_the_reset():
    with running(Noisy()) as server, PolicyClient(server.url) as client:
        ask(client, 2)
        client.reset(seed=9)
        with pytest.raises(ServeError):
            client.infer({STATE: sample()[STATE]})
        first = ask(client, 1)
        with pytest.raises(ServeError):
            client.infer({**sample(), "more": np.zeros(1)})
        np.testing.assert_array_equal(np.concatenate([first, ask(client, 1)]), noise(9, 2))


def test_what_the_server_says_of_its_policy_is_plain_json(echo):
    with PolicyClient(echo.url) as client:
        assert json.loads(json.dumps(client.metadata))["policy_digest"] == info().digest


def test_closing_answers_what_is_under_way_and_says_goodbye():
    policy = Gated()
    got: list = []
    with running(policy) as server:
        url = server.url
        busy, idle = PolicyClient(url, timeout_s=30), raw(server).__enter__()
        idle.recv(timeout=10)
        thread = threading.Thread(target=lambda: got.append(_outcome(busy)))
        thread.start()
        assert policy.entered.wait(10)
        threading.Timer(0.3, policy.gate.set).start()
    thread.join(30)
    np.testing.assert_array_equal(got[0], expected(sample()))
    with pytest.raises(ConnectionClosed) as caught:
        idle.recv(timeout=10)
    assert caught.value.rcvd.code == 1001
    with pytest.raises(ServeError, match="no policy server answers"):
        PolicyClient(url)


def test_a_client_under_way_for_too_long_does_not_keep_the_server_from_stopping():
    policy = Gated()
    with running(policy, ServeSpec(port=0, drain_timeout_s=0.1)) as server:
        client = PolicyClient(server.url, timeout_s=30)
        got: list = []
        thread = threading.Thread(target=lambda: got.append(_outcome(client)))
        thread.start()
        assert policy.entered.wait(10)
        threading.Timer(1.0, policy.gate.set).start()
    thread.join(30)
    assert isinstance(got[0], ServeError)


def _outcome(client: PolicyClient):
    try:
        return client.infer(sample())["actions"]
    except ServeError as error:
        return error
