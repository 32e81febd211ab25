"""Client of a policy server; needs NumPy, msgpack and websockets, nothing else.

    with PolicyClient("ws://127.0.0.1:8000") as client:
        chunks = ChunkRunner(client)
        while running:
            robot.command(chunks.action({"observation.state": robot.state()}))

Works with any server of openpi's protocol; `reset` is Motorium's addition to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync import client as websocket

from motorium.core.errors import ServeError
from motorium.serve.wire import DEFAULT_LIMITS, decode, encode

CLOSED = "the connection is closed"


class PolicyClient:
    """One connection to a policy server.

    Attributes:
        metadata: what the server says of its policy; `action`, `observation`, `horizon`, `execute`,
            `control_hz` and `seed` where it is Motorium's.

    Raises:
        ServeError: when nobody answers at `address`, or the server turns the client away.
    """

    metadata: Mapping[str, Any]

    def __init__(self, address: str, *, token: str | None = None, timeout_s: float = 10.0) -> None:
        self.address = address if "://" in address else f"ws://{address}"
        self._timeout_s = timeout_s
        self._next: dict[str, Any] = {}
        headers = None if token is None else {"Authorization": f"Api-Key {token}"}
        self._stack = ExitStack()
        try:
            connection = websocket.connect(
                self.address,
                additional_headers=headers,
                compression=None,
                # A policy server stands beside its robot: a proxy named in the environment is not the way to it.
                proxy=None,
                max_size=DEFAULT_LIMITS.max_bytes,
                open_timeout=timeout_s,
                close_timeout=1.0,
            )
            # Entered, not used as it comes back: the latter is deprecated since websockets 17.1.
            self._socket = self._stack.enter_context(connection)
        except InvalidStatus as error:
            said = bytes(error.response.body or b"").decode("utf-8", "replace").strip()
            status = error.response.status_code
            raise ServeError(
                "the server turned the connection away",
                where=self.address,
                got=f"HTTP {status}: {said}",
                remedy={401: "pass the server's token", 503: "close another client or try later"}.get(status),
            ) from None
        except (OSError, InvalidHandshake, InvalidURI, EOFError, ValueError) as error:
            raise ServeError(
                "no policy server answers there",
                where=self.address,
                got=f"{type(error).__name__}: {error}",
                remedy="start one with `motorium serve BUNDLE` and use the address that it prints",
            ) from None
        metadata = self._receive()
        if not isinstance(metadata, dict):
            raise self._broken("the server did not begin with its metadata", type(metadata).__name__)
        self.metadata = metadata

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """Return the server's answer: `actions` (H, A), read-only, and `server_timing`.

        Args:
            observation: {key: array of one sample, without a batch axis}.

        Raises:
            ServeError: with the server's words when it refuses the request (the connection stays usable);
                when it does not answer in time or the connection ends (it is closed then).
            Before anything is sent, when the observation is larger than the server takes.
        """
        request = encode({**observation, **self._next})
        limit = self.metadata.get("max_request_bytes")
        if isinstance(limit, int) and len(request) > limit:
            raise ServeError("the observation is too large", got=f"{len(request)} bytes", expected=f"<= {limit}")
        try:
            self._socket.send(request)
        except ConnectionClosed as error:
            raise self._broken(CLOSED, error) from None
        answer = self._receive()
        if not isinstance(answer, dict) or getattr(answer.get("actions"), "ndim", 0) < 1:
            raise self._broken("the server's answer holds no actions", type(answer).__name__)
        self._next = {}
        return answer

    def reset(self, seed: int | None = None) -> None:
        """Start a new episode with the next observation, from `seed` or the server's choice.

        A server that does not say that it knows episodes (openpi's own) is not told of them.
        """
        if "seed" in self.metadata:
            self._next = {"reset": True} if seed is None else {"reset": True, "seed": int(seed)}

    def close(self) -> None:
        """End the connection; idempotent."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> Any:
        try:
            message = self._socket.recv(timeout=self._timeout_s)
        except TimeoutError:
            # A late answer would be taken for that of the next request.
            raise self._broken("the server did not answer in time", f"nothing in {self._timeout_s} s") from None
        except ConnectionClosed as error:
            raise self._broken(CLOSED, error) from None
        if isinstance(message, str):
            raise ServeError("the server refused the request", where=self.address, got=message)
        try:
            return decode(message)
        except ServeError as error:
            raise self._broken("the server's answer cannot be read", error.what) from None

    def _broken(self, what: str, got: object) -> ServeError:
        self.close()
        return ServeError(what, where=self.address, got=got, remedy="connect again")


class ChunkRunner:
    """One action a step out of the server's chunks: executes the first `execute` of each, then asks again."""

    def __init__(self, client: PolicyClient, execute: int | None = None) -> None:
        """Use `execute` actions of a chunk; by default as many as the policy says.

        Raises:
            ServeError: when that is less than one.
        """
        self._client = client
        self._execute = int(client.metadata.get("execute", 1) if execute is None else execute)
        if self._execute < 1:
            raise ServeError("at least one action of a chunk is executed", got=self._execute, expected=">= 1")
        self._chunk: NDArray = np.zeros((0, 0), np.float32)
        self._step = 0

    def action(self, observation: Mapping[str, Any]) -> NDArray:
        """Return the next action (A,); asks the server only when the last chunk is used up.

        Raises:
            ServeError: as `PolicyClient.infer`; when the chunk is shorter than `execute`.
        """
        if self._step >= min(len(self._chunk), self._execute):
            chunk = self._client.infer(observation)["actions"]
            if len(chunk) < self._execute:
                raise ServeError("the chunk is too short", got=len(chunk), expected=f">= {self._execute} actions")
            self._chunk, self._step = chunk, 0
        self._step += 1
        return self._chunk[self._step - 1]

    def reset(self, seed: int | None = None) -> None:
        """Forget the rest of the chunk and start a new episode."""
        self._chunk, self._step = self._chunk[:0], 0
        self._client.reset(seed)
