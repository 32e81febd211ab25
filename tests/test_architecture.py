"""The layers of the design, kept: arrows point down, siblings do not meet, files stay small, nothing unpickles."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "motorium"
LAYERS = [
    {"core"},
    {"data", "sim", "flow"},
    {"robots"},
    {"tasks", "drive", "learn", "synth", "evaluate", "verify", "report"},
    {"stages"},
    {"cli", "commands", "console", "serve", "agent", "gym"},
]
# The dispatcher and its commands are one part in two places, and a command starts the part it is named for.
ALLOWED = {("commands", "serve"), ("commands", "cli"), ("cli", "commands")}
# Gymnasium knows environments by an import that registers them; the package `gym` is the one whose import does a thing.
CATALOG, ALLOWED_IN_PACKAGES = {"motorium.core.catalog"}, {"gym": {"motorium.gym.registration"}}
BANNED_CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load"}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FILES = sorted(SOURCE.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def test_every_part_has_a_layer():
    assert {part(path) for path in FILES} - {"__init__", "__main__"} <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_arrows_point_down(path):
    here = part(path)
    for line, module in imports(ast.parse(path.read_text())):
        names = module.split(".")
        if names[0] != "motorium" or len(names) < 2 or names[1] not in LEVEL or here not in LEVEL:
            continue
        there = names[1]
        assert there == here or LEVEL[there] < LEVEL[here] or (here, there) in ALLOWED, (
            f"{path.relative_to(SOURCE)}:{line}: {here} may not import {there}; they meet in core.protocols"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_unpickles_evaluates_or_grows_too_long(path):
    text = path.read_text()
    assert text.count("\n") <= 500, "split the file"
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    tree = ast.parse(text)
    for line, module in imports(tree):
        assert module.split(".")[0] not in banned, f"{path}:{line} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load"}, (
                f"{path}:{node.lineno} {name}"
            )
            allowed = [k.value for k in node.keywords if k.arg == "allow_pickle"]
            assert all(isinstance(v, ast.Constant) and v.value is False for v in allowed), f"{path}:{node.lineno}"


def test_no_part_is_called_utils():
    assert not [path for path in SOURCE.rglob("*") if path.stem in {"utils", "util", "helpers", "misc", "common"}]


def undocumented(tree: ast.Module, documented: dict[str, set[str]], bases: dict[str, list[str]]):
    """Yield (line, name) of what has no leading underscore, no docstring, and no base that says it."""

    def said_by_a_base(kind: str, method: str) -> bool:
        return any(method in documented.get(base, ()) or said_by_a_base(base, method) for base in bases.get(kind, ()))

    def silent(body: list[ast.stmt]):
        named = (one for one in body if isinstance(one, DEFINITIONS) and not one.name.startswith("_"))
        return [one for one in named if not ast.get_docstring(one)]

    yield from ((node.lineno, node.name) for node in silent(tree.body))
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for method in silent(kind.body):
            if not said_by_a_base(kind.name, method.name):
                yield method.lineno, f"{kind.name}.{method.name}"


def test_everything_public_has_a_docstring_of_its_own_or_of_its_base():
    """Methods of private classes too: who reads them is inside, and needs it as much."""
    trees = {path: ast.parse(path.read_text()) for path in FILES}
    documented: dict[str, set[str]] = {}
    bases: dict[str, list[str]] = {}
    for node in (node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)):
        methods = {one.name for one in node.body if isinstance(one, DEFINITIONS) and ast.get_docstring(one)}
        documented[node.name] = documented.get(node.name, set()) | methods
        bases.setdefault(node.name, []).extend(ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases)
    missing = [
        f"{path.relative_to(SOURCE)}:{line}: {name}"
        for path, tree in trees.items()
        for line, name in undocumented(tree, documented, bases)
    ]
    assert not missing, "say in a sentence what it does: " + "; ".join(missing)


def test_package_files_hold_at_most_a_catalog():
    for path in SOURCE.rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            fine = isinstance(node, (ast.Expr, ast.Assign)) or (
                isinstance(node, ast.ImportFrom) and node.module in ALLOWED_IN_PACKAGES.get(part(path), CATALOG)
            )
            assert fine, f"{path.relative_to(SOURCE)}:{node.lineno}: keep package files to a docstring and a Catalog"


def test_no_path_of_a_machine_and_no_registry_host_is_written_down():
    root = SOURCE.parents[1]
    tracked = [
        p for d in ("src", "tests", "benchmarks", "recipes", "docs") for p in (root / d).rglob("*") if p.is_file()
    ]
    marks = [a + b for a, b in (("/ho", "me/"), ("/ro", "ot/"), ("/wo", "rk/"), ("pypi.", "org"), ("npmjs.", "org"))]
    for path in tracked:
        if path.suffix not in {".py", ".md", ".yaml", ".html", ".toml", ".txt"}:
            continue
        text = path.read_text()
        assert not [mark for mark in marks if mark in text], path
