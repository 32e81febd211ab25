import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile

import pytest

from motorium.core.errors import AssetError
from motorium.sim import assets
from motorium.sim.asset_table import WHEELS, Licence, Wheel

XML = b"<mujoco/>"
TEXT = b"Permission is granted."


def make_wheel(folder, name="toy-bot", members=(), extra=()):
    """A small wheel and its table row; `members` replace the usual ones, `extra` are (ZipInfo or name, bytes)."""
    file = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    usual = [
        ("toy_bot/arm.xml", XML),
        ("toy_bot/meshes/link.stl", b"solid"),
        ("toy_bot/__init__.py", b"raise RuntimeError('imported')"),
        (f"{info}/LICENSE", TEXT),
        (f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()),
        (f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        (f"{info}/RECORD", b""),
    ]
    with zipfile.ZipFile(file, "w") as pack:
        for member, data in [*(members or usual), *extra]:
            pack.writestr(member, data)
    return Wheel(
        name=name,
        version="1.0",
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        size_bytes=file.stat().st_size,
        licences=(Licence(spdx="MIT", text=f"{info}/LICENSE", covers="all"),),
        models={"toy_arm": "toy_bot/arm.xml"},
    )


@pytest.fixture
def by_hand(tmp_path, monkeypatch):
    """A folder of hand-placed wheels, an empty cache, and a table that tests may add to."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv(assets.WHEELS_VARIABLE, str(folder))
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(assets, "WHEELS", {})
    return folder


def add(wheel):
    assets.WHEELS[wheel.name] = wheel
    return wheel


def test_models_meshes_and_licences_are_unpacked_and_code_is_not(by_hand):
    add(make_wheel(by_hand))
    root = assets.fetch("toy-bot")
    assert (root / "toy_bot/arm.xml").read_bytes() == XML
    assert (root / "toy_bot/meshes/link.stl").exists()
    assert not list(root.rglob("*.py"))
    [(licence, text)] = assets.licence_texts("toy-bot")
    assert licence.spdx == "MIT" and text == TEXT.decode()
    assert assets.model_path("toy_arm") == root / "toy_bot/arm.xml"


def test_a_cached_asset_needs_no_wheel(by_hand):
    wheel = add(make_wheel(by_hand))
    root = assets.fetch("toy-bot")
    (by_hand / wheel.file).unlink()
    assert assets.fetch("toy-bot") == root


def test_a_changed_cached_file_is_found(by_hand):
    add(make_wheel(by_hand))
    root = assets.fetch("toy-bot")
    assert assets.changed_files("toy-bot") == []
    (root / "toy_bot/arm.xml").write_bytes(b"<mujoco />")
    (root / "toy_bot/meshes/link.stl").unlink()
    assert sorted(assets.changed_files("toy-bot")) == ["toy_bot/arm.xml", "toy_bot/meshes/link.stl"]


def test_pip_brings_the_wheel_from_its_own_configured_place(by_hand, tmp_path, monkeypatch):
    add(make_wheel(by_hand))
    monkeypatch.delenv(assets.WHEELS_VARIABLE)
    monkeypatch.setenv("PIP_FIND_LINKS", str(by_hand))
    bars = []

    class Bar:
        def advance(self, amount=1, **note): ...
        def close(self):
            bars.append("closed")

    def open_bar(total, *, unit, label=None):
        bars.append((unit, label))
        return Bar()

    assert (assets.fetch("toy-bot", open_bar) / "toy_bot/arm.xml").exists()
    assert bars == [("MB", "fetch toy-bot 1.0"), "closed"]


def test_offline_error_names_the_file_its_hash_and_the_folder_to_put_it_in(by_hand):
    wheel = add(make_wheel(by_hand))
    (by_hand / wheel.file).unlink()
    with pytest.raises(AssetError, match="cannot be fetched") as error:
        assets.fetch("toy-bot")
    message = str(error.value)
    assert wheel.file in message and wheel.sha256 in message and assets.WHEELS_VARIABLE in message
    assert "ERROR" in message  # pip's own words
    assert not list(assets.cache_folder().glob(".aside-*"))


def test_passwords_in_an_index_address_stay_out_of_the_error(tmp_path):
    log = tmp_path / "pip.log"
    log.write_text("ERROR: cannot reach https://me:secret@example.invalid/simple\n")
    assert "secret" not in assets._pip_says(log) and "example.invalid" in assets._pip_says(log)


def test_without_pip_the_remedy_is_named(by_hand, monkeypatch):
    wheel = add(make_wheel(by_hand))
    (by_hand / wheel.file).unlink()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match="pip is not installed") as error:
        assets.fetch("toy-bot")
    assert "ensurepip" in str(error.value) and assets.WHEELS_VARIABLE in str(error.value)


def test_a_wheel_with_another_hash_is_refused(by_hand):
    wheel = add(make_wheel(by_hand))
    with open(by_hand / wheel.file, "ab") as file:
        file.write(b"x")
    with pytest.raises(AssetError, match="not the one that was pinned") as error:
        assets.fetch("toy-bot")
    assert wheel.sha256 in str(error.value)
    assert [path.name for path in assets.cache_folder().iterdir()] == [".toy-bot.lock"]


def link():
    info = zipfile.ZipInfo("toy_bot/link.xml")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize("member", ["../evil.xml", "toy_bot/../../evil.xml", "/evil.xml", "C:\\evil.xml", link()])
def test_a_member_that_would_leave_the_folder_is_refused(by_hand, tmp_path, member):
    add(make_wheel(by_hand, extra=[(member, b"/etc/passwd")]))
    with pytest.raises(AssetError, match="leave its folder"):
        assets.fetch("toy-bot")
    assert not list(tmp_path.rglob("evil.xml"))


def test_a_wheel_that_unpacks_too_large_is_refused(by_hand, monkeypatch):
    add(make_wheel(by_hand, extra=[("toy_bot/big.stl", bytes(2000))]))
    monkeypatch.setattr(assets, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(AssetError, match="too large"):
        assets.fetch("toy-bot")


def test_a_wheel_without_the_licence_text_is_refused(by_hand):
    add(make_wheel(by_hand, members=[("toy_bot/arm.xml", XML)]))
    with pytest.raises(AssetError, match="lacks a file"):
        assets.fetch("toy-bot")


def test_a_file_that_is_no_wheel_is_refused(by_hand):
    wheel = make_wheel(by_hand)
    (by_hand / wheel.file).write_bytes(b"no zip")
    row = {**wheel.__dict__, "sha256": hashlib.sha256(b"no zip").hexdigest()}
    add(Wheel(**row))
    with pytest.raises(AssetError, match="cannot be unpacked"):
        assets.fetch("toy-bot")


def test_a_cache_that_cannot_be_written_is_one_clear_error(by_hand, tmp_path, monkeypatch):
    add(make_wheel(by_hand))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(AssetError, match="cache cannot be written") as error:
        assets.fetch("toy-bot")
    assert assets.CACHE_VARIABLE in str(error.value)


def test_what_a_killed_process_left_aside_is_cleared(by_hand):
    add(make_wheel(by_hand))
    dead = assets.cache_folder() / ".aside-toy-bot-dead"
    dead.mkdir(parents=True)
    assets.fetch("toy-bot")
    assert not dead.exists()


def test_an_unknown_asset_names_the_nearest():
    with pytest.raises(AssetError, match="ogbench"):
        assets.fetch("ogbnch")
    with pytest.raises(AssetError, match="unitree_g1"):
        assets.model_path("unitre_g1")


def test_processes_that_fetch_at_once_get_the_same_whole_folder(by_hand):
    wheel = make_wheel(by_hand)
    code = (
        "import sys; from motorium.sim import assets; from motorium.sim.asset_table import Wheel, Licence\n"
        f"assets.WHEELS['toy-bot'] = {wheel!r}\n"
        "root = assets.fetch('toy-bot'); assert not assets.changed_files('toy-bot'); print(root)"
    )
    crowd = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    roots = {process.communicate()[0].strip() for process in crowd}
    assert all(process.returncode == 0 for process in crowd)
    assert len(roots) == 1 and os.path.isdir(roots.pop())


def test_every_row_of_the_table_is_whole():
    for name, wheel in WHEELS.items():
        assert name == wheel.name and wheel.licences and wheel.models
        assert len(wheel.sha256) == 64 and wheel.version in wheel.file


@pytest.mark.slow
def test_the_real_ur5e_and_gripper_load_in_mujoco():
    import mujoco

    arm = mujoco.MjModel.from_xml_path(str(assets.model_path("ur5e")))
    gripper = mujoco.MjModel.from_xml_path(str(assets.model_path("robotiq_2f85")))
    assert arm.nu == 6 and gripper.nu == 1
    assert assets.changed_files("ogbench") == []
    assert {licence.spdx for licence, _ in assets.licence_texts("ogbench")} == {"MIT", "BSD-3-Clause", "BSD-2-Clause"}
