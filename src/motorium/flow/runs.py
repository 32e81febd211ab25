"""The folder of one run: recipe, status of every stage, log, metrics."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError, StoreError
from motorium.flow import files, processes
from motorium.flow.metrics import MetricsFile, compact
from motorium.flow.processes import Identity
from motorium.flow.recipe import Recipe
from motorium.flow.stage import Artifact

STATUS = "run.json"
# States a stage or a run can be in; `killed` is found out afterwards.
WAITING, RUNNING, CACHED, DONE, FAILED, INTERRUPTED, KILLED = (
    "waiting",
    "running",
    "cached",
    "done",
    "failed",
    "interrupted",
    "killed",
)


@dataclass(kw_only=True)
class Outcome:
    """How one entry of a recipe fared.

    Attributes:
        name, uses: of the entry, and of its stage.
        state: `waiting`, `running`, `cached`, `done`, `failed` or `interrupted`.
        artifact: what it made, or what was there already.
        seconds: wall time in this run.
        error: the first line of what went wrong.
    """

    name: str
    uses: str
    state: str = WAITING
    artifact: Artifact | None = None
    seconds: float = 0.0
    error: str | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return the outcome as JSON data."""
        artifact = self.artifact
        return {
            "uses": self.uses,
            "state": self.state,
            "artifact": None if artifact is None else {"kind": artifact.kind, "id": artifact.id},
            "summary": None if artifact is None else artifact.manifest["summary"],
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


def new_run_id(recipe: str) -> str:
    """Return a name for a run that tells when it started, and meets no other."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe}-{secrets.token_hex(3)}"


class RunFolder:
    """Writes `runs/<id>/`.

    Args:
        root: the store's `runs` folder.
        identity: of the run.
        recipe: with its settings applied.
        command: what the user asked for.
    """

    def __init__(self, root: Path, identity: str, recipe: Recipe, command: str) -> None:
        self.id = identity
        self.path = root / identity
        self._about = {
            "id": identity,
            "recipe": recipe.to_plain(),
            "command": command,
            "process": asdict(processes.current()),
            "started": time.time(),
        }
        self._metrics: list[Path] = []
        with files.disk_errors(self.path):
            self.path.mkdir(parents=True)

    def status(self, state: str, outcomes: Mapping[str, Outcome], exit_code: int | None = None) -> None:
        """Write the status file anew."""
        ended = None if state == RUNNING else time.time()
        status = {**self._about, "state": state, "ended": ended, "exit_code": exit_code}
        status["stages"] = {name: outcome.to_plain() for name, outcome in outcomes.items()}
        data = json.dumps(status, indent=1, ensure_ascii=False, default=str).encode()
        with files.disk_errors(self.path):
            files.write_atomic(self.path / STATUS, data, durable=False)

    def log(self, text: str) -> None:
        """Append lines to the log, with the time; a full disk does not stop the run here."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError), open(self.path / "log.txt", "a", encoding="utf-8") as log:
            log.write("".join(f"{stamp} {line}\n" for line in text.splitlines()))

    def metrics(self, name: str) -> MetricsFile:
        """Return the series of one stage."""
        path = self.path / "metrics" / f"{name}.jsonl"
        self._metrics.append(path)
        return MetricsFile(path)

    def compact(self) -> None:
        """Compact the series to Parquet; the lines stay where that fails."""
        for path in self._metrics:
            if path.exists():
                try:
                    compact(path)
                except (OSError, DataError, ImportError) as error:
                    self.log(f"metrics of {path.stem} stay as lines: {error}")


def read_run(folder: Path) -> dict[str, Any]:
    """Return the status of a run; its state is `killed` when its process is gone.

    Raises:
        StoreError: when there is no readable status.
    """
    try:
        status = json.loads((folder / STATUS).read_bytes())
        if status["state"] == RUNNING:
            # A run on another machine is judged by when its status last changed.
            heartbeat = (folder / STATUS).stat().st_mtime
            if not processes.alive(Identity(**status["process"]), heartbeat):
                status["state"] = KILLED
        return status
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError("a run has no readable status", where=folder, got=str(error)) from error


def read_runs(root: Path) -> list[dict[str, Any]]:
    """Return the status of every readable run, newest first."""
    runs = []
    for folder in root.iterdir() if root.is_dir() else []:
        with contextlib.suppress(StoreError):
            runs.append(read_run(folder))
    # Names sort by time to the second only, and two runs may start in one.
    return sorted(runs, key=lambda run: run["started"], reverse=True)
