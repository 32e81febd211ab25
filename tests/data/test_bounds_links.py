"""Links in a folder that is named: those that lead out are refused before anything is read, unless that is allowed."""

import os

import pytest

from motorium.core.errors import DataError
from motorium.data import links
from motorium.data.bounds import inside
from motorium.data.dataset import open_dataset
from motorium.data.doctor.check import check
from motorium.data.ingest.inspect import inspect
from motorium.data.ingest.planning import plan
from motorium.data.ingest.sources import find, open_log, recognise
from motorium.data.links import FOLLOW_LINKS, check_links
from tests.data.fuzz.corpus import BY_NAME

LEADS_OUT = "a link leads out of the folder"
REVISION = "0123abcd"


@pytest.fixture(autouse=True)
def not_allowed(monkeypatch):
    monkeypatch.delenv(FOLLOW_LINKS, raising=False)


def moved(path, target):
    """Put a link to `target` in a path's place, and what was there at the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    path.symlink_to(target)


# A file or a folder that each format finds by listing, or by a name that it knows.
PLACES = [
    ("act", "episode_1.hdf5"),
    ("rlds", "-00000-of-00001"),
    ("rlds", "features.json"),
    ("zarr-v2", ".zgroup"),
    ("zarr-v2", "data/action/.zarray"),
    ("zarr-v3", "meta/episode_ends/zarr.json"),
    ("kitti", "oxts"),
    ("nuscenes", "v1.0-mini/scene.json"),
    ("pictures", "0001.png"),
    ("lerobot-v3.0", "data/chunk-000/file-000.parquet"),
    ("lerobot-v3.0", "meta/info.json"),
    ("lerobot-v2.1", "meta/tasks.jsonl"),
    ("lerobot-v2.1", "videos"),
    ("groot", "meta/modality.json"),
]


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_a_link_out_of_a_recording_is_refused_and_followed_only_where_that_is_allowed(
    tmp_path, name, place, monkeypatch
):
    seed = BY_NAME[name]
    (tmp_path / "box").mkdir()
    root = seed.build(tmp_path / "box")
    link = next(path for path in sorted(root.rglob("*")) if path.relative_to(root).as_posix().endswith(place))
    moved(link, tmp_path / "outside" / link.name)
    opens = open_log if seed.kind == "log" else open_dataset
    for call in (opens, inspect, recognise, find):
        with pytest.raises(DataError, match=LEADS_OUT) as error:
            call(root)
        details = error.value.details
        assert details["where"] == link and str(details["got"]) == str(tmp_path / "outside" / link.name)
        assert f"{FOLLOW_LINKS}=1" in details["remedy"]
    monkeypatch.setenv(FOLLOW_LINKS, "yes")
    with pytest.raises(DataError, match=LEADS_OUT):
        opens(root)
    monkeypatch.setenv(FOLLOW_LINKS, "1")
    opens(root)
    if seed.kind == "log":
        assert next(iter(plan(root, accept=True).episodes(0))).steps > 0
    else:
        assert opens(root).episode(0).steps > 0


def hub(folder, name):
    """Return a snapshot as huggingface_hub's cache lays it out: relative links to blobs beside the snapshots."""
    repository = folder / "datasets--someone--demo"
    (repository / "blobs").mkdir(parents=True)
    snapshot = BY_NAME[name].build(folder)
    (repository / "snapshots").mkdir()
    snapshot = snapshot.rename(repository / "snapshots" / REVISION)
    for number, file in enumerate(path for path in sorted(snapshot.rglob("*")) if path.is_file()):
        blob = repository / "blobs" / f"{number:040x}"
        file.rename(blob)
        file.symlink_to(os.path.relpath(blob, file.parent))
    return snapshot


@pytest.mark.parametrize("name", ["lerobot-v3.0", "act", "nuscenes", "rosbag2-mcap"])
def test_the_cache_of_the_hugging_face_hub_is_read(tmp_path, name):
    snapshot = hub(tmp_path, name)
    if BY_NAME[name].kind == "log":
        assert next(iter(plan(snapshot, accept=True).episodes(0))).steps > 0
    else:
        assert open_dataset(snapshot).episode(0).steps > 0


@pytest.mark.parametrize("target", ["../../../secret", "../../blobs/deep/secret", "../../refs", "../../../b/blobs/x"])
def test_a_snapshot_leads_nowhere_but_to_its_own_blobs(tmp_path, target):
    snapshot = tmp_path / "datasets--a--b/snapshots/rev"
    snapshot.mkdir(parents=True)
    (snapshot / "x").symlink_to(target)
    with pytest.raises(DataError, match=LEADS_OUT):
        check_links(snapshot)


def test_a_blob_that_is_a_link_and_blobs_that_are_one_are_refused(tmp_path):
    snapshot = tmp_path / "datasets--a--b/snapshots/rev"
    snapshot.mkdir(parents=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/s").write_text("secret")
    (snapshot / "x").symlink_to("../../blobs/s")
    (tmp_path / "datasets--a--b/blobs").symlink_to(tmp_path / "secrets")
    with pytest.raises(DataError, match=LEADS_OUT):
        check_links(snapshot)
    (tmp_path / "datasets--a--b/blobs").unlink()
    (tmp_path / "datasets--a--b/blobs").mkdir()
    (tmp_path / "datasets--a--b/blobs/s").symlink_to(tmp_path / "secrets/s")
    with pytest.raises(DataError, match=LEADS_OUT):
        check_links(snapshot)


def test_the_named_folder_may_be_a_link_and_links_within_it_are_fine(tmp_path):
    root = tmp_path / "disk/drive"
    (root / "a").mkdir(parents=True)
    (root / "a/x").write_text("x")
    (root / "y").symlink_to("a/x")
    (root / "b").symlink_to(root / "a")
    (root / "top").symlink_to(".")
    (root / "lock").symlink_to("nowhere")
    (tmp_path / "named").symlink_to(root)
    check_links(tmp_path / "named")


def test_a_link_to_the_folder_itself_does_not_excuse_one_to_what_is_beside_it(tmp_path):
    root = tmp_path / "drive"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "a").symlink_to("../drive")
    (root / "b").symlink_to("../secret")
    with pytest.raises(DataError, match=LEADS_OUT) as error:
        check_links(root)
    assert error.value.details["where"] == root / "b"


def test_links_by_way_of_others_and_to_nothing_are_refused_and_the_first_is_named(tmp_path):
    root = tmp_path / "drive"
    (root / "deep/er").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (root / "deep/er/one").symlink_to("../two")
    (root / "deep/two").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match=LEADS_OUT) as error:
        check_links(root)
    assert error.value.details["where"] == root / "deep/two"
    (root / "deep/two").unlink()
    (root / "zero").symlink_to(tmp_path / "nothing/at/all")
    with pytest.raises(DataError, match=LEADS_OUT):
        check_links(root)


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
def test_links_to_devices_and_pipes_are_refused_and_where_allowed_not_waited_for(tmp_path, device, monkeypatch):
    root = BY_NAME["mcap-json"].build(tmp_path).parent / "drive"
    root.mkdir()
    (tmp_path / "log.mcap").rename(root / "log.mcap")
    os.mkfifo(tmp_path / "pipe")
    (root / "other.mcap").symlink_to(tmp_path / device)
    with pytest.raises(DataError, match=LEADS_OUT):
        open_log(root)
    monkeypatch.setenv(FOLLOW_LINKS, "1")
    assert [each.path.name for each in find(root)] == ["log.mcap"]


def test_links_in_circles_end(tmp_path, monkeypatch):
    root = tmp_path / "drive"
    (root / "day").mkdir(parents=True)
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    (root / "day/up").symlink_to("..")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/back").symlink_to(root)
    (tmp_path / "out/self").symlink_to(".")
    check_links(root)
    (root / "out").symlink_to(tmp_path / "out")
    BY_NAME["mcap-json"].build(tmp_path / "out")
    monkeypatch.setenv(FOLLOW_LINKS, "1")
    assert [each.path for each in find(root)] == [root / "out/log.mcap"]


def test_paths_named_in_files_follow_links_only_where_allowed_and_never_climb(tmp_path, monkeypatch):
    root = tmp_path / "drive"
    root.mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/x").write_text("x")
    (tmp_path / "secret").write_text("x")
    (root / "sweeps").symlink_to(tmp_path / "disk")
    for name in ("sweeps/x", "sweeps/../secret", "../secret", str(tmp_path / "secret")):
        with pytest.raises(DataError, match="leaves the recording's folder"):
            inside(root, name, "here")
    monkeypatch.setenv(FOLLOW_LINKS, "1")
    assert inside(root, "sweeps/x", "here").read_text() == "x"
    for name in ("sweeps/../secret", "../secret", str(tmp_path / "secret")):
        with pytest.raises(DataError, match="leaves the recording's folder"):
            inside(root, name, "here")


def test_a_folder_without_end_is_not_looked_through(tmp_path, monkeypatch):
    monkeypatch.setattr(links, "MOST_ENTRIES", 5)
    for number in range(5):
        (tmp_path / f"{number}").mkdir()
    check_links(tmp_path)
    (tmp_path / "3/one more").touch()
    with pytest.raises(DataError, match="more than can be looked through"):
        check_links(tmp_path)


@pytest.mark.parametrize("step", ["open", "column", "rows"])
def test_a_dataset_that_takes_more_memory_than_there_is_is_refused_by_name(tmp_path, step, monkeypatch):
    root = BY_NAME["lerobot-v3.0"].build(tmp_path)
    dataset = open_dataset(root)

    def full(*_args, **_options):
        raise MemoryError

    places = {"open": "motorium.data.dataset.read_rows", "column": "motorium.data.dataset.read_columns"}
    monkeypatch.setattr(places.get(step, "motorium.data.dataset.from_arrow"), full)
    calls = {
        "open": lambda: open_dataset(root),
        "column": lambda: dataset.column("action"),
        "rows": lambda: dataset.rows("action", 0, 2),
    }
    with pytest.raises(DataError, match="more memory than there is") as error:
        calls[step]()
    assert str(root) in str(error.value)


@pytest.mark.parametrize("text", ["[]", "{}", "7", "null"])
def test_a_folder_whose_info_is_no_mapping_is_no_dataset(tmp_path, text):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text(text)
    with pytest.raises(DataError, match="no dataset that can be read"):
        open_dataset(tmp_path)


def test_the_doctor_follows_no_link_out_of_a_dataset(tmp_path):
    (tmp_path / "set/meta").mkdir(parents=True)
    (tmp_path / "elsewhere.json").write_text("{}")
    (tmp_path / "set/meta/info.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(DataError, match="link"):
        check(tmp_path / "set")
