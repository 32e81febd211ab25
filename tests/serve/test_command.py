"""`motorium serve`: a bundle on the command line answers as the same bundle called directly."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motorium import cli
from motorium.core.features import vector
from motorium.core.random import stream
from motorium.serve.client import PolicyClient

STATE = "observation.state"


def refused(capsys, *arguments: str) -> str:
    assert cli.main(["serve", *arguments]) == 2
    return capsys.readouterr().err


def test_a_bundle_that_is_not_there_is_one_clear_error(capsys, tmp_path):
    said = refused(capsys, "bundle/3f2a", "--store", str(tmp_path / "none"))
    assert said.startswith("error: there is no store here") and "Traceback" not in said


def test_a_folder_that_is_no_bundle_is_one_clear_error(capsys, tmp_path):
    said = refused(capsys, str(tmp_path))
    assert "bundle" in said and str(tmp_path) in said


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (" \n", "is empty"), (b"\xff\xfe", "cannot")])
def test_a_token_file_must_hold_a_token(capsys, tmp_path, content, words):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(capsys, str(tmp_path), "--token-file", str(path))


def test_an_option_out_of_range_is_one_clear_error(capsys, tmp_path):
    assert "connections" in refused(capsys, str(tmp_path), "--connections", "0")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A flow-matching policy after two training steps: its actions depend on seed and state."""
    from motorium.learn.data import TrainingData
    from motorium.learn.export import export_bundle
    from motorium.learn.imitation import train
    from motorium.learn.spec import TrainSpec

    draw, joints = stream(0, "data"), [f"joint_{i}" for i in range(6)]
    data = TrainingData(
        observations={STATE: draw.standard_normal((80, 6))},
        actions=draw.standard_normal((80, 6)),
        starts=np.array([0, 40]),
        lengths=np.array([40, 40]),
        features={STATE: vector(joints, "rad"), "action": vector(joints, "rad")},
        control_hz=20.0,
    )
    spec = TrainSpec(steps=2, batch=8, width=16, hidden=16, blocks=1, euler_steps=2, horizon=8, execute=4)
    root = tmp_path_factory.mktemp("policy")
    train(data, spec, root / "policy", scratch=root / "scratch", seed=0)
    export_bundle(root / "policy", root / "bundle")
    return root / "bundle"


@pytest.mark.slow
def test_a_served_bundle_answers_bit_by_bit_as_when_called_directly(bundle):
    from motorium.learn.bundle import load_bundle

    command = [sys.executable, "-c", "import sys; from motorium.cli import main; sys.exit(main())", "serve"]
    process = subprocess.Popen(
        [*command, str(bundle), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        line = process.stdout.readline()
        url = line.split(" at ")[1].split()[0]
        assert url.startswith("ws://127.0.0.1:")
        observations = stream(1, "states").standard_normal((4, 6)).astype(np.float32)
        with PolicyClient(url, timeout_s=60) as first, PolicyClient(url, timeout_s=60) as second:
            second.infer({STATE: observations[3]})
            first.reset(seed=11)
            served = [first.infer({STATE: one})["actions"] for one in observations]
            assert first.metadata["policy_digest"] == load_bundle(bundle).info.digest
        process.terminate()
        out, errors = process.communicate(timeout=60)
        assert (process.returncode, out.splitlines()[-1], errors) == (0, "stopped", "")
    finally:
        process.kill()
    policy = load_bundle(bundle)
    policy.reset(np.array([11]))
    np.testing.assert_array_equal(served, [policy.act({STATE: one[None]})[0] for one in observations])
