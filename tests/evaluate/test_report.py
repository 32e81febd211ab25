"""The report and the table of episodes: same bytes for the same results, and nothing damaged is read."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from motorium.core.errors import DataError, SpecError, StoreError
from motorium.evaluate.ablation import Arm, ablate
from motorium.evaluate.compare import compare
from motorium.evaluate.report import (
    EPISODES,
    REPORT,
    Origin,
    Report,
    arm_report,
    read_report,
    read_rollouts,
    write_report,
)
from motorium.evaluate.rollout import rollout
from motorium.evaluate.table import read_table, write_table
from tests.evaluate.test_openloop import Copy, run, walk
from tests.evaluate.test_rollout import same_bits
from tests.evaluate.worlds import Dot, Steer

SEEDS = range(10_000, 10_024)
BUDGET = {"steps": 10, "batch": 4, "parameters": 99}


def arms(rows: int = 8):
    return {
        "baseline": rollout(Dot(rows), Steer(0.4, digest="aa"), SEEDS),
        "candidate": rollout(Dot(rows), Steer(1.0, digest="bb"), SEEDS),
    }


def report_of(rollouts) -> Report:
    origin = Origin(data="dd", command="motorium run r", replay="motorium run r --seeds {seeds}")
    bounds = Dot(1).info.factors
    return Report(
        kind="comparison",
        task="dot",
        task_digest="tt",
        versions={"dot": "1"},
        command="motorium run r",
        arms=tuple(arm_report(name, made, bounds, origin=origin) for name, made in rollouts.items()),
        comparisons=(compare(rollouts["baseline"], rollouts["candidate"]),),
        ablation=ablate([Arm(name=name, rollout=made, training=BUDGET) for name, made in rollouts.items()]),
        open_loop={"copy": run(Copy(), [walk(20, i) for i in range(6)])},
    )


@pytest.fixture
def written(tmp_path):
    rollouts = arms()
    write_report(tmp_path, report_of(rollouts), rollouts)
    return tmp_path


def test_report_reads_back_equal(written):
    rollouts = arms()
    again = read_report(written)
    assert again.replace(episodes_sha256="") == report_of(rollouts)
    for name, made in read_rollouts(written).items():
        assert same_bits(made, rollouts[name])
        assert (made.task, made.policy, made.outcomes) == ("dot", rollouts[name].policy, rollouts[name].outcomes)


def test_same_results_give_the_same_bytes_however_they_were_run(written, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    rollouts = arms(rows=5)
    write_report(other, report_of(rollouts), rollouts)
    for name in (REPORT, EPISODES):
        assert (other / name).read_bytes() == (written / name).read_bytes()


def test_every_estimate_states_n_level_and_method(written):
    found = []

    def visit(value):
        if isinstance(value, dict):
            if "value" in value and "low" in value:
                found.append(value)
            for inner in value.values():
                visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)

    visit(json.loads((written / REPORT).read_text()))
    assert len(found) > 50
    assert all(e["n"] >= 0 and 0 < e["level"] < 1 and e["method"] for e in found)


def test_arm_states_hashes_seeds_and_commands(written):
    arm = read_report(written).arms[0]
    assert (arm.origin.policy, arm.origin.data, arm.seeds, arm.n) == ("aa", "dd", "10000-10023", 24)
    assert sum(arm.outcomes.values()) == 24
    lost = next(row for row in arm.failures if row.count)
    assert lost.command == f"motorium run r --seeds {lost.seeds}"


def test_time_to_success_is_in_simulated_seconds_of_the_successful():
    made = arms()["candidate"]
    arm = arm_report("a", made, {})
    assert arm.success_time_s.unit == "s" and arm.success_time_s.n == made.success.sum()
    assert arm.success_time_s.value == pytest.approx(made.length[made.success].mean() / 10.0)


def test_table_has_a_row_an_episode_with_start_and_outcome(written):
    table = pq.read_table(written / EPISODES).to_pydict()
    assert len(table["seed"]) == 48 and table["arm"][0] == "baseline" and table["arm"][-1] == "candidate"
    made = arms()["baseline"]
    assert table["outcome"][:24] == made.outcome_names
    assert table["factor.start_x_m"][:24] == made.factors["start_x_m"].tolist()
    assert np.array_equal(table["info.at_m"][:24], made.info["at_m"])


def test_report_without_episodes_says_so(tmp_path):
    write_report(tmp_path, Report(kind="open-loop", task="g1"))
    assert read_report(tmp_path).arms == ()
    with pytest.raises(StoreError, match="no episodes"):
        read_rollouts(tmp_path)


def test_episodes_of_other_arms_are_refused(tmp_path):
    with pytest.raises(SpecError, match="arms"):
        write_report(tmp_path, Report(kind="evaluation", task="dot"), arms())
    assert not list(tmp_path.iterdir())


def test_missing_report_is_named(tmp_path):
    with pytest.raises(StoreError, match="no report here"):
        read_report(tmp_path)


def test_truncated_report_is_refused(written):
    text = (written / REPORT).read_text()
    (written / REPORT).write_text(text[: len(text) // 2])
    with pytest.raises(StoreError, match="not valid JSON"):
        read_report(written)


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda plain: plain.update(format="other"), SpecError, "not an evaluation report"),
        (lambda plain: plain.update(version=99), SpecError, "another version"),
        (lambda plain: plain.update(taks=plain.pop("task")), SpecError, "task"),
        (lambda plain: plain["arms"][0]["success"].update(n="many"), SpecError, "'n' is not valid"),
        (lambda plain: plain["comparisons"][0].update(verdict="great"), SpecError, "verdict"),
    ],
)
def test_edited_report_is_refused_with_its_place(written, edit, error, message):
    plain = json.loads((written / REPORT).read_text())
    edit(plain)
    (written / REPORT).write_text(json.dumps(plain))
    with pytest.raises(error, match=message):
        read_report(written)


def test_changed_episodes_are_found_out(written):
    other = rollout(Dot(4), Steer(0.9, digest="aa"), SEEDS)
    write_table(written / EPISODES, {"baseline": other, "candidate": other})
    with pytest.raises(StoreError, match="not those of the report"):
        read_report(written)


def test_truncated_table_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, arms())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StoreError, match="cannot be read"):
        read_table(path)


def test_table_of_something_else_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, arms())
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(DataError, match="not a table of episodes"):
        read_table(path)
    pq.write_table(table.drop_columns(["seed"]), path)
    with pytest.raises(DataError, match="'seed'"):
        read_table(path)


def test_table_keeps_the_order_of_seeds_not_of_rows(tmp_path):
    made = arms()["baseline"]
    order = np.random.default_rng(0).permutation(made.n)
    write_table(tmp_path / "a", {"x": made})
    write_table(tmp_path / "b", {"x": made.take(order)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_time_to_success_is_that_of_successful_episodes_in_seconds():
    made = arms()["baseline"]
    assert 1 < made.success.sum() < made.n
    told = arm_report("baseline", made, Dot(1).info.factors).success_time_s
    assert told.n == made.success.sum() and told.unit == "s"
    assert told.value == pytest.approx(made.length[made.success].mean() / made.control_hz)
