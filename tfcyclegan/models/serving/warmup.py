"""Requests that a model server plays when it loads a model, so that the first client need not wait.

Reference:
    https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf

from tfcyclegan.data import records
from tfcyclegan.models.serving.self_check import example

REQUESTS = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"


def write_requests(version: pathlib.Path, image_size: int) -> None:
    """Writes one request of each signature: a slice of the size that the model was trained at.

    Without tensorflow-serving-api, which describes them, there are none, and a line says so.

    Args:
        version: Directory of the SavedModel.
        image_size: Height and width in pixels.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        print(
            "export: no warm-up requests, as tensorflow-serving-api is not installed (extra"
            " `serving`)",
            file=sys.stderr,
        )
        return
    model = tf.saved_model.load(str(version))
    with tf.io.TFRecordWriter(str(version / REQUESTS)) as writer:
        for name, signature in model.signatures.items():
            ((kind, spec),) = signature.structured_input_signature[1].items()
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "tfcyclegan"
            request.model_spec.signature_name = name
            request.inputs[kind].CopyFrom(tf.make_tensor_proto(sample(kind, image_size, spec)))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())


def sample(kind: str, image_size: int, spec: tf.TensorSpec) -> np.ndarray | list[bytes]:
    """Returns one slice as input `kind` takes it; noise, as a volume needs contrast."""
    if kind in ("seed", "latent", "label"):
        return np.zeros((1, *spec.shape[1:]), spec.dtype.as_numpy_dtype)
    if kind == "examples":
        random = np.random.default_rng(0)
        return [example(random.integers(0, 1 << 16, (records.SIZE,) * 2, np.uint16))]
    shape = (1, image_size, image_size) + ((1,) if kind == "image" else ())
    return np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
