"""Processes: shards run in worker processes of this machine, each with one thread."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from motorium.core.errors import MotoriumError
from motorium.flow.codec import decode, encode
from motorium.flow.executors.base import ExecutorError, Task, cores, find_function
from motorium.flow.executors.worker import read_frame, write_frame

TRIES = 3
POLL_S = 0.2
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


class Died(Exception):
    """A worker process ended before it answered."""


class Worker:
    """One worker process; see `worker`."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "motorium.flow.executors.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
            # Ctrl-C is for the run, which ends its workers itself.
            start_new_session=True,
        )

    def call(self, request: bytes) -> bytes:
        """Send one shard and wait for the answer.

        Raises:
            Died: when the process ends instead.
        """
        try:
            write_frame(self._process.stdin, request)
            answer = read_frame(self._process.stdout)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            code = self._process.wait()
            raise Died(f"signal {-code}" if code < 0 else f"exit code {code}")
        return answer

    def kill(self) -> None:
        """Kill the process; whoever waits for its answer is told that it died."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and clear up after it; idempotent."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                stream.close()
            except OSError:
                continue  # what was buffered for a dead process


class Processes:
    """See `base.Executor`.

    Workers start with the first shard, live as long as the run, and are replaced when they die.

    Args:
        jobs: worker processes; None takes one a core.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.threads = jobs or cores()
        self._idle: list[Worker] = []
        self._batch: _Batch | None = None

    def run(self, task: Task, pending: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """See `base.Executor`.

        Raises:
            MotoriumError: the shard's own, with the shard's place added.
            ExecutorError: when a shard raised another error, or its worker died again and again.
        """
        if not pending:
            return
        if task.function.__module__ == "__main__":
            raise ExecutorError(
                "a worker process cannot import a function of the main script",
                got=task.target,
                remedy="move it into a module, or use `--on inline`",
            )
        batch = self._batch = _Batch(task, pending, self._idle)
        threads = [threading.Thread(target=batch.serve, daemon=True) for _ in range(min(self.threads, len(pending)))]
        for thread in threads:
            thread.start()
        left = len(pending)
        try:
            while left:
                index, answer = batch.next_answer()
                if isinstance(answer, BaseException):
                    raise answer
                left -= 1
                yield index, answer
        finally:
            if left:
                batch.abandon()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """See `base.Executor`."""
        # A stage that failed beside its `map` leaves it half consumed, and its workers busy.
        if self._batch is not None:
            self._batch.abandon()
        while self._idle:
            self._idle.pop().end()


class _Batch:
    """The shards of one call, shared by one thread a worker."""

    def __init__(self, task: Task, pending: Sequence[int], idle: list[Worker]) -> None:
        self._task = task
        self._todo = deque(pending)
        self._idle = idle
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        # Bounded: a slow consumer must not gather every result in memory.
        self._answers: queue.Queue = queue.Queue(maxsize=4)

    def next_answer(self) -> tuple[int, bytes | BaseException]:
        """Wait for a result or an error, open to Ctrl-C."""
        while True:
            try:
                return self._answers.get(timeout=POLL_S)
            except queue.Empty:
                continue

    def abandon(self) -> None:
        """Let the threads end early: nothing new starts, and what still computes is killed."""
        self._stopped.set()
        with self._lock:
            for worker in self._busy:
                worker.kill()

    def serve(self) -> None:
        """Work off shards on one worker."""
        worker = None
        try:
            while not self._stopped.is_set():
                with self._lock:
                    if not self._todo:
                        break
                    index = self._todo.popleft()
                worker, answer = self._compute(worker, index)
                self._put(index, answer)
        finally:
            with self._lock:
                if worker is not None:
                    self._busy.discard(worker)
                    if self._stopped.is_set():
                        worker.end()
                    else:
                        self._idle.append(worker)

    def _put(self, index: int, answer: bytes | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._answers.put((index, answer), timeout=POLL_S)
                return
            except queue.Full:
                continue

    def _compute(self, worker: Worker | None, index: int) -> tuple[Worker | None, bytes | BaseException]:
        reason = ""
        try:
            request = encode({"function": self._task.target, "shard": dict(self._task.shards[index])})
            for _ in range(TRIES):
                worker = worker or self._take()
                try:
                    answer = worker.call(request)
                    return worker, answer[1:] if answer[:1] == b"+" else _rebuild(decode(answer[1:]), self._task, index)
                except Died as death:
                    reason = str(death)
                    with self._lock:
                        self._busy.discard(worker)
                    worker.end()
                    worker = None
                    if self._stopped.is_set():
                        break
        except Exception as error:  # an error of ours must reach the run, not end a thread in silence
            return worker, error
        return None, ExecutorError(
            f"the worker process died {TRIES} times on the same shard",
            where=self._task.place(index),
            got=reason,
            expected="a result",
            remedy="a shard that needs too much memory is killed by the system: use fewer --jobs, or smaller shards",
        )

    def _take(self) -> Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else Worker()
            self._busy.add(worker)
            return worker


def _rebuild(error: dict, task: Task, index: int) -> MotoriumError:
    """Return the error a shard raised, with the shard's place, and the worker's traceback as a note."""
    place = task.place(index)
    try:
        kind = find_function(error["type"])
    except (ImportError, AttributeError):
        kind = None
    if error["details"] is not None and isinstance(kind, type) and issubclass(kind, MotoriumError):
        details = dict(error["details"])
        details["where"] = f"{details['where']}; {place}" if details.get("where") else place
        rebuilt = kind(error["what"], **details)
    else:
        rebuilt = ExecutorError(
            "a shard failed", where=place, got=error["what"], remedy="the run's log has its traceback"
        )
    rebuilt.add_note(error["trace"])
    return rebuilt
