"""Runner: executes a plan in a store; what is committed already is not computed again."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motorium.core.catalog import Catalog
from motorium.core.errors import MotoriumError, SpecError, StoreError, nearest
from motorium.core.spec import Spec
from motorium.flow import files, runs
from motorium.flow.bars import Console, duration
from motorium.flow.commands import stage_command
from motorium.flow.context import StageContext
from motorium.flow.derivation import Derivation, derive
from motorium.flow.digests import Sources
from motorium.flow.executors import EXECUTORS
from motorium.flow.executors.base import Executor
from motorium.flow.owner import Owner
from motorium.flow.pages import publish
from motorium.flow.plan import Step, make_plan, single, with_inputs
from motorium.flow.recipe import Recipe
from motorium.flow.runs import Outcome, RunFolder
from motorium.flow.stage import Artifact, Result, Stage
from motorium.flow.store import Draft, Store

OK, BAD_INPUT, STOPPED = 0, 2, 130


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run a recipe; nothing here changes what comes out.

    Attributes:
        executor: name in `EXECUTORS`.
        jobs: threads or worker processes; None takes every core.
        only: entries to make, with what they need; empty makes all.
        force: entries to make again even if they are cached.
        console: where bars and notes go; None is silent.
        command: what the user asked for, for the run's record.
    """

    executor: str = "inline"
    jobs: int | None = None
    only: Sequence[str] = ()
    force: Sequence[str] = ()
    console: Console | None = None
    command: str = ""


@dataclass(kw_only=True)
class Run:
    """What became of a run.

    Attributes:
        id, folder: name of the run, and its folder in the store.
        outcomes: by entry, in the order of execution.
        pages: published pages.
    """

    id: str
    folder: Path
    outcomes: dict[str, Outcome]
    pages: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or the highest `exit_code` among the artifacts' metrics (a verdict that failed)."""
        made = [outcome.artifact for outcome in self.outcomes.values() if outcome.artifact is not None]
        return max([int(artifact.manifest["metrics"].get("exit_code") or OK) for artifact in made], default=OK)

    def artifact(self, name: str) -> Artifact:
        """Return what the entry `name` made."""
        artifact = self.outcomes[name].artifact
        if artifact is None:
            raise SpecError(f"'{name}' made nothing in this run", where=self.id, got=self.outcomes[name].state)
        return artifact


def run_recipe(
    recipe: Recipe,
    stages: Catalog | Mapping[str, Stage],
    store: Store,
    options: RunOptions | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Run a recipe to its end.

    Args:
        recipe: `Recipe.read(path)`, or made in Python.
        stages: where the names in `uses` are looked up.
        settings: {`variable` or `stage.field`: value}.

    Raises:
        SpecError, StoreError: before anything runs, when something does not fit.
        Exception: what a stage raised; what was committed before it stays.
    """
    return Runner(recipe, stages, store, options, settings=settings).execute()


def run_stage(
    stage: Stage,
    spec: Spec | Mapping[str, Any],
    inputs: Mapping[str, Any],
    store: Store,
    options: RunOptions | None = None,
    *,
    seed: int = 0,
) -> Artifact:
    """Run one stage, or take its result from the store.

    Args:
        inputs: port to an Artifact, a path, a ref, or a mapping of these for a `many` port.
        seed: root seed, as a recipe's.

    Raises:
        as `run_recipe`.
    """
    spec = spec if isinstance(spec, Spec) else stage.spec.parse(spec, where=stage.name)
    recipe, table = single(stage, spec, inputs, seed)
    return run_recipe(recipe, table, store, options).artifact(stage.name)


class Runner:
    """One run of a recipe; `run` tells how far it came, also after an error.

    Args: see `run_recipe`.
    """

    def __init__(
        self,
        recipe: Recipe,
        stages: Catalog | Mapping[str, Stage],
        store: Store,
        options: RunOptions | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = options or RunOptions()
        self._store = store
        self._console = self._options.console or Console(quiet=True)
        self._recipe = recipe.resolve(settings)
        self._steps = make_plan(self._recipe, stages, store, only=self._options.only)
        self._force = set(self._options.force)
        names = [step.name for step in self._steps]
        for name in self._force:
            if name not in names:
                raise SpecError(
                    f"there is no stage '{name}' to force",
                    where="--force",
                    expected=f"one of: {', '.join(names)}",
                    nearest=nearest(name, names),
                )
        EXECUTORS.target(self._options.executor)  # an unknown one is an error before anything runs
        self._sources = Sources()
        self._made: dict[str, Artifact] = {}
        self._folder = RunFolder(store.root / "runs", runs.new_run_id(recipe.name), self._recipe, self._options.command)
        outcomes = {step.name: Outcome(name=step.name, uses=self._uses(step)) for step in self._steps}
        self.run = Run(id=self._folder.id, folder=self._folder.path, outcomes=outcomes)

    def execute(self) -> Run:
        """Run every step; see `run_recipe`."""
        self._status(runs.RUNNING)
        state, code = runs.FAILED, BAD_INPUT
        try:
            with Owner(self._store, self.run.id) as owner:
                self._take_cached(owner)
                executor = None
                try:
                    for step in self._steps:
                        if step.name not in self._made:
                            executor = executor or self._make_executor()
                            self._step(step, owner, executor)
                finally:
                    if executor is not None:
                        executor.close()
                self.run.pages = publish(self._store, self._recipe.name, self._pages(), self._options.command)
            state, code = runs.DONE, self.run.exit_code
            return self.run
        except KeyboardInterrupt:
            state, code = runs.INTERRUPTED, STOPPED
            raise
        except Exception:
            self._folder.log(traceback.format_exc())
            raise
        finally:
            self._folder.compact()
            with contextlib.suppress(MotoriumError):
                self._status(state, code)

    # -- what is there already ------------------------------------------------------------------------------

    def _take_cached(self, owner: Owner) -> None:
        """Take what is committed, as far as it goes without computing, in one write to the index."""
        while True:
            found: dict[str, Artifact] = {}
            for step in self._steps:
                inputs = with_inputs(step, {**self._made, **found})
                if inputs is not None and step.name not in self._force:
                    with _naming(step):
                        artifact = self._store.find(self._derive(step, inputs).key)
                    if artifact is not None:
                        found[step.name] = artifact
            if not found or not owner.pin(found.values()):
                break  # else one of them was collected in between: look again
        for step in self._steps:
            if step.name in found:
                self._cached(step, found[step.name], 0.0)

    def _cached(self, step: Step, artifact: Artifact, seconds: float) -> None:
        with _naming(step):
            self._store.check(artifact)
        self._made[step.name] = artifact
        self._outcome(step, runs.CACHED, artifact, seconds)

    # -- one step -------------------------------------------------------------------------------------------

    def _step(self, step: Step, owner: Owner, executor: Executor) -> None:
        inputs = with_inputs(step, self._made)
        derivation = self._derive(step, inputs)
        start = time.monotonic()
        waiting = lambda text: self._console.line(f"{step.name}: {text}")  # noqa: E731
        there = owner.acquire(derivation.key, cached=step.name not in self._force, waiting=waiting)
        if there is not None:
            self._cached(step, there, time.monotonic() - start)
            return
        self._outcome(step, runs.RUNNING)
        self._status(runs.RUNNING)
        self._folder.log(f"{step.name}: {derivation.key}")
        self._console.line(f"{step.name} ...")
        try:
            artifact = self._compute(step, inputs, derivation, owner, executor)
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            self._outcome(step, runs.INTERRUPTED if stopped else runs.FAILED, None, time.monotonic() - start, error)
            with contextlib.suppress(Exception):
                owner.release(derivation.key)
            raise
        self._made[step.name] = artifact
        self._outcome(step, runs.DONE, artifact, time.monotonic() - start)
        self._status(runs.RUNNING)
        self._console.line(f"{step.name}: {artifact.manifest['summary']} ({duration(time.monotonic() - start)})")

    def _compute(
        self, step: Step, inputs: Mapping[str, Any], derivation: Derivation, owner: Owner, executor: Executor
    ) -> Artifact:
        command = stage_command(self._uses(step), step.stage, step.spec, derivation)
        metrics = self._folder.metrics(step.name)
        output = self._store.staging(owner.name, step.name)
        start = time.monotonic()
        try:
            context = StageContext(
                name=step.name,
                output=output,
                scratch=self._store.scratch(derivation.key),
                seed=derivation.seed,
                metrics=metrics,
                command=command,
                executor=executor,
                console=self._console,
                log=self._folder.log,
            )
            with files.full_disk_errors(self._store.root):
                result = step.stage.run(step.spec, inputs, context)
                metrics.close()
            if not isinstance(result, Result):
                raise SpecError(f"stage '{step.stage.name}' did not return a Result", got=type(result).__name__)
            changed = self._sources.changed(derivation.sources)
            if changed:
                context.note(
                    f"the source of {', '.join(changed)} changed while this ran; the result counts as made by the "
                    f"source at the start of the run (to be sure: --force {step.name})"
                )
            about = {
                "command": command,
                "recipe": self._recipe.name,
                "entry": step.name,
                "run": self.run.id,
                "duration_s": round(time.monotonic() - start, 3),
            }
            draft = Draft(folder=output, derivation=derivation, result=result, about=about)
            return self._store.commit(draft, owner.name)
        finally:
            with contextlib.suppress(OSError):
                metrics.close()
            files.remove_tree(output)
            self._store.tidy_scratch(derivation.key)

    # -- small things ---------------------------------------------------------------------------------------

    def _derive(self, step: Step, inputs: Mapping[str, Any]) -> Derivation:
        return derive(step.stage, step.spec, inputs, step.root_seed, self._sources)

    def _make_executor(self) -> Executor:
        return EXECUTORS.load(self._options.executor)(self._options.jobs)

    def _uses(self, step: Step) -> str:
        return self._recipe.stages[step.name].uses

    def _pages(self) -> dict[str, tuple[Artifact, dict[str, Artifact]]]:
        """Return {entry: (page, all artifacts of this run)} of the entries that make a page."""
        return {name: (artifact, dict(self._made)) for name, artifact in self._made.items() if artifact.kind == "page"}

    def _outcome(
        self,
        step: Step,
        state: str,
        artifact: Artifact | None = None,
        seconds: float = 0.0,
        error: BaseException | None = None,
    ) -> None:
        outcome = self.run.outcomes[step.name]
        outcome.state, outcome.artifact, outcome.seconds = state, artifact, seconds
        if state == runs.FAILED:
            outcome.error = (str(error) or type(error).__name__).splitlines()[0]

    def _status(self, state: str, code: int | None = None) -> None:
        self._folder.status(state, self.run.outcomes, code)


@contextlib.contextmanager
def _naming(step: Step) -> Iterator[None]:
    """Let the error of a corrupt artifact name the entry that makes it again."""
    try:
        yield
    except StoreError as error:
        if error.details["remedy"] is not None and "--force" in error.details["remedy"]:
            error.details["remedy"] = f"make it again: the same command with --force {step.name}"
        raise
