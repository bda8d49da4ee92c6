"""The processes of a run on several machines: what TF_CONFIG says of them, and that they are there.

Knows no TensorFlow, because all of this has to be settled before TensorFlow starts its server.
"""

import contextlib
import dataclasses
import json
import re
import socket
import time

from tfcyclegan.errors import ExitCode, UserError

JOBS = ("chief", "worker")
"""Jobs that train, in the order in which TensorFlow counts them; the first process is the chief."""

ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
"""host:port; colons are part of an IPv6 address, which stands in brackets (RFC 3986, 3.2.2)."""

PORTS = range(1, 1 << 16)
RETRY_S = 0.2
EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What TF_CONFIG says.

    Args:
        addresses: host:port of each process, the chief's first; [host]:port for IPv6.
        index: Position of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    def host_and_port(self, index: int) -> tuple[str, int]:
        """Returns where process `index` listens, an IPv6 address without its brackets."""
        parts = ADDRESS.fullmatch(self.addresses[index])
        return parts["ipv6"] or parts["host"], int(parts["port"])


def read_cluster(text: str | None) -> Cluster:
    """Returns the cluster that the environment variable TF_CONFIG describes.

    Args:
        text: Its value; None or empty where it is not set.

    Raises:
        UserError: It is not set, is no JSON, or does not say which processes train and which of
            them this is.
    """
    if not text:
        raise _wrong("it is not set")
    try:
        described = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong(f"it is not JSON ({error})") from error
    jobs = _part(described, "cluster")
    task = _part(described, "task")
    if not all(isinstance(hosts, list) for hosts in jobs.values()):
        raise _wrong("its cluster does not give each job a list of addresses")
    # Schedulers list jobs that have no process too.
    if unknown := sorted(job for job, hosts in jobs.items() if hosts and job not in JOBS):
        raise _wrong(f'its cluster has the job "{unknown[0]}", and only {" and ".join(JOBS)} train')
    if len(jobs.get("chief", [])) > 1:
        raise _wrong("its cluster has more than one chief")
    kind, index = task.get("type"), str(task.get("index"))
    if kind not in JOBS or not index.isdecimal() or int(index) >= len(jobs.get(kind, [])):
        sizes = ", ".join(f"{len(hosts)} of {job}" for job, hosts in jobs.items()) or "none"
        raise _wrong(f"its task is {kind} {index}, and its cluster has {sizes}, counted from 0")
    addresses = [address for job in JOBS for address in jobs.get(job, [])]
    for address in addresses:
        if not _is_address(str(address)):
            raise _wrong(f'its address "{address}" is not host:port, or [host]:port for IPv6')
    if len(set(addresses)) < len(addresses):
        raise _wrong("its cluster names one address for two processes")
    before = len(jobs.get("chief", [])) if kind == "worker" else 0
    return Cluster(tuple(addresses), before + int(index))


def _is_address(text: str) -> bool:
    parts = ADDRESS.fullmatch(text)
    if not parts or int(parts["port"]) not in PORTS:
        return False
    try:
        (parts["host"] or "").encode("idna")  # as the socket library will
    except UnicodeError:
        return False
    return True


def _part(described, name: str) -> dict:
    part = described.get(name) if isinstance(described, dict) else None
    if not isinstance(part, dict):
        raise _wrong(f'it has no "{name}"')
    return part


def _wrong(reason: str) -> UserError:
    return UserError(
        "--strategy=multi_worker reads the processes of the run from the environment variable"
        f" TF_CONFIG, but {reason}. Set it for each process to something like {EXAMPLE}; see"
        " docs/distributed.md."
    )


def wait_for_workers(cluster: Cluster, timeout_s: float) -> None:
    """Returns when every other process of the cluster listens at its address.

    TensorFlow itself would wait for a missing process without a word. Until all have been reached,
    this process listens at its own address, so that the others, who wait in the same way, find it;
    then TensorFlow's server takes the port over, and those who are late find that one.

    Args:
        cluster: The processes.
        timeout_s: Seconds to wait, all in all.

    Raises:
        UserError: A process did not come in time, or this process' port is taken.
    """
    port = cluster.host_and_port(cluster.index)[1]
    deadline = time.monotonic() + timeout_s
    try:
        listener = _listen(port, backlog=len(cluster.addresses))
    except OSError as error:
        raise UserError(
            f"TF_CONFIG gives port {port} to this process, which cannot listen there:"
            f" {error.strerror}. End the process that holds it, or choose another port.",
            ExitCode.LOST_WORKER,
        ) from error
    with listener:
        for index, address in enumerate(cluster.addresses):
            if index == cluster.index:
                continue
            if failure := _unreachable(cluster.host_and_port(index), deadline):
                raise UserError(
                    f"Process {index} of TF_CONFIG, {address}, did not answer process"
                    f" {cluster.index} within {timeout_s:g} s ({failure}). Start every process with"
                    " the same command, check that the address is right and that no firewall is"
                    " between.",
                    ExitCode.LOST_WORKER,
                )


def _listen(port: int, backlog: int) -> socket.socket:
    """Returns a socket that listens for IPv6 and IPv4, as TensorFlow's server does."""
    if socket.has_dualstack_ipv6():
        # Where a machine has IPv6 but was told not to use it, IPv4 is all there is.
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog
            )
    return socket.create_server(("", port), backlog=backlog)


def _unreachable(place: tuple[str, int], deadline: float) -> str:
    """Returns why nothing answers at (host, port) up to the deadline, or nothing if it does."""
    failure = "no time was left"
    while (left := deadline - time.monotonic()) > 0:
        try:
            socket.create_connection(place, timeout=left).close()
        except OSError as error:  # not there yet, or its name is not known yet
            failure = error.strerror or "timed out"
            time.sleep(min(RETRY_S, max(0.0, deadline - time.monotonic())))
        else:
            return ""
    return failure
