"""The shipped recipes are valid as they stand."""

import pytest

from motorium.flow.plan import make_plan
from motorium.flow.recipe import Recipe
from motorium.flow.store import Store
from motorium.stages import STAGES
from tests.stages.tiny import ROOT

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_plans(path, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "data").write_text("planning reads no further than the bytes")
    recipe = Recipe.read(path)
    assert recipe.name == path.stem
    settings = {"source": str(source)} if "source" in recipe.vars else {}
    steps = make_plan(recipe.resolve(settings), STAGES, Store(tmp_path / "store"))
    assert steps[-1].stage.kind == "page"
    shown = set(steps[-1].inputs["artifacts"])
    assert shown == {step.name for step in steps[:-1]}, "the page leaves a stage out"
