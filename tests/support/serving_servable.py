"""What the stand-in for a model server knows of a model: its signatures, and what they answer.

Reference:
    https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    prediction_log_pb2,
)

WARM_UP = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"


class ServingError(Exception):
    """An answer that is not a result.

    Args:
        code: Name in grpc.StatusCode.
        message: What the client reads.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Servable:
    """The newest version of one model, loaded and warmed up."""

    def __init__(self, home: pathlib.Path):
        self.name = home.name
        self.version = max(int(path.name) for path in home.iterdir() if path.name.isdecimal())
        directory = home / str(self.version)
        self._model = tf.saved_model.load(str(directory))
        saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
        self.signature_defs = saved.meta_graphs[0].signature_def
        self.warmed_up = 0
        for row in tf.data.TFRecordDataset(str(directory / WARM_UP)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(row).predict_log.request
            self.answer(request)
            self.warmed_up += 1

    def signature(self, name: str):
        name = name or "serving_default"
        if name not in self._model.signatures:
            raise ServingError("INVALID_ARGUMENT", f'Serving signature name: "{name}" not found')
        return self._model.signatures[name]

    def predict(self, signature, inputs: dict) -> dict[str, np.ndarray]:
        """Returns every output of a signature for inputs by name."""
        wanted = signature.structured_input_signature[1]
        if inputs.keys() != wanted.keys():
            raise ServingError(
                "INVALID_ARGUMENT", f"Expected inputs {[*wanted]}. Received: {[*inputs]}"
            )
        try:
            arrays = {k: np.asarray(v, wanted[k].dtype.as_numpy_dtype) for k, v in inputs.items()}
            made = signature(**{name: tf.constant(array) for name, array in arrays.items()})
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise ServingError("INVALID_ARGUMENT", str(error)) from error
        return {name: value.numpy() for name, value in made.items()}

    def answer(self, request) -> predict_pb2.PredictResponse:
        """Answers a PredictRequest."""
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        made = self.predict(self.signature(request.model_spec.signature_name), inputs)
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        response.model_spec.version.value = self.version
        for name in request.output_filter or made:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(made[name]))
        return response

    def metadata(self) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns every signature with its inputs and outputs."""
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in self.signature_defs.items():
            found.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.metadata["signature_def"].Pack(found)
        return response

    def status(self) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the one version and that it can be asked."""
        response = get_model_status_pb2.GetModelStatusResponse()
        state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        version = response.model_version_status.add(version=self.version, state=state)
        version.status.error_code = 0
        return response
