import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from motorium.core.errors import StoreError
from motorium.learn.bundle import load_bundle
from motorium.learn.export import export_bundle
from motorium.learn.policy import load_policy
from tests.learn.toys import STATE, trained

FILES = ("policy.onnx", "bundle.json", "bundle-manifest.json")
CASES = {
    "flow-matching": {"n_obs": 2, "last_action": True, "euler_steps": 4},
    "regression": {"policy": "regression"},
}


@pytest.fixture(scope="module", params=list(CASES))
def exported(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("export")
    policy = trained(base, **CASES[request.param]).folder
    return policy, export_bundle(policy, base / "bundle")


@pytest.fixture
def copy(exported, tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes((exported[1].folder / name).read_bytes())
    return tmp_path


def test_onnx_agrees_with_torch(exported):
    assert exported[1].max_abs < 1e-5
    assert exported[1].inputs == 256


def test_bundle_and_policy_act_alike_with_the_same_noise(exported):
    policy, bundle = load_policy(exported[0]), load_bundle(exported[1].folder)
    policy.reset(np.arange(40))
    bundle.reset(np.arange(40))
    for call in range(4):
        seen = {STATE: np.random.default_rng(call).normal(0, 1, (40, 3)).astype(np.float32)}
        mask = np.random.default_rng(call).random(40) < 0.7
        assert np.allclose(policy.act(seen, mask), bundle.act(seen, mask), rtol=0, atol=1e-4)


def test_the_graph_takes_named_inputs_of_any_batch(exported):
    graph = onnx.load(exported[1].folder / "policy.onnx").graph
    for value in [*graph.input, *graph.output]:
        assert value.type.tensor_type.shape.dim[0].dim_param
    plain = json.loads((exported[1].folder / "bundle.json").read_text())
    assert [value.name for value in graph.input] == [item["name"] for item in plain["inputs"]]
    assert [value.name for value in graph.output] == ["actions"]
    assert plain["inputs"][0]["name"] == STATE


def test_the_bundle_states_its_conventions(exported):
    plain = json.loads((exported[1].folder / "bundle.json").read_text())
    stated = plain["conventions"]
    assert stated["action_units"] == "m/s, m/s"
    assert stated["action_order"] == "a0, a1"
    assert stated["quaternion_order"] == "w, x, y, z"
    assert stated["length"] == "m"
    assert plain["policy"]["control_hz"] == 20.0
    assert plain["policy_digest"] == load_policy(exported[0]).info.digest


def test_the_manifest_holds_the_hash_of_every_other_file(exported):
    folder = exported[1].folder
    files = json.loads((folder / "bundle-manifest.json").read_text())["files"]
    assert files.keys() == {path.name for path in folder.iterdir()} - {"bundle-manifest.json"}
    for name, expected in files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


@pytest.mark.slow
def test_exporting_again_gives_the_same_bytes(exported, tmp_path):
    again = export_bundle(exported[0], tmp_path / "again")
    for name in FILES:
        assert (again.folder / name).read_bytes() == (exported[1].folder / name).read_bytes()


def test_the_bundle_tells_nothing_of_the_machine(exported):
    for name in FILES:
        content = (exported[1].folder / name).read_bytes()
        for word in (str(Path(__file__).resolve().parents[2]), sys.prefix, ".py", "motorium.learn"):
            assert word.encode() not in content


@pytest.mark.parametrize("name", ["policy.onnx", "bundle.json"])
def test_a_changed_file_is_refused(copy, name):
    load_bundle(copy)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(StoreError, match="was changed after the export") as caught:
        load_bundle(copy)
    assert str(caught.value.details["where"]).endswith(name)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(StoreError):
        load_bundle(copy)


def test_a_manifest_cannot_point_elsewhere(copy):
    (copy / "bundle-manifest.json").write_text('{"files": {"../x": "0", "policy.onnx": "0", "bundle.json": "0"}}')
    with pytest.raises(StoreError, match="missing"):
        load_bundle(copy)


def test_a_model_that_is_no_model_is_refused(copy):
    (copy / "policy.onnx").write_bytes(b"no model")
    manifest = json.loads((copy / "bundle-manifest.json").read_text())
    manifest["files"]["policy.onnx"] = hashlib.sha256(b"no model").hexdigest()
    (copy / "bundle-manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="model cannot be loaded"):
        load_bundle(copy)


def test_files_of_others_in_the_folder_do_not_matter(copy):
    (copy / "manifest.json").write_text("{}")
    load_bundle(copy)


@pytest.mark.slow
def test_a_bundle_runs_without_torch(exported):
    code = (
        "import sys, numpy as np\n"
        "from motorium.learn.bundle import load_bundle\n"
        "policy = load_bundle(sys.argv[1]); policy.reset(np.arange(3))\n"
        "policy.act({'observation.state': np.zeros((3, 3), np.float32)})\n"
        "assert not {'torch', 'onnx', 'safetensors'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(exported[1].folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
