"""Starts the workers of a run as processes on loopback, and ends them whatever happens."""

import contextlib
import json
import socket
import time
from collections.abc import Callable

from forked import DEADLINE_S, Forked


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on; held together for a moment, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def tf_config(ports: list[int], index: int) -> str:
    """TF_CONFIG of one worker on loopback."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    return json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )


def has_ipv6() -> bool:
    """Whether this machine has IPv6 and uses it, for loopback at least."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return socket.has_dualstack_ipv6()
    return False


def schedulers_tf_config(ports: list[int], index: int) -> str:
    """TF_CONFIG of a chief and a worker with what schedulers write beside them."""
    host = "[::1]" if has_ipv6() else "localhost"
    chief, worker = (f"{host}:{port}" for port in ports)
    cluster = {"ps": [], "chief": [chief], "worker": [worker], "evaluator": []}
    task = {"type": ("chief", "worker")[index], "index": "0", "trial": "1"}
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud", "job": "{}"})


class Processes:
    """Processes of one run; those that are left at the end of a `with` are killed."""

    def __init__(self, processes: list[Forked]):
        self.processes = processes

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *error) -> None:
        for process in self.processes:
            process.kill()

    def wait(self) -> list[int]:
        """Exit codes, when all have ended."""
        deadline = time.monotonic() + DEADLINE_S
        return [process.wait(deadline - time.monotonic()) for process in self.processes]

    def outputs(self) -> list[str]:
        """What each has printed."""
        return [process.printed() for process in self.processes]

    def finish(self) -> list[str]:
        """What each has printed, when all have ended well."""
        codes, printed = self.wait(), self.outputs()
        assert not any(codes), "\n".join(printed)
        return printed


class Workers(Processes):
    """Processes that are the workers of one cluster.

    Args:
        commands: The arguments of each, as of `Forked`.
        described: From ports and the index of a process to its TF_CONFIG.
    """

    def __init__(self, *commands: tuple[str, ...], described: Callable = tf_config):
        ports = free_ports(len(commands))
        super().__init__(
            [
                Forked(*command, environment={"TF_CONFIG": described(ports, index)})
                for index, command in enumerate(commands)
            ]
        )
