"""The graphs that a model server runs for models that make images without a source."""

import functools

import keras
import numpy as np
import tensorflow as tf

from tfcyclegan.models import translators

SEED = tf.TensorSpec([None], tf.int64, name="seed")


class ServedSampler(tf.Module):
    """A model's samplers behind the signatures of an export.

    `sample_b` takes `seed`, int64 [N], and `sample_b_latent` takes `latent`, float32 [N, z]. Each
    returns `image`, float32 [N, H, W, 1] in unit range. A seed is one image for ever, whatever else
    is asked for with it.

    Args:
        networks: Keras models in model range, by domain.
        image_size: Height and width that the model was trained at.
    """

    def __init__(self, networks: dict[str, keras.Model], *, image_size: int):
        super().__init__(name="tfcyclegan")
        # As in `graph.ServedTranslator`: Keras variables would be saved as copies.
        self.weights = [v.value for network in networks.values() for v in network.variables]
        self.image_size = image_size
        self.ways = {}
        for domain, network in networks.items():
            latent = tf.TensorSpec([None, *network.input_shape[1:]], tf.float32, name="latent")
            of_latent = functools.partial(translators.sampled, network)
            self.ways[domain] = tf.function(of_latent, input_signature=[latent], autograph=False)

    def signatures(self) -> dict:
        """Returns the signatures by name, as tf.saved_model.save takes them."""
        named = {}
        for domain, made in self.ways.items():
            latent = made.input_signature[0]

            def of_seed(seed, made=made, size=latent.shape[1]):
                return {"image": made(translators.latents(seed, size))}

            def of_latent(latent, made=made):
                return {"image": made(latent)}

            for name, function, spec in (
                (f"sample_{domain}", of_seed, SEED),
                (f"sample_{domain}_latent", of_latent, latent),
            ):
                whole = tf.function(function, input_signature=[spec], autograph=False)
                named[name] = whole.get_concrete_function()
        return {"serving_default": next(iter(named.values())), **named}

    def expectations(self) -> dict[str, np.ndarray]:
        """Returns inputs by kind, and by SIGNATURE/KIND/OUTPUT what Keras makes of them."""
        seeds, arrays = np.array([0, 7, 2**40], np.int64), {}
        arrays["seed"] = seeds
        for domain, made in self.ways.items():
            latents = translators.latents(tf.constant(seeds), made.input_signature[0].shape[1])
            arrays["latent"] = latents.numpy()
            for name, kind in ((f"sample_{domain}", "seed"), (f"sample_{domain}_latent", "latent")):
                arrays[f"{name}/{kind}/image"] = made(latents).numpy()
        first = next(iter(self.ways))
        arrays["serving_default/seed/image"] = arrays[f"sample_{first}/seed/image"]
        return arrays


class ServedPainter(tf.Module):
    """A painter of label images behind the signature of an export.

    `label_to_images` takes `label`, float32 [N, H, W, 3] in model range: lesion, brain without
    lesion and ventricle, 1 inside and -1 outside. It returns `image`, float32 [N, H, W, 2] in unit
    range, domain a first.

    Args:
        painter: Keras model in model range.
        image_size: Height and width that the model was trained at.
    """

    def __init__(self, painter: keras.Model, *, image_size: int):
        super().__init__(name="tfcyclegan")
        self.weights = [v.value for v in painter.variables]
        self.image_size = image_size
        label = tf.TensorSpec(
            [None, image_size, image_size, painter.input_shape[-1]], tf.float32, name="label"
        )
        painted = functools.partial(translators.sampled, painter)
        self.made = tf.function(painted, input_signature=[label], autograph=False)

    def signatures(self) -> dict:
        """Returns the signatures by name, as tf.saved_model.save takes them."""

        def of_label(label):
            return {"image": self.made(label)}

        whole = tf.function(of_label, input_signature=self.made.input_signature, autograph=False)
        concrete = whole.get_concrete_function()
        return {"serving_default": concrete, "label_to_images": concrete}

    def expectations(self) -> dict[str, np.ndarray]:
        """Returns inputs by kind, and by SIGNATURE/KIND/OUTPUT what Keras makes of them."""
        shape = (2, *self.made.input_signature[0].shape[1:])
        inside = np.random.default_rng(0).random(shape) < 0.5
        label = 2.0 * inside.astype(np.float32) - 1.0
        made = self.made(tf.constant(label)).numpy()
        names = ("serving_default", "label_to_images")
        return {"label": label, **{f"{name}/label/image": made for name in names}}
