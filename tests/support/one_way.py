"""The least that a translation model can be: one direction, no way back, no pools, no averages."""

import keras
import tensorflow as tf

from tfcyclegan.config import TrainConfig
from tfcyclegan.models.networks.generators import build_generator
from tfcyclegan.models.step.optimizers import make_adam
from tfcyclegan.models.translation_model import TranslationModel


class OneWay(TranslationModel):
    """Learns to copy its source, so that it translates at all."""

    title = "One way"

    def __init__(self, config: TrainConfig, direction: str):
        super().__init__(name="one_way")
        self.direction = direction
        self.generator = build_generator(
            kind="curves",
            filters=4,
            blocks=1,
            initializer=config.initializer,
            seed=config.seed,
            name="generator",
        )
        self.trackers = {"loss": keras.metrics.Mean(name="loss")}

    @property
    def networks(self):
        return {"generator": self.generator}

    @property
    def generators(self):
        return {self.direction: self.generator}

    @property
    def optimizers(self):
        return {"optimizer": self.optimizer}

    def train_step(self, batch):
        source = batch[0 if self.direction == "a_to_b" else 1]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(self.generator(source, training=True) - source))
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        self.track({"loss": loss})
        return self.get_metrics_result()


def builder(direction: str):
    """What a row of `models.build.MODELS` holds."""

    def build(config: TrainConfig, steps_per_epoch: int) -> OneWay:
        model = OneWay(config, direction)
        adam = make_adam(config, steps_per_epoch, config.learning_rate, model.guard.rate_factor)
        adam.build(model.generator.trainable_variables)
        model.compile(optimizer=adam)
        return model

    return build
