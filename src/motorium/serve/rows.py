"""A batched policy shared by several connections: a row each, every call of the policy on one thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import ServeError
from motorium.core.protocols import Policy
from motorium.serve.requests import sample_dtype

log = logging.getLogger("motorium.serve")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One row's part in a call of the policy.

    Attributes:
        row: which.
        observation: {key: one sample}.
        seed: of a new episode that starts before this observation, or None.
    """

    row: int
    observation: Mapping[str, NDArray]
    seed: int | None = None


class PolicyRows:
    """Rows of a policy, lent to connections.

    Requests that arrive while the policy computes are answered together by its next call. What a row gets
    does not depend on that: rows of `act` are bitwise independent by the policy's contract.
    """

    def __init__(self, policy: Policy, size: int) -> None:
        self.policy = policy
        self._free = list(range(size))
        self._size = size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="motorium-policy")
        self._pending: list[tuple[Turn, asyncio.Future]] = []
        self._busy = False
        self._buffers = {
            key: np.zeros((size, *feature.shape), sample_dtype(feature))
            for key, feature in policy.info.observation.items()
        }

    @property
    def free(self) -> int:
        """Number of rows not lent."""
        return len(self._free)

    async def start(self) -> None:
        """Give the policy its batch size."""
        seeds = np.zeros(self._size, np.int64)
        await asyncio.get_running_loop().run_in_executor(self._thread, self.policy.reset, seeds)

    def acquire(self) -> int | None:
        """Lend a row; None when all are lent."""
        return self._free.pop(0) if self._free else None

    def release(self, row: int) -> None:
        """Take a row back."""
        self._free.append(row)

    async def act(self, turn: Turn) -> tuple[NDArray[np.float32], float]:
        """Return the row's chunk (H, A) float32, and the seconds the policy took.

        Raises:
            ServeError: when the policy fails or its actions are not finite; the log holds the details.
        """
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._pending.append((turn, answer))
        if not self._busy:
            self._compute(loop)
        return await answer

    def close(self) -> None:
        """Wait for the call under way and end the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _compute(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._pending = self._pending, []
        self._busy = True
        call = self._thread.submit(self._answers, [turn for turn, _ in batch])
        call.add_done_callback(lambda done: loop.call_soon_threadsafe(self._deliver, loop, batch, done))

    def _deliver(self, loop: asyncio.AbstractEventLoop, batch: Sequence, done: Future) -> None:
        for (_, answer), value in zip(batch, done.result()):
            if answer.done():
                continue
            if isinstance(value, ServeError):
                answer.set_exception(value)
            else:
                answer.set_result(value)
        self._busy = False
        if self._pending:
            self._compute(loop)

    def _answers(self, turns: Sequence[Turn]) -> list:
        """A (chunk, seconds) or a ServeError for each turn. Runs on the policy's thread; never raises."""
        start = time.perf_counter()
        try:
            chunks = self._call(turns)
        except Exception:
            if len(turns) > 1:
                # One row's failure must not reach the others: they are computed again, each alone.
                return [answer for turn in turns for answer in self._answers([turn])]
            log.exception("the policy failed in row %d", turns[0].row)
            return [ServeError("the policy failed on this observation", remedy="see the server's log")]
        seconds = time.perf_counter() - start
        return [self._checked(chunk, seconds) for chunk in chunks]

    def _call(self, turns: Sequence[Turn]) -> list[NDArray]:
        mask, fresh = np.zeros(self._size, bool), np.zeros(self._size, bool)
        seeds = np.zeros(self._size, np.int64)
        for turn in turns:
            mask[turn.row] = True
            if turn.seed is not None:
                fresh[turn.row], seeds[turn.row] = True, turn.seed
            for key, value in turn.observation.items():
                self._buffers[key][turn.row] = value
        if fresh.any():
            self.policy.reset(seeds, fresh)
        actions = np.asarray(self.policy.act(self._buffers, mask))
        expected = (self._size, self.policy.info.horizon, *self.policy.info.action.shape)
        if actions.shape != expected:
            raise ValueError(f"the policy returned actions {actions.shape}, expected {expected}")
        return [actions[turn.row].astype(np.float32) for turn in turns]

    def _checked(self, chunk: NDArray[np.float32], seconds: float):
        if np.isfinite(chunk).all():
            return chunk, seconds
        step, element = (int(i) for i in np.argwhere(~np.isfinite(chunk))[0][:2])
        log.error("the policy returned an action that is not finite: step %d, element %d", step, element)
        return ServeError(
            "the policy's actions are not finite",
            where=f"step {step} of the chunk, element {element}",
            remedy="do not move; see the server's log",
        )
