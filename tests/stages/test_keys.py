"""What a stage's key covers: every module it runs, the versions of what it runs on, the files its spec names."""

import ast
import sys
from pathlib import Path

import pytest

from motorium.flow import digests
from motorium.flow.derivation import derive
from motorium.flow.digests import Sources
from motorium.robots.files import model_files
from motorium.stages import STAGES
from tests.stages.tiny import ROOT
from tests.support.own_arm import mjcf

SOURCE = ROOT / "src"
# Machinery that, by contract, changes no result; tables of names; errors and bars.
NOT_COUNTED = ("motorium.flow", "motorium.stages", "motorium.core.catalog", "motorium.core.errors")
DISTRIBUTIONS = {"warp": "warp-lang", "mujoco_warp": "mujoco-warp"}
COUNTED = {"mujoco", "torch", "av", "pyarrow", "onnx", "onnxscript", "onnxruntime", "warp", "mujoco_warp", "numpy"}


def file_of(module: str) -> Path | None:
    path = SOURCE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.is_file() else None


def imported(module: str) -> set[str]:
    """What a module imports or names in a table, at its top or within its functions, but not for types alone."""
    tree = ast.parse(file_of(module).read_text())
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inner if file_of(name)}
            found |= modules if modules == inner else {node.module, *modules}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("motorium."):
            found.add(node.value.partition(":")[0])
    return found


def reached(module: str) -> tuple[set[str], set[str]]:
    """Return (modules of ours, packages of others) that running `module` may import."""
    ours, others, todo = set(), set(), [module]
    while todo:
        name = todo.pop()
        if name in ours or name.startswith("motorium.flow"):
            continue
        ours.add(name)
        for found in imported(name):
            if file_of(found):
                todo.append(found)
            else:
                others.add(found.partition(".")[0])
    return ours, others


@pytest.mark.parametrize("name", list(STAGES))
def test_key_covers_every_module_and_package_that_the_stage_may_run(name):
    stage = STAGES.load(name)
    declared = [*stage.modules, stage.run.__module__]
    ours, others = reached(stage.run.__module__)
    covered = {one for one in ours for root in declared if one == root or one.startswith(f"{root}.")}
    free = {one for one in ours if one in NOT_COUNTED or one == "motorium"}
    assert not ours - covered - free
    assert {DISTRIBUTIONS.get(one, one) for one in others & COUNTED} <= set(stage.distributions)


@pytest.mark.parametrize(
    "name, package", [("demonstrate", "mujoco"), ("amplify", "mujoco"), ("evaluate", "mujoco"), ("train", "torch")]
)
def test_another_version_of_the_simulator_or_the_trainer_is_another_key(name, package, monkeypatch):
    stage = STAGES.load(name)
    before = derive(stage, stage.spec(), {}, 0, Sources())
    assert before.key == derive(stage, stage.spec(), {}, 0, Sources()).key
    version = digests.installed
    monkeypatch.setattr(digests, "installed", lambda one: "99.0" if one == package else version(one))
    assert derive(stage, stage.spec(), {}, 0, Sources()).key != before.key


@pytest.mark.parametrize("name", ["demonstrate", "amplify", "evaluate", "export"])
def test_an_edited_model_of_ones_own_is_another_key(name, tmp_path):
    stage = STAGES.load(name)
    model = tmp_path / "arm.xml"
    model.write_text(mjcf())
    spec = stage.spec(task="ur5e/pick-place", options={"own": {"path": str(model)}})
    before = derive(stage, spec, {}, 0, Sources()).key
    assert derive(stage, spec, {}, 0, Sources()).key == before
    model.write_text(mjcf().replace("<worldbody>", "<worldbody><!-- -->"))
    assert derive(stage, spec, {}, 0, Sources()).key != before


def test_a_model_is_its_file_and_every_file_it_includes(tmp_path):
    (tmp_path / "assets" / "m").mkdir(parents=True)
    for name in ("assets/m/hand.stl", "assets/wood.png", "assets/unused.stl"):
        (tmp_path / name).write_text(name)
    (tmp_path / "inner.xml").write_text('<mujoco><asset><texture file="wood.png"/></asset></mujoco>')
    (tmp_path / "arm.xml").write_text(
        '<mujoco><compiler meshdir="assets/m" texturedir="assets"/><include file="inner.xml"/>'
        '<asset><mesh file="hand.stl"/><mesh file="absent.stl"/></asset></mujoco>'
    )
    found = [path.relative_to(tmp_path).as_posix() for path in model_files(tmp_path / "arm.xml")]
    assert found == ["arm.xml", "assets/m/hand.stl", "assets/wood.png", "inner.xml"]


def test_meshes_of_a_urdf_count(tmp_path):
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "link.stl").write_text("")
    text = '<robot><link><visual><geometry><mesh filename="{}"/></geometry></visual></link></robot>'
    for reference in ("meshes/link.stl", "package://arm/meshes/link.stl"):
        (tmp_path / "arm.urdf").write_text(text.format(reference))
        assert tmp_path / "meshes" / "link.stl" in model_files(tmp_path / "arm.urdf")


def test_a_model_that_is_absent_or_no_xml_is_left_to_the_stage_to_refuse(tmp_path):
    assert model_files(tmp_path / "none.xml") == []
    (tmp_path / "odd.xml").write_text("not <xml")
    assert model_files(tmp_path / "odd.xml") == [tmp_path / "odd.xml"]


def test_importing_the_stages_starts_no_engine():
    import subprocess

    text = (
        "import sys; from motorium.stages import STAGES; [STAGES.load(n) for n in STAGES]; "
        "print(sorted({'torch','mujoco','onnx','onnxruntime','matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout.strip() == "[]"
