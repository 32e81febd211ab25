"""Round trip of the policy server beside a bare `websockets` echo of the same bytes, in one run.

A 14-d state and one 224 x 224 x 3 uint8 camera (150.7 KB) against a chunk of 50 x 14 float32. Both servers
run in a process of their own on the loopback; requests to them alternate in blocks, so that both see the same
machine. The policy is arithmetic: what is measured is decoding, checks, the hand-over to the policy's thread,
and the answer. CPU time a request of each server is given, too: it does not depend on what else the machine does.
Run: `python benchmarks/serve.py [--seconds 5]`; prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

STATE, CAMERA, SIDE, HORIZON, JOINTS = "observation.state", "observation.images.top", 224, 50, 14
BLOCK = 50


class Hold:
    """Holds the last state for the whole chunk."""

    def __init__(self) -> None:
        from motorium.core.features import Feature, vector
        from motorium.core.protocols import PolicyInfo

        names = tuple(f"joint_{i}" for i in range(JOINTS))
        camera = Feature(dtype="video", shape=(SIDE, SIDE, 3))
        self.info = PolicyInfo(
            observation={STATE: vector(names, "rad"), CAMERA: camera},
            action=vector(names, "rad"),
            horizon=HORIZON,
            execute=HORIZON,
            control_hz=30.0,
        )

    def reset(self, seeds, mask=None) -> None:
        """Do nothing."""

    def act(self, observation, mask=None):
        """Return the state as every action: (B, 50, 14)."""
        return np.repeat(observation[STATE][:, None], HORIZON, axis=1) * mask[:, None, None]


def _policy_server(out: Connection) -> None:
    import asyncio

    from motorium.serve.openpi import ServeSpec, serve

    asyncio.run(serve(Hold(), ServeSpec(port=0), None, lambda server: out.send(server.url)))


def _echo_server(out: Connection) -> None:
    import asyncio

    from websockets.asyncio.server import serve

    from motorium.serve.wire import encode

    answer = encode({"actions": np.zeros((HORIZON, JOINTS), np.float32), "server_timing": {"infer_ms": 0.1}})

    async def echo(connection) -> None:
        async for _ in connection:
            await connection.send(answer)

    async def main() -> None:
        async with serve(echo, "127.0.0.1", 0, compression=None, max_size=None) as server:
            out.send(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await server.serve_forever()

    asyncio.run(main())


@contextlib.contextmanager
def _started(target) -> Iterator[tuple[str, int]]:
    """Run a server in a process of its own; yields its URL and process id."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=target, args=(there,), daemon=True)
    process.start()
    try:
        if not here.poll(60):
            raise TimeoutError("the server did not start")
        yield here.recv(), process.pid
    finally:
        process.terminate()
        process.join(10)


def _cpu_s(process: int) -> float:
    """CPU seconds a process has used; Linux only, in clock ticks of 10 ms."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(seconds: float = 5.0) -> dict[str, Any]:
    """Return p50 and p95 of both round trips, server CPU a request (all ms), their number, the ratios ours / bare."""
    from websockets.sync.client import connect

    from motorium.serve.client import PolicyClient
    from motorium.serve.wire import encode

    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    observation = {STATE: generator.standard_normal(JOINTS).astype(np.float32), CAMERA: picture}
    request = encode(observation)
    times: dict[str, list[float]] = {"motorium": [], "bare": []}
    with contextlib.ExitStack() as stack:
        ours, ours_process = stack.enter_context(_started(_policy_server))
        bare, bare_process = stack.enter_context(_started(_echo_server))
        client = stack.enter_context(PolicyClient(ours))
        echo = stack.enter_context(connect(bare, compression=None, max_size=None, proxy=None))

        def ask_bare() -> None:
            echo.send(request)
            echo.recv()

        calls = {"motorium": lambda: client.infer(observation), "bare": ask_bare}
        for call in calls.values():
            for _ in range(BLOCK):
                call()
        processes = {"motorium": ours_process, "bare": bare_process}
        used = {name: -_cpu_s(process) for name, process in processes.items()}
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for name, call in calls.items():
                for _ in range(BLOCK):
                    start = time.perf_counter()
                    call()
                    times[name].append(1e3 * (time.perf_counter() - start))
        used = {name: used[name] + _cpu_s(process) for name, process in processes.items()}
    result: dict[str, Any] = {"request_bytes": len(request), "n": {name: len(found) for name, found in times.items()}}
    for name, found in times.items():
        result[name] = {"p50_ms": float(np.percentile(found, 50)), "p95_ms": float(np.percentile(found, 95))}
        result[name]["server_cpu_ms"] = 1e3 * used[name] / len(found)
    result["ratio"] = {key: result["motorium"][key] / result["bare"][key] for key in result["bare"]}
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    print(json.dumps(measure(parser.parse_args().seconds), indent=2))


if __name__ == "__main__":
    main()
