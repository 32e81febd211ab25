"""Cases: a mutated copy of a seed, read by the worker, and what may not happen meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.data.fuzz.corpus import Seed
from tests.data.fuzz.mutate import Mutation, apply
from tests.data.fuzz.watch import Watch
from tests.data.fuzz.worker import Verdict, Worker

# How many damaged copies of each seed are tried where that is asked for; 0: few.
LONG = int(os.environ.get("MOTORIUM_FUZZ_EXAMPLES", "0"))


class Bench:
    """A folder for one seed: its good copy, which no reader may open, and the damaged one."""

    def __init__(self, folder: Path, seed: Seed, worker: Worker) -> None:
        self.seed, self.worker = seed, worker
        built = folder / "built"
        built.mkdir(parents=True)
        self.box, self.outside = folder / "box", folder / "outside"
        self.good = seed.build(built)
        self.outside.mkdir()
        self.twin = _copy(self.good, self.outside / self.good.name)
        self.watch = Watch(self.outside)

    def read(self, changes: Sequence[Mutation]) -> tuple[Verdict, list[str]]:
        """Damage a fresh copy and have it read; return the verdict, and in words what was damaged."""
        shutil.rmtree(self.box, ignore_errors=True)
        self.box.mkdir()
        root = _copy(self.good, self.box / self.good.name)
        words = apply(root, changes, self.twin)
        if self.seed.finish is not None and root.exists():
            self.seed.finish(root)
        before = listing(self.box)
        self.watch.opened()
        verdict = self.worker.ask(root, self.seed.format, self.seed.kind, self.seed.resident)
        failed = list(verdict.failed)
        opened = self.watch.opened()
        if opened:
            failed.append(f"opened outside of the recording: {[str(p.relative_to(self.outside)) for p in opened]}")
        if changed := listing(self.box) ^ before:
            failed.append(f"the recording's folder was written to: {sorted(str(name) for name, *_ in changed)}")
        for place in (self.worker.cwd, self.worker.temporary):
            if left := sorted(path.name for path in place.iterdir()):
                failed.append(f"files were left in {place.name}: {left}")
                shutil.rmtree(place)
                place.mkdir()
        return replace(verdict, failed=failed), words

    def close(self) -> None:
        """Stop watching."""
        self.watch.close()


def told(seed: Seed, changes: Sequence[Mutation], words: Sequence[str], verdict: Verdict) -> str:
    """Return a failure in words: what was damaged, what came of it, and how to do it again."""
    again = f"python -m tests.data.fuzz '{seed.name}' \"{list(changes)}\""
    return "\n".join([seed.name, *(f"  {word}" for word in words), *verdict.failed, f"again: {again}"])


def _copy(source: Path, target: Path) -> Path:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    return target


def listing(folder: Path) -> set[tuple[Path, int, int]]:
    """Return name, size and time of change of everything below a folder; folders' own times change with entries."""
    found = set()
    for path in folder.rglob("*"):
        status = path.lstat()
        found.add((path.relative_to(folder), status.st_size, status.st_mtime_ns))
    return found
