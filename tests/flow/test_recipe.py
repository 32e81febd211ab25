"""Recipes: YAML as people write it, and what is said of mistakes in it."""

import pytest

from motorium.core.errors import MotoriumError, SpecError
from motorium.flow.document import read_document, read_value
from motorium.flow.plan import make_plan
from motorium.flow.recipe import Entry, Recipe, parse_settings
from tests.flow import toys


def plan(store, text, **settings):
    recipe = Recipe.parse(text, "r.yaml").resolve({name.replace("__", "."): value for name, value in settings.items()})
    return make_plan(recipe, toys.STAGES, store)


def failure(store, text, **settings) -> SpecError:
    with pytest.raises(MotoriumError) as caught:
        plan(store, text, **settings)
    return caught.value


def test_variables_keep_their_type_and_may_stand_in_flow_mappings():
    recipe = Recipe.parse("recipe: a\nvars: {n: 3, s: x}\nstages:\n  m: {with: {rows: ${n}, name: a-${s}-${n}}}\n")
    assert recipe.resolve().stages["m"].options == {"rows": 3, "name": "a-x-3"}
    assert recipe.resolve({"n": 9, "m.name": "z"}).stages["m"].options == {"rows": 9, "name": "z"}


def test_yaml_and_python_give_the_same_recipe():
    text = "recipe: a\nseed: 3\nstages:\n  make: {with: {rows: 2}}\n  s: {uses: sum, from: {dataset: make}}\n"
    stages = {
        "make": Entry(uses="make", options={"rows": 2}),
        "s": Entry(uses="sum", inputs={"dataset": "make"}),
    }
    assert Recipe.parse(text) == Recipe(name="a", seed=3, stages=stages)
    assert Recipe.from_plain(Recipe.parse(text).to_plain()) == Recipe.parse(text)


def test_settings_are_read_as_yaml_reads_them():
    assert parse_settings(["a=3", "b=1e-3", "c=x=y", "d=[1, 2]", "e=a: b: c", "f="]) == {
        "a": 3,
        "b": 0.001,
        "c": "x=y",
        "d": [1, 2],
        "e": "a: b: c",
        "f": None,
    }
    with pytest.raises(SpecError, match="name and a value"):
        parse_settings(["novalue"])


def test_required_variable_names_the_option_and_its_line(store):
    error = failure(store, "recipe: a\nvars:\n  source: ~\nstages:\n  make:\n")
    assert "--set source=" in error.details["remedy"]
    assert error.details["where"] == "r.yaml, line 3: vars.source"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("recipe: a\nstages: {make: {}}\nseed: 1\nseed: 2\n", 4),
        ("recipe: a\nstages:\n  make: {with: {rows: 1, rows: 2}}\n", 3),
        ("recipe: a\nstages:\n  make: {with: [}\n", 3),
        ("recipe: !!python/object/apply:os.system [echo]\n", 1),
        ("recipe: a\nstages:\n  make:\n    with: !!python/name:os.system x\n", 4),
        ("recipe: a\nstages:\n  make:\n    with: {rows: 2026-01-01}\n", 4),
        ("recipe: a\nstages:\n  1: {}\n", 3),
    ],
)
def test_bad_yaml_is_refused_with_its_line(text, line):
    with pytest.raises(SpecError) as caught:
        Recipe.parse(text, "r.yaml")
    assert f"r.yaml, line {line}" in str(caught.value.details["where"])


def test_aliases_cannot_ask_for_more_memory_than_there_is():
    bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
    )
    with pytest.raises(SpecError, match="too large"):
        read_document(bomb)


@pytest.mark.parametrize(
    ("text", "nearest", "where"),
    [
        ("recipe: a\nstagse: {}\n", "stages", "line 2"),
        ("recipe: a\nstages:\n  make: {wiht: {}}\n", "with", "line 3: stages.make.wiht"),
        ("recipe: a\nstages:\n  mkae: {}\n", "make", "line 3"),
        ("recipe: a\nstages:\n  make:\n    with:\n      rosw: 3\n", "rows", "line 5: stages.make.with.rosw"),
        ("recipe: a\nstages:\n  make:\n  sum: {from: {datset: make}}\n", "dataset", "line 4"),
        ("recipe: a\nstages:\n  make:\n  sum: {from: {dataset: mkae}}\n", "make", "line 4"),
        ("recipe: a\nvars: {rows: 1}\nstages:\n  make: {with: {rows: ${rosw}}}\n", "rows", "line 4"),
    ],
)
def test_unknown_names_say_the_nearest_and_the_line(store, text, nearest, where):
    error = failure(store, text)
    assert error.details["nearest"] == nearest
    assert where in error.details["where"]


def test_unknown_setting_says_the_nearest(store):
    assert failure(store, toys.RECIPE, rosw=3).details["nearest"] == "rows"
    assert failure(store, toys.RECIPE, mkae__rows=3).details["nearest"].startswith("make.")


def test_value_of_the_wrong_type_is_found_before_anything_runs(store, calls):
    error = failure(store, "recipe: a\nstages:\n  make: {with: {rows: many}}\n")
    assert error.details["where"] == "r.yaml, line 3: stages.make.with.rows"
    assert calls("make") == 0


def test_circle_is_named(store):
    # A circle needs a stage of one kind in and out.
    loop = {"loop": toys.Stage(**{**vars(toys.SUM), "name": "loop", "kind": "dataset"})}
    recipe = Recipe.parse(
        "recipe: a\nstages:\n  a: {uses: loop, from: {dataset: b}}\n  b: {uses: loop, from: {dataset: a}}\n"
    )
    with pytest.raises(SpecError, match="circle") as caught:
        make_plan(recipe, loop, store)
    assert caught.value.details["got"] == "a → b → a"


def test_kinds_are_checked_at_every_port(store):
    text = "recipe: a\nstages:\n  make:\n  s1: {uses: sum, from: {dataset: make}}\n"
    error = failure(store, text + "  s2: {uses: sum, from: {dataset: s1}}\n")
    assert "takes a dataset" in error.what
    assert error.details["nearest"] == "make"


def test_required_port_and_many_port_have_to_be_connected(store):
    assert "not connected" in failure(store, "recipe: a\nstages:\n  sum:\n").what
    assert "not connected" in failure(store, "recipe: a\nstages:\n  compare: {from: {reports: {}}}\n").what
    text = "recipe: a\nstages:\n  make:\n  sum: {from: {dataset: make}}\n  compare: {from: {reports: sum}}\n"
    assert "several named inputs" in failure(store, text).what


def test_missing_path_is_found_before_anything_runs(store, calls):
    text = "recipe: a\nvars: {source: ~}\nstages:\n  make:\n  sum: {from: {dataset: ${source}}}\n"
    error = failure(store, text, source="no/such/folder")
    assert "no file or folder" in error.what
    assert calls("make") == 0


def test_order_is_that_of_the_recipe_as_far_as_inputs_allow(store):
    text = (
        "recipe: a\nstages:\n  s: {uses: sum, from: {dataset: make}}\n  other: {uses: make, with: {rows: 2}}\n  make:\n"
    )
    assert [step.name for step in plan(store, text)] == ["make", "s", "other"]


def test_missing_recipe_names_the_nearest_file(tmp_path):
    (tmp_path / "pick-place.yaml").write_text("")
    with pytest.raises(SpecError) as caught:
        Recipe.read(tmp_path / "pick-plac.yaml")
    assert caught.value.details["nearest"].endswith("pick-place.yaml")


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("-2E+4", -2e4), ("1.5e3", 1500.0), ("0e1x", "0e1x")])
def test_numbers_with_exponents_are_numbers(text, value):
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)
