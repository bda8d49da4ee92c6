"""Where training runs: one device, or mirrored over several of one machine."""

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
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
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
