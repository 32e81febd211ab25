"""The documentation is true: every command in it runs, every link leads somewhere, every table agrees with the code.

Commands stand in fenced `sh` and `python` blocks; in the pages of `INDENTED` also in indented ones. Long runs get
the settings of `SMALL`. Refs are those of the README's table; each is replaced by what the same entry made here. A
command that `check_command` does not know fails.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from motorium.commands.edit import OPTIONS
from motorium.core.features import vector
from motorium.data.curate import CHECKS
from motorium.data.doctor import DOCTOR_CHECKS
from motorium.data.episode import Episode
from motorium.data.formats import FORMATS, LOGS
from motorium.data.ingest.mapping import MappingSpec, Part
from motorium.data.loader.spec import LoaderSpec
from motorium.data.writer import DatasetSpec, DatasetWriter
from motorium.data.writers import WRITERS
from motorium.evaluate.compare import EXIT_CODES
from motorium.flow.plan import make_plan
from motorium.flow.recipe import Recipe
from motorium.flow.store import Store
from motorium.robots.own import OwnArm
from motorium.stages import STAGES
from motorium.stages.ingest import IngestSpec
from tests.data import bag_samples
from tests.stages import tiny

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}
INDENTED = ("lerobot-oracle.md", "openpi-client.md")
REF = re.compile(r"\b(dataset|policy|report|bundle|page)/([0-9a-f]{8})\b")
# What makes environments for other projects' programs; the tests named here run in them, when they are given.
OTHER_ENVIRONMENTS = {"lerobot-oracle.md": "tests/data/test_lerobot_oracle.py"}
OTHER_ENVIRONMENTS["openpi-client.md"] = "tests/serve/test_openpi_client.py"
OTHER_ENVIRONMENTS["gym.md"] = "tests/gym/test_cleanrl.py"
VERDICTS = (0, 3, 4)
WRITES_MAPPING = ("--mapping", "inspect")

TRAIN = {"width": 32, "hidden": 32, "validate_every": 10, "log_every": 10, "checkpoint_every": 10}
SMALL = {
    "recipes/pick-place.yaml": tiny.SMALL
    | {"steps": 20, "trials": 4, "demonstrate.episodes": 3, "amplify.target_successes": 4}
    | {"evaluate.film.stride": 40, "export.trials": 1}
    | {f"{entry}.{name}": value for entry in ("train", "train-few") for name, value in TRAIN.items()},
    "recipes/g1-teleop.yaml": {f"train.{name}": value for name, value in {**TRAIN, "steps": 20}.items()}
    | {"serve.requests": 3},
    "recipes/go1-walk.yaml": tiny.WALK,
    "examples/reach.yaml": {"steps": 20, "trials": 4, "amplify.target_successes": 4, "export.trials": 4}
    | {"evaluate.videos": 2, "demonstrate.episodes": 4}
    | {f"train.{name}": value for name, value in TRAIN.items()},
    "examples/own-arm.yaml": {"episodes": 2, "demonstrate.cameras": "[]", "amplify.target_successes": 2},
}

# What makes other long commands short; of an option that is given twice, the last holds.
QUICK = {
    "replay": ["--stride", "40"],
    "rl": ["--iterations", "2", "--num-envs", "8", "--selection-episodes", "2"],
    "view": ["--stride", "40", "--size", "96x64", "--seconds", "1", "--episodes", "1"],
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Return (language, text) of the fenced blocks of a page, and of the indented ones where they are commands."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[page], re.M | re.S)
    if page in INDENTED:
        rest = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.M | re.S)
        found += [("sh", re.sub("^    ", "", text, flags=re.M)) for text in re.findall(r"(?:^    .*\n)+", rest, re.M)]
    return found


def commands() -> list[tuple[str, str]]:
    """Return (page, command line) of every shell command."""
    lines = []
    for page in PAGES:
        for language, text in blocks(page):
            if language == "sh":
                joined = re.sub(r"\\\n\s*", " ", text)
                lines += [(page, line) for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return lines


def listed_refs() -> dict[str, str]:
    """Return {ref: entry} of the table in the README."""
    rows = re.findall(r"^    ([a-z-]+) +((?:dataset|policy|report|bundle|page)/[0-9a-f]{8}) ", PAGES["README.md"], re.M)
    return {ref: entry for entry, ref in rows}


def write_teleoperation(folder: Path) -> None:
    """Write four short recordings of six joints that follow their commands a step later."""
    joints = vector([f"joint_{i}" for i in range(6)], "rad")
    features = {"observation.state": joints, "action": joints}
    with DatasetWriter(folder, spec=DatasetSpec(fps=30.0, features=features, robot_type="arm")) as writer:
        for number in range(4):
            rate = np.random.default_rng(number).uniform(0.5, 1.5, 6)
            moves = np.sin(rate * np.arange(91)[:, None] / 30).astype(np.float32)
            arrays = {"observation.state": moves[:-1], "action": moves[1:]}
            writer.add(Episode(arrays=arrays, frames={}, task="wave", meta={}))
        writer.finalize()


def write_shown(folder: Path) -> None:
    """Write the files that pages show and commands name: arm.csv, arm.yaml, edit.yaml."""
    (table,) = re.findall(r"(?:^    .*,.*\n)+", PAGES["ingest.md"].partition("`arm.csv`")[2], re.M)[:1]
    (folder / "arm.csv").write_text(re.sub("^    ", "", table, flags=re.M))
    for page, name in (("ingest.md", "arm.yaml"), ("editing.md", "edit.yaml")):
        (text,) = [text for language, text in blocks(page) if language == "yaml"]
        (folder / name).write_text(text)


def made_by(words: list[str]) -> list[str]:
    """Return the files and folders that a command makes, and would not overwrite."""
    named = [value for option, value in pairwise(words) if option == "--out" or (option, words[1]) == WRITES_MAPPING]
    return [*named, words[3]] if words[1] == "convert" else named


class Workshop:
    """A folder to run commands in: links to recipes, examples and benchmarks, a store, recordings, a bundle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("recipes", "examples", "benchmarks"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "token.txt").write_text("a secret\n")
        made = self.run(shlex.split("motorium run recipes/pick-place.yaml"))
        assert made.returncode in VERDICTS, made.stderr
        store = Store(folder / ".motorium")
        entries = tiny.newest(store.root)["stages"]
        self.made = {name: entry["artifact"] for name, entry in entries.items()}
        bundle = store.load("bundle", self.made["export"]["id"]).path
        shutil.copytree(bundle, folder / "path" / "to" / "bundle", ignore=shutil.ignore_patterns("manifest.json"))
        write_teleoperation(folder / "path" / "to" / "dataset")
        drive = bag_samples.drive(bag_samples.Make(bag_samples.ros1_store(), ros1=True), steps=30)
        bag_samples.write_rosbag1(folder / "path" / "to" / "recording.bag", drive)
        write_shown(folder)
        made = self.run(shlex.split("motorium ingest arm.csv --mapping arm.yaml --out arm-dataset"))
        assert made.returncode == 0, made.stderr

    def words(self, line: str) -> list[str]:
        """Return the words of a command, its refs replaced by those of this store."""

        def ours(found: re.Match) -> str:
            made = self.made[listed_refs()[found[0]]]
            return f"{made['kind']}/{made['id'][:12]}"

        return shlex.split(REF.sub(ours, line), comments=True)

    def argv(self, words: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return the process to start for a `motorium` or `python` command, made small, and its environment."""
        environment = {k: v for k, v in tiny.environment().items() if k not in ("PYTHONPATH", "MOTORIUM_STORE")}
        environment["MOTORIUM_CACHE"] = str(self.folder / "cache")
        while "=" in words[0]:
            name, _, value = words[0].partition("=")
            environment[name], words = value, words[1:]
        # -P: as with the installed command, the working directory is not where Python looks for modules.
        start = {"motorium": [sys.executable, "-P", "-m", "motorium.cli"], "python": [sys.executable]}[words[0]]
        small = SMALL.get(words[2], {}) if words[:2] in (["motorium", "run"], ["motorium", "why"]) else {}
        settings = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
        return [*start, *words[1:], *settings], environment

    def run(self, words: list[str]) -> subprocess.CompletedProcess:
        """Run a command to its end."""
        argv, environment = self.argv(words)
        return subprocess.run(argv, capture_output=True, text=True, cwd=self.folder, env=environment, timeout=300)

    def remove(self, name: str) -> None:
        """Remove what an earlier command made."""
        path = self.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    @contextmanager
    def serving(self, words: list[str]):
        """Run `motorium serve` on a free port of the loopback; give its address; end it as Ctrl-C does."""
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        argv, environment = self.argv([*words, "--port", "0"])
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=self.folder, env=environment)
        try:
            yield re.search(r"ws://[\d.]+:\d+", process.stdout.readline())[0]
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("docs"))


def check_command(workshop: Workshop, page: str, line: str) -> None:
    """Run one command, or what can be run of it; fails for one that it does not know."""
    words = workshop.words(line)
    program = next(word for word in words if "=" not in word)
    if words[0] == "make":
        planned = subprocess.run(["make", "-n", *words[1:]], capture_output=True, text=True, cwd=ROOT)
        assert planned.returncode == 0, planned.stderr
        assert {"demo": "run recipes/pick-place.yaml", "test": "pytest"}[words[1]] in planned.stdout
    elif words == [".", ".venv/bin/activate"]:
        assert re.search(r"^VENV\s*\?= \.venv$", (ROOT / "Makefile").read_text(), re.M)
    elif page in OTHER_ENVIRONMENTS and program != "motorium":
        assert re.match(r"python3\.11 -m venv|echo |\S+/bin/(pip install|python -m) |MOTORIUM_\w+_PYTHON=", line), line
        assert (ROOT / OTHER_ENVIRONMENTS[page]).is_file()
        assert all((ROOT / word).exists() for word in words if word.startswith("tests/"))
    elif words[:2] == ["motorium", "serve"]:
        with workshop.serving(words) as address:
            assert urllib.request.urlopen(address.replace("ws", "http", 1) + "/healthz").read() == b"OK\n"
    elif words[:2] == ["motorium", "bench"] and "--list" not in words:
        known = workshop.run(["motorium", "bench", "--list"]).stdout.split()
        assert set(words[2:]) <= set(known)
    elif words[0] == "python" and words[1].startswith("benchmarks/"):
        shown = workshop.run([*words[:2], "--help"])
        assert shown.returncode == 0, shown.stderr
        assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", shown.stdout))
    elif program == "motorium":
        for name in made_by(words):
            workshop.remove(name)
        made = workshop.run([*words, *QUICK.get(words[1], ())])
        assert made.returncode in (VERDICTS if "run" in words else (0,)), made.stdout + made.stderr
        assert "error:" not in made.stderr and "Traceback" not in made.stderr
        assert made.stdout.strip()
    else:
        pytest.fail(f"{page} has a command that this test does not know: {line}")


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), [pytest.param(*one, id=f"{one[0]}: {one[1]}") for one in commands()])
def test_every_command_runs(workshop, page, line):
    check_command(workshop, page, line)


def python_blocks() -> list:
    """Return (page, text) of the Python of every page; that of openpi-client.md is run by tests/serve/test_page.py."""
    found = [(page, text) for page in PAGES for language, text in blocks(page) if language == "python"]
    return [pytest.param(*one, id=f"{one[0]} {n}") for n, one in enumerate(found) if one[0] != "openpi-client.md"]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "text"), python_blocks())
def test_every_python_block_runs(workshop, page, text):
    def run(code: str) -> None:
        environment = {**tiny.environment(), "PYTHONPATH": str(workshop.folder)}
        environment["MOTORIUM_CACHE"] = str(workshop.folder / "cache")
        argv = [sys.executable, "-W", "error::DeprecationWarning", "-c", code]
        made = subprocess.run(argv, capture_output=True, text=True, cwd=workshop.folder, env=environment, timeout=120)
        assert made.returncode == 0, made.stderr

    if "ws://127.0.0.1:8000" in text:
        with workshop.serving(["motorium", "serve", "path/to/bundle"]) as address:
            run(text.replace("ws://127.0.0.1:8000", address))
    else:
        run(text)


@pytest.mark.slow
def test_the_error_shown_for_a_misspelt_joint_is_the_one_printed(workshop):
    joints = "[yaw, sholder, elbow, pitch, roll, turn]"
    line = ["motorium", "run", "examples/own-arm.yaml", "--set", f"demonstrate.options.own.joints={joints}"]
    shown = re.search(r"^    error: (?:.*\n    )+.*", PAGES["own-robot.md"], re.M)[0]
    assert re.sub("^    ", "", shown, flags=re.M).strip() in workshop.run(line).stderr


def test_there_are_commands_and_none_hides_in_another_kind_of_block():
    assert len(commands()) > 40
    for page in PAGES:
        assert {language for language, _ in blocks(page)} <= {"sh", "python", "yaml"}, page
        if page not in INDENTED:
            assert not re.search(r"^    (motorium|make|python|pip|git) ", PAGES[page], re.M), page


def test_every_ref_is_in_the_table_of_the_readme():
    known = listed_refs()
    assert len(known) == 10
    for page, text in PAGES.items():
        examples = re.sub(r"\(?`?(dataset|bundle)/3f2a\w*", "", text)
        for kind, digits in REF.findall(examples):
            assert f"{kind}/{digits}" in known, f"{page}: {kind}/{digits}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_heading(page):
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        if re.match(r"https?://", target):
            continue
        name, _, heading = target.partition("#")
        place = (folder / name).resolve() if name else folder / page
        assert place.exists() and place.is_relative_to(ROOT), target
        titles = re.findall(r"^#+ (.*)$", place.read_text(), re.M) if heading else []
        assert not heading or heading in [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in titles]


def test_the_readme_leads_to_every_page_and_pages_are_short():
    for page, text in PAGES.items():
        assert page == "README.md" or f"(docs/{page})" in PAGES["README.md"], page
        assert text.count("\n") <= 120, page


def test_the_recipe_shown_is_one_and_fits_the_stages(tmp_path):
    (text,) = [text for language, text in blocks("loop.md") if language == "yaml"]
    plan = make_plan(Recipe.parse(text).resolve(), STAGES, Store(tmp_path / "store"))
    assert [step.name for step in plan] == ["demonstrate", "tidy"]


def test_the_options_shown_for_ones_own_data_and_robot_are_valid():
    import yaml

    (data,) = [yaml.safe_load(text) for language, text in blocks("own-data.md") if language == "yaml"]
    IngestSpec.parse(data["ingest"]["with"])
    (robot,) = [yaml.safe_load(text) for language, text in blocks("own-robot.md") if language == "yaml"]
    recipe = yaml.safe_load((ROOT / "examples" / "own-arm.yaml").read_text())
    shipped = recipe["stages"]["demonstrate"]["with"]["options"]["own"]
    assert OwnArm.parse(robot["own"]) == OwnArm.parse({**shipped, "path": recipe["vars"]["model"]})


def test_the_table_of_stages_is_that_of_the_catalog():
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|([^|]*)\|", PAGES["loop.md"], re.M)
    stated = {name: (kind, set(re.findall(r"`(\w+)`", ports))) for name, kind, ports in rows}
    stages = {name: STAGES.load(name) for name in STAGES}
    assert stated == {name: (stage.kind, set(stage.ports)) for name, stage in stages.items()}


def first_column(page: str, heading: str) -> list[str]:
    """Return the names in code of the first column of the tables below a heading."""
    _, _, below = PAGES[page].partition(f"\n## {heading}\n")
    rows = re.findall(r"^\| (`[^|]*) \|", re.split(r"^## ", below, flags=re.M)[0], re.M)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_the_tables_of_formats_are_those_of_the_catalogs():
    assert first_column("formats.md", "What is read") == [*FORMATS, *LOGS]
    assert first_column("formats.md", "What is written") == ["--to", *WRITERS]


def test_the_tables_of_checks_are_those_of_the_catalogs():
    assert re.findall(r"^\| `(\w+)` \|", PAGES["curation.md"], re.M) == list(CHECKS)
    assert first_column("editing.md", "Doctor") == list(DOCTOR_CHECKS)


def test_every_option_of_edit_and_every_field_of_a_mapping_and_a_loader_is_on_its_page():
    shown = set(re.findall(r"--([a-z-]+)", "\n".join(first_column("editing.md", "Edit"))))
    assert shown == set(OPTIONS)
    named = set(first_column("ingest.md", "A mapping, by example"))
    assert set(MappingSpec.model_fields) <= named
    parts = re.search(r"^\| \.\.\. of a stream \|.*$", PAGES["ingest.md"], re.M)[0]
    assert set(re.findall(r"`(\w+)`", parts)) == set(Part.model_fields) - {"stream"}
    assert {name for name in LoaderSpec.model_fields if f"`{name}`" not in PAGES["loading.md"]} == set()


def test_the_table_of_verdicts_is_that_of_the_code():
    rows = re.findall(r"^\| (\w+) \| .* \| (\d) \|$", PAGES["statistics.md"], re.M)
    assert {verdict: int(code) for verdict, code in rows} == EXIT_CODES


def test_the_picture_is_there_and_small():
    assert 20_000 < os.path.getsize(ROOT / "docs" / "images" / "report.png") < 250_000
