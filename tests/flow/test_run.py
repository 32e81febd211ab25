"""Running recipes: what is computed, what is taken from the store, what comes out."""

import json
import shutil

import numpy as np
import pytest

from motorium.core.errors import MotoriumError, SpecError, StoreError
from motorium.flow.metrics import read_rows
from motorium.flow.recipe import Recipe
from motorium.flow.runner import Runner, RunOptions, run_recipe, run_stage
from motorium.flow.runs import read_run
from motorium.flow.store import Store
from tests.flow import toys
from tests.flow.conftest import ids


def states(run):
    return {name: outcome.state for name, outcome in run.outcomes.items()}


def test_second_run_computes_nothing(run, calls):
    first, second = run(), run()
    assert set(states(first).values()) == {"done"}
    assert set(states(second).values()) == {"cached"}
    assert ids(first) == ids(second)
    assert [calls(name) for name in ("make", "sum", "compare")] == [1, 2, 1]


def test_ids_do_not_depend_on_the_store_or_the_executor(run, tmp_path):
    inline = ids(run())
    assert ids(run(into=Store(tmp_path / "b"))) == inline
    assert ids(run(into=Store(tmp_path / "c"), on="processes")) == inline


def test_changed_option_recomputes_what_depends_on_it_alone(run):
    run()
    again = run(squares__power=3)
    assert states(again) == {"make": "cached", "sum": "cached", "squares": "done", "compare": "done"}


def test_same_content_from_another_derivation_stops_the_recomputing(run):
    """A new id with the old content: what reads it is not computed again."""
    first = run()
    again = run(make__same=1)
    assert again.outcomes["make"].artifact.id != first.outcomes["make"].artifact.id
    assert again.outcomes["make"].artifact.content == first.outcomes["make"].artifact.content
    assert states(again) == {"make": "done", "sum": "cached", "squares": "cached", "compare": "cached"}


def test_page_is_made_again_when_its_inputs_have_another_origin(run):
    text = "recipe: a\nstages:\n  make:\n  sum: {from: {dataset: make}}\n"
    text += "  page: {uses: compare, from: {reports: {s: sum}}}\n"
    run(text)
    # The verdict changes nothing in the report's files, but its id.
    again = run(text, sum__exit_code=1)
    assert states(again) == {"make": "cached", "sum": "done", "page": "done"}


def test_entries_that_differ_in_name_only_are_one_artifact(run, calls):
    made = run("recipe: a\nstages:\n  a: {uses: make}\n  b: {uses: make}\n")
    assert ids(made)["a"] == ids(made)["b"]
    assert calls("make") == 1


def test_seed_of_recipe_and_of_entry_reach_the_stage(run):
    text = "recipe: a\nseed: {seed}\nstages:\n  a: {{uses: make}}\n  b: {{uses: make, seed: 2}}\n"
    one, two = run(text.format(seed=1)), run(text.format(seed=2))
    assert ids(one)["a"] != ids(one)["b"]
    assert ids(two)["a"] == ids(two)["b"] == ids(one)["b"]


def test_only_makes_a_stage_and_what_it_needs(store):
    done = run_recipe(Recipe.parse(toys.RECIPE), toys.STAGES, store, RunOptions(only=["squares"]))
    assert states(done) == {"make": "done", "squares": "done"}


def test_force_makes_it_again_to_the_same_artifact(run, calls):
    first, again = run(), run(force=["make"])
    assert states(again) == {"make": "done", "sum": "cached", "squares": "cached", "compare": "cached"}
    assert ids(first) == ids(again)
    assert calls("make") == 2


@pytest.mark.parametrize("options", [RunOptions(only=["sqares"]), RunOptions(force=["sqares"])])
def test_unknown_stage_in_an_option_names_the_nearest(store, options):
    with pytest.raises(SpecError) as caught:
        run_recipe(Recipe.parse(toys.RECIPE), toys.STAGES, store, options)
    assert caught.value.details["nearest"] == "squares"


def test_failure_is_not_cached_and_keeps_what_was_made(run, store, calls):
    with pytest.raises(ValueError, match="asked to fail"):
        run(sum__fail=True)
    assert [row["stage"] for row in store.rows()] == ["make"]
    with pytest.raises(ValueError, match="asked to fail"):
        run(sum__fail=True)
    assert [calls("make"), calls("sum")] == [1, 2]
    assert list((store.root / "staging").iterdir()) == []
    assert states(run())["make"] == "cached"


def test_failure_is_in_the_run_folder_with_its_traceback(store):
    runner = Runner(Recipe.parse(toys.RECIPE), toys.STAGES, store, settings={"sum.fail": True})
    with pytest.raises(ValueError):
        runner.execute()
    status = read_run(runner.run.folder)
    assert status["state"] == "failed"
    assert status["exit_code"] == 2
    assert status["stages"]["sum"]["state"] == "failed"
    assert status["stages"]["sum"]["error"] == "asked to fail"
    assert "Traceback" in (runner.run.folder / "log.txt").read_text()


def test_verdict_sets_the_exit_code_but_the_page_is_made(run):
    first = run(sum__exit_code=1)
    assert first.exit_code == 1
    assert states(first)["compare"] == "done"
    assert run(sum__exit_code=1).exit_code == 1  # cached, and still a failed verdict
    assert run().exit_code == 0


def test_page_is_published_with_wall_times(run, store):
    done = run()
    assert done.pages == [store.root / "reports" / "toy.html"]
    text = done.pages[0].read_text()
    assert "<!--run-->" not in text
    assert text.count("<tr>") == 1 + 4 + 1
    assert done.artifact("make").ref in text


def test_manifest_tells_how_it_was_made(run):
    record = run(rows=2).artifact("squares").manifest
    assert record["spec"] == {"power": 2, "fail": False, "exit_code": 0}
    assert (
        record["command"]
        == f"motorium stage sum --seed 7 --from dataset={record['inputs']['dataset']['ref']} --power 2"
    )
    assert (record["stage"], record["root_seed"], record["entry"]) == ("sum", 7, "squares")
    assert record["sources"].keys() == {"tests.flow.toys"}
    assert [entry["path"] for entry in record["files"]] == ["total.json"]


def test_payload_is_directly_usable(run):
    artifact = run(rows=3).artifact("make")
    assert np.load(artifact.path / "rows.npy").shape == (3, 3)
    assert json.loads((artifact.path / "meta" / "info.json").read_text()) == {"name": "toy"}


def test_metrics_of_a_run_end_as_parquet(run):
    done = run(rows=3)
    assert [path.name for path in (done.folder / "metrics").iterdir()] == ["make.parquet"]
    (row,) = read_rows(done.folder / "metrics" / "make.jsonl")
    assert (row["step"], row["rows"]) == (0, 3.0)


def test_single_stage_takes_artifacts_refs_and_paths(store, tmp_path):
    made = run_stage(toys.MAKE, {"rows": 2}, {}, store, seed=5)
    total = run_stage(toys.SUM, toys.SumSpec(), {"dataset": made}, store)
    assert run_stage(toys.SUM, {}, {"dataset": made.ref}, store).id == total.id
    copy = shutil.copytree(made.path, tmp_path / "copy")
    # A copied artifact has the same content, so that nothing is computed again.
    assert run_stage(toys.SUM, {}, {"dataset": copy}, store).id == total.id


def test_external_folder_counts_by_its_content(store, tmp_path, calls):
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "rows.npy", np.ones((2, 3)))
    first = run_stage(toys.SUM, {}, {"dataset": folder}, store)
    assert first.manifest["metrics"]["total"] == 6.0
    assert first.manifest["inputs"]["dataset"]["external"] == str(folder)
    moved = folder.rename(tmp_path / "moved")
    assert run_stage(toys.SUM, {}, {"dataset": str(moved)}, store).id == first.id
    np.save(moved / "rows.npy", np.full((2, 3), 2.0))
    assert run_stage(toys.SUM, {}, {"dataset": moved}, store).manifest["metrics"]["total"] == 12.0
    assert calls("sum") == 2


def test_copied_artifact_of_another_kind_is_refused(store, tmp_path):
    made = run_stage(toys.MAKE, {}, {}, store)
    total = run_stage(toys.SUM, {}, {"dataset": made}, store)
    copy = shutil.copytree(total.path, tmp_path / "copy")
    with pytest.raises(StoreError, match="is a report"):
        run_stage(toys.SUM, {}, {"dataset": copy}, store)


def test_optional_port_is_left_out(store):
    text = "recipe: a\nstages:\n  make:\n  sum: {from: {dataset: make, weights: ~}}\n"
    done = run_recipe(Recipe.parse(text), toys.STAGES, store)
    assert done.artifact("sum").manifest["inputs"].keys() == {"dataset"}


@pytest.mark.parametrize("executor", ["inlin", "ray"])
def test_unknown_executor_is_refused_before_anything_runs(store, executor, calls):
    with pytest.raises(MotoriumError, match="no executor"):
        run_recipe(Recipe.parse(toys.RECIPE), toys.STAGES, store, RunOptions(executor=executor))
    assert calls("make") == 0
