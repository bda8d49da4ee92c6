"""Keras, SavedModel, TensorFlow's C API and OpenVINO give the same pixels, for every size."""

import importlib.util
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import serving_model
import tensorflow as tf
from places import SUPPORT
from record_sets import head
from replica_run import set_precision
from serving_model import SHAPES
from tensorflow.core.protobuf import saved_model_pb2
from tiny_runs import made_once

from tfcyclegan.models.serving.graph import translate

KERAS_TOLERANCE = 1e-5
OPENVINO_TOLERANCE = 1e-4
"""Unit range."""

OPENVINO = """
import sys
import numpy as np
import openvino

directory, images, results = sys.argv[1:]
core = openvino.Core()
settings = {"INFERENCE_PRECISION_HINT": "f32"}
compiled = core.compile_model(core.read_model(directory), "CPU", settings)
images = np.load(images)
np.savez(results, **{name: compiled(images[name])[0] for name in images.files})
assert not any(name.startswith(("tensorflow", "keras")) for name in sys.modules)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Directory of the version, and the generators it was made of."""
    models = made_once(tmp_path_factory, "models", serving_model.write)
    return models / serving_model.NAME / "1", [*serving_model.generators().values()]


@pytest.fixture(scope="module")
def saved(model):
    """What the SavedModel makes of each shape."""
    signature = tf.saved_model.load(str(model[0])).signatures["serving_default"]
    return {
        shape: signature(image=tf.constant(serving_model.images(shape)))["image"].numpy()
        for shape in SHAPES
    }


def in_air() -> np.ndarray:
    """A head in air that is constant, as real slices have it, float32 [1, 256, 256, 1]."""
    return (head("t2", 0, 1, 4) / 65535).astype(np.float32)[np.newaxis, ..., np.newaxis]


def test_air_costs_no_digits(model, through_openvino):
    """Against the same network in float64: sums over constant air must not lose precision."""
    set_precision("float64")
    try:
        exact = serving_model.generators()["a_to_b"]
        exact.set_weights(model[1][0].get_weights())
        expected = (exact(in_air().astype(np.float64) * 2 - 1).numpy() + 1) / 2
    finally:
        set_precision("float32")
    assert expected.dtype == np.float64
    signature = tf.saved_model.load(str(model[0])).signatures["serving_default"]
    made = signature(image=tf.constant(in_air()))["image"]
    np.testing.assert_allclose(made, expected, atol=KERAS_TOLERANCE)
    np.testing.assert_allclose(through_openvino["air"], expected, atol=OPENVINO_TOLERANCE)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_saved_model_gives_what_keras_gives(model, saved, shape):
    expected = translate(model[1][0], serving_model.images(shape))
    assert saved[shape].shape == shape and saved[shape].dtype == np.float32
    np.testing.assert_allclose(saved[shape], expected, atol=KERAS_TOLERANCE)
    assert saved[shape].std() > 0.01


@pytest.fixture(scope="module")
def through_c(model, tmp_path_factory):
    """What the C program makes of each shape."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("c")
    program = folder / "serving_c_api"
    library = pathlib.Path(tf.sysconfig.get_lib())
    subprocess.run(
        [compiler, "-O1", "-Wall", "-Werror", SUPPORT / "serving_c_api.c", "-o", program]
        + [f"-I{tf.sysconfig.get_include()}", f"-L{library}", f"-Wl,-rpath,{library}"]
        + ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
        check=True,
    )
    saved = saved_model_pb2.SavedModel.FromString((model[0] / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    names = signature.inputs["image"].name, signature.outputs["image"].name
    images, results = folder / "images", folder / "results"
    images.write_bytes(b"".join(serving_model.images(shape).tobytes() for shape in SHAPES))
    subprocess.run(
        [program, model[0], *names, images, results],
        input="".join(f"{' '.join(map(str, shape))}\n" for shape in SHAPES),
        text=True,
        check=True,
    )
    values = np.fromfile(results, np.float32)
    parts = np.split(values, np.cumsum([np.prod(shape) for shape in SHAPES]))
    assert len(parts.pop()) == 0
    return {s: part.reshape(s) for s, part in zip(SHAPES, parts, strict=True)}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_c_api_gives_the_same_bits(saved, through_c, shape):
    np.testing.assert_array_equal(through_c[shape], saved[shape])


@pytest.fixture(scope="module")
def through_openvino(model, tmp_path_factory):
    """What OpenVINO makes of each shape, in a process that never sees TensorFlow."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("needs openvino, of the extra `dev`")
    folder = tmp_path_factory.mktemp("openvino")
    images, results = folder / "images.npz", folder / "results.npz"
    sources = {str(shape): serving_model.images(shape) for shape in SHAPES}
    np.savez(images, **sources, air=in_air())
    command = [sys.executable, "-c", OPENVINO, str(model[0]), str(images), str(results)]
    subprocess.run(command, check=True)
    made = np.load(results)
    return {shape: made[str(shape)] for shape in SHAPES} | {"air": made["air"]}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_openvino_gives_the_same_pixels_without_tensorflow(saved, through_openvino, shape):
    assert through_openvino[shape].shape == shape
    np.testing.assert_allclose(through_openvino[shape], saved[shape], atol=OPENVINO_TOLERANCE)
