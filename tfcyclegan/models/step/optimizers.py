"""Optimizers of a train step: Adam with fewer operations, and its learning rate's schedule."""

import keras
import tensorflow as tf

from tfcyclegan.config import TrainConfig

ADAM_BETA_1 = 0.5
"""Zhu et al. (2017), section 7.1 and their code; 0.9 makes the discriminators oscillate."""
ADAM_BETA_2 = 0.999


def make_adam(
    config: TrainConfig,
    steps_per_epoch: int,
    rate: float,
    factor: keras.Variable,
    betas: tuple[float, float] = (ADAM_BETA_1, ADAM_BETA_2),
) -> keras.Optimizer:
    """Returns the Adam of a run: a constant rate, then a line to zero; it scales float16's loss.

    Args:
        config: Flags of the run.
        steps_per_epoch: Updates per epoch.
        rate: The rate before the decay.
        factor: The model's `guard.rate_factor`, so that a run that turns back learns more slowly.
        betas: Adam's.
    """
    schedule = ConstantThenLinear(
        rate, config.decay_start_epoch * steps_per_epoch, config.epochs * steps_per_epoch, factor
    )
    adam = Adam(schedule, beta_1=betas[0], beta_2=betas[1])
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(adam)
    return adam


def make_adams(
    config: TrainConfig,
    steps_per_epoch: int,
    factor: keras.Variable,
    *,
    generator_updates: int = 1,
    discriminator_updates: int = 1,
    betas: tuple[float, float] = (ADAM_BETA_1, ADAM_BETA_2),
) -> dict[str, keras.Optimizer]:
    """Returns the Adam of the generators and that of the discriminators, as `compile` calls them.

    Args:
        config: Flags of the run.
        steps_per_epoch: Steps per epoch.
        factor: As of `make_adam`.
        generator_updates: Updates of the generators in a step.
        discriminator_updates: Updates of the discriminators in a step.
        betas: Adam's.
    """
    generator_rate = config.learning_rate
    discriminator_rate = config.discriminator_learning_rate or generator_rate
    of_generators = steps_per_epoch * generator_updates
    of_others = steps_per_epoch * discriminator_updates
    return {
        "generator_optimizer": make_adam(config, of_generators, generator_rate, factor, betas),
        "discriminator_optimizer": make_adam(config, of_others, discriminator_rate, factor, betas),
    }


@keras.saving.register_keras_serializable("tfcyclegan")
class ConstantThenLinear(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate, then a straight line to zero (Zhu et al. 2017, section 7.1).

    Args:
        learning_rate: The rate before the decay.
        decay_start: First step of the decay.
        total_steps: Step at which the rate is 0.
        factor: Variable that every rate is multiplied with, or None; it is not serialised.

    Raises:
        ValueError: `decay_start` exceeds `total_steps`.
    """

    def __init__(self, learning_rate: float, decay_start: int, total_steps: int, factor=None):
        super().__init__()
        if decay_start > total_steps:
            raise ValueError(
                f"decay_start must not exceed total_steps. Received: {decay_start} > {total_steps}."
            )
        self.learning_rate = learning_rate
        self.decay_start = decay_start
        self.total_steps = total_steps
        self.factor = factor

    def __call__(self, step) -> tf.Tensor:
        """Returns the float32 rate of step 0, 1, ..."""
        decay_steps = max(self.total_steps - self.decay_start, 1)
        done = (tf.cast(step, tf.float32) - self.decay_start) / decay_steps
        rate = self.learning_rate * (1.0 - tf.clip_by_value(done, 0.0, 1.0))
        return rate if self.factor is None else rate * tf.convert_to_tensor(self.factor)

    def get_config(self) -> dict:
        return {
            "learning_rate": self.learning_rate,
            "decay_start": self.decay_start,
            "total_steps": self.total_steps,
        }


@keras.saving.register_keras_serializable("tfcyclegan")
class Adam(keras.optimizers.Adam):
    """Keras' Adam in one operation of TensorFlow per variable, a fifth of what there is to trace.

    The gradients are those of the global batch: `gradients.summed` adds them over the replicas,
    because their norm is wanted before the update, and Keras would add them once more.
    """

    def update_step(self, gradient, variable, learning_rate):
        i, dtype = self._get_variable_index(variable), variable.dtype
        steps = tf.cast(self.iterations, dtype) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[i].value.handle,
            v=self._velocities[i].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, dtype), steps),
            beta2_power=tf.pow(tf.constant(self.beta_2, dtype), steps),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.constant(self.beta_1, dtype),
            beta2=tf.constant(self.beta_2, dtype),
            epsilon=tf.constant(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars
