"""Where training runs: one device, or mirrored over several of one machine."""

import pathlib
from collections.abc import Callable

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


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Raises UserError unless the global batch divides evenly among the replicas.

    An uneven share would weigh the examples of a small share more.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UserError(
            f"--batch_size must be a multiple of the {replicas} replicas of this strategy."
            f" Received: {batch_size}. Choose {replicas * max(1, batch_size // replicas)}, or"
            " --strategy=single."
        )


def update_if(condition: tf.Tensor, update: Callable, args: tuple) -> None:
    """Calls `update(*args)` on every replica where `condition` holds; call it in a replica context.

    Args:
        condition: Bool scalar, equal on all replicas.
        update: Changes variables; every tensor that it uses comes in `args`.
        args: Its arguments, nested as you like.
    """

    def change(*arguments) -> tf.Tensor:
        update(*arguments)
        return tf.constant(0)

    def nothing() -> tf.Tensor:
        return tf.constant(0)

    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(condition, lambda: change(*args), nothing)
        return

    def on_each_replica(strategy, conditions, arguments):
        # Optimizers merge the replicas, which may not happen in a branch that one replica takes:
        # the branch is taken for all of them, outside.
        def change_all() -> tf.Tensor:
            strategy.extended.call_for_each_replica(change, args=arguments)
            return tf.constant(0)

        tf.cond(strategy.experimental_local_results(conditions)[0], change_all, nothing)

    tf.distribute.get_replica_context().merge_call(on_each_replica, args=(condition, args))


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
