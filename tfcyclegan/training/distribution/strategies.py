"""Where training runs: one device, mirrored over several of one machine, or on several machines."""

import contextlib
import os
import pathlib

import tensorflow as tf

from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.step.replicas import on_workers
from tfcyclegan.training.distribution.cluster import Cluster, read_cluster, wait_for_workers

CLUSTER_TIMEOUT_S = 1800.0
"""Pods and jobs may wait for a node."""
LOST_WORKER = (tf.errors.UnavailableError, tf.errors.AbortedError)
"""What a collective operation ends with when another worker is gone."""


def make_strategy(
    kind: str, cluster_timeout_s: float = CLUSTER_TIMEOUT_S
) -> tf.distribute.Strategy:
    """Returns the distribution strategy named by --strategy.

    Several workers have to be the first thing that a process does with TensorFlow.

    Args:
        kind: "single" (the default device), "mirrored" (all GPUs, or all logical CPUs where there
            is no GPU), "multi_worker" (the processes of TF_CONFIG; where it names this process
            alone, "mirrored"), or "auto" (multi_worker where TF_CONFIG is set, mirrored where there
            is more than one GPU).
        cluster_timeout_s: Seconds to wait for the other processes of TF_CONFIG.

    Raises:
        UserError: The name is not known, TF_CONFIG does not describe the processes, or one of them
            did not come.
    """
    if kind == "multi_worker" or (kind == "auto" and os.environ.get("TF_CONFIG")):
        cluster = read_cluster(os.environ.get("TF_CONFIG"))
        if len(cluster.addresses) > 1:
            wait_for_workers(cluster, cluster_timeout_s)
            return tf.distribute.MultiWorkerMirroredStrategy(resolver_of(cluster))
        # Nobody to wait for or to agree with: SIGTERM saves here, and so does the clock.
        kind = "mirrored"
    gpus = tf.config.list_logical_devices("GPU")
    if kind == "single" or (kind == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    if kind in ("auto", "mirrored"):
        if gpus:
            return tf.distribute.MirroredStrategy([device.name for device in gpus])
        devices = [device.name for device in tf.config.list_logical_devices("CPU")]
        # Replicas on one CPU share its memory. Collectives would only copy, and their keys, which
        # belong to the process, would make a second strategy of the process fail.
        return tf.distribute.MirroredStrategy(
            devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
    raise UserError(
        f"--strategy: expected auto, single, mirrored or multi_worker. Received: {kind}."
    )


def resolver_of(cluster: Cluster) -> tf.distribute.cluster_resolver.ClusterResolver:
    """Returns what tells TensorFlow of the processes and of this one's GPUs.

    TensorFlow's own reader of TF_CONFIG ends the process by a signal where a job has no process.
    """
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        # Physical ones: asking for logical ones would start TensorFlow before its server.
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def worker_index(strategy: tf.distribute.Strategy) -> int:
    """Returns the position of this process among the workers, 0 for the only process."""
    return strategy.cluster_resolver.task_id if on_workers(strategy) else 0


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tells whether this process writes the run: the first worker, or the only process."""
    return worker_index(strategy) == 0


@contextlib.contextmanager
def explained_loss():
    """Turns the loss of another worker into one sentence.

    TensorFlow aborts a collective operation within about ten seconds, when the worker's heartbeat
    is missing, or at once, when its connection is.

    Raises:
        UserError: Another worker was lost.
    """
    try:
        yield
    except LOST_WORKER as error:
        raise UserError(
            "Another worker of this run ended or cannot be reached any more; its own last line says"
            " why. Start every worker again with the same command: the run continues from its"
            " newest checkpoint.",
            ExitCode.LOST_WORKER,
        ) from error


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int, parts: int = 1) -> None:
    """Raises UserError unless the global batch divides evenly among the replicas, and in `parts`.

    An uneven share would weigh the examples of a small share more.
    """
    replicas = strategy.num_replicas_in_sync
    if parts > 1 and batch_size % (replicas * parts):
        whole = replicas * parts
        raise UserError(
            f"--batch_size must be a multiple of --accumulate_steps x replicas, {whole} here."
            f" Received: {batch_size}. Choose {whole * max(1, batch_size // whole)}."
        )
    if batch_size % replicas:
        raise UserError(
            f"--batch_size must be a multiple of the {replicas} replicas of this strategy."
            f" Received: {batch_size}. Choose {replicas * max(1, batch_size // replicas)}, or"
            " --strategy=single."
        )


def emulates_bfloat16(cpuinfo: pathlib.Path = pathlib.Path("/proc/cpuinfo")) -> bool:
    """Tells whether bfloat16 would be emulated: no GPU, and a CPU without instructions for it.

    Emulation is several times slower than float32. Where the system does not list the features of
    its CPU, the answer is no.

    Args:
        cpuinfo: Linux' description of the CPU.
    """
    if tf.config.list_logical_devices("GPU") or not cpuinfo.is_file():
        return False
    # x86 calls them avx512_bf16 and amx_bf16, Arm bf16.
    return "bf16" not in cpuinfo.read_text()
