"""DCGAN and WGAN-GP of Kossen et al. (2021), doi:10.1016/j.compbiomed.2021.104254."""

import functools

import keras
import tensorflow as tf

from tfcyclegan.models import translators
from tfcyclegan.models.losses.adversarial import generator_adversarial_loss
from tfcyclegan.models.losses.sampling import (
    MADE_TARGETS,
    REAL_TARGETS,
    feature_matching,
    gradient_penalty,
    smoothed,
)
from tfcyclegan.models.networks.batch_statistics import measure
from tfcyclegan.models.networks.spectral import advance
from tfcyclegan.models.step.early_updates import update_early
from tfcyclegan.models.step.gradients import replica_loss
from tfcyclegan.models.step.moving_average import average_of, follow
from tfcyclegan.models.translation_model import NORMS, TranslationModel

CRITIC_UPDATES = 5
"""Updates of a critic for each of its generator."""
MEASURED = 256
"""Latents that the statistics in use are measured with."""
LATENT, TARGET, PENALTY = 1000231, 1000249, 1000253
"""Random streams of a step."""


class DCGAN(TranslationModel):
    """Makes images of a domain from random numbers, without any source.

    Each domain has a generator and a discriminator of its own; two domains share nothing.

    Args:
        networks: Domain to its generator, of `latent.build_sampler`, and its discriminator.
        gan_loss: "feature_matching", "vanilla", "wgan_gp" or "wgan_gp_sn".
        ema_decay: Decay of the moving average of the generators' weights; 0 keeps none.
        seed: Seed of latents and targets; those of step n depend on (seed, n) alone.
    """

    title = "DCGAN"
    kind = "sampler"

    def __init__(
        self,
        networks: dict[str, tuple[keras.Model, keras.Model]],
        *,
        gan_loss: str,
        ema_decay: float = 0.0,
        seed: int = 0,
    ):
        super().__init__(name="dcgan")
        self.domains, self.seed, self.ema_decay = tuple(networks), seed, ema_decay
        self.critics = gan_loss.startswith("wgan")
        self.matches = gan_loss == "feature_matching"
        self.title = "WGAN-GP" if self.critics else "DCGAN"
        for domain, (generator, discriminator) in networks.items():
            setattr(self, f"generator_{domain}", generator)
            setattr(self, f"discriminator_{domain}", discriminator)
            if ema_decay:
                setattr(self, f"average_{domain}", average_of(generator))
        self.built = True

    def compile(
        self,
        *,
        generator_optimizer,
        discriminator_optimizer,
        penalty_weight: float = 10.0,
        **kwargs,
    ):
        """Sets the optimizers and, of critics, the weight of the gradient penalty."""
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.discriminator_optimizer, self.penalty_weight = discriminator_optimizer, penalty_weight
        kinds = ("generator", "discriminator", *(("penalty",) if self.critics else ()))
        self.tracked = ("loss", *(f"{kind}_{d}_loss" for d in self.domains for kind in kinds))
        right = ("accuracy_real", "accuracy_fake")
        accuracies = [f"discriminator_{d}_{r}" for d in self.domains for r in right]
        self.diagnosed = (*(() if self.critics else accuracies), *NORMS)
        self.shown = self.tracked
        names = (*self.tracked, *self.diagnosed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        generator_optimizer.build(self.variables_of("generator"))
        discriminator_optimizer.build(self.variables_of("discriminator"))

    @property
    def networks(self):
        kinds = ("generator", "discriminator")
        return {f"{k}_{d}": getattr(self, f"{k}_{d}") for k in kinds for d in self.domains}

    @property
    def generators(self):
        return {}

    @property
    def samplers(self):
        kind = "average" if self.ema_decay else "generator"
        return {domain: getattr(self, f"{kind}_{domain}") for domain in self.domains}

    def sampled_from(self, slices, count):
        return translators.latents_of(next(iter(self.samplers.values())), count)

    def variables_of(self, kind: str) -> list:
        """Trainable variables of all generators, or of all discriminators."""
        networks = [getattr(self, f"{kind}_{domain}") for domain in self.domains]
        return [v for network in networks for v in network.trainable_variables]

    @property
    def updates(self) -> int:
        """Updates of the discriminators in a step."""
        return CRITIC_UPDATES if self.critics else 1

    @property
    def batch_details(self):
        return {"images_per_example": self.updates}

    def settle(self):
        for sampler in self.samplers.values():
            latents = tf.random.stateless_normal((MEASURED, *sampler.input_shape[1:]), (LATENT, 0))
            measure(sampler, latents)

    def train_step(self, data):
        of_domains = dict(zip("ab", data[:2], strict=True))
        shares = [
            tuple(of_domains[domain][update :: self.updates] for domain in self.domains)
            for update in range(self.updates)
        ]
        good = tf.constant(True)
        for update, share in enumerate(shares[:-1]):
            good = update_early(
                functools.partial(self._taught_discriminators, update),
                share,
                parts=1,
                variables=self.variables_of("discriminator"),
                optimizer=self.discriminator_optimizer,
                before=good,
            )
        values, descent_g = self._taught_generators(*shares[-1])
        judged, descent_d = self._taught_discriminators(self.updates - 1, *shares[-1])
        del judged["loss"]
        values |= judged
        return self.last_update(values, descent_g, descent_d, before=good)

    def _update(self, descent_g, descent_d, values: dict) -> None:
        self.optimizer.apply(descent_g, self.variables_of("generator"))
        self.discriminator_optimizer.apply(descent_d, self.variables_of("discriminator"))
        for domain in self.domains:
            advance(getattr(self, f"discriminator_{domain}"))
            if self.ema_decay:
                generator = getattr(self, f"generator_{domain}")
                follow(getattr(self, f"average_{domain}"), generator, self.ema_decay)
        self.track(values, self.diagnosed)

    def _seed(self, salt: int, update: int) -> tf.Tensor:
        """Returns the seed of a stream in this step, another one on each replica."""
        step = tf.cast(tf.convert_to_tensor(self.optimizer.iterations), tf.int64)
        seed = tf.stack([tf.constant(self.seed + salt, tf.int64), step * self.updates + update])
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.fold_in(seed, tf.cast(replica, tf.int64))

    def made(self, domain: str, count: int, update: int) -> tf.Tensor:
        """Returns images of a domain in training, [count, H, W, 1]."""
        generator = getattr(self, f"generator_{domain}")
        seed = tf.random.fold_in(self._seed(LATENT, update), tf.cast(ord(domain), tf.int64))
        shape = (count, *generator.input_shape[1:])
        return generator(tf.random.stateless_normal(shape, seed), training=True)

    def judge(self, domain: str, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns scores [N, 1], and the features that are matched; of one kind of image a call."""
        judged = getattr(self, f"discriminator_{domain}")(images, training=True)
        return judged if isinstance(judged, (list, tuple)) else (judged, None)

    def _taught_generators(self, *real) -> tuple[dict, list]:
        values, total = {}, 0.0
        with tf.GradientTape() as tape:
            for domain, images in zip(self.domains, real, strict=True):
                made = self.made(domain, images.shape[0], self.updates - 1)
                scores, features = self.judge(domain, made)
                if self.matches:
                    loss = feature_matching(
                        tf.stop_gradient(self.judge(domain, images)[1]), features
                    )
                elif self.critics:
                    loss = -scores[:, 0]
                else:
                    loss = generator_adversarial_loss(scores, kind="vanilla")
                values[f"generator_{domain}_loss"] = loss
                total += loss
            mean = replica_loss(total, self.optimizer)
        gradients = tape.gradient(mean, self.variables_of("generator"))
        return values | {"loss": total}, gradients

    def _taught_discriminators(self, update: int, *real) -> tuple[dict, list]:
        values, total = {}, 0.0
        with tf.GradientTape() as tape:
            for domain, images in zip(self.domains, real, strict=True):
                made = tf.stop_gradient(self.made(domain, images.shape[0], update))
                # Apart, because batch statistics of both together would tell one by the other.
                scores = [self.judge(domain, x)[0] for x in (images, made)]
                losses, loss = self._judging(domain, scores, images, made, update)
                values |= losses
                total += loss
            mean = replica_loss(total, self.discriminator_optimizer)
        gradients = tape.gradient(mean, self.variables_of("discriminator"))
        return values | {"loss": total}, gradients

    def _judging(self, domain, scores, real, made, update) -> tuple[dict, tf.Tensor]:
        of_real, of_made = scores
        name = f"discriminator_{domain}"
        if self.critics:
            loss = (of_made - of_real)[:, 0]
            critic = functools.partial(getattr(self, name), training=True)
            penalty = gradient_penalty(critic, real, made, self._seed(PENALTY, update))
            values = {f"{name}_loss": loss, f"penalty_{domain}_loss": penalty}
            return values, loss + self.penalty_weight * penalty
        seed = self._seed(TARGET, update)
        targets = zip(scores, (REAL_TARGETS, MADE_TARGETS), (seed, seed + 1), strict=True)
        loss = tf.add_n([smoothed(*each) for each in targets])
        return {
            f"{name}_loss": loss,
            f"{name}_accuracy_real": tf.cast(of_real[:, 0] > 0, tf.float32),
            f"{name}_accuracy_fake": tf.cast(of_made[:, 0] <= 0, tf.float32),
        }, loss
