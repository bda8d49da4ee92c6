"""What training, callbacks, checkpoints and export may ask of any model."""

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.models.step.gradients import summed
from tfcyclegan.models.step.image_pool import ImagePool
from tfcyclegan.models.step.nonfinite import NonFiniteGuard
from tfcyclegan.models.step.replicas import FitsOnWorkers, update_if

NORMS = ("generator_gradient_norm", "discriminator_gradient_norm")
"""Names of the norms of the gradients in the logs."""


class TranslationModel(FitsOnWorkers, keras.Model):
    """A model that `training.fit` trains; its own file is the only place that knows its networks.

    Everything that training changes is a variable of the model or of one of its `optimizers`, so
    that a checkpoint is the whole state. The keys of a checkpoint are names of attributes: to
    rename one breaks every workdir. `train_step` comes from the model, and returns
    `get_metrics_result()`. Every network has its weights when the model is made. The rate of every
    optimizer is multiplied by `guard.rate_factor` (`step.optimizers.make_adam`), which is how a
    run that turns back learns more slowly.

    Attributes:
        title: What texts and the card of an export call it.
        kind: "translator" makes images from images, "sampler" from random numbers, "labels" from
            label masks.
        data_kind: What a batch holds: "unpaired", "paired", or "labelled_pairs".
        cycled: Whether the way back was trained with the way there. Two directions that were not
            can be chained too, but nothing made the difference small.
        shown: Names of the losses in the line that an epoch ends with.
        guard: Keeps steps that are not finite away from the weights.
        trackers: Running means over an epoch, by their name in the logs.
    """

    title = ""
    kind = "translator"
    data_kind = "unpaired"
    cycled = False
    shown: tuple[str, ...] = ("loss",)

    def __init__(self, name: str):
        super().__init__(name=name)
        self.guard = NonFiniteGuard()

    @property
    def networks(self) -> dict[str, keras.Model]:
        """Every network that is trained, by the name of its attribute."""
        raise NotImplementedError

    @property
    def generators(self) -> dict[str, keras.Model]:
        """The networks in training that translate, by direction, "a_to_b" first."""
        raise NotImplementedError

    @property
    def translators(self) -> dict[str, keras.Model]:
        """The networks to use, by direction: moving averages where there are any."""
        return self.generators

    @property
    def optimizers(self) -> dict[str, keras.Optimizer]:
        """Optimizers by their key in a checkpoint, that of the generators first.

        Those of a model with discriminators, which sets `discriminator_optimizer` in `compile`.
        """
        return {
            "generator_optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    @property
    def pools(self) -> dict[str, ImagePool]:
        """Image pools by name; a model may have none."""
        return {}

    @property
    def learns_from_pairs(self) -> bool:
        """Whether a batch may end with the slices of pairs (`data.paired_batches`)."""
        return self.data_kind == "paired"

    @property
    def batch_details(self) -> dict:
        """What a batch must bring: arguments of `data.batches.training_batches`."""
        return {}

    @property
    def samplers(self) -> dict[str, keras.Model]:
        """What makes images without a source to use, by domain, "a" first: networks in model range.

        Of random numbers [N, z] where `kind` is "sampler", of label images [N, H, W, 3] where it
        is "labels".
        """
        return {}

    def sampled_from(self, slices: ValidationSlices, count: int) -> np.ndarray:
        """Returns what `samplers` are given for `count` fixed images, float32 [count, ...].

        Args:
            slices: Of a run; those that labels are made of, where they are.
            count: How many.
        """
        raise NotImplementedError

    def settle(self) -> None:
        """Brings what is used, but not trained, up to date with the weights; before every use."""

    @property
    def compared_by(self) -> dict:
        """What networks that nobody trains its losses compare images by, for run.json; or {}."""
        return {}

    def prepare(self, real: dict[str, np.ndarray]) -> None:
        """Measures what the model has to know of its data, once, before the first step.

        Args:
            real: Real slices of domains "a" and "b", float32 [N, H, W, 1] in unit range.
        """

    def cautions(self, logs: dict[str, float]) -> list[str]:
        """Returns what the logs of an epoch say that a user should be warned of, in sentences."""
        return []

    @property
    def metrics(self) -> list:
        return list(self.trackers.values())

    @property
    def replica_variables(self) -> list[keras.Variable]:
        """Variables that each replica keeps for itself: running means of the epoch, and pools."""
        held = [variable for metric in self.metrics for variable in metric.variables]
        return held + [variable for pool in self.pools.values() for variable in pool.variables]

    def last_update(
        self,
        values: dict[str, tf.Tensor],
        descent_g: list[tf.Tensor],
        descent_d: list[tf.Tensor],
        *states,
        before: tf.Tensor | bool = True,
    ) -> dict:
        """Ends a step of generators and discriminators: `_update` changes all, or nothing does.

        Args:
            values: Losses and diagnostics per example; the norms of the gradients join them.
            descent_g: This replica's share of the gradient of each variable of the generators.
            descent_d: The same of the discriminators.
            *states: What `_update` takes between gradients and values.
            before: Whether the updates before it in the step were good.

        Returns:
            Means of the tracked losses and of the diagnostics since the start of the epoch.
        """
        descent_g, norm_g = summed(descent_g, self.optimizer)
        descent_d, norm_d = summed(descent_d, self.discriminator_optimizer)
        values = values | dict(zip(NORMS, (norm_g, norm_d), strict=True))
        good = self.guard.admit(
            [values[name] for name in self.tracked],
            (self.optimizer, norm_g),
            (self.discriminator_optimizer, norm_d),
            before=before,
        )
        update_if(good, self._update, (descent_g, descent_d, *states, values))
        return self.get_metrics_result()

    def track(self, values: dict[str, tf.Tensor], diagnosed: tuple[str, ...] = ()) -> None:
        """Takes the values of a step into the running means.

        Args:
            values: By name; at least those of all `trackers`.
            diagnosed: Names of values that are no losses, and may be infinite in a good step: the
                loss scale of float16 finds its size by steps that overflow and are not taken.
        """
        for name, tracker in self.trackers.items():
            value, weight = values[name], None
            if name in diagnosed:
                finite = tf.math.is_finite(value)
                value = tf.where(finite, value, tf.zeros_like(value))
                weight = tf.cast(finite, value.dtype)
            tracker.update_state(value, sample_weight=weight)
