"""The loop, end to end and small: the shipped recipe, its cache, its executors, and kills in every stage."""

import json
import signal
import subprocess
import time

import pytest

from motorium.data.dataset import open_dataset
from motorium.evaluate.report import read_report
from motorium.flow.store import Store
from tests.stages import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A store in which the small recipe has run to its end; the tests only read it."""
    store = tmp_path_factory.mktemp("loop") / "store"
    made = tiny.run(tiny.PICK_PLACE, store, tiny.SMALL)
    assert made.returncode in (0, 4), made.stderr  # 4: so few trials cannot tell the arms apart
    return store, made


def artifact(store, name):
    entry = tiny.newest(store)["stages"][name]["artifact"]
    return Store(store).load(entry["kind"], entry["id"])


def test_every_stage_of_the_recipe_makes_its_artifact(undisturbed):
    store, made = undisturbed
    stages = tiny.newest(store)["stages"]
    assert {entry["state"] for entry in stages.values()} == {"done"}
    for name in stages:
        assert name in made.stdout
    assert f"{store}/reports/pick-place.html" in made.stdout


def test_amplified_data_are_the_successes_asked_for_in_order_of_attempt(undisturbed):
    dataset = open_dataset(artifact(undisturbed[0], "amplify").path)
    seeds = [dataset.episode(index).meta["seed"] for index in range(dataset.num_episodes)]
    assert len(seeds) == 8
    assert seeds == sorted(seeds)
    assert min(seeds) >= 100_000
    assert {dataset.episode(index).meta["outcome"] for index in range(8)} == {"success"}


def test_policy_says_which_seeds_its_data_came_from_and_they_are_refused_for_judging(undisturbed, tmp_path):
    store, _ = undisturbed
    policy = artifact(store, "train-few")
    seeds = json.loads((policy.path / "policy.json").read_text())["conventions"]["data_seeds"]
    assert seeds == "0-4"
    amplified = json.loads((artifact(store, "train").path / "policy.json").read_text())["conventions"]["data_seeds"]
    assert amplified.startswith("0-4,100000"), "the demonstrations behind the amplified data count as well"
    words = ["-m", "motorium.cli", "stage", "evaluate", "--store", str(store), "--from", f"policy={policy.ref}"]
    words = [tiny.sys.executable, *words, "--first-seed", "3", "--trials", "2", "--videos", "0"]
    refused = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 2
    assert "seed 3" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_both_arms_were_judged_on_the_same_seeds_at_the_same_budget(undisturbed):
    report = read_report(artifact(undisturbed[0], "ablate").path)
    assert [arm.seeds for arm in report.ablation and report.arms] == ["10000-10009"] * 2
    assert report.ablation.budget["steps"] == 60
    assert not report.ablation.unequal


def test_second_run_is_cached_whole(undisturbed):
    store, _ = undisturbed
    before = tiny.ids(store)
    again = tiny.run(tiny.PICK_PLACE, store, tiny.SMALL)
    assert again.returncode in (0, 4), again.stderr
    assert {entry["state"] for entry in tiny.newest(store)["stages"].values()} == {"cached"}
    assert tiny.ids(store) == before


def test_local_processes_make_the_same_artifacts(undisturbed, tmp_path):
    store = tmp_path / "store"
    made = tiny.run(tiny.PICK_PLACE, store, tiny.SMALL, "--on", "processes", "--jobs", "2")
    assert made.returncode in (0, 4), made.stderr
    assert tiny.ids(store) == tiny.ids(undisturbed[0])


def test_other_shards_and_threads_make_the_same_content(undisturbed, tmp_path):
    store = tmp_path / "store"
    shards = {"demonstrate.worlds": 5, "amplify.shard_attempts": 3, "evaluate.worlds": 10, "evaluate-few.worlds": 7}
    made = tiny.run(tiny.PICK_PLACE, store, {**tiny.SMALL, **shards}, "--jobs", "1")
    assert made.returncode in (0, 4), made.stderr
    for name in ("demonstrate", "curate", "amplify", "train", "train-few", "export"):
        assert artifact(store, name).content == artifact(undisturbed[0], name).content, name
    for name in ("evaluate", "evaluate-few"):
        # The reports differ in the commands they print, not in what happened.
        parts = [read_report(artifact(one, name).path) for one in (store, undisturbed[0])]
        assert parts[0].episodes_sha256 == parts[1].episodes_sha256


def test_killed_in_every_stage_it_resumes_to_the_same_artifacts(undisturbed, tmp_path):
    store = tmp_path / "store"
    killed = []
    for stage in tiny.newest(undisturbed[0])["stages"]:
        words = tiny.command(tiny.PICK_PLACE, store, tiny.SMALL)
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=tiny.environment(), cwd=tmp_path
        )
        if in_stage(store, stage, process):
            process.send_signal(signal.SIGKILL)
            killed.append(stage)
        process.communicate()
    # The last stages take milliseconds; most must have been caught in the act.
    assert len(killed) >= 7, killed
    made = tiny.run(tiny.PICK_PLACE, store, tiny.SMALL)
    assert made.returncode in (0, 4), made.stderr
    assert tiny.ids(store) == tiny.ids(undisturbed[0])
    assert subprocess.run([tiny.sys.executable, "-m", "motorium.cli", "verify", "--store", str(store)]).returncode == 0


def in_stage(store, stage, process) -> bool:
    """Wait until `stage` runs, and a little into it; False when the run ended before it was seen."""
    known = set(store.glob("runs/*"))
    while process.poll() is None:
        for folder in set(store.glob("runs/*")) - known:
            try:
                state = json.loads((folder / "run.json").read_text())["stages"][stage]["state"]
            except (FileNotFoundError, KeyError, ValueError):
                continue
            if state == "running":
                time.sleep(0.25)
                return process.poll() is None
        time.sleep(0.01)
    return False
