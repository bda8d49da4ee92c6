"""Where training runs: one device, or mirrored over several of one machine."""

import pathlib

import tensorflow as tf

from tfcyclegan.errors import UserError


def make_strategy(kind: str) -> tf.distribute.Strategy:
    """Returns the distribution strategy named by --strategy.

    Args:
        kind: "single" (the default device), "mirrored" (all GPUs, or all logical CPUs where there
            is no GPU), or "auto" (mirrored where there is more than one GPU).

    Raises:
        UserError: The name is not known.
    """
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
    raise UserError(f"--strategy: expected auto, single or mirrored. Received: {kind}.")


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
