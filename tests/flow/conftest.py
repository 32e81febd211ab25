"""Fixtures of the flow tests: a store, and a recipe of toy stages."""

from pathlib import Path

import pytest

from motorium.flow.recipe import Recipe
from motorium.flow.runner import Run, RunOptions, run_recipe
from motorium.flow.store import Store
from tests.flow import toys

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def run(store):
    """Run the toy recipe (or another text) in `store`."""

    def go(text: str = toys.RECIPE, *, on: str = "inline", into: Store = store, **settings) -> Run:
        force = settings.pop("force", ())
        options = RunOptions(executor=on, jobs=2, force=force)
        names = {name.replace("__", "."): value for name, value in settings.items()}
        return run_recipe(Recipe.parse(text), toys.STAGES, into, options, settings=names)

    return go


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Count how often the toys were called: `calls("make")`."""
    folder = tmp_path / "calls"
    folder.mkdir()
    monkeypatch.setenv("MOTORIUM_TOY_CALLS", str(folder))
    return lambda name: len((folder / name).read_text()) if (folder / name).exists() else 0


def ids(run: Run) -> dict[str, str]:
    """Return the artifact ids of a run by entry."""
    return {name: outcome.artifact.id for name, outcome in run.outcomes.items()}
