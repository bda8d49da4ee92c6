"""Worker processes that may die: each has a pipe, a time limit, and a replacement.

A damaged compressed frame can end the process that decodes it, and a process pool then fails every
pending task. Here a dead or late worker costs only the task it had, which ends as a `Fault`. A task
has many objects, but the time limit is for one, so a task reports each object that it begins.
"""

import collections
import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault

TIMEOUT_S = 60.0
"""Longest time for one object."""
MEMORY_MB = 2048
"""Address space of a worker, in MiB."""
AHEAD = 3
"""Tasks per worker that may be finished before their turn, which bounds memory."""

_ENVIRONMENT = {
    # Numerics of the workers must not start threads of their own on cores that are all in use.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # The C library gives the memory of every file and slice back and asks for it again, and the
    # kernel then clears it page by page: a fifth of the time. Up to 32 MiB it is to be kept.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
_FOREVER = 3600.0
_OFTEN_S = 0.02
"""A worker reports at most this often that it begins an object; each report wakes the parent."""
_BEGINS = "begins"
"""Sent by a worker instead of a result."""

_to_parent: list = []
"""This process's end of the pipe, if it is a worker."""
_said = [0.0]
"""When this worker last said that it begins an object."""


def begin_object() -> None:
    """Starts the time limit anew; a task calls it for each object, in a worker or elsewhere."""
    now = time.monotonic()
    if now - _said[0] > _OFTEN_S:
        _said[0] = now
        for connection in _to_parent:
            connection.send(_BEGINS)


def ahead(items: Iterator, count: int) -> Iterator:
    """Yields items that a thread takes from an iterator meanwhile, at most `count` in advance.

    So the tasks of `Workers.map` go on while their results are written. Without the thread a worker
    would stand still until somebody receives its result.
    """
    end = object()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        futures = collections.deque(pool.submit(next, items, end) for _ in range(count))
        while (item := futures.popleft().result()) is not end:
            futures.append(pool.submit(next, items, end))
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Workers:
    """A set of restartable worker processes; a context manager.

    Args:
        count: Processes; 0 means one per available core.
        timeout_s: Longest time for one object.
        preload: Modules that every worker is to have imported before it starts.
        memory_mb: Address space of a worker, in MiB.
        thrifty: Whether memory is given back to the system after each task, which costs the next
            one time.
    """

    def __init__(
        self,
        count: int,
        timeout_s: float = TIMEOUT_S,
        preload: Iterable[str] = (),
        memory_mb: int = MEMORY_MB,
        thrifty: bool = False,
    ):
        self._count = count or len(os.sched_getaffinity(0))
        self._timeout_s = timeout_s
        self._start = (memory_mb, thrifty)
        # Not "fork", since this process may hold TensorFlow, and not "spawn", which starts slowly.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._workers: list[_Worker] = []
        self._ended = False
        # A thread of `ahead` may use or replace a worker while an interrupted conversion ends them
        # all. Who reads from a pipe that another thread closes may read from the next file or pipe
        # that gets its number.
        self._lives = threading.RLock()

    def __enter__(self) -> "Workers":
        self._workers = [_Worker(self._context, *self._start) for _ in range(self._count)]
        return self

    def __exit__(self, *exception) -> None:
        with self._lives:
            self._ended = True
            for worker in self._workers:
                worker.end()
            self._workers = []

    def one_more(self) -> "Workers":
        """Returns a set of one worker, for tasks that must run while `map` is under way."""
        memory_mb, thrifty = self._start
        return Workers(1, self._timeout_s, memory_mb=memory_mb, thrifty=thrifty)

    def map(self, function: Callable, tasks: Iterable[tuple]) -> Iterator:
        """Yields `function(*task)` for each task, in the order of the tasks.

        Args:
            function: Of a module, so that it can be sent to another process.
            tasks: Argument tuples.

        Yields:
            What `hygiene.isolated` returns in the worker; or a `Fault` with reason decoder_crash or
            timeout where the worker died or was late.
        """
        waiting = collections.deque(enumerate(tasks))
        finished: dict[int, object] = {}
        due = 0
        while waiting or finished or any(worker.task is not None for worker in self._workers):
            if self._ended:
                return  # and nobody takes what a thread still asks for
            for worker in self._workers:
                near = waiting and waiting[0][0] < due + AHEAD * self._count
                if worker.task is None and near:
                    number, task = waiting.popleft()
                    with self._lives:
                        if not self._ended:
                            worker.start(number, function, task)
            for number, result in self._collect():
                finished[number] = result
            while due in finished:
                yield finished.pop(due)
                due += 1

    def _collect(self) -> Iterator[tuple[int, object]]:
        busy = [worker for worker in self._workers if worker.task is not None]
        if not busy:
            return
        now = time.monotonic()
        wait_s = max(0.0, min(worker.started + self._timeout_s - now for worker in busy))
        ready = multiprocessing.connection.wait([w.connection for w in busy], wait_s)
        for worker in busy:
            if worker.connection in ready:
                # A replaced worker has no task, so the number is taken first.
                number, result = worker.task, self._receive(worker)
                if result is _BEGINS:
                    worker.started = time.monotonic()
                    continue
                yield number, result
            elif time.monotonic() - worker.started >= self._timeout_s:
                yield worker.task, Fault("timeout")
                self._replace(worker)
            else:
                continue
            worker.task = None

    def _receive(self, worker: "_Worker"):
        try:
            with self._lives:
                result = worker.connection.recv()
            return _BEGINS if isinstance(result, str) and result == _BEGINS else result
        except (EOFError, OSError):
            self._replace(worker)
            return Fault("decoder_crash")

    def _replace(self, worker: "_Worker") -> None:
        with self._lives:
            if not self._ended:
                worker.kill()
                worker.__init__(self._context, *self._start)


class _Worker:
    """One process and the parent's end of its pipe; `task` is the number it works on, or None."""

    def __init__(self, context, *start):
        self.connection, worker_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(worker_end, *start), daemon=True)
        self.process.start()
        worker_end.close()
        self.task: int | None = None
        self.started = _FOREVER

    def start(self, number: int, function: Callable, task: tuple) -> None:
        self.task, self.started = number, time.monotonic()
        try:
            self.connection.send((function, task))
        except OSError:
            # It died between two tasks; receiving finds that out.
            self.started = time.monotonic()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def end(self) -> None:
        if self.task is not None:
            self.kill()
            return
        try:
            self.connection.send(None)
        except OSError:
            self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection, memory_mb: int, thrifty: bool) -> None:
    """The worker's loop: no core files, no output, no interrupts of its own."""
    hygiene.forbid_core_dumps()
    hygiene.close_streams()
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _to_parent.append(connection)
    while (message := connection.recv()) is not None:
        function, arguments = message
        connection.send(hygiene.isolated(function, *arguments))
        if thrifty:
            _give_back_memory()


def _give_back_memory() -> None:
    """Lets the C library return what is free in the middle of its heap; others need no asking."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
