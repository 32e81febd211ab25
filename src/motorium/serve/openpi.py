"""Policy server that speaks openpi's WebSocket protocol: metadata first, then an action chunk for each observation.

A connection is a row of the policy and an episode: it starts anew on connecting and where a request holds
`reset: true`. A request that is not valid is answered by a text frame that says why, and the connection
stays; only a frame over the size limit closes it (1009), because its end is never read.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import http
import ipaddress
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import Field
from websockets.asyncio import server as websocket
from websockets.exceptions import ConnectionClosed

import motorium
from motorium.core.errors import ServeError
from motorium.core.protocols import Policy
from motorium.core.random import derive_seed
from motorium.core.spec import Spec
from motorium.serve.requests import check_servable, frame_limit, read_request
from motorium.serve.rows import PolicyRows, Turn
from motorium.serve.wire import Limits, decode, encode

log = logging.getLogger("motorium.serve")

GOING_AWAY, TRY_AGAIN_LATER = 1001, 1013


class ServeSpec(Spec):
    """Where and for how many a policy is served."""

    host: str = Field("127.0.0.1", description="address to listen on; another than loopback needs a token")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    connections: int = Field(8, ge=1, le=1024, description="clients at a time, a row of the policy each")
    seed: int = Field(0, ge=0, lt=2**63, description="root of the seeds of episodes whose client sends none")
    max_request_bytes: int | None = Field(
        None, ge=1024, description="size of a request; default: the policy's observation as float64, at least 8 MiB"
    )
    max_request_values: int = Field(10_000, ge=16, description="values and keys in a request, array elements apart")
    handshake_timeout_s: float = Field(10.0, gt=0, description="time a client has to open its connection")
    idle_timeout_s: float = Field(20.0, gt=0, description="a client that answers no ping for so long is dropped")
    drain_timeout_s: float = Field(5.0, ge=0, description="time that requests under way are given when it stops")


class PolicyServer:
    """Serves one policy; `start` and `close` run in an asyncio loop.

    Raises:
        ServeError: when the policy cannot be served, or the address needs a token and has none.
    """

    def __init__(self, policy: Policy, spec: ServeSpec, token: str | None = None) -> None:
        check_servable(policy.info)
        if not token and not _is_loopback(spec.host):
            raise ServeError(
                "an address that others can reach needs a token",
                where="host",
                got=spec.host,
                expected="127.0.0.1, ::1 or localhost, or a token",
                remedy="write a secret to a file and pass --token-file",
            )
        self.spec = spec
        self._info = policy.info
        self._limits = Limits(
            max_bytes=spec.max_request_bytes or frame_limit(policy.info), max_values=spec.max_request_values
        )
        self._token = None if not token else hashlib.sha256(token.encode()).digest()
        self._rows = PolicyRows(policy, spec.connections)
        self._metadata = describe(policy, self._limits.max_bytes)
        self._opened = 0
        self._answering = 0
        self._server: websocket.Server | None = None

    async def start(self) -> None:
        """Bind and begin to serve.

        Raises:
            ServeError: when the address cannot be bound.
        """
        await self._rows.start()
        try:
            self._server = await websocket.serve(
                self._converse,
                self.spec.host,
                self.spec.port,
                # A browser always states an origin: pages may not drive a robot through the loopback.
                origins=[None],
                compression=None,
                process_request=self._admit,
                max_size=self._limits.max_bytes,
                max_queue=1,
                open_timeout=self.spec.handshake_timeout_s,
                ping_interval=self.spec.idle_timeout_s,
                ping_timeout=self.spec.idle_timeout_s,
                close_timeout=2.0,
                logger=logging.getLogger("motorium.serve.websockets"),
            )
        except (OSError, OverflowError) as error:
            self._rows.close()
            raise ServeError(
                "the server cannot listen there",
                where=f"{self.spec.host}:{self.spec.port}",
                got=error,
                remedy="choose another port, or 0 for a free one",
            ) from None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(host, port) of every socket that is bound."""
        return [] if self._server is None else [sock.getsockname()[:2] for sock in self._server.sockets]

    @property
    def url(self) -> str:
        """Address for clients."""
        host, port = self.addresses[0]
        return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"

    async def close(self) -> None:
        """Take no more connections, answer the requests under way, close connections with 1001; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close(close_connections=False)
        deadline = time.monotonic() + self.spec.drain_timeout_s
        while self._answering and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await asyncio.gather(*(connection.close(GOING_AWAY, "the server stops") for connection in server.connections))
        await server.wait_closed()
        await asyncio.get_running_loop().run_in_executor(None, self._rows.close)

    def _admit(self, connection: websocket.ServerConnection, request: Any) -> Any:
        """The HTTP side: health, authorisation, places."""
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        if self._token is not None and not self._authorised(request.headers):
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "Authorization: Api-Key <token> is required\n")
        if self._rows.free == 0:
            text = f"all {self.spec.connections} connections are taken; try again later\n"
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, text)
        return None

    def _authorised(self, headers: Any) -> bool:
        values = headers.get_all("Authorization")
        scheme, _, key = (values[0] if len(values) == 1 else "").partition(" ")
        given = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(given, self._token) and scheme.lower() in ("api-key", "bearer")

    async def _converse(self, connection: websocket.ServerConnection) -> None:
        row = self._rows.acquire()
        if row is None:
            await connection.close(TRY_AGAIN_LATER, "all connections are taken")
            return
        try:
            seed = derive_seed(self.spec.seed, "connection", self._opened)
            self._opened += 1
            await connection.send(encode({**self._metadata, "seed": seed}))
            conversation = _Conversation(row, seed)
            async for message in connection:
                start = time.perf_counter()
                self._answering += 1
                try:
                    await connection.send(await self._answer(message, conversation))
                finally:
                    self._answering -= 1
                conversation.previous_s = time.perf_counter() - start
        except ConnectionClosed as closed:
            log.info("a connection ended: %s", closed)
        finally:
            self._rows.release(row)

    async def _answer(self, message: str | bytes, conversation: _Conversation) -> str | bytes:
        """A binary frame with the actions, or a text frame with what is wrong."""
        try:
            if isinstance(message, str):
                raise ServeError("a request is a binary frame", got="a text frame", expected="msgpack")
            request = read_request(decode(message, self._limits), self._info)
            actions, seconds = await self._rows.act(
                Turn(
                    row=conversation.row,
                    observation=request.observation,
                    seed=conversation.episode_seed(request.reset, request.seed),
                )
            )
        except ServeError as error:
            return str(error)
        conversation.began()
        timing = {"infer_ms": 1e3 * seconds}
        if conversation.previous_s is not None:
            timing["prev_total_ms"] = 1e3 * conversation.previous_s
        return encode({"actions": actions, "server_timing": timing})


class _Conversation:
    """What a connection remembers: its row, the episode it is in, and how long the last request took."""

    def __init__(self, row: int, seed: int) -> None:
        self.row = row
        self.previous_s: float | None = None
        self._seed = seed
        self._episode = 0
        self._fresh = True

    def episode_seed(self, reset: bool, chosen: int | None) -> int | None:
        """Seed of the episode that starts now; None within an episode.

        Without a choice of the client, episode k of a connection has `derive_seed(seed, "episode", k)`.
        """
        self._fresh = self._fresh or reset
        if not self._fresh:
            return None
        return derive_seed(self._seed, "episode", self._episode) if chosen is None else chosen

    def began(self) -> None:
        """An observation was answered: the next one continues its episode."""
        self._episode += self._fresh
        self._fresh = False


def describe(policy: Policy, max_request_bytes: int) -> dict[str, Any]:
    """Return what a client is told on connecting: names, shapes, units, rates and limits, as plain data."""
    info = policy.info
    return {
        "server": f"motorium {motorium.__version__}",
        "policy_digest": info.digest,
        "observation": {key: feature.to_plain() for key, feature in info.observation.items()},
        "action": info.action.to_plain(),
        "horizon": info.horizon,
        "execute": info.execute,
        "control_hz": info.control_hz,
        "conventions": dict(info.conventions),
        "max_request_bytes": max_request_bytes,
    }


def _is_loopback(host: str) -> bool:
    """Whether every address that `host` stands for is this machine's loopback."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(address[4][0].split("%")[0]).is_loopback for address in found)


async def serve(policy: Policy, spec: ServeSpec, token: str | None, ready: Callable[[PolicyServer], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once the address is bound.

    A second signal ends the process at once.
    """
    server = PolicyServer(policy, spec, token)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def asked_to_stop() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    await server.start()
    try:
        for number in signals:
            loop.add_signal_handler(number, asked_to_stop)
        ready(server)
        await stop.wait()
    finally:
        await server.close()


@contextlib.contextmanager
def running(policy: Policy, spec: ServeSpec | None = None, token: str | None = None) -> Iterator[PolicyServer]:
    """Serve from a thread of this process while the block runs, on a free port unless `spec` says otherwise."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="motorium-server", daemon=True)
    thread.start()

    def wait_for(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        server = PolicyServer(policy, spec or ServeSpec(port=0), token)
        wait_for(server.start())
        try:
            yield server
        finally:
            wait_for(server.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
