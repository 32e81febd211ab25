"""Store: artifacts as plain directories with a manifest, committed atomically and indexed in SQLite.

<root>/artifacts/<kind>/<id>/   the payload, directly usable, and `manifest.json`
<root>/staging/<owner>/         output being written; worthless once its owner is dead
<root>/scratch/<key>/           checkpoints and finished shards of one derivation; survives a kill
<root>/runs/<run>/              status, log and metrics of each run
<root>/reports/                 pages, by recipe
<root>/index.sqlite             rebuildable from `artifacts/`
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motorium.core.errors import StoreError
from motorium.flow import digests, files, index, manifest
from motorium.flow.derivation import Derivation
from motorium.flow.digests import Seen, content_digest, hash_tree
from motorium.flow.stage import Artifact, Result

FOLDERS = ("artifacts", "staging", "scratch", "runs", "reports")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A stage's finished output, not yet committed.

    Attributes:
        folder: the files, under the owner's staging folder.
        derivation: what they were made from.
        result: what the stage says of them.
        about: further plain entries of the manifest (command, run, recipe, duration_s); part of no digest.
    """

    folder: Path
    derivation: Derivation
    result: Result
    about: Mapping[str, Any]


class Store:
    """One folder of artifacts. Several processes may use it at once.

    Args:
        root: the folder.
        create: make it when it is not there.

    Raises:
        StoreError: when it is not there, or cannot be used.
    """

    def __init__(self, root: Path | str, *, create: bool = True) -> None:
        self.root = Path(root)
        if not create and not (self.root / "artifacts").is_dir():
            raise StoreError(
                "there is no store here",
                where=self.root.absolute(),
                remedy="run a recipe first, or name the store with --store or MOTORIUM_STORE",
            )
        try:
            with files.disk_errors(self.root):
                for name in FOLDERS:
                    (self.root / name).mkdir(parents=True, exist_ok=True)
                if not (self.root / ".gitignore").exists():
                    files.write_atomic(self.root / ".gitignore", b"*\n", durable=False)
        except (FileExistsError, NotADirectoryError) as error:
            raise StoreError(
                "a store is a folder, and something else is in its place",
                where=self.root.absolute(),
                got=str(error),
                remedy="move that file away, or choose another store with --store",
            ) from None
        self.index = index.Index(self.root / "index.sqlite")
        self._open_index()

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    # -- looking up ---------------------------------------------------------------------------------------

    def folder(self, kind: str, identity: str) -> Path:
        """Return where an artifact is, or would be."""
        return self.root / "artifacts" / kind / identity

    def find(self, key: str) -> Artifact | None:
        """Return the newest committed artifact of a derivation key, or None."""
        with self.index.read() as connection:
            rows = connection.execute(
                "SELECT kind, id FROM artifacts WHERE key = ? ORDER BY created DESC, id", (key,)
            ).fetchall()
        for row in rows:
            # Somebody may have deleted the folder by hand: then it is simply not there any more.
            if self.folder(row["kind"], row["id"]).is_dir():
                return self.load(row["kind"], row["id"])
        return None

    def load(self, kind: str, identity: str) -> Artifact:
        """Return the artifact of that kind and full id.

        Raises:
            StoreError: when it is not there or its manifest is damaged.
        """
        folder = self.folder(kind, identity)
        if not folder.is_dir():
            raise StoreError(
                f"there is no artifact {kind}/{identity[:12]}", where=self.root, remedy="see `motorium ls`"
            )
        return manifest.as_artifact(manifest.read(folder), folder)

    def rows(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the index rows (id, kind, key, content, stage, created, bytes, summary), newest first."""
        where, values = ("WHERE kind = ?", (kind,)) if kind else ("", ())
        with self.index.read() as connection:
            found = connection.execute(f"SELECT * FROM artifacts {where} ORDER BY created DESC, id", values).fetchall()
        return [dict(row) for row in found]

    def external(self, path: Path | str, kind: str, ref: str | None = None) -> Artifact:
        """Return a file or folder outside the store as an artifact of `kind`; it is hashed, not copied.

        A copied artifact (its manifest beside its files) keeps its kind and content.

        Raises:
            StoreError: when it is not there, or is a copied artifact of another kind.
        """
        place = Path(path).expanduser().absolute()
        if not place.exists():
            raise StoreError("there is no such file or folder", where=place, expected=f"a {kind}")
        copied = manifest.read_foreign(place)
        if copied and kind not in ("any", copied["kind"]):
            raise StoreError(f"this artifact is a {copied['kind']}", where=place, expected=f"a {kind}")
        kind = copied["kind"] if copied else kind
        entries = hash_tree(place, links=True, cache=self.index, skip=(manifest.NAME,) if copied else ())
        if not entries:
            raise StoreError("the folder is empty", where=place, expected=f"a {kind}")
        content = content_digest(entries)
        about = {**copied} if copied else {"schema": manifest.SCHEMA, "stage": None, "inputs": {}, "spec": {}}
        about |= {
            "kind": kind,
            "id": manifest.artifact_id(kind, "external", content),
            "key": "external",
            "content": content,
            "external": str(ref or path),
            "files": manifest.file_rows(entries),
        }
        about = {"summary": f"from {ref or path}", "metrics": {}, **about}
        return manifest.as_artifact(about, place)

    # -- checking -----------------------------------------------------------------------------------------

    def check(self, artifact: Artifact, *, thorough: bool = False) -> None:
        """Check that an artifact's files are those that were committed.

        Args:
            thorough: read every byte, instead of trusting unchanged size, time and inode.

        Raises:
            StoreError: naming the first file that is missing, added or altered.
        """
        problems = self.problems(artifact, thorough=thorough)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise StoreError(
                f"artifact {artifact.ref} is corrupt: {problems[0]}{more}",
                where=artifact.path,
                got=f"{len(problems)} bad of {len(artifact.manifest['files'])} files",
                expected="the files as they were committed",
                remedy=f"make it again: {artifact.manifest['command']} --force",
            )

    def problems(self, artifact: Artifact, *, thorough: bool = True) -> list[str]:
        """Return what is wrong with an artifact's files, one line each."""
        record = artifact.manifest
        expected = {row["path"]: row for row in record["files"]}
        cache = None if thorough else self.index
        found = {entry.path: entry for entry in hash_tree(artifact.path, cache=cache, skip=(manifest.NAME,))}
        wrong = [f"'{path}' is missing" for path in expected if path not in found]
        wrong += [f"'{path}' was added" for path in found if path not in expected]
        for path in expected.keys() & found.keys():
            if found[path].size != expected[path]["size"]:
                wrong.append(f"'{path}' has {found[path].size} bytes, not {expected[path]['size']}")
            elif found[path].sha256 != expected[path]["sha256"]:
                wrong.append(f"'{path}' has other bytes than were committed")
        if not wrong:
            content = content_digest(found.values())
            if content != record["content"]:
                wrong.append("its manifest was altered: the content digest differs")
            elif manifest.artifact_id(record["kind"], record["key"], content) != artifact.path.name:
                wrong.append("its manifest was altered: the id differs from its folder")
        return sorted(wrong)

    # -- writing ------------------------------------------------------------------------------------------

    def staging(self, owner: str, name: str) -> Path:
        """Return a new empty folder for output of `owner`."""
        folder = self.root / "staging" / owner / name
        files.remove_tree(folder)
        with files.disk_errors(self.root):
            folder.mkdir(parents=True)
        return folder

    def scratch(self, key: str) -> Path:
        """Return the scratch folder of a derivation, with what an earlier try left there."""
        folder = self.root / "scratch" / key
        with files.disk_errors(self.root):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def tidy_scratch(self, key: str) -> None:
        """Delete a derivation's scratch folder if nothing was left in it to go on from."""
        folder = self.root / "scratch" / key
        with contextlib.suppress(OSError):
            for inner in folder.iterdir():
                inner.rmdir()
            folder.rmdir()

    def commit(self, draft: Draft, owner: str) -> Artifact:
        """Move a draft into the store: files and folders on disk first, the index row last.

        Raises:
            StoreError: when the draft is empty or holds what an artifact may not, or the disk is full.
        """
        with files.disk_errors(self.root):
            record = self._describe(draft)
            files.sync_tree(draft.folder)
            files.write_file(draft.folder / manifest.NAME, manifest.to_bytes(record))
            files.sync_folder(draft.folder)
            artifact = self._place(record, draft.folder)
            rows = [
                (str((artifact.path / name).absolute()), Seen.of(status), entry["sha256"])
                for (name, status), entry in zip(self._payload(artifact.path).items(), artifact.manifest["files"])
            ]
            with self.index.write() as connection:
                index.insert_artifact(connection, artifact.manifest)
                index.insert_files(connection, rows)
                connection.execute("INSERT OR REPLACE INTO pins VALUES (?, ?)", (owner, artifact.id))
                connection.execute("DELETE FROM leases WHERE key = ?", (draft.derivation.key,))
        files.remove_tree(self.root / "scratch" / draft.derivation.key)
        return artifact

    def _describe(self, draft: Draft) -> dict[str, Any]:
        derivation = draft.derivation
        if (draft.folder / manifest.NAME).exists():
            raise StoreError(
                f"stage '{derivation.stage}' wrote '{manifest.NAME}', a name the store keeps for itself",
                remedy="give that file another name, or put it into a folder",
            )
        entries = hash_tree(draft.folder)
        if not entries:
            raise StoreError(f"stage '{derivation.stage}' wrote no files", expected="at least one in context.output")
        content = content_digest(entries)
        return {
            "schema": manifest.SCHEMA,
            "kind": derivation.kind,
            "id": manifest.artifact_id(derivation.kind, derivation.key, content),
            "key": derivation.key,
            "content": content,
            "stage": derivation.stage,
            "version": derivation.version,
            "summary": draft.result.summary,
            "metrics": manifest.plain(draft.result.metrics, "metrics"),
            "spec": derivation.spec,
            "inputs": derivation.inputs,
            "root_seed": derivation.root_seed,
            "seed": derivation.seed,
            **draft.about,
            "created": time.time(),
            "host": manifest.host_versions(),
            "sources": derivation.sources,
            "versions": derivation.versions,
            "named_files": derivation.named_files,
            "files": manifest.file_rows(entries),
        }

    def _place(self, record: Mapping[str, Any], folder: Path) -> Artifact:
        target = self.folder(record["kind"], record["id"])
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            files.sync_folder(target.parent.parent)
        artifact = manifest.as_artifact(record, target)
        if target.exists():
            with contextlib.suppress(StoreError):
                there = self.load(record["kind"], record["id"])
                if not self.problems(there):
                    files.remove_tree(folder)
                    return there
            files.rename(target, folder.with_name(folder.name + "-replaced"))
        files.rename(folder, target)
        files.sync_folder(target.parent)
        return artifact

    def _payload(self, folder: Path) -> dict:
        found = digests.scan(folder, links=False)
        found.pop(manifest.NAME, None)
        return found

    # -- the index ----------------------------------------------------------------------------------------

    def _open_index(self) -> None:
        fresh = not self.index.path.is_file() or not self.index.path.stat().st_size
        try:
            self.index.check()
            if fresh:
                self.adopt()  # somebody deleted the index: what is in the folders is still there
            return
        except index.Corrupt:
            pass
        with self._alone():
            try:
                self.index.check()
                return  # another process was quicker
            except index.Corrupt:
                aside = self.index.path.with_name(f"index.damaged-{int(time.time())}.sqlite")
                files.rename(self.index.path, aside)
            for suffix in ("-wal", "-shm", "-journal"):
                self.index.path.with_name(self.index.path.name + suffix).unlink(missing_ok=True)
            self.adopt()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with open(self.root / "index.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def adopt(self) -> list[str]:
        """Bring the index in line with the folders; return ids of artifacts it did not know.

        Such an artifact is whole: its folder was renamed into place before its owner died.
        """
        known = {row["id"] for row in self.rows()}
        found = {folder.name: folder for folder in self._folders()}
        fresh = []
        for identity in found.keys() - known:
            with contextlib.suppress(StoreError):
                record = manifest.read(found[identity])
                if record["id"] == identity:
                    fresh.append(record)
        gone = known - found.keys()
        if fresh or gone:
            with self.index.write() as connection:
                for record in fresh:
                    index.insert_artifact(connection, record)
                for identity in gone:
                    # Looked at again inside the transaction: another process may just be committing it.
                    row = connection.execute("SELECT kind FROM artifacts WHERE id = ?", (identity,)).fetchone()
                    if row and not self.folder(row["kind"], identity).is_dir():
                        forget(connection, [identity])
        return sorted(record["id"] for record in fresh)

    def _folders(self) -> Iterator[Path]:
        for kind in sorted((self.root / "artifacts").iterdir()):
            if kind.is_dir():
                yield from sorted(path for path in kind.iterdir() if path.is_dir())


def forget(connection, identities: Iterable[str]) -> None:
    """Delete the index rows of artifacts."""
    for identity in identities:
        connection.execute("DELETE FROM artifacts WHERE id = ?", (identity,))
        connection.execute("DELETE FROM inputs WHERE child = ?", (identity,))
