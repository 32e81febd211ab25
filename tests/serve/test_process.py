"""The server as a process: signals, and what its client needs to be imported."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motorium.serve.client import PolicyClient
from tests.serve.policies import expected, sample

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
import asyncio
from motorium.serve.openpi import ServeSpec, serve
from tests.serve.policies import Echo
asyncio.run(serve(Echo(), ServeSpec(port=0), None, lambda server: print(server.url, flush=True)))
print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_in_good_order(number):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        url = process.stdout.readline().strip()
        with PolicyClient(url) as client:
            np.testing.assert_array_equal(client.infer(sample())["actions"], expected(sample()))
            process.send_signal(number)
            out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert out.strip() == "stopped" and errors == ""
    finally:
        process.kill()


def test_the_client_imports_numpy_msgpack_and_websockets_only():
    code = (
        "import sys; before = set(sys.modules); import motorium.serve.client\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('motorium.')))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    packages, ours = (line.split() for line in done.stdout.splitlines())
    # Compiled modules register `cython_runtime`; it is no package.
    own_or_standard = {*sys.stdlib_module_names, "cython_runtime"}
    third_party = {name for name in packages if name not in own_or_standard and not name.startswith("_")}
    assert third_party <= {"motorium", "msgpack", "numpy", "websockets"}, third_party
    assert ours == ["motorium.core", "motorium.core.errors", "motorium.serve", "motorium.serve.client"] + [
        "motorium.serve.wire"
    ]
