"""The command line: what it prints, and its exit codes."""

import json
import shlex
import subprocess
import sys

import pytest

import motorium.stages
from motorium.cli import COMMANDS, main
from tests.flow import toys


@pytest.fixture
def motorium_(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; return (exit code, standard output, standard error)."""
    monkeypatch.setattr(motorium.stages, "STAGES", toys.STAGES)
    monkeypatch.delenv("MOTORIUM_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(toys.RECIPE)

    def go(*argv: str) -> tuple[int, str, str]:
        try:
            code = main(list(argv))
        except SystemExit as stop:  # argparse
            code = stop.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return go


@pytest.fixture
def rows(motorium_):
    """Run the toy recipe; return {stage summary: ref}."""
    assert motorium_("run", "toy.yaml")[0] == 0
    listed = json.loads(motorium_("ls", "--json")[1])
    return {row["summary"]: f"{row['kind']}/{row['id'][:12]}" for row in listed}


# -- the top ----------------------------------------------------------------------------------------------


def test_help_lists_every_command(motorium_):
    code, out, _ = motorium_("--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert motorium_()[0] == 0


def test_help_and_version_import_nothing_heavy():
    code = "import sys; from motorium.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'pydantic', 'yaml', 'torch', 'mujoco', 'sqlite3'} & set(sys.modules)))"
    for argument in ("--help", "--version"):
        out = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True).stdout
        assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("heavy", ["torch", "mujoco", "pyarrow", "av", "onnxruntime", "matplotlib", "scipy", "tqdm"])
def test_cached_run_imports_nothing_heavy(motorium_, rows, heavy):
    code = "import sys; from motorium.cli import main; import motorium.stages; from tests.flow import toys\n"
    code += f"motorium.stages.STAGES = toys.STAGES; main(['run', 'toy.yaml']); print('{heavy}' in sys.modules)"
    from tests.flow.conftest import ROOT

    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    ).stdout
    assert out.count("(cached)") == 4
    assert out.splitlines()[-1] == "False"


def test_unknown_command_names_the_nearest(motorium_):
    code, _, err = motorium_("lineag", "x")
    assert code == 2
    assert "did you mean 'lineage'?" in err


def test_command_whose_module_is_missing_is_a_clear_error(motorium_, monkeypatch):
    monkeypatch.setitem(COMMANDS, "ghost", ("motorium.commands.ghost", "is not there"))
    assert motorium_("--help")[0] == 0
    code, _, err = motorium_("ghost")
    assert code == 2
    assert "'ghost' cannot be loaded" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("serve", "replay", "doctor")])
def test_every_command_has_help(motorium_, name):
    code, out, _ = motorium_(name, "--help")
    assert code == 0
    assert out.startswith(f"usage: motorium {name}")


# -- run --------------------------------------------------------------------------------------------------


def test_run_prints_a_table_and_where_the_page_is(motorium_):
    code, out, err = motorium_("run", "toy.yaml")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == ["stage", "make", "sum", "squares", "compare", "report:"]
    assert lines[1].split(maxsplit=2)[2] == "4 rows"
    assert ".motorium/reports/toy.html" in lines[-1]
    assert "make" in err
    code, out, err = motorium_("run", "toy.yaml", "--quiet")
    assert (code, err) == (0, "")
    assert out.count("(cached)") == 4


def test_exit_codes(motorium_):
    assert motorium_("run", "toy.yaml", "--set", "sum.exit_code=1")[0] == 1
    code, out, err = motorium_("run", "toy.yaml", "--set", "sum.fail=true")
    assert code == 2
    assert "stage 'sum' failed" in err
    assert "failed: asked to fail" in out
    for bad in (
        ["none.yaml"],
        ["toy.yaml", "--set", "rosw=1"],
        ["toy.yaml", "--on", "cloud"],
        ["toy.yaml", "--jobs", "0"],
    ):
        code, out, err = motorium_("run", *bad)
        assert code == 2, bad
        assert "Traceback" not in err
        assert err


def test_store_is_where_it_is_said(motorium_, tmp_path, monkeypatch):
    motorium_("run", "toy.yaml", "--store", "here")
    assert (tmp_path / "here" / "artifacts").is_dir()
    monkeypatch.setenv("MOTORIUM_STORE", str(tmp_path / "there"))
    motorium_("run", "toy.yaml")
    assert (tmp_path / "there" / "artifacts").is_dir()
    assert not (tmp_path / ".motorium").exists()


def test_looking_into_no_store_makes_none(motorium_, tmp_path):
    code, _, err = motorium_("ls")
    assert code == 2
    assert "no store here" in err
    assert not (tmp_path / ".motorium").exists()


# -- stage ------------------------------------------------------------------------------------------------


def test_stage_help_is_made_from_the_spec(motorium_):
    code, out, _ = motorium_("stage", "make", "--help")
    assert code == 0
    assert "--rows" in out
    assert "how many rows to draw (default 4)" in out


def test_stage_prints_its_schema(motorium_):
    schema = json.loads(motorium_("stage", "make", "--json-schema")[1])
    assert schema["properties"]["rows"]["description"] == "how many rows to draw"


def test_command_in_a_manifest_finds_the_artifact_again(motorium_, rows):
    """Every row of a report prints it: run as it stands, it must give that very artifact, from the cache."""
    for ref in rows.values():
        record = json.loads(motorium_("show", ref, "--json")[1])
        words = shlex.split(record["command"])
        assert words[0] == "motorium"
        code, out, _ = motorium_(*words[1:])
        assert code == 0
        assert f"{record['kind']}/{record['id'][:8]}" in out
        assert "(cached)" in out


def test_command_survives_odd_values(motorium_):
    for value in ("--x", "null", "7", '"q"', "a b'c", "", "[1"):
        code, out, err = motorium_("stage", "make", f"--name={value}", "--quiet")
        assert code == 0, err
        ref = out.splitlines()[1].split()[1]
        record = json.loads(motorium_("show", ref, "--json")[1])
        assert record["spec"]["name"] == value
        assert "(cached)" in motorium_(*shlex.split(record["command"])[1:])[1]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ([], {}),
        (["--with.seed", "9", "--seed", "4"], {"seed": 9}),
        (["--inner.label", "null"], {"inner": {"rate": 1e-3, "label": None}}),
        (["--inner.rate=2e-2", "--inner.label", "x y"], {"inner": {"rate": 0.02, "label": "x y"}}),
        (["--sizes", "[1, 2]", "--mode", '"1"'], {"sizes": [1, 2], "mode": "1"}),
        (["--table", "{a: 1, b: -2.5}"], {"table": {"a": 1.0, "b": -2.5}}),
        (["--long-name", "yes"], {"long_name": True}),
        (["--long_name", "true"], {"long_name": True}),
    ],
    ids=str,
)
def test_spec_comes_through_the_command_line_and_back(motorium_, options, fields):
    code, out, err = motorium_("stage", "nested", *options, "--quiet")
    assert code == 0, err
    record = json.loads(motorium_("show", out.splitlines()[1].split()[1], "--json")[1])
    assert record["spec"] == toys.NestedSpec.parse(fields).to_plain()
    assert "(cached)" in motorium_(*shlex.split(record["command"])[1:])[1]


def test_stage_says_what_is_wrong_with_its_options(motorium_):
    for arguments, said in [
        (["mkae"], "nearest:  make"),
        (["make", "--rows", "many"], "stages.make.with.rows"),
        (["sum"], "not connected"),
        (["sum", "--from", "dataset"], "port=source"),
        (["sum", "--from", "datset=x"], "nearest:  dataset"),
        (["compare", "--from", "reports=x"], "reports.NAME=source"),
        (["make", "--rosw", "1"], "unrecognized arguments"),
    ]:
        code, _, err = motorium_("stage", *arguments)
        assert code == 2, arguments
        assert said in err, err


# -- looking ----------------------------------------------------------------------------------------------


def test_ls_lists_newest_first_and_by_kind(motorium_, rows):
    assert len(motorium_("ls")[1].splitlines()) == 1 + 4
    out = motorium_("ls", "report")[1]
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["sum", "sum"]
    code, _, err = motorium_("ls", "reprot")
    assert code == 2
    assert "nearest:  report" in err


def test_show_lineage_and_diff(motorium_, rows):
    page = rows["2 reports"]
    out = motorium_("show", page)[1]
    assert "motorium stage compare" in out
    assert "index.html" in out
    tree = json.loads(motorium_("lineage", page, "--json")[1])
    assert [above["relatives"][0]["summary"] for above in tree["relatives"]] == ["4 rows", "4 rows"]
    assert len(motorium_("lineage", rows["4 rows"], "--down")[1].splitlines()) == 5
    reports = [ref for ref in rows.values() if ref.startswith("report/")]
    changed = json.loads(motorium_("diff", *reports, "--json")[1])["changes"]
    assert [(change["part"], change["field"]) for change in changed] == [("spec", "power"), ("metrics", "total")]
    assert "no spec, input, module or metric differs" in motorium_("diff", page, page)[1]


def test_why_explains_field_by_field(motorium_, rows):
    assert "is cached" in motorium_("why", "toy.yaml", "make")[1]
    out = motorium_("why", "toy.yaml", "make", "--set", "rows=9")[1]
    assert ["spec", "rows", "4", "9"] in [line.split() for line in out.splitlines()]


def test_verify_names_bad_files_and_exits_1(motorium_, rows, tmp_path):
    assert motorium_("verify")[0] == 0
    folder = motorium_("show", rows["4 rows"], "--path")[1].strip()
    (tmp_path / folder / "rows.npy").write_bytes(b"x")
    code, out, _ = motorium_("verify")
    assert code == 1
    assert f"{rows['4 rows']}: 'rows.npy' has 1 bytes" in out
    assert motorium_("verify", rows["2 reports"])[0] == 0
    assert motorium_("verify", rows["4 rows"])[0] == 1


def test_gc_says_what_goes(motorium_, rows):
    motorium_("run", "toy.yaml", "--set", "rows=5")
    out = motorium_("gc", "--keep", "0m", "--dry-run")[1]
    assert "would free" in out
    assert rows["4 rows"] in out
    assert "4 artifacts" in motorium_("gc", "--keep", "0m")[1]
    assert len(motorium_("ls")[1].splitlines()) == 1 + 4
