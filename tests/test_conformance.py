"""Every model and every layer keeps the contract of its room; a name without a row fails.

What is asked of a model: `models.translation_model.TranslationModel`.
"""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism  # has no public name

from tfcyclegan.config import TrainConfig
from tfcyclegan.data.intensity import model_to_unit, unit_to_model
from tfcyclegan.models.build import MODELS, build_model
from tfcyclegan.models.serving.graph import ServedTranslator
from tfcyclegan.models.serving.sampling import ServedPainter, ServedSampler
from tfcyclegan.models.translators import DIRECTIONS, latents_of, sampled, translators_of
from tfcyclegan.training.distribution.replica_state import assign_local_values, count, local_values
from tfcyclegan.training.distribution.strategies import make_strategy
from tfcyclegan.training.rundir.checkpoint_files import Position
from tfcyclegan.training.rundir.checkpoints import RunCheckpoints

SIZE = 32
SMALL = (
    *("--data_dir=-", "--workdir=-", f"--image_size={SIZE}", "--batch_size=2"),
    *("--generator_blocks=1", "--generator_filters=4", "--discriminator_filters=4"),
)
MODEL_ROWS = {
    "cyclegan": (
        *("--pool_size=4", "--ema_decay=0.9", "--identity_weight=0.5", "--discriminator_images=2"),
        *("--position_channels=both", "--keep_air", "--r1_weight=1", "--pairs=auto"),
    ),
    "pix2pix": (
        *("--pairs=only", "--ema_decay=0.9", "--generator=unet_deep", "--unet_levels=4"),
        *("--position_channels=generator", "--keep_air"),
    ),
    "reggan": (
        *("--pairs=only", "--ema_decay=0.9", "--pool_size=4", "--discriminator_images=2"),
        *("--position_channels=both", "--keep_air", "--registration_size=16"),
        *("--registration_filters=4", "--generator=resnet_resize"),
    ),
    "cut": (
        *("--ema_decay=0.9", "--pool_size=4", "--discriminator_images=2", "--keep_air"),
        *("--position_channels=both", "--nce_layers=0,1,2,3", "--nce_patches=16"),
        *("--nce_width=16", "--nce_mode=fastcut"),
    ),
    "medgan": (
        *("--pairs=only", "--ema_decay=0.9", "--generator=casnet", "--unet_levels=3"),
        *("--position_channels=generator", "--keep_air", "--generator_blocks=2"),
    ),
    "pan": ("--pairs=only", "--ema_decay=0.9", "--keep_air", "--position_channels=generator"),
    "idcgan": ("--pairs=only", "--ema_decay=0.9", "--keep_air", "--generator=idcgan"),
    "dcgan": (
        *("--ema_decay=0.9", "--batch_size=8", "--gan_loss=wgan_gp_sn", "--latent_size=8"),
        *("--generator_blocks=9", f"--image_size={2 * SIZE}", "--direction=b_to_a"),
    ),
    "tumorgan": (
        *("--pairs=only", "--ema_decay=0.9", "--unet_levels=3", "--generator_blocks=9"),
        f"--image_size={2 * SIZE}",
    ),
}
"""Name of a model to flags that put on all that it keeps between steps, and all its ingredients."""
STEPS, CUT = 4, 2


@pytest.fixture(scope="module", params=sorted(MODELS))
def name(request) -> str:
    assert request.param in MODEL_ROWS, f"give {request.param} a row in tests/test_conformance.py"
    return request.param


def built(name: str, kind: str, *flags: str):
    config = TrainConfig.parse(*SMALL, f"--model={name}", *MODEL_ROWS[name], *flags)
    with make_strategy(kind).scope():
        return build_model(config, steps_per_epoch=10)


def batch(model, seed: int, count: int = 2) -> tuple[np.ndarray, ...]:
    """What `data.batches` would bring this model."""
    # Another kind needs another batch here.
    assert model.data_kind in ("unpaired", "paired", "labelled_pairs")
    rng = np.random.default_rng(seed)
    count *= model.batch_details.get("images_per_example", 1)
    size = SIZE if model.kind == "translator" else 2 * SIZE
    images = rng.uniform(-1, 1, (2, count, size, size, 1)).astype(np.float32)
    places = rng.uniform(0, 1, (2, count)).astype(np.float32)
    if model.data_kind == "labelled_pairs":
        inside = rng.random((2, count, size, size, 3)) < 0.5
        return (*images, *(2.0 * inside.astype(np.float32) - 1.0))
    if model.data_kind == "paired":
        return (*images, *(places if model.batch_details["positions"] else ()))
    pairs = images[:, :: model.batch_details.get("images_per_example", 1)] / 2
    return (
        *images,
        *(places if model.batch_details.get("positions") else ()),
        *(pairs if model.learns_from_pairs else ()),
    )


def state(model) -> list[keras.Variable]:
    """Everything that training changes, but for running means, which begin anew with a fit."""
    slots = [v for optimizer in model.optimizers.values() for v in optimizer.variables]
    return [*model.weights, *slots]


def values(model) -> list[np.ndarray]:
    """The state, of every replica."""
    return [local_values(variable) for variable in state(model)]


def assign(model, given: list[np.ndarray]) -> None:
    for variable, value in zip(state(model), given, strict=True):
        assign_local_values(variable, value)


def fit(model, first: int, last: int, *, factor: float = 1.0) -> dict:
    """Steps `first` to `last`, as `training.fit` makes them; returns the logs."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    rows = [batch(model, step, 2 * replicas) for step in range(first, last)]
    for images, *_ in rows:
        images[0] *= factor
    batches = tf.data.Dataset.from_generator(
        lambda: iter(rows), output_signature=tuple(tf.TensorSpec(x.shape, x.dtype) for x in rows[0])
    )
    fitted = model.fit(batches, steps_per_epoch=last - first, verbose=0, shuffle=False)
    return {key: values[-1] for key, values in fitted.history.items()}


def changed(network: keras.Model, before: list[np.ndarray]) -> bool:
    return any((x != y).any() for x, y in zip(network.get_weights(), before, strict=True))


@pytest.fixture(scope="module", params=["single", "mirrored"])
def run(name, request, tmp_path_factory) -> SimpleNamespace:
    """A model that was trained, and trained again from a checkpoint in the middle."""
    folder = str(tmp_path_factory.mktemp("run"))
    tf.config.experimental.enable_op_determinism()
    try:
        model = built(name, request.param)
        start = values(model)
        networks = {key: network.get_weights() for key, network in model.networks.items()}
        logs, uncut = fit(model, 0, STEPS), values(model)
        moved = [key for key, network in model.networks.items() if changed(network, networks[key])]
        assign(model, start)
        fit(model, 0, CUT)
        checkpoints = RunCheckpoints(folder, model)
        checkpoints.save(Position(0, CUT))
        assign(model, start)
        assert checkpoints.restore() == Position(0, CUT)
        fit(model, CUT, STEPS)
    finally:
        disable_op_determinism()
    return SimpleNamespace(model=model, logs=logs, uncut=uncut, moved=moved, cut=values(model))


def test_a_model_says_what_it_is(run):
    model = run.model
    assert model.title and model.kind in ("translator", "sampler", "labels")
    assert model.data_kind in ("unpaired", "paired", "labelled_pairs")
    assert list(model.generators) == list(model.translators)
    assert list(model.translators) == [d for d in DIRECTIONS if d in model.translators]
    assert not model.cycled or list(model.translators) == list(DIRECTIONS)
    assert set(model.shown) <= set(model.trackers) == set(run.logs)


def test_a_step_is_finite_and_teaches_every_network(run):
    assert all(np.isfinite(value) for value in run.logs.values())
    assert run.moved == list(run.model.networks)
    networks = run.model.networks.values()
    trained = {id(v) for network in networks for v in network.trainable_variables}
    assert {id(v) for v in run.model.trainable_variables} == trained
    updates = {"medgan": (3, 1), "dcgan": (1, 5)}.get(run.model.name, (1, 1))
    names = ("generator_optimizer", "discriminator_optimizer")
    expected = {name: STEPS * n for name, n in zip(names, updates, strict=True)}
    assert {name: count(o.iterations) for name, o in run.model.optimizers.items()} == expected


def test_replicas_stay_one_model_and_keep_their_own_pools(run):
    if run.model.distribute_strategy.num_replicas_in_sync == 1:
        return
    for variable in run.model.trainable_variables:
        first, second = local_values(variable)
        np.testing.assert_array_equal(first, second, err_msg=variable.path)
    for pool in run.model.pools.values():
        first, second = local_values(pool.images)
        assert not np.array_equal(first, second)


def test_a_checkpoint_is_the_whole_state_of_every_replica(run):
    """A run that goes on from it ends with the same bits; test_resume.py kills the command."""
    for variable, cut, uncut in zip(state(run.model), run.cut, run.uncut, strict=True):
        np.testing.assert_array_equal(cut, uncut, err_msg=variable.path)


def test_a_step_that_is_not_finite_changes_nothing_but_its_count(run):
    before, skipped = values(run.model), count(run.model.guard.skipped)
    fit(run.model, 0, 1, factor=np.nan)
    assert count(run.model.guard.skipped) == skipped + 1
    counts = {id(variable) for variable in run.model.guard.variables}
    for variable, old, new in zip(state(run.model), before, values(run.model), strict=True):
        if id(variable) not in counts:
            np.testing.assert_array_equal(new, old, err_msg=variable.path)


def test_a_run_that_turned_back_has_a_lower_rate_in_every_optimizer(run):
    factor, optimizers = run.model.guard.rate_factor, run.model.optimizers.values()
    rates = [float(optimizer.learning_rate) for optimizer in optimizers]
    before = local_values(factor)
    assign_local_values(factor, before / 2)
    assert [float(o.learning_rate) for o in optimizers] == [rate / 2 for rate in rates]
    assign_local_values(factor, before)


@pytest.fixture(scope="module")
def reloaded(run, tmp_path_factory):
    """Signatures of the model's export; of one device only."""
    model = run.model
    if model.distribute_strategy.num_replicas_in_sync > 1:
        return None
    folder = str(tmp_path_factory.mktemp("export"))
    if model.kind == "sampler":
        model.settle()
        served = ServedSampler(model.samplers, image_size=SIZE)
    elif model.kind == "labels":
        served = ServedPainter(model.painter, image_size=2 * SIZE)
    else:
        served = ServedTranslator(model.translators, image_size=SIZE, audit=model.cycled)
    tf.saved_model.save(served, folder, signatures=served.signatures())
    return tf.saved_model.load(folder).signatures


@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (37, 50)])
def test_eager_graph_and_reloaded_export_are_one_function(run, reloaded, height, width):
    if reloaded is None:
        return
    model = run.model
    images = np.random.default_rng(0).uniform(0, 1, (3, height, width, 1)).astype(np.float32)
    compiled = translators_of(model)
    for direction, network in model.translators.items():
        raw = network(unit_to_model(tf.constant(images)), training=False)
        eager = tf.clip_by_value(model_to_unit(raw), 0.0, 1.0)
        exported = reloaded[direction](image=tf.constant(images))["image"]
        assert exported.shape == images.shape
        np.testing.assert_allclose(compiled[direction](images), eager, atol=1e-5)
        np.testing.assert_allclose(exported, eager, atol=1e-5)


def test_a_seed_is_one_image_of_a_reloaded_export_whatever_else_is_asked_for(run, reloaded):
    if reloaded is None or run.model.kind != "sampler":
        return
    for domain, network in run.model.samplers.items():
        expected = sampled(network, latents_of(network, 4))
        for seeds in ([0, 1, 2, 3], [3], [2, 0]):
            made = reloaded[f"sample_{domain}"](seed=tf.constant(seeds, tf.int64))["image"]
            np.testing.assert_allclose(made, expected.numpy()[seeds], atol=1e-5)
        by_latent = reloaded[f"sample_{domain}_latent"](latent=latents_of(network, 4))["image"]
        np.testing.assert_allclose(by_latent, expected, atol=1e-5)


def test_a_reloaded_export_paints_as_the_model(run, reloaded):
    if reloaded is None or run.model.kind != "labels":
        return
    label = tf.constant(batch(run.model, 0, 3)[2])
    made = reloaded["label_to_images"](label=label)["image"]
    expected = [sampled(run.model.samplers[domain], label) for domain in "ab"]
    np.testing.assert_allclose(made, tf.concat(expected, -1), atol=1e-5)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_and_keeps_float32_where_it_counts(name, precision):
    keras.config.set_dtype_policy(precision)
    try:
        model = built(name, "single", f"--precision={precision}", "--r1_weight=0")
        logs = fit(model, 0, 2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(value) for value in logs.values())
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    for network in model.translators.values():
        assert network(batch(model, 0)[0], training=False).dtype == tf.float32


def of_channels(channels: int):
    return lambda height, width: [(2, height, width, channels)]


LAYER_ROWS = {
    "BatchStatistics": ({}, of_channels(3)),
    "MinibatchDiscrimination": ({"outputs": 2, "inner": 3}, lambda h, w: [(h, w)]),
    "BilinearDoubling": ({}, of_channels(2)),
    "Coordinates": ({}, of_channels(2)),
    "CropLike": ({}, lambda h, w: [(2, h + 3, w + 1, 2), (2, h, w, 1)]),
    "InstanceNormalization": ({"epsilon": 1e-3}, of_channels(3)),
    "KeepAir": ({}, lambda h, w: [(2, h, w, 1)] * 2),
    "PadToMultiple": ({"multiple": 8}, of_channels(2)),
    "PaddedConv2D": ({"filters": 3, "kernel_size": 3}, of_channels(2)),
    "SpectralConv2D": ({"filters": 3, "kernel_size": 3}, of_channels(2)),
    "ReflectionPadding": ({"padding": 3}, of_channels(2)),
    "ResidualBlock": ({"filters": 3}, of_channels(3)),
    "ToneCurves": ({}, lambda h, w: [(2, h, w, 5), (2, h, w, 1)]),
}
"""Name of a layer to its arguments, and from a height and a width to the shapes of its inputs."""


def layers() -> dict[str, type]:
    registered = keras.saving.get_custom_objects()
    return {
        key.removeprefix("tfcyclegan>"): value
        for key, value in registered.items()
        if key.startswith("tfcyclegan>") and issubclass(value, keras.layers.Layer)
    }


def test_every_registered_layer_has_a_row():
    assert layers().keys() == LAYER_ROWS.keys()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (13, 22), (9, 7)])
@pytest.mark.parametrize("layer", sorted(LAYER_ROWS))
def test_a_layer_of_any_size_is_the_same_from_its_config_in_a_graph_and_reloaded(
    layer, height, width, tmp_path
):
    arguments, shapes_of = LAYER_ROWS[layer]
    kind, shapes = layers()[layer], shapes_of(height, width)
    rng = np.random.default_rng(0)
    inputs = [tf.constant(rng.uniform(-1, 1, shape), tf.float32) for shape in shapes]
    given = inputs if len(inputs) > 1 else inputs[0]
    first = kind(**arguments, name="first")
    expected = first(given)
    assert np.isfinite(expected).all()

    again = kind.from_config(first.get_config())
    assert again.get_config() == first.get_config()
    again(given)
    again.set_weights(first.get_weights())
    np.testing.assert_array_equal(again(given), expected)

    # Neither the number of images nor their size is known while the graph is built.
    places = [keras.Input((*[None] * (len(shape) - 2), shape[-1])) for shape in shapes]
    output = first(places if len(places) > 1 else places[0])
    assert output.shape[-1] == expected.shape[-1]
    model = keras.Model(places, output)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    for function in (tf.function(first), tf.function(model), reloaded):
        np.testing.assert_allclose(function(given), expected, atol=1e-5)
    shown = first.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    assert tuple(shown) == expected.shape
