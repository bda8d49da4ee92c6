"""Workers that die, hang or raise cost their own task and nothing else."""

import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from tfcyclegan.ingest.workers import Workers, _Worker, ahead, begin_object
from tfcyclegan.privacy.hygiene import Fault


def act(what):
    if what == "die":
        os.kill(os.getpid(), signal.SIGABRT)
    if what == "hang":
        time.sleep(60)
    if what == "raise":
        raise ValueError("DOE^JOHN")
    if what == "shout":
        os.write(2, b"DOE^JOHN")
        print("DOE^JOHN")
        print("DOE^JOHN", file=sys.stderr)
    if what == "hoard":
        return len(bytearray(64 << 30))
    if what == "many objects":
        for _ in range(8):
            begin_object()
            time.sleep(0.4)
    if what == "tensorflow":
        return "tensorflow" in sys.modules
    return what


def results(*tasks, count=2, timeout_s=20.0):
    with Workers(count, timeout_s) as workers:
        return list(workers.map(act, [(task,) for task in tasks]))


def test_results_come_in_the_order_of_the_tasks():
    assert results(*range(40)) == list(range(40))


def test_a_dead_worker_is_replaced():
    found = results(1, "die", 2, "die", "die", 3, 4, 5)
    crash = Fault("decoder_crash")
    assert found == [1, crash, 2, crash, crash, 3, 4, 5]


def test_a_late_worker_is_replaced():
    start = time.monotonic()
    assert results("hang", 1, 2, timeout_s=1.0, count=1) == [Fault("timeout"), 1, 2]
    assert time.monotonic() - start < 15


def test_the_time_limit_is_that_of_one_object():
    assert results("many objects", "hang", 1, timeout_s=2.0) == [
        "many objects",
        Fault("timeout"),
        1,
    ]


def test_an_exception_leaves_its_class_only():
    (found,) = results("raise", count=1)
    assert (found.reason, found.error) == ("internal", "ValueError")


def test_memory_is_limited():
    assert results("hoard", 1, count=1)[0].reason == "memory"


def test_nothing_of_a_worker_reaches_the_terminal(capfd):
    results("shout", "die", "raise")
    captured = capfd.readouterr()
    assert "DOE" not in captured.out + captured.err


def test_workers_never_load_tensorflow():
    modules = ("tfcyclegan.ingest.scan", "tfcyclegan.ingest.convert_volume")
    with Workers(1, preload=modules) as workers:
        assert list(workers.map(act, [("tensorflow",)])) == [False]


@pytest.mark.parametrize("count", [1, 3])
def test_a_set_can_be_used_twice_and_beside_another(count):
    with Workers(count) as workers:
        assert list(workers.map(act, [(1,), (2,)])) == [1, 2]
        stream = workers.map(act, [(n,) for n in range(6)])
        assert next(stream) == 0
        with workers.one_more() as other:
            assert list(other.map(act, [("a",)])) == ["a"]
        assert list(stream) == [1, 2, 3, 4, 5]


def test_ahead_keeps_the_order_takes_a_few_in_advance_and_raises_where_it_is_read():
    taken = []

    def items():
        for number in range(9):
            taken.append(number)
            yield number
        raise ValueError("at the end")

    stream = ahead(items(), 2)
    assert next(stream) == 0
    time.sleep(0.2)
    assert len(taken) <= 4  # one given out, two in advance, one on its way
    found = [0]
    with pytest.raises(ValueError, match="at the end"):
        found.extend(stream)
    assert found == taken == list(range(9))


def test_ahead_leaves_no_thread_behind_when_the_workers_end():
    before = threading.active_count()
    with Workers(1) as pool:
        stream = ahead(pool.map(time.sleep, [(0.05,)] * 100), 2)
        assert next(stream) is None
    stream.close()
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() == before


def test_an_interrupt_ends_workers_that_a_thread_would_replace(monkeypatch):
    ended, closed = _Worker.kill, []

    def slowly(worker):
        """Kills at once, and leaves the other thread time to find the worker dead."""
        worker.process.kill()
        time.sleep(0.3)
        ended(worker)
        closed.append(worker)

    monkeypatch.setattr(_Worker, "kill", slowly)
    with pytest.raises(KeyboardInterrupt), Workers(1) as pool:
        for _ in ahead(pool.map(time.sleep, [(0,)] + [(5,)] * 12), 1):
            # Before glibc 2.41 a wake-up can be lost (its bug 25847): this thread then stands still
            # until the other has its result, and must look at the next task.
            seen = time.monotonic() + 2
            while pool._workers[0].task is None and time.monotonic() < seen:
                time.sleep(0.05)
            if pool._workers[0].task is not None:
                break
        time.sleep(0.3)  # for the thread to be waiting for the task's result
        raise KeyboardInterrupt
    time.sleep(0.5)
    assert len(closed) == 1


class SlowPipe:
    """The parent's end of a pipe through which a long message is coming."""

    def __init__(self):
        self.reading, self.arrived, self.closed = (threading.Event() for _ in range(3))

    def recv(self):
        self.reading.set()
        assert self.arrived.wait(10)
        assert not self.closed.is_set(), "its number may be another pipe's by now"
        return "result"

    def send(self, message) -> None:
        pass

    def close(self) -> None:
        self.closed.set()


def test_a_pipe_is_not_closed_while_a_thread_reads_from_it():
    """Its number would be the next pipe's, from which the thread then took the first bytes."""
    pool = Workers(1)
    pipe = SlowPipe()
    process = SimpleNamespace(join=lambda: None, kill=lambda: None)
    busy = SimpleNamespace(connection=pipe, task=0, started=0.0, process=process)
    busy.end = pipe.close
    pool._workers = [busy]
    received = []
    reader = threading.Thread(target=lambda: received.append(pool._receive(busy)))
    reader.start()
    assert pipe.reading.wait(10)
    closer = threading.Thread(target=pool.__exit__)
    closer.start()
    closer.join(0.2)
    assert closer.is_alive() and not pipe.closed.is_set()
    pipe.arrived.set()
    for thread in (reader, closer):
        thread.join(10)
    assert received == ["result"] and pipe.closed.is_set()
