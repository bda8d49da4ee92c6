"""Commands in processes that are forked from one that has imported TensorFlow.

A start of TensorFlow and Keras costs seconds of the processor, and a command does the same after
it. `test_end_to_end` starts every command as a user does.
"""

import multiprocessing
import os
import pathlib
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from unittest import mock

DEADLINE_S = 900
"""A process that takes longer hangs, however busy the machine is."""

_FORK = multiprocessing.get_context("forkserver")
# Not the one server of multiprocessing, which a conversion's workers need without TensorFlow.
_SERVER = forkserver.ForkServer()
# A module of the repository's root, where tests run: the server finds no others of tests.
_SERVER.set_forkserver_preload(["tests.support.preloaded"])


class Forked:
    """A running command, with what tests use of subprocess.Popen.

    Args:
        arguments: What would follow `python`: "-m" and a module, "-c" and a program, or a file;
            then the arguments of the command.
        environment: Variables on top of this process'.
        first: Called in the process before anything else; a function of a module.
    """

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        first: Callable[[], None] | None = None,
    ):
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115, it lives as long as this
        start = (arguments, self._log.name, environment or {}, first)
        self._process = _FORK.Process(target=_run, args=start, daemon=True)
        connect = _SERVER.connect_to_new_process
        with mock.patch.object(forkserver, "connect_to_new_process", connect):
            self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout_s: float = DEADLINE_S) -> int:
        """Exit code, negative for a signal."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"no end after {timeout_s:.0f} s: {self.printed()}")
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def printed(self) -> str:
        """Output and errors so far."""
        return pathlib.Path(self._log.name).read_text()


def wait_for(process: Forked, ready: Callable[[], bool]) -> bool:
    """Returns whether `ready()` came true before the process ended; it may not take for ever."""
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None:
        if ready():
            return True
        assert time.monotonic() < deadline, process.printed()
        time.sleep(0.01)
    return False


def finished(*arguments: str, **settings) -> tuple[int, str]:
    """Exit code of a command, when it has ended, and what it printed."""
    process = Forked(*arguments, **settings)
    return process.wait(), process.printed()


def _run(arguments: tuple[str, ...], log: str, environment: dict, first) -> None:
    if first is not None:
        first()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.update(environment)
    run_as_main(arguments)


def run_as_main(arguments: Sequence[str]) -> None:
    """Runs in this process what would follow `python`."""
    kind, *rest = arguments
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "-c", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, os.path.dirname(kind))
        runpy.run_path(kind, run_name="__main__")
