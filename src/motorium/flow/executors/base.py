"""What an executor is: it runs a function on shards, somewhere, and gives each result back as bytes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from motorium.core.errors import MotoriumError, SpecError


class ExecutorError(MotoriumError):
    """A shard could not be run."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One `context.map`: a module-level function and the keyword arguments of each call.

    Attributes:
        function: the function.
        shards: arguments without `threads`, which the executor adds.
        label: for errors.
    """

    function: Callable[..., Any]
    shards: Sequence[Mapping[str, Any]]
    label: str

    @property
    def target(self) -> str:
        """The function as `module:name`."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def place(self, index: int) -> str:
        """Return the shard's name in errors."""
        return f"{self.label}, shard {index + 1} of {len(self.shards)} ({self.target})"


class Executor(Protocol):
    """How shards are run.

    Attributes:
        threads: compute threads of work that a stage does in this process.
    """

    threads: int

    def run(self, task: Task, pending: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Run the shards numbered `pending`; yield (number, `codec.encode` of the result) as they finish.

        The first shard that fails ends it with its error.
        """

    def close(self) -> None:
        """End the workers; idempotent."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_function(function: Callable[..., Any]) -> None:
    """Check that a worker could find `function` by its name.

    Raises:
        SpecError: for a lambda, a nested function, a method or an object.
    """
    name = getattr(function, "__qualname__", "")
    if not name or "." in name or "<" in name:
        raise SpecError(
            "context.map takes a function of a module",
            got=name or repr(function),
            expected="a function defined at the top of a module",
            remedy="move it to the top, and pass what it closes over in the shards",
        )


def find_function(target: str) -> Callable[..., Any]:
    """Return the function that `module:name` stands for."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
