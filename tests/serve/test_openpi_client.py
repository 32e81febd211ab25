"""The unmodified openpi-client against our server, in its own environment (it pins numpy < 2).

python3.11 -m venv openpi-env && openpi-env/bin/pip install openpi-client==0.1.2 typing_extensions
MOTORIUM_OPENPI_PYTHON=openpi-env/bin/python pytest -m oracle
"""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from motorium.core.protocols import Policy
from motorium.serve.openpi import ServeSpec, running
from tests.serve.policies import CAMERA, STATE, Echo, expected, sample

PYTHON = os.environ.get("MOTORIUM_OPENPI_PYTHON")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "openpi-client.md"

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not PYTHON, reason="set MOTORIUM_OPENPI_PYTHON to a Python that has openpi-client"),
]

SCRIPT = """
import json, sys
import numpy as np
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy

port, key = int(sys.argv[1]), sys.argv[2] or None
client = WebsocketClientPolicy(host="127.0.0.1", port=port, api_key=key)
out = {"metadata": client.get_server_metadata(), "numpy": np.__version__, "errors": []}
state = np.arange(14, dtype=np.float32) + np.float32(0.5)
good = {"observation.state": state, "observation.images.top": np.full((8, 8, 3), 3, np.uint8)}
first = client.infer(good)
out["actions"], out["dtype"] = first["actions"].tolist(), str(first["actions"].dtype)
out["timing"] = sorted(first["server_timing"]), sorted(client.infer(good)["server_timing"])
spoiled = {
    "nan": {**good, "observation.state": state * np.nan},
    "shape": {**good, "observation.state": state[:-1]},
    "float picture": {**good, "observation.images.top": np.zeros((8, 8, 3))},
    "prompt": {**good, "prompt": "pick the cube"},
    "missing": {"observation.state": state},
}
for name, bad in spoiled.items():
    try:
        client.infer(bad)
    except RuntimeError as error:
        out["errors"].append([name, str(error)])
out["after"] = client.infer({**good, "observation.state": state.astype(np.float64)})["actions"].tolist()
broker = ActionChunkBroker(client, action_horizon=out["metadata"]["execute"])
broker.reset()
out["steps"] = [broker.infer(good)["actions"].tolist() for _ in range(4)]
print(json.dumps(out))
"""


def run_there(code: str, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    command = [PYTHON, "-W", "ignore::DeprecationWarning", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("token", [None, "s3cret"])
def test_the_reference_client_gets_our_actions_and_errors(token):
    policy: Policy = Echo()
    with running(policy, ServeSpec(port=0), token) as server:
        out = json.loads(run_there(SCRIPT, str(server.addresses[0][1]), token or ""))
    assert int(out["numpy"].split(".")[0]) < 2
    right = expected(sample(0.5, pixel=3))
    assert out["dtype"] == "float32"
    np.testing.assert_array_equal(np.array(out["actions"], np.float32), right)
    np.testing.assert_array_equal(np.array(out["after"], np.float32), right)
    np.testing.assert_array_equal(np.array(out["steps"], np.float32), right[[0, 1, 2, 0]])
    assert out["timing"] == [["infer_ms"], ["infer_ms", "prev_total_ms"]]
    assert out["metadata"]["observation"][STATE]["names"][0] == "joint_0"
    said = dict(out["errors"])
    assert list(said) == ["nan", "shape", "float picture", "prompt", "missing"]
    assert "not finite" in said["nan"] and "(13,)" in said["shape"] and CAMERA in said["missing"]
    assert all("Traceback" not in text for text in said.values())


def test_the_page_on_the_reference_client_is_true():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    block = next(text for text in blocks if "openpi_client" in text)
    with running(Echo(side=224)) as server:
        out = run_there(block.replace("port=8000", f"port={server.addresses[0][1]}"))
    assert out.splitlines() == ["5 30.0 ['observation.images.top', 'observation.state']", "(5, 14) True", "(14,)"]
