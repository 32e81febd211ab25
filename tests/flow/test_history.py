"""What the store tells afterwards: why something is computed, where it came from, what differs, what can go."""

import os
import time

import pytest

from motorium.core.errors import SpecError, StoreError
from motorium.flow import digests
from motorium.flow.collect import collect, parse_age, parse_keep
from motorium.flow.compare import changed_fields, derivation_changes, flatten
from motorium.flow.lineage import ancestors, descendants, format_tree
from motorium.flow.owner import Owner
from motorium.flow.recipe import Recipe
from motorium.flow.runner import run_stage
from motorium.flow.why import explain, format_explanation
from tests.flow import toys
from tests.flow.conftest import ids


def why(store, name, text=toys.RECIPE, stages=toys.STAGES, **settings):
    recipe = Recipe.parse(text).resolve({key.replace("__", "."): value for key, value in settings.items()})
    return explain(recipe, stages, store, name)


def changes(explanation):
    return [(change.part, change.field, change.before, change.after) for change in explanation.changes]


# -- why --------------------------------------------------------------------------------------------------


def test_why_of_a_cached_stage_names_the_artifact(run, store):
    made = run()
    assert why(store, "squares").artifact.id == made.artifact("squares").id
    assert "is cached" in format_explanation(why(store, "squares"))


def test_why_names_the_option_against_the_nearest_earlier_artifact(run, store):
    made = run()
    told = why(store, "squares", squares__power=5, squares__exit_code=0)
    assert told.nearest.id in ids(made).values()
    assert changes(told) == [("spec", "power", told.nearest.manifest["spec"]["power"], 5)]


def test_why_prefers_the_artifact_that_differs_least(run, store):
    run(squares__power=3, squares__exit_code=1)
    made = run()
    told = why(store, "squares", squares__power=3, squares__exit_code=0)
    assert len(told.changes) == 1
    assert made.artifact("squares").id != told.nearest.id or changes(told)[0][1] == "power"


def test_why_names_a_changed_module_and_its_file(store, tmp_path, monkeypatch):
    package = tmp_path / "toywhy"
    package.mkdir()
    for name in ("__init__.py", "a.py", "b.py"):
        (package / name).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    stage = toys.Stage(**{**vars(toys.MAKE), "modules": ["toywhy"]})
    text = "recipe: a\nstages:\n  make:\n"
    made = run_stage(stage, {}, {}, store)
    assert why(store, "make", text, {"make": stage}).artifact.id == made.id
    (package / "a.py").write_text("x = 1")
    (package / "b.py").unlink()
    (package / "c.py").write_text("")
    told = why(store, "make", text, {"make": stage})
    assert told.artifact is None
    (change,) = told.changes
    assert (change.part, change.field) == ("module", "toywhy")
    assert change.note == "a.py changed, b.py removed, c.py added"
    assert "a.py changed" in format_explanation(told)
    assert run_stage(stage, {}, {}, store).id != made.id


def test_why_names_another_version_of_a_package_and_an_edited_file(store, tmp_path, monkeypatch):
    named = tmp_path / "arm.v2.xml"
    named.write_text("one")
    declared = {"distributions": ["numpy", "not-installed-here"], "files": lambda spec: [named]}
    stage = toys.Stage(**{**vars(toys.MAKE), **declared})
    text = "recipe: a\nstages:\n  make:\n"
    made = run_stage(stage, {}, {}, store)
    assert made.manifest["versions"]["not-installed-here"] is None
    assert why(store, "make", text, {"make": stage}).artifact.id == made.id
    named.write_text("two")
    monkeypatch.setattr(digests, "installed", lambda name: "99.0")
    told = why(store, "make", text, {"make": stage})
    assert told.artifact is None
    assert [(change.part, change.field) for change in told.changes] == [
        ("package", "not-installed-here"),
        ("package", "numpy"),
        ("file", str(named)),
    ]
    assert [change.before for change in told.changes][:1] == ["-"]
    assert "99.0" in format_explanation(told)


def test_why_names_seed_version_and_input(run, store):
    text = "recipe: a\nstages:\n  make: {with: {rows: ROWS}}\n  sum: {from: {dataset: make}}\n"
    first = run(text.replace("ROWS", "2"))
    second = run(text.replace("ROWS", "3"))
    told = why(store, "make", text.replace("ROWS", "3").replace("stages", "seed: 9\nstages"))
    assert changes(told) == [("seed", "seed", 0, 9)]
    stages = {"make": toys.MAKE, "sum": toys.Stage(**{**vars(toys.SUM), "version": 2})}
    told = why(store, "sum", text.replace("ROWS", "3"), stages)
    assert changes(told) == [("version", "version", 1, 2)]
    (change,) = derivation_changes(first.artifact("sum").manifest, second.artifact("sum").manifest)
    assert (change.part, change.field) == ("input", "dataset")
    assert (change.before, change.after) == (first.artifact("make").ref, second.artifact("make").ref)


def test_why_explains_the_input_that_is_computed_first(run, store):
    run()
    told = why(store, "squares", rows=9)
    (waited,) = told.waits_for
    assert changes(waited) == [("spec", "rows", 4, 9)]
    assert told.changes == []
    text = format_explanation(told)
    assert "'make' would be computed first" in text
    assert "rows" in text


def test_why_in_an_empty_store_says_so(store):
    assert "no earlier artifact" in format_explanation(why(store, "make"))


def test_why_of_an_unknown_stage_names_the_nearest(store):
    with pytest.raises(SpecError) as caught:
        why(store, "sqares")
    assert caught.value.details["nearest"] == "squares"


# -- diff -------------------------------------------------------------------------------------------------


def test_fields_are_compared_at_their_leaves():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, 2]}) == {"a.b": 1, "a.c": {}, "d": [1, 2]}
    found = changed_fields("spec", {"a": {"b": 1, "same": 0}}, {"a": {"same": 0}, "new": None})
    assert [(change.field, change.before, change.after) for change in found] == [("a.b", 1, "-"), ("new", "-", None)]


# -- lineage ----------------------------------------------------------------------------------------------


def test_lineage_goes_up_to_the_roots_and_down_to_the_leaves(run, store):
    made = run()
    up = ancestors(store, made.artifact("compare"))
    assert [(above.port, above.stage) for above in up.relatives] == [
        ("reports.plain", "sum"),
        ("reports.squares", "sum"),
    ]
    assert {root.id for above in up.relatives for root in above.relatives} == {made.artifact("make").id}
    down = descendants(store, made.artifact("make"))
    assert {below.id for below in down.relatives} == {made.artifact("sum").id, made.artifact("squares").id}
    assert [leaf.stage for below in down.relatives for leaf in below.relatives] == ["compare", "compare"]
    assert format_tree(up).splitlines()[0].startswith("page/")


def test_lineage_names_what_came_from_outside_and_what_is_gone(run, store, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    toys.np.save(folder / "rows.npy", toys.np.ones((1, 3)))
    total = run_stage(toys.SUM, {}, {"dataset": folder}, store)
    (root,) = ancestors(store, total).relatives
    assert (root.state, root.summary) == ("external", str(folder))
    made = run()
    toys_dataset = made.artifact("make")
    with store.index.write() as connection:
        connection.execute("DELETE FROM artifacts WHERE id = ?", (toys_dataset.id,))
    (gone,) = ancestors(store, made.artifact("sum")).relatives
    assert (gone.state, gone.ref) == ("gone", toys_dataset.ref)


# -- gc ---------------------------------------------------------------------------------------------------


def ages(text):
    return parse_age(text)


def test_ages_are_read():
    assert (ages("30d"), ages("12h"), ages("10m"), ages("dataset/30d"), ages("3f")) == (2592000, 43200, 600, None, None)


def test_two_ages_to_keep_are_refused(store):
    with pytest.raises(SpecError, match="one age"):
        parse_keep(store, ["1d", "2d"])
    with pytest.raises(StoreError):
        parse_keep(store, ["dataset/0000"])


def test_newest_run_and_its_ancestors_are_kept(run, store):
    old, new = run(rows=3), run(rows=5)
    garbage = collect(store, age_s=0)
    assert {row["id"] for row in garbage.artifacts} == set(ids(old).values())
    assert {row["id"] for row in store.rows()} == set(ids(new).values())
    assert not any(outcome.artifact.path.exists() for outcome in old.outcomes.values())
    assert all(store.problems(outcome.artifact) == [] for outcome in new.outcomes.values())


def test_dry_run_deletes_nothing_but_says_the_same(run, store):
    run(rows=3)
    run(rows=5)
    said = collect(store, age_s=0, dry_run=True)
    assert len(store.rows()) == 8
    done = collect(store, age_s=0)
    assert [row["id"] for row in said.artifacts] == [row["id"] for row in done.artifacts]
    assert said.bytes == done.bytes > 0


def test_young_and_named_artifacts_are_kept_with_what_they_were_made_from(run, store):
    old = run(rows=3)
    run(rows=5)
    assert collect(store, age_s=3600).artifacts == []
    age_s, keep = parse_keep(store, ["0m", old.artifact("sum").ref])
    gone = {row["id"] for row in collect(store, age_s=age_s, keep=keep).artifacts}
    assert gone == {old.artifact("squares").id, old.artifact("compare").id}


def test_what_a_run_in_progress_uses_is_kept(run, store):
    old = run(rows=3)
    run(rows=5)
    with Owner(store, "live") as owner:
        assert owner.pin([old.artifact("sum")]) == []
        scratch, staging = store.scratch("k"), store.staging("live", "x")
        assert owner.acquire("k", cached=True, waiting=pytest.fail) is None
        gone = {row["id"] for row in collect(store, age_s=0).artifacts}
        assert gone == {old.artifact("squares").id, old.artifact("compare").id}
        assert scratch.exists() and staging.exists()
        # A pin that comes too late says so, and the run computes it again.
        assert owner.pin([old.artifact("squares")]) == [old.artifact("squares").id]


def test_staging_and_scratch_of_the_dead_go(store):
    staging, young, old = store.staging("dead", "x"), store.scratch("young"), store.scratch("old")
    (staging / "file").write_text("x")
    month_ago = time.time() - 30 * 86400
    os.utime(old, (month_ago, month_ago))
    collect(store)
    assert (staging.exists(), young.exists(), old.exists()) == (False, True, False)


def test_files_that_vanish_under_the_collector_do_not_stop_it(store):
    """A run that has just committed deletes its scratch at the same time; a link to nowhere looks the same."""
    scratch = store.scratch("0" * 64)
    (scratch / "gone").symlink_to("nowhere")
    assert scratch in collect(store, age_s=-60).folders
    assert not scratch.exists()


def test_old_runs_go_but_the_newest_of_each_recipe(run, store):
    folders = [run(rows=rows).folder for rows in (2, 2, 2)]
    collect(store, age_s=0)
    assert [folder.exists() for folder in folders].count(True) == 1
