"""Bad input, as a user meets it: one clear error, exit code 2, and a store that is as it was."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support import bad_input
from tests.support.bad_input import DATA, G1, PICK_PLACE, ROOT, Shop, contents, motorium
from tests.support.real import real_data


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("shop"))


# -- recipes ------------------------------------------------------------------------------------------------

TAG = "recipe: a\nstages:\n  ingest: !!python/object/apply:os.mkdir [PWNED]\n"
BOMB = "".join(f"{a}: &{a} [{','.join([f'*{b}'] * 9)}]\n" for a, b in zip("bcdefg", "abcdef"))
RECIPES = {
    "empty": ("", ["'recipe' takes a mapping"]),
    "binary": (bytes(range(256)), ["cannot be read", "utf-8"]),
    "a NUL": ("recipe: a\0b\n", ["not valid YAML", "#x0000"]),
    "no YAML": ("recipe: a\nstages:\n  x: {with: [}\n", ["not valid YAML", "line 3"]),
    "a tab": ("recipe: a\nstages:\n\tx: 1\n", ["not valid YAML", "line 3"]),
    "a python tag": (TAG, ["not valid YAML", "line 3", "os.mkdir"]),
    "aliases that explode": (f"a: &a [{','.join('x' * 9)}]\n{BOMB}", ["too large"]),
    "a list": ("- 1\n", ["takes a mapping", "line 1"]),
    "too deep": (f"recipe: a\nstages: {'[' * 5000}{']' * 5000}\n", ["not valid YAML"]),
    "a name that is a path": ("recipe: ../../x\nstages: {ingest: {}}\n", ["needs a name", "letters-digits-dashes"]),
    "unknown key": ("recipe: a\nstagse: {}\n", ["unknown key 'stagse'", "line 2", "nearest:  stages"]),
    "unknown key of an entry": (
        "recipe: a\nstages:\n  train: {wiht: {}}\n",
        ["unknown key 'wiht'", "line 3", "nearest:  with"],
    ),
    "unknown stage": ("recipe: a\nstages:\n  trian: {}\n", ["no stage 'trian'", "line 3", "nearest:  train"]),
    "unknown field": (
        "recipe: a\nstages:\n  train:\n    from: {dataset: .}\n    with: {stpes: 3}\n",
        ["unknown key 'stpes'", "line 5: stages.train.with.stpes", "got:      3", "nearest:  steps"],
    ),
    "a value of another kind": (
        "recipe: a\nstages:\n  train: {from: {dataset: .}, with: {steps: many}}\n",
        ["'steps' is not valid", "line 3", "got:      'many'"],
    ),
    "unknown port": (
        "recipe: a\nstages:\n  train: {from: {datset: .}}\n",
        ["no port 'datset'", "line 3", "nearest:  dataset"],
    ),
    "a port left open": ("recipe: a\nstages:\n  train: {}\n", ["not connected", "a dataset", "from: {dataset: NAME}"]),
    "another kind of artifact": (
        "recipe: a\nstages:\n  train: {from: {dataset: ingest}}\n  ingest: {from: {source: train}}\n",
        ["takes a dataset", "line 4", "a policy, from 'train'"],
    ),
    "a circle": (
        "recipe: a\nstages:\n  a: {uses: curate, from: {dataset: b}}\n  b: {uses: curate, from: {dataset: a}}\n",
        ["round in a circle", "a → b → a"],
    ),
    "unknown variable": (
        "recipe: a\nvars: {sorce: .}\nstages:\n  ingest: {from: {source: '${source}'}}\n",
        ["no variable 'source'", "line 4", "nearest:  sorce"],
    ),
    "unknown artifact": (
        "recipe: a\nstages:\n  curate: {from: {dataset: dataset/0123456789}}\n",
        ["no artifact 'dataset/0123456789'"],
    ),
    "unknown task": (
        "recipe: a\nstages:\n  demonstrate: {with: {task: ur5e/pick-plac}}\n",
        ["stage 'demonstrate' failed", "nearest:  ur5e/pick-place"],
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_bad_recipe(shop, tmp_path, name, monkeypatch):
    text, said = RECIPES[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    shop.refused(
        "run", path, said=("recipe.yaml", *said) if "failed" not in said[0] and "artifact" not in said[0] else said
    )
    assert not (tmp_path / "PWNED").exists()


def test_a_recipe_that_is_not_there_or_a_folder(shop, tmp_path):
    (tmp_path / "pick-place.yaml").write_text("")
    shop.refused("run", tmp_path / "pick-palce.yaml", said=("no such recipe", f"{tmp_path}/pick-place.yaml"))
    shop.refused("run", tmp_path, said=("cannot be read", "Is a directory"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([G1], ["'source' has to be set", "line 7", "--set source=VALUE"]),
        ([PICK_PLACE, "--set", "stpes=3"], ["nothing named 'stpes'", "nearest:  steps"]),
        ([PICK_PLACE, "--set", "steps"], ["needs a name and a value", "name=value"]),
        ([PICK_PLACE, "--set", "steps=many"], ["'steps' is not valid", "stages.train.with.steps", "'many'"]),
        ([PICK_PLACE, "--set", "steps=[1"], ["'steps' is not valid", "'[1'"]),
        ([PICK_PLACE, "--set", "train.stpes=3"], ["unknown key 'stpes'", "nearest:  steps"]),
        ([PICK_PLACE, "--set", "trian.steps=3"], ["nothing named 'trian.steps'", "nearest:  train.steps"]),
        ([PICK_PLACE, "--set", "trials=0"], ["'trials' is not valid", "greater than or equal to 1"]),
        ([PICK_PLACE, "--set", "train.learning_rate=.nan"], ["'learning_rate' is not valid", "finite"]),
        ([PICK_PLACE, "--only", "trian"], ["no stage 'trian'", "nearest:  train"]),
        ([PICK_PLACE, "--force", "trian"], ["no stage 'trian' to force", "nearest:  train"]),
        ([PICK_PLACE, "--on", "proceses"], ["no executor 'proceses'", "nearest:  processes"]),
        ([PICK_PLACE, "--jobs", "0"], ["--jobs", "at least 1"]),
    ],
    ids=lambda value: " ".join(str(word) for word in value[1:]),
)
def test_a_bad_option(shop, words, said):
    shop.refused("run", *words, said=said)


# -- recordings ---------------------------------------------------------------------------------------------


def other_folder(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()
    (root / "notes.txt").write_text("x")


def empty_folder(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def no_episodes(root: Path) -> None:
    (root / "meta/episodes.jsonl").write_text("")
    bad_input.edit_info(root, total_episodes=0, total_frames=0)


def narrower_action(root: Path) -> None:
    narrow = pa.list_(pa.float32())
    bad_input.edit_column(bad_input.episode_file(root, 2), "action", lambda rows: [row[:2] for row in rows], narrow)


def nothing_finite(root: Path) -> None:
    bad_input.edit_column(root / DATA, "action", lambda rows: [[0.0, float("nan"), 0.0]] * len(rows))


def zero_inside(path: Path) -> None:
    """Damage pictures and leave the index of the video whole."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 600
    data[start : start + 1500] = bytes(1500)
    path.write_bytes(data)


SPEED = {"speed": {"dtype": "float32", "shape": [2], "names": None}}
RECORDINGS = {
    "empty folder": ("v30", empty_folder, ["the folder is empty"]),
    "no dataset": ("v30", other_folder, ["no dataset that can be read", "meta/info.json", "LeRobot v3.0"]),
    "parquet cut off": ("v30", lambda r: bad_input.truncate(r / DATA), ["truncated or damaged", DATA]),
    "parquet of v2.1 cut off": (
        "v21",
        lambda r: bad_input.truncate(bad_input.episode_file(r, 3)),
        ["truncated or damaged", "episode_000003.parquet"],
    ),
    "video cut off": (
        "v21",
        lambda r: bad_input.truncate(bad_input.episode_video(r, 2)),
        ["a video is truncated or damaged", "episode_000002.mp4"],
    ),
    "video of something else": (
        "v21",
        lambda r: bad_input.episode_video(r, 2).write_bytes(b"junk" * 100),
        ["a video is truncated or damaged", "episode_000002.mp4"],
    ),
    "video damaged inside": (
        "v21",
        lambda r: zero_inside(bad_input.episode_video(r, 2)),
        ["a video is truncated or damaged", "episode_000002.mp4"],
    ),
    "info.json cut off": ("v30", lambda r: bad_input.truncate(r / "meta/info.json"), ["not JSON", "meta/info.json"]),
    "another version": ("v21", lambda r: bad_input.edit_info(r, codebase_version="v9"), ["contradicts", "v9", "v2.1"]),
    "wrong fps": (
        "v30",
        lambda r: bad_input.edit_info(r, fps=30),
        ["times do not fit the rate", "episode 0, step 1", "0.050000 s", "0.033333 s at 30", "correct fps"],
    ),
    "a feature without a column": (
        "v21",
        lambda r: bad_input.edit_features(r, lambda features: features.update(SPEED)),
        ["no column 'speed'", "episode_000000.parquet"],
    ),
    "a path out of the folder": (
        "v30",
        lambda r: bad_input.edit_info(r, data_path="../../{chunk_index}/{file_index}.parquet"),
        ["leaves the dataset's folder", "without '..'", "do not trust"],
    ),
    "nothing is a number": ("v30", nothing_finite, ["'action' is not finite", "episode 0, step 0", "nan"]),
    "no list of episodes": ("v21", lambda r: (r / "meta/episodes.jsonl").unlink(), ["and no list of episodes"]),
    "no list of tasks": ("v21", lambda r: (r / "meta/tasks.jsonl").unlink(), ["is missing", "meta/tasks.jsonl"]),
    "no episodes": ("v21", no_episodes, ["has no episodes"]),
    "an action of two sizes": ("v21", narrower_action, ["'action' does not have its shape", "episode_000002"]),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_bad_recording(shop, tmp_path, name):
    kind, damage, said = RECORDINGS[name]
    folder = shop.broken(kind, tmp_path / "recording")
    damage(folder)
    words = [*bad_input.settings(), "--set", f"source={folder}"]
    error = shop.refused("run", G1, *words, said=[str(folder), *said])
    assert "ingest" in error or "the folder is empty" in error


def test_a_recording_that_is_not_there(shop, monkeypatch):
    monkeypatch.chdir(shop.root)
    near = ["run", G1, "--set", f"source={shop.root}/v31"]
    shop.refused(*near, said=("no file or folder", "line", "stages.ingest.from.source", f"{shop.root}/v3"))
    shop.refused("run", G1, "--set", "source=v3", said=("no stage, file or folder 'v3'", "nearest:  v30"))
    shop.refused("run", G1, "--set", f"source={shop.v30}/{DATA}", said=("no such dataset", "a directory"))


def test_one_episode_with_a_nan_is_left_out_by_name(shop, tmp_path):
    folder = shop.broken("v30", tmp_path / "recording")
    bad_input.edit_column(folder / DATA, "action", bad_input.put(57, [0.0, float("nan"), 0.0]))
    made = shop.g1(folder, "--only", "curate", store=tmp_path / "store")
    assert made.code == 0, made.err
    assert "ingest: episode 1 is left out: 'action' is not finite at step 7\n" in made.err
    assert "5 episodes, 250 frames" in made.out and "1 of 6 left out (episode 1: 'action'" in made.out
    assert "5 of 5 kept" in made.out
    asked = shop.g1(folder, "--only", "ingest", store=tmp_path / "store", ingest__faulty="stop")
    asked.refused("'action' is not finite", "episode 1, step 7")


def test_one_episode_off_the_rate_is_left_out_by_name(shop, tmp_path):
    folder = shop.broken("v21", tmp_path / "recording")
    late = lambda stamps: [stamp + 0.01 * (step > 20) for step, stamp in enumerate(stamps)]  # noqa: E731
    bad_input.edit_column(bad_input.episode_file(folder, 2), "timestamp", late)
    made = shop.g1(folder, "--only", "ingest", store=tmp_path / "store")
    assert made.code == 0, made.err
    assert "ingest: episode 2 is left out: its times do not fit 20 frames/s from step 21 on\n" in made.err


def test_a_nan_that_reaches_curation_is_rejected_by_name(shop, tmp_path):
    folder = shop.broken("v30", tmp_path / "recording")
    bad_input.edit_column(folder / DATA, "action", bad_input.put(57, [0.0, float("nan"), 0.0]))
    made = motorium("stage", "curate", "--from", f"dataset={folder}", "--store", tmp_path / "store")
    assert made.code == 0, made.err
    assert "5 of 6 kept, 1 rejected (finite 1)" in made.out


def test_a_missing_video_is_said_and_nothing_else_is_lost(shop, tmp_path):
    folder = shop.broken("v21", tmp_path / "recording")
    bad_input.episode_video(folder, 2).unlink()
    made = shop.g1(folder, "--only", "curate", store=tmp_path / "store")
    assert made.code == 0, made.err
    assert "the video of 1 of 6 episodes is missing" in made.err
    assert "observation.images.front: 1 of 6 videos missing" in made.out
    assert "6 of 6 kept" in made.out


def test_a_single_episode_is_refused_before_anything_is_trained(tmp_path):
    one = bad_input.make_recordings(tmp_path / "one", 1)
    words = [*bad_input.settings(), "--set", f"source={one}", "--store", tmp_path / "store"]
    made = motorium("run", G1, *words)
    made.refused("stage 'curate' failed: no episode can be held out", "1 of 1 episodes", "two at least")
    assert [row["stage"] for row in contents(tmp_path / "store")["rows"]] == ["ingest"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "said"), [("action", "no 'action' to learn"), ("observation.state", "no observations to learn from")]
)
def test_a_recording_without_what_is_learned(shop, tmp_path, key, said):
    folder = shop.broken("v21", tmp_path / "recording")
    bad_input.edit_features(folder, lambda features: features.pop(key))
    made = shop.g1(folder, store=tmp_path / "store")
    made.refused("stage 'train' failed: the data", said)
    assert contents(tmp_path / "store")["scratch"] == []


@pytest.mark.slow
@pytest.mark.real
def test_recordings_without_their_videos_go_through_and_say_so(shop, tmp_path):
    made = shop.g1(real_data("so101_lerobot_v30_novideo"), store=tmp_path / "store")
    assert made.done, made.err
    notes = re.findall(r"^ingest: '(\S+)': the video of 4 of 4 episodes is missing$", made.err, re.M)
    assert notes
    page = (tmp_path / "store" / "reports" / "g1-teleop.html").read_text()
    for camera in notes:
        assert f"{camera}: 4 of 4 videos missing" in made.out
        assert f"{camera}: 4 of 4 videos missing" in page


# -- a store that is damaged, or no store ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory):
    """A store after a whole run."""
    store = tmp_path_factory.mktemp("trained") / "store"
    made = shop.g1(shop.v30, store=store)
    assert made.done, made.err
    return store


@pytest.fixture
def store(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "store"))


def artifact(store: Path, stage: str) -> Path:
    rows = json.loads(motorium("ls", "--stage", stage, "--json", "--store", store).out)
    return store / "artifacts" / rows[0]["kind"] / rows[0]["id"]


def ref(store: Path, stage: str) -> str:
    folder = artifact(store, stage)
    return f"{folder.parent.name}/{folder.name[:12]}"


def without_keys(path: Path) -> None:
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({key: plain[key] for key in ("schema", "kind", "id")}))


def wrong_types(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": 3}))


# name: (entry that made it, file, damage, words of `verify`)
DAMAGES = {
    "parquet flipped": ("curate", DATA, bad_input.flip, "has other bytes"),
    "file deleted": ("curate", "meta/info.json", Path.unlink, "is missing"),
    "weights flipped": ("train", "weights.safetensors", bad_input.flip, "has other bytes"),
    "model cut off": ("export", "policy.onnx", bad_input.truncate, "bytes, not"),
    "manifest cut off": ("curate", "manifest.json", bad_input.truncate, "manifest is damaged"),
    "manifest deleted": ("curate", "manifest.json", Path.unlink, "has no manifest"),
    "manifest without keys": ("curate", "manifest.json", without_keys, "manifest is damaged"),
    "manifest of wrong types": ("curate", "manifest.json", wrong_types, "manifest is damaged"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_a_corrupt_artifact_is_named_refused_and_made_again(shop, store, name):
    entry, file, damage, said = DAMAGES[name]
    named = ref(store, entry)
    damage(artifact(store, entry) / file)
    checked = motorium("verify", "--quiet", "--store", store)
    assert checked.code == 1 and "Traceback" not in checked.err
    assert f"{named}: " in checked.out and said in checked.out and "1 corrupt" in checked.out
    before = contents(store)
    for words in ((), ("--set", "evaluate.resamples=101")):
        shop.g1(shop.v30, *words, store=store).refused("make it again: the same command with --force " + entry)
    assert contents(store) == before
    again = shop.g1(shop.v30, "--force", entry, store=store)
    assert again.done, again.err
    assert motorium("verify", "--quiet", "--store", store).code == 0
    cached = shop.g1(shop.v30, store=store)
    assert cached.done and cached.out.count("(cached)") == 7


@pytest.mark.slow
def test_a_single_stage_refuses_a_corrupt_input_with_the_command_that_repairs_it(shop, store, monkeypatch):
    monkeypatch.chdir(shop.root)
    bad_input.flip(artifact(store, "train") / "weights.safetensors")
    named = ref(store, "train")
    before = contents(store)
    words = ("--from", f"policy={named}", "--samples", "3", "--store", store)
    error = motorium("stage", "export", *words).refused(f"artifact {named} is corrupt", "weights.safetensors")
    motorium("replay", named, "--seeds", "1", "--store", store).refused(f"artifact {named} is corrupt")
    assert contents(store) == before
    remedy = re.search(r"make it again: motorium (stage train .*--force)$", error, re.M)[1]
    import shlex

    assert motorium(*shlex.split(remedy), "--store", store).code == 0
    assert motorium("stage", "export", *words).code == 0


def flip_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(4096, len(data), 97):
        data[place] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [Path.unlink, bad_input.truncate, flip_pages, lambda path: path.write_bytes(b"junk" * 999)]
)
def test_a_damaged_index_is_built_anew_from_the_artifacts(shop, tmp_path, damage):
    store = Path(shutil.copytree(shop.store, tmp_path / "store"))
    before = contents(store)
    damage(store / "index.sqlite")
    assert contents(store) == before
    made = shop.good(store)
    assert made.code == 0 and "(cached)" in made.out


def test_an_index_without_a_table_says_what_to_do(shop, tmp_path):
    store = Path(shutil.copytree(shop.store, tmp_path / "store"))
    with sqlite3.connect(store / "index.sqlite") as index:
        index.execute("DROP TABLE artifacts")
    index.close()
    shop.good(store).refused("the store's index is damaged", "no such table", "delete it")
    (store / "index.sqlite").unlink()
    assert "(cached)" in shop.good(store).out


def test_a_store_of_a_newer_motorium(shop, tmp_path):
    store = Path(shutil.copytree(shop.store, tmp_path / "store"))
    with sqlite3.connect(store / "index.sqlite") as index:
        index.execute("PRAGMA user_version = 99")
    index.close()
    before = (store / "index.sqlite").read_bytes()
    for said in (shop.good(store), motorium("ls", "--store", store)):
        said.refused("written by a newer Motorium", "index.sqlite", "upgrade")
    assert (store / "index.sqlite").read_bytes() == before


def test_a_store_that_is_a_file(shop, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        shop.good(tmp_path / place).refused("something else is in its place", str(tmp_path), "--store")
        motorium("ls", "--store", tmp_path / place).refused("no store here")
    assert (tmp_path / "file").read_text() == "mine"


# -- policies and bundles -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_cannot_be_served(store, tmp_path):
    def refused(what, *words, said):
        return motorium("serve", what, *words, "--port", "0", "--store", store).refused(*said)

    before = contents(store)
    refused(tmp_path / "none", said=("does not name an artifact",))
    refused(tmp_path, said=("no bundle manifest here", "bundle-manifest.json"))
    refused(ref(store, "train"), said=("only a bundle can be served", "export it first"))
    refused(ref(store, "export"), "--host", "0.0.0.0", said=("needs a token", "--token-file"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        used = motorium("serve", ref(store, "export"), "--port", port, "--store", store)
        used.refused("cannot listen there", f"127.0.0.1:{port}", "choose another port")
    assert contents(store) == before
    bundle = Path(shutil.copytree(artifact(store, "export"), tmp_path / "bundle"))
    bad_input.flip(bundle / "policy.onnx")
    refused(bundle, said=("changed after the export", "policy.onnx", "sha256"))
    junk = b"junk"
    (bundle / "policy.onnx").write_bytes(junk)
    manifest = json.loads((bundle / "bundle-manifest.json").read_text())
    manifest["files"]["policy.onnx"] = hashlib.sha256(junk).hexdigest()
    (bundle / "bundle-manifest.json").write_text(json.dumps(manifest))
    refused(bundle, said=("the model cannot be loaded", "policy.onnx"))
    (bundle / "policy.onnx").unlink()
    refused(bundle, said=("is missing", "policy.onnx"))


@pytest.mark.slow
def test_what_cannot_be_replayed(store, tmp_path):
    policy, there = ref(store, "train"), ("--task", "ur5e/pick-place", "--out", tmp_path / "out")

    def refused(what, *words, said):
        motorium("replay", what, *words, "--store", store).refused(*said)

    refused(policy, "--seeds", "ten", *there, said=("seeds are numbers and ranges", "got:      ten"))
    refused(policy, "--seeds", "", *there, said=("no seed is named",))
    refused(policy, "--seeds", "0-99999999999", *there, said=("range of seeds is too long",))
    refused(policy, "--seeds", "1", "--camera", "fornt", *there, said=("no camera 'fornt'", "nearest:  front"))
    refused(policy, "--seeds", "1", "--options", "{", *there, said=("--options is not JSON",))
    refused(policy, "--seeds", "1", "--task", "ur5e/pick", said=("no task", "nearest:  ur5e/pick-place"))
    refused(policy, "--seeds", "1", said=("does not say which task", "--task"))
    refused(policy, "--seeds", "1", *there, said=("differs in its shape", "ur5e/pick-place"))
    refused(ref(store, "curate"), "--seeds", "1", said=("this cannot act", "a policy or a bundle"))
    refused(tmp_path, "--seeds", "1", said=("no policy here", "policy.json"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_cannot_be_evaluated(store, tmp_path):
    def refused(stage, *words, said):
        before = contents(store)
        motorium("stage", stage, *words, "--store", store).refused(*said)
        assert contents(store) == before

    policy, dataset = ref(store, "train"), ref(store, "curate")
    pick = ("--task", "ur5e/pick-place", "--trials", "2", "--videos", "0")
    refused("evaluate", "--from", f"policy={policy}", *pick, said=("'observation.state' differs in its shape",))
    refused("evaluate", "--from", f"policy={policy}", said=("does not say which task", "--task ur5e/pick-place"))
    refused("evaluate", "--from", f"policy={ref(store, 'export')}", said=("takes a policy", "a bundle, bundle/"))
    refused("train", "--from", f"dataset={policy}", said=("takes a dataset", "a policy, policy/"))
    words = ("--from", f"policy={policy}", "--from", f"dataset={dataset}", "--split", "tset")
    refused("evaluate-open-loop", *words, said=("no split 'tset'", "nearest:  test"))
    seen = Path(shutil.copytree(artifact(store, "train"), tmp_path / "seen"))
    (seen / "manifest.json").unlink()
    edit_policy(seen, conventions={"task": "ur5e/pick-place", "data_seeds": "0-23"})
    words = ("--from", f"policy={seen}", "--first_seed", "20", "--trials", "9")
    refused("evaluate", *words, said=("trained on a seed it would be judged on", "seed 20", "first_seed"))


def edit_policy(folder: Path, **changes) -> None:
    path = folder / "policy.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": {"width": "x"}}, "does not describe a network"),
        ({"kind": "os:system"}, "'os:system' is no policy"),
        ({"kind": "regresion"}, "nearest:  regression"),
        ({"format": 99}, "of another format"),
    ],
    ids=str,
)
def test_a_policy_of_a_stranger(store, tmp_path, changes, said):
    folder = Path(shutil.copytree(artifact(store, "train"), tmp_path / "policy"))
    (folder / "manifest.json").unlink()
    edit_policy(folder, **changes)
    before = contents(store)
    motorium("stage", "export", "--from", f"policy={folder}", "--store", store).refused(said)
    assert contents(store) == before


# -- a full disk, a read-only one, Ctrl-C ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_disk(shop, tmp_path_factory):
    """What happens on disks that are too small, and on one that is read-only; see `tests.support.tiny_disk`."""
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("a tiny disk needs the right to mount one (unshare --user --mount)")
    words = [sys.executable, "-m", "tests.support.tiny_disk", str(shop.root), str(tmp_path_factory.mktemp("disk"))]
    done = subprocess.run([*own, *words], capture_output=True, text=True, cwd=ROOT, env=one_thread())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_the_same_command_goes_on(tiny_disk):
    full = [case for case in tiny_disk if case["case"] == "full"]
    failed = {case["failed"] for case in full}
    assert {None, "ingest", "curate", "train"} <= failed, failed  # None: the index could not even be made
    for case in full:
        assert case["code"] == 2, case
        assert case["error"].startswith("error: ") and "the disk is full" in case["error"].splitlines()[0], case
        assert "motorium gc" in case["error"] and "Traceback" not in case["error"], case
        assert case["staging"] == [] and case["problems"] == [], case
        assert case["then"] == 0 and case["verified"] == 0, case
    # Whatever was finished when the disk was full is the same as on a disk with room.
    assert len({tuple(case["ids"]) for case in full}) == 1


@pytest.mark.slow
def test_a_read_only_store_can_be_read_and_says_that_it_cannot_be_written(tiny_disk):
    (case,) = [case for case in tiny_disk if case["case"] == "read-only"]
    assert case["code"] == 2 and "the store cannot be written" in case["error"], case
    assert "--store" in case["error"] and "Traceback" not in case["error"]
    assert case["read"] == [0, 0], case


@pytest.mark.slow
def test_ctrl_c_while_training_is_one_line_and_goes_on(shop, tmp_path):
    store = tmp_path / "store"
    words = [*bad_input.settings(train__steps=700), "--set", f"source={shop.v30}"]
    words = ["run", str(G1), "--only", "train", "--store", str(store), *words]
    command = [sys.executable, "-m", "motorium.cli", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=one_thread()
    )
    deadline = time.monotonic() + 120
    while not list(store.glob("scratch/*/*.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert "Traceback" not in err and "error:" not in err
    assert re.search(r"^train\s+-\s+interrupted$", out, re.M)
    assert [row["stage"] for row in contents(store)["rows"]] == ["curate", "ingest"]
    again = motorium(*words)
    assert again.code == 0, again.err
    undisturbed = motorium(*words[:5], tmp_path / "other", *words[6:])
    assert artifact(store, "train").name == artifact(tmp_path / "other", "train").name, undisturbed
