"""The processes of a run on several machines: what TF_CONFIG says of them, and that they are there.

Knows no TensorFlow, because all of this has to be settled before TensorFlow starts its server.
"""

import dataclasses
import json
import re
import socket
import time

from tfcyclegan.errors import UserError

MISSING_WORKER = 10
"""Exit code where a worker did not come or was lost: starting all of them again continues."""

JOBS = ("chief", "worker")
"""Jobs that train, in the order in which TensorFlow counts them; the first process is the chief."""

ADDRESS = re.compile(r"(.+):([0-9]{1,5})")
RETRY_S = 0.2
EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What TF_CONFIG says.

    Args:
        addresses: host:port of each process, the chief's first.
        index: Position of this process among them.
    """

    addresses: tuple[str, ...]
    index: int


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
    if unknown := sorted(jobs.keys() - set(JOBS)):
        raise _wrong(f'its cluster has the job "{unknown[0]}", and only {" and ".join(JOBS)} train')
    if not all(isinstance(hosts, list) for hosts in jobs.values()):
        raise _wrong("its cluster does not give each job a list of addresses")
    if len(jobs.get("chief", [])) > 1:
        raise _wrong("its cluster has more than one chief")
    kind, index = task.get("type"), str(task.get("index"))
    if kind not in jobs or not index.isdecimal() or int(index) >= len(jobs[kind]):
        sizes = ", ".join(f"{len(hosts)} of {job}" for job, hosts in jobs.items()) or "none"
        raise _wrong(f"its task is {kind} {index}, and its cluster has {sizes}, counted from 0")
    addresses = [address for job in JOBS for address in jobs.get(job, [])]
    for address in addresses:
        if not ADDRESS.fullmatch(str(address)):
            raise _wrong(f'its address "{address}" is not host:port')
    before = len(jobs.get("chief", [])) if kind == "worker" else 0
    return Cluster(tuple(addresses), before + int(index))


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
    port = int(cluster.addresses[cluster.index].rpartition(":")[2])
    deadline = time.monotonic() + timeout_s
    try:
        listener = socket.create_server(("", port), backlog=len(cluster.addresses))
    except OSError as error:
        raise UserError(
            f"TF_CONFIG gives port {port} to this process, which cannot listen there:"
            f" {error.strerror}. End the process that holds it, or choose another port.",
            MISSING_WORKER,
        ) from error
    with listener:
        for index, address in enumerate(cluster.addresses):
            if index != cluster.index and not _answers(address, deadline):
                raise UserError(
                    f"Process {index} of TF_CONFIG, {address}, did not answer process"
                    f" {cluster.index} within {timeout_s:g} s. Start every process with the same"
                    " command, check that the address is right and that no firewall is between,"
                    " or wait longer with --cluster_timeout_s.",
                    MISSING_WORKER,
                )


def _answers(address: str, deadline: float) -> bool:
    host, _, port = address.rpartition(":")
    while (left := deadline - time.monotonic()) > 0:
        try:
            socket.create_connection((host, int(port)), timeout=left).close()
        except OSError:  # not there yet, or its name is not known yet
            time.sleep(min(RETRY_S, left))
        else:
            return True
    return False
