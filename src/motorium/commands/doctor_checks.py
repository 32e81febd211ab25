"""The checks of `motorium doctor`: each looks at one part of the machine and returns findings."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import motorium

OK, NOTE, PROBLEM = "ok", "note", "problem"

LOW_DISK_BYTES = 2 << 30
LOW_MEMORY_BYTES = 4 << 30
GL_TIMEOUT_S = 60
SPARSE_FAULT = "4.0.0"  # engine release whose sparse Newton solver can use a wrong Hessian; mended in 4.0.1
DATA_VARIABLE = "MOTORIUM_REAL_DATA"
STORE_VARIABLE = "MOTORIUM_STORE"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        section: heading it stands under.
        name: what was looked at.
        value: what was found.
        status: `ok`, `note` (works, but worth knowing) or `problem` (something will fail).
        remedy: what to do, or None.
    """

    section: str
    name: str
    value: str
    status: str = OK
    remedy: str | None = None


def check_machine() -> list[Finding]:
    """Cores, memory and disk that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    total, available = memory_bytes()
    free = shutil.disk_usage(Path.cwd()).free
    low_memory, low_disk = available < LOW_MEMORY_BYTES, free < LOW_DISK_BYTES
    return [
        _machine("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        _machine("cores", f"{usable} usable of {os.cpu_count()}"),
        _machine(
            "memory",
            f"{_size(available)} free of {_size(total)}" if total else "not known",
            NOTE if total and low_memory else OK,
            "close something large, or lower batch sizes" if total and low_memory else None,
        ),
        _machine(
            "disk here",
            f"{_size(free)} free",
            PROBLEM if low_disk else OK,
            "free some space, or put the store elsewhere with --store" if low_disk else None,
        ),
    ]


def _machine(name: str, value: str, status: str = OK, remedy: str | None = None) -> Finding:
    return Finding(section="machine", name=name, value=value, status=status, remedy=remedy)


def memory_bytes() -> tuple[int, int]:
    """Return (total, available) memory, within the control group's limit; zeros where it cannot be told."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return 0, 0
    fields = {key: int(value) * 1024 for key, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    total, available = fields.get("MemTotal", 0), fields.get("MemAvailable", 0)
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return total, available
    return min(total, limit), min(available, max(limit - used, 0))


def check_packages() -> list[Finding]:
    """Python and every package Motorium asks for, against its requirement and its pin."""
    old = sys.version_info < (3, 11)
    python = Finding(
        section="packages",
        name="python",
        value=f"{platform.python_version()} at {sys.executable}",
        status=PROBLEM if old else OK,
        remedy="install Python 3.11 or newer" if old else None,
    )
    pins = read_pins(Path(motorium.__file__).parents[2] / "constraints.txt")
    try:
        requirements = metadata.requires("motorium") or []
    except metadata.PackageNotFoundError:
        return [python, _package("motorium", "not installed", PROBLEM, "pip install -e .")]
    return [python, *package_findings(requirements, pins, _installed)]


def package_findings(
    requirements: Iterable[str], pins: dict[str, str], installed: Callable[[str], str | None]
) -> list[Finding]:
    """Compare what `installed(name)` says with requirements (PEP 508) and pins (name to version)."""
    from packaging.requirements import Requirement

    findings = []
    for text in requirements:
        requirement = Requirement(text)
        extra = re.search(r"extra == ['\"](\w+)['\"]", text)
        version, pin = installed(requirement.name), pins.get(_normal(requirement.name))
        wanted = f"{requirement.name}=={pin}" if pin else f"{requirement.name}{requirement.specifier}"
        if version is None:
            where = f"pip install 'motorium[{extra[1]}]'" if extra else f"pip install '{wanted}'"
            value = f"not installed (extra '{extra[1]}')" if extra else "not installed"
            findings.append(_package(requirement.name, value, NOTE if extra else PROBLEM, where))
        elif not requirement.specifier.contains(version, prereleases=True):
            value = f"{version}, needs {requirement.specifier}"
            findings.append(_package(requirement.name, value, PROBLEM, f"pip install '{wanted}'"))
        elif pin and version.split("+")[0] != pin:
            value = f"{version}, pinned {pin}"
            findings.append(_package(requirement.name, value, NOTE, f"pip install '{wanted}' for the same numbers"))
        else:
            findings.append(_package(requirement.name, version, OK, None))
    return findings


def _package(name: str, value: str, status: str, remedy: str | None) -> Finding:
    return Finding(section="packages", name=name, value=value, status=status, remedy=remedy)


def read_pins(path: Path) -> dict[str, str]:
    """Return {package: version} of a constraints file; empty when there is none (an install without sources)."""
    if not path.is_file():
        return {}
    rows = (line.split("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return {_normal(row.split("==")[0]): row.split("==")[1] for row in rows if "==" in row}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_store() -> list[Finding]:
    """SQLite, the journal mode that follows from it, and the store."""
    from motorium.flow.index import WAL_SAFE, wal_is_safe

    folder = Path(os.environ.get(STORE_VARIABLE, ".motorium"))
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    wal = wal_is_safe(existing)
    safe = ".".join(map(str, WAL_SAFE))
    writable = os.access(existing, os.W_OK)
    return [
        Finding(section="store", name="sqlite", value=sqlite3.sqlite_version),
        Finding(
            section="store",
            name="journal",
            value="WAL" if wal else f"TRUNCATE (WAL needs SQLite {safe} and a local disk)",
        ),
        Finding(
            section="store",
            name="folder",
            value=f"{folder}{'' if folder.exists() else ' (not made yet)'}{'' if writable else ', not writable'}",
            status=OK if writable else PROBLEM,
            remedy=None if writable else f"name another with --store or {STORE_VARIABLE}",
        ),
    ]


def check_mujoco() -> list[Finding]:
    """MuJoCo's version, and the two traps of its packages."""
    core, meta = _installed("mujoco-core"), _installed("mujoco")
    folder = _package_folder("mujoco")
    libraries = sorted(path.name for path in folder.glob("libmujoco.so.*")) if folder else []
    code = "import mujoco; print(mujoco.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=GL_TIMEOUT_S)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        remedy = "unset MUJOCO_GL" if os.environ.get("MUJOCO_GL") else "pip install --force-reinstall mujoco==3.17.0"
        return [
            Finding(section="mujoco", name="mujoco", value=f"cannot be imported: {said}", status=PROBLEM, remedy=remedy)
        ]
    return mujoco_findings(done.stdout.strip(), meta, core, libraries)


def mujoco_findings(version: str, meta: str | None, core: str | None, libraries: list[str]) -> list[Finding]:
    """Judge the imported `version`, those of the packages `mujoco` and `mujoco-core`, and the libraries found."""
    found = [Finding(section="mujoco", name="mujoco", value=version)]
    packages = {package for package in (meta, core) if package}
    # Up to 3.x, `mujoco` holds the engine itself; from 4.0 on, `mujoco-core` does and `mujoco` only names it.
    two = len(libraries) > 1 or (core is not None and meta is not None and meta < "4")
    if two or (len(packages) == 1 and version not in packages):
        found.append(
            Finding(
                section="mujoco",
                name="two versions",
                value=f"in one folder: mujoco {meta}, mujoco-core {core}, imported {version}, {', '.join(libraries)}",
                status=PROBLEM,
                remedy="pip uninstall -y mujoco mujoco-core && pip install mujoco==3.17.0",
            )
        )
    if version == SPARSE_FAULT:
        found.append(
            Finding(
                section="mujoco",
                name="sparse solver",
                value="4.0.0 can give a wrong Hessian with a sparse Jacobian (the default from 60 degrees of freedom)",
                status=PROBLEM,
                remedy="pip install mujoco==3.17.0, or set jacobian='dense' in the model",
            )
        )
    return found


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def check_cameras() -> list[Finding]:
    """The ray tracer, and OpenGL with the Debian packages it needs."""
    from motorium.sim.cameras_gl_packages import DEBIAN_PACKAGES

    engine, tracer = _installed("mujoco"), _installed("mujoco-warp")
    fits = engine is not None and tracer is not None and engine.split(".")[:2] == tracer.split(".")[:2]
    findings = [
        Finding(
            section="cameras",
            name="ray tracer",
            value=f"mujoco-warp {tracer}, warp-lang {_installed('warp-lang')}; no GL library needed"
            if tracer
            else "absent",
            status=OK if fits else NOTE,
            remedy=None
            if fits
            else f"pip install 'motorium[render]'; mujoco-warp should be of MuJoCo's release ({engine})",
        )
    ]
    failed = _try_gl()
    packages = " ".join(DEBIAN_PACKAGES["egl"])
    findings.append(
        Finding(
            section="cameras",
            name="OpenGL (egl)",
            value=f"not available: {failed}" if failed else "available: start with MUJOCO_GL=egl",
            status=NOTE if failed else OK,
            remedy=f"only for renderer='gl': apt-get install {packages}; pip install 'motorium[gl]'"
            if failed
            else None,
        )
    )
    return findings


def _try_gl() -> str | None:
    """Draw one picture through EGL in a process of its own; return why it failed, or None."""
    code = (
        "import mujoco; m = mujoco.MjModel.from_xml_string('<mujoco/>'); r = mujoco.Renderer(m, 16, 16); "
        "r.update_scene(mujoco.MjData(m)); r.render(); r.close(); print('drawn')"
    )
    environment = {**os.environ, "MUJOCO_GL": "egl"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=GL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {GL_TIMEOUT_S} s"
    if "drawn" in done.stdout:
        return None
    return (done.stderr.strip().splitlines() or ["no message"])[-1]


def check_learning() -> list[Finding]:
    """Torch's build and threads, ONNX Runtime, video encoders."""
    found = []
    import torch

    threads = torch.get_num_threads()
    omp = os.environ.get("OMP_NUM_THREADS")
    build = "CUDA " + torch.version.cuda if torch.version.cuda else "CPU build"
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    found.append(Finding(section="learning", name="torch", value=f"{torch.__version__}, {build}, {gpu}"))
    found.append(
        Finding(
            section="learning",
            name="threads",
            value=f"{threads} torch threads of its own accord (OMP_NUM_THREADS {omp or 'not set'}); "
            "stages set one while physics runs",
        )
    )
    import av

    encoders = {name: name in av.codecs_available for name in ("libx264", "libsvtav1", "libaom-av1")}
    present = [name for name, there in encoders.items() if there]
    absent = [name for name in encoders if name not in present]
    h264 = encoders["libx264"]
    found.append(
        Finding(
            section="learning",
            name="video",
            value=f"PyAV {av.__version__}; encoders: {', '.join(present) or 'none'}",
            status=OK if h264 else PROBLEM,
            remedy=None if h264 else f"pip install --force-reinstall av (missing: {', '.join(absent)})",
        )
    )
    return found


def check_data(assets: bool = False) -> list[Finding]:
    """Real recordings, the asset cache, and what is in it; `assets` re-hashes the files."""
    from motorium.sim import assets as source
    from motorium.sim.asset_table import WHEELS

    real = os.environ.get(DATA_VARIABLE)
    absent = real is not None and not Path(real).is_dir()
    cache = source.cache_folder()
    found = [
        Finding(
            section="data",
            name="real recordings",
            value=(real or f"{DATA_VARIABLE} is not set") + (", no such folder" if absent else ""),
            status=PROBLEM if absent else OK,
            remedy=f"point {DATA_VARIABLE} at the folder of recordings" if absent else None,
        ),
        Finding(section="data", name="asset cache", value=f"{cache}{'' if cache.is_dir() else ' (not made yet)'}"),
    ]
    for name, wheel in WHEELS.items():
        there = source.is_cached(name)
        changed = source.changed_files(name) if there and assets else []
        models = ", ".join(wheel.models)
        state = f"{len(changed)} files changed: {', '.join(changed[:3])}" if changed else f"{wheel.version}: {models}"
        found.append(
            Finding(
                section="data",
                name=f"asset {name}",
                value=state if there else f"fetched when first used: {models}",
                status=PROBLEM if changed else OK,
                remedy=f"delete {cache} to fetch it again" if changed else None,
            )
        )
    return found


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


CHECKS: dict[str, Callable[..., list[Any]]] = {
    "machine": check_machine,
    "packages": check_packages,
    "store": check_store,
    "mujoco": check_mujoco,
    "cameras": check_cameras,
    "learning": check_learning,
    "data": check_data,
}
