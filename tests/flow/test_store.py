"""The store: what is committed stays, what is not leaves no trace, what is damaged is said so."""

import errno
import os
import shutil
import sqlite3

import numpy as np
import pytest

from motorium.core.errors import SpecError, StoreError
from motorium.flow import files, index
from motorium.flow.digests import Sources, content_digest, hash_tree
from motorium.flow.owner import Owner
from motorium.flow.recipe import Recipe
from motorium.flow.refs import resolve_ref
from motorium.flow.runner import run_recipe, run_stage
from motorium.flow.store import Store
from tests.flow import toys
from tests.flow.conftest import ids


def snapshot(store: Store) -> dict:
    """Everything under artifacts/ and what the index says of it."""
    root = store.root / "artifacts"
    tree = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    return {"files": tree, "rows": store.rows()}


# -- digests ----------------------------------------------------------------------------------------------


def test_content_digest_depends_on_paths_sizes_and_bytes_alone(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x").write_bytes(b"1")
        (tmp_path / name / "y").write_bytes(b"2")
    os.utime(tmp_path / "b" / "y", (0, 0))
    one, two = hash_tree(tmp_path / "a"), hash_tree(tmp_path / "b")
    assert content_digest(one) == content_digest(reversed(two))
    assert [entry.path for entry in one] == ["sub/x", "y"]
    (tmp_path / "b" / "y").rename(tmp_path / "b" / "z")
    assert content_digest(hash_tree(tmp_path / "b")) != content_digest(one)


def test_unchanged_files_are_not_read_again(store, tmp_path, monkeypatch):
    path = tmp_path / "data"
    path.mkdir()
    (path / "x").write_bytes(b"abc")
    os.utime(path / "x", (1e9, 1e9))
    entries = hash_tree(path, cache=store.index)
    monkeypatch.setattr("motorium.flow.digests.file_digest", lambda path: pytest.fail(f"read {path}"))
    assert hash_tree(path, cache=store.index) == entries
    monkeypatch.undo()
    (path / "x").write_bytes(b"abd")
    os.utime(path / "x", (1e9, 1e9 + 1))
    assert hash_tree(path, cache=store.index) != entries


def test_a_file_changed_within_one_tick_of_the_clock_is_read_again(store, tmp_path):
    """Same size, same inode, and perhaps the same time: a young file is never trusted."""
    path = tmp_path / "data"
    path.mkdir()
    (path / "x").write_bytes(b"abc")
    before = (path / "x").stat()
    entries = hash_tree(path, cache=store.index)
    (path / "x").write_bytes(b"abd")
    os.utime(path / "x", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hash_tree(path, cache=store.index) != entries


def test_links_are_followed_outside_and_refused_inside(tmp_path):
    (tmp_path / "x").write_bytes(b"1")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "x")
    assert [entry.size for entry in hash_tree(folder, links=True)] == [1]
    with pytest.raises(StoreError, match="symbolic link"):
        hash_tree(folder)
    (folder / "dead").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="leads nowhere"):
        hash_tree(folder, links=True)
    (folder / "dead").unlink()
    (folder / "round").symlink_to(folder)
    with pytest.raises(StoreError, match="circle"):
        hash_tree(folder, links=True)


def test_odd_things_in_a_folder_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="neither a file nor a folder"):
        hash_tree(tmp_path)
    os.unlink(tmp_path / "pipe")
    open(os.fsencode(tmp_path) + b"/\xff", "w").close()
    with pytest.raises(StoreError, match="UTF-8"):
        hash_tree(tmp_path)


def test_source_digest_covers_every_file_of_a_package(tmp_path, monkeypatch):
    package = tmp_path / "toypackage"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "inner/__init__.py", "inner/b.py", "inner/page.html", "notes.txt"):
        (package / name).write_text(f"# {name}")
    monkeypatch.syspath_prepend(tmp_path)
    sources = Sources()
    before = sources.of(["toypackage", "toypackage.inner.b"])
    assert list(before["toypackage"]["files"]) == [
        "__init__.py",
        "a.py",
        "inner/__init__.py",
        "inner/b.py",
        "inner/page.html",
    ]
    assert list(before["toypackage.inner.b"]["files"]) == ["b.py"]
    (package / "inner" / "b.py").write_text("# changed")
    # A run keeps to the source of its start, and notices that it changed.
    assert sources.of(["toypackage"]) == {"toypackage": before["toypackage"]}
    assert sources.changed(before) == ["toypackage", "toypackage.inner.b"]
    after = Sources().of(["toypackage", "toypackage.inner.b"])
    assert all(before[name]["digest"] != after[name]["digest"] for name in before)


# -- commits ----------------------------------------------------------------------------------------------


def stage_that(write):
    """A stage whose output is what `write(output, context)` writes."""

    def run(spec, inputs, context):
        write(context.output, context)
        return toys.Result(summary="made")

    run.__module__ = "tests.flow.toys"
    return toys.Stage(**{**vars(toys.MAKE), "run": run})


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["write_file", "sync_file", "sync_folder", "rename", "write_atomic"])
def test_full_disk_is_one_clear_error_and_leaves_the_store_as_it_was(store, monkeypatch, name):
    made = run_stage(toys.MAKE, {}, {}, store)
    before = snapshot(store)
    real = getattr(files, name)

    def in_commit(path, *args, **options):
        inside = "staging" in str(path) or "artifacts" in str(path) or "scratch" in str(path)
        return full() if inside else real(path, *args, **options)

    monkeypatch.setattr(files, name, in_commit)
    with pytest.raises(StoreError, match="disk is full") as caught:
        run_stage(toys.MAKE, {"rows": 2}, {}, store)
    assert "motorium gc" in caught.value.details["remedy"]
    monkeypatch.undo()
    assert snapshot(store) == before
    assert list((store.root / "staging").iterdir()) == []
    assert run_stage(toys.MAKE, {"rows": 2}, {}, store).id != made.id


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
    ],
    ids=str,
)
def test_disk_that_fills_inside_a_stage_is_the_same_clear_error(store, error):
    def write(output, context):
        (output / "half").write_bytes(b"x")
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("the library's own words") from cause

    with pytest.raises(StoreError, match="disk is full"):
        run_stage(stage_that(write), {}, {}, store)
    assert store.rows() == []


def test_full_disk_at_the_index_is_the_same_clear_error(store, monkeypatch):
    def commit(connection):
        if connection.in_transaction and connection.total_changes:
            raise sqlite3.OperationalError("database or disk is full")
        connection.execute("COMMIT")

    monkeypatch.setattr(index, "commit", commit)
    with pytest.raises(StoreError, match="disk is full"):
        run_stage(toys.MAKE, {}, {}, store)
    monkeypatch.undo()
    assert store.rows() == []


def test_other_errors_of_a_stage_are_not_taken_for_the_disk(store):
    def write(output, context):
        raise PermissionError(errno.EACCES, "not yours", "/somewhere/else")

    with pytest.raises(PermissionError):
        run_stage(stage_that(write), {}, {}, store)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda output, context: None, "wrote no files"),
        (lambda output, context: (output / "manifest.json").write_text("{}"), "keeps for itself"),
        (lambda output, context: (output / "link").symlink_to("/etc/hostname"), "symbolic link"),
    ],
)
def test_output_that_is_no_artifact_is_refused(store, write, message):
    with pytest.raises(StoreError, match=message):
        run_stage(stage_that(write), {}, {}, store)
    assert snapshot(store) == {"files": {}, "rows": []}
    assert list((store.root / "staging").iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_metrics_that_are_no_plain_numbers_are_refused_by_name(store, value):
    def run(spec, inputs, context):
        (context.output / "x").write_text("x")
        return toys.Result(summary="", metrics={"loss": {"train": value}})

    run.__module__ = "tests.flow.toys"
    with pytest.raises(StoreError) as caught:
        run_stage(toys.Stage(**{**vars(toys.MAKE), "run": run}), {}, {}, store)
    assert caught.value.details["where"] == "metrics.loss.train"


def test_numpy_metrics_become_plain(store):
    def run(spec, inputs, context):
        (context.output / "x").write_text("x")
        return toys.Result(summary="", metrics={"a": np.float64(0.5), "b": np.arange(2), "c": np.bool_(True)})

    run.__module__ = "tests.flow.toys"
    made = run_stage(toys.Stage(**{**vars(toys.MAKE), "run": run}), {}, {}, store)
    assert store.load("dataset", made.id).manifest["metrics"] == {"a": 0.5, "b": [0, 1], "c": True}


# -- damage -----------------------------------------------------------------------------------------------


DAMAGE = {
    "altered": (lambda folder: (folder / "rows.npy").write_bytes(b"x" * (folder / "rows.npy").stat().st_size), "bytes"),
    "truncated": (lambda folder: os.truncate(folder / "rows.npy", 10), "has 10 bytes"),
    "missing": (lambda folder: (folder / "rows.npy").unlink(), "is missing"),
    "added": (lambda folder: (folder / "more").write_text("x"), "was added"),
    "manifest": (lambda folder: (folder / "manifest.json").write_text("{"), "damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_corrupt_artifact_is_one_clear_error_and_force_mends_it(run, store, damage):
    harm, message = DAMAGE[damage]
    first = run()
    harm(first.artifact("make").path)
    before = snapshot(store)
    with pytest.raises(StoreError, match=message) as caught:
        run(squares__power=3)
    assert "--force" in caught.value.details["remedy"]
    assert snapshot(store) == before
    assert ids(run(force=["make"])) == ids(first)
    assert store.problems(first.artifact("make")) == []


def test_altered_manifest_is_noticed(run, store):
    made = run().artifact("make")
    text = (made.path / "manifest.json").read_text()
    (made.path / "manifest.json").write_text(text.replace(made.manifest["key"], "0" * 64))
    assert "id differs" in store.problems(store.load("dataset", made.id))[0]


def test_deleted_artifact_is_computed_again(run, store, calls):
    first = run()
    shutil.rmtree(first.artifact("make").path)
    assert ids(run()) == ids(first)
    assert calls("make") == 2
    assert calls("sum") == 2


# -- the index --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["deleted", "not a database", "torn"])
def test_index_is_rebuilt_from_the_folders(run, store, calls, harm):
    first = run()
    before = store.rows()
    if harm == "deleted":
        store.index.path.unlink()
    elif harm == "not a database":
        store.index.path.write_bytes(b"x" * 10_000)
    else:
        os.truncate(store.index.path, store.index.path.stat().st_size // 2)
    again = Store(store.root)
    run(into=again)
    assert again.rows() == before
    assert calls("make") == 1
    assert first.artifact("make").id in {row["id"] for row in again.rows("dataset")}


def test_index_of_a_newer_version_is_refused(store):
    with sqlite3.connect(store.index.path) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer"):
        Store(store.root)


def test_wal_is_used_only_where_it_is_safe(store, monkeypatch):
    monkeypatch.setattr(index.sqlite3, "sqlite_version_info", (3, 51, 2))
    assert not index.wal_is_safe(store.root)
    monkeypatch.setattr(index.sqlite3, "sqlite_version_info", (3, 51, 3))
    monkeypatch.setattr(index, "disk_type", lambda folder: "nfs4")
    assert not index.wal_is_safe(store.root)
    monkeypatch.setattr(index, "disk_type", lambda folder: "ext4")
    assert index.wal_is_safe(store.root)


def test_commits_are_synced(store):
    with store.index.read() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        expected = "wal" if index.wal_is_safe(store.root) else "truncate"
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == expected


# -- refs -------------------------------------------------------------------------------------------------


def test_refs_are_any_unique_beginning(run, store):
    made = run().artifact("make")
    for ref in (made.id, made.id[:16], f"dataset/{made.id[:6]}", made.ref):
        assert resolve_ref(store, ref).id == made.id


def test_ambiguous_ref_lists_the_choices(store):
    record = run_stage(toys.MAKE, {}, {}, store).manifest
    others = [f"{record['id'][:10]}{digit * 54}" for digit in "ab"]
    with store.index.write() as connection:
        for other in others:
            index.insert_artifact(connection, {**record, "id": other})
    with pytest.raises(StoreError, match=f"'{record['id'][:10]}' names 3 artifacts") as caught:
        resolve_ref(store, record["id"][:10])
    assert all(identity[:16] in str(caught.value.details["expected"]) for identity in (record["id"], *others))
    assert resolve_ref(store, f"dataset/{record['id'][:16]}").id == record["id"]


@pytest.mark.parametrize("ref", ["nothex", "dataset/", "datset/00", "dataset/../x", ""])
def test_refs_that_are_none_are_refused(run, store, ref):
    run()
    with pytest.raises(StoreError):
        resolve_ref(store, ref)


def test_unknown_kind_names_the_nearest(run, store):
    run()
    with pytest.raises(StoreError) as caught:
        resolve_ref(store, "datset/00")
    assert caught.value.details["nearest"] == "dataset"


# -- owners -----------------------------------------------------------------------------------------------


def test_lease_is_held_until_it_is_released(store):
    with Owner(store, "a") as a, Owner(store, "b") as b:
        assert a.acquire("k", cached=True, waiting=pytest.fail) is None
        said = []

        def waiting(text):
            said.append(text)
            a.release("k")

        assert b.acquire("k", cached=True, waiting=waiting) is None
        assert "run a" in said[0]


def test_lease_of_a_dead_process_is_taken_over(store):
    with Owner(store, "b") as b:
        with store.index.write() as connection:
            connection.execute("INSERT INTO leases VALUES ('k', 'a')")
            connection.execute("INSERT INTO owners SELECT 'a', host, scope, pid, 'earlier', heartbeat FROM owners")
        assert b.acquire("k", cached=True, waiting=pytest.fail) is None


def test_silent_owner_elsewhere_is_dead_after_a_while(store):
    def add(name, heartbeat_age):
        with store.index.write() as connection:
            connection.execute(
                "INSERT INTO owners VALUES (?, 'elsewhere', 'boot ns', 1, '1', strftime('%s', 'now') - ?)",
                (name, heartbeat_age),
            )

    add("young", 10)
    add("old", 100)
    with Owner(store, "me"), store.index.read() as connection:
        assert {row["id"] for row in connection.execute("SELECT id FROM owners")} == {"me", "young"}


def test_nothing_is_left_of_an_owner_that_ended(store):
    run_recipe(Recipe.parse(toys.RECIPE), toys.STAGES, store)
    with store.index.read() as connection:
        for table in ("owners", "leases", "pins"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0


# -- source -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["no.such.module", "nosuchmodule", "sys"])
def test_declared_module_without_source_is_a_clear_error(store, module):
    stage = toys.Stage(**{**vars(toys.MAKE), "modules": [module]})
    with pytest.raises(SpecError, match=f"module '{module}'"):
        run_stage(stage, {}, {}, store)


def test_artifact_of_another_schema_is_refused_with_what_to_do(run, store):
    made = run()
    path = made.artifact("make").path / "manifest.json"
    path.write_text(path.read_text().replace("motorium-artifact/1", "motorium-artifact/2"))
    with pytest.raises(StoreError, match="--force make") as caught:
        run()
    assert "motorium-artifact/2" in str(caught.value)
    assert run(force=["make"]).artifact("make").id == made.artifact("make").id
