"""The stage rl: which of several runs is kept, what is written, and that evaluation takes it like any other policy."""

import json

import pytest

from motorium.cli import main
from motorium.stages.rl import RlStageSpec, bands, middle

TINY = ["--num-envs", "4", "--steps", "4", "--iterations", "2", "--widths", "[8]", "--quiet"]
TASK = ["--task", "cartpole/swing-up", "--options", "{episode_s: 0.1}", "--selection-episodes", "2"]


@pytest.mark.parametrize(
    ("returns", "index"), [([3.0], 0), ([3.0, 1.0, 2.0], 2), ([4.0, 1.0, 3.0, 2.0], 3), ([1.0, 1.0, 1.0], 1)]
)
def test_the_run_of_the_median_return_is_kept(returns, index):
    assert middle(returns) == index


def test_bands_are_median_least_and_greatest_of_the_rounds_that_every_run_knows():
    curves = [[{"step": 1, "samples": 8, "return": value}, {"step": 2, "samples": 16}] for value in (1.0, 5.0, 2.0)]
    assert bands(curves, "return") == [{"step": 1, "samples": 8, "median": 2.0, "low": 1.0, "high": 5.0}]
    assert bands(curves, "success") == []


def test_the_learner_gets_its_own_options_alone():
    spec = RlStageSpec.parse({"task": "cartpole/swing-up", "seeds": 3, "gamma": 0.9, "selection_episodes": 5})
    assert spec.learning().gamma == 0.9
    assert spec.learning() == RlStageSpec.parse({"gamma": 0.9}).learning()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which three runs of a moment have been made."""
    here = tmp_path_factory.mktemp("rl")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.delenv("MOTORIUM_STORE", raising=False)
        assert main(["rl", *TASK, *TINY, "--seeds", "3", "--out", "policy"]) == 0
    return here


def test_every_run_has_its_curve_and_the_middle_one_is_the_policy(made):
    curves = json.loads((made / "policy" / "curves.json").read_text())
    returns = [one["return"] for one in curves["runs"]]
    assert len(set(returns)) == 3 and sorted(returns)[1] == returns[curves["chosen"]]
    rows = json.loads((made / "policy" / "training.json").read_text())["rows"]
    assert rows == curves["runs"][curves["chosen"]]["rows"] and len(rows) == 2
    low, median, high = sorted(one["rows"][1]["reward_per_s"] for one in curves["runs"])
    assert curves["bands"]["reward_per_s"][1] == {"step": 2, "samples": 32, "median": median, "low": low, "high": high}


def test_the_policy_names_its_world_and_the_seeds_that_chose_it(made):
    conventions = json.loads((made / "policy" / "policy.json").read_text())["conventions"]
    assert conventions["task"] == "cartpole/swing-up"
    assert json.loads(conventions["task_options"]) == {"episode_s": 0.1}
    assert conventions["data_seeds"] == "20000-20001"
    assert "version.mujoco" in conventions


def test_evaluation_takes_it_and_refuses_the_seeds_that_chose_it(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    words = ["stage", "evaluate", "--from", "policy=policy", "--trials", "3", "--videos", "0", "--quiet"]
    assert main(words) == 0
    assert main([*words, "--first-seed", "20001"]) == 2
    assert "seed 20001" in capsys.readouterr().err


def test_the_same_command_again_is_cached_and_a_run_may_start_from_its_policy(made, monkeypatch):
    monkeypatch.chdir(made)
    before = {path.name for path in (made / ".motorium").rglob("policy/*")}
    assert main(["rl", *TASK, *TINY, "--seeds", "3"]) == 0
    assert {path.name for path in (made / ".motorium").rglob("policy/*")} == before
    assert main(["rl", *TINY, "--selection-episodes", "2", "--from", "policy", "--out", "further"]) == 0
    conventions = json.loads((made / "further" / "policy.json").read_text())["conventions"]
    assert conventions["data_seeds"] == "20000-20001", "it began as a policy that these seeds chose"


def test_without_a_task_the_error_says_to_name_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["rl", *TINY, "--store", str(tmp_path / "store")]) == 2
    assert "--task" in capsys.readouterr().err
