"""Inline: shards run one after the other in this process, each with all threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from motorium.flow.codec import encode
from motorium.flow.executors.base import Task, cores


class Inline:
    """See `base.Executor`.

    Args:
        jobs: compute threads; None takes every core.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.threads = jobs or cores()

    def run(self, task: Task, pending: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """See `base.Executor`."""
        for index in pending:
            try:
                result = encode(task.function(**task.shards[index], threads=self.threads))
            except Exception as error:
                error.add_note(f"in {task.place(index)}")
                raise
            yield index, result

    def close(self) -> None:
        """Nothing to end."""
