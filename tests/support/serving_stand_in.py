"""A stand-in for tensorflow_model_server, which no package registry carries.

It loads a model and answers a client as the real server is documented to, TensorFlow doing the
arithmetic. Tests need it to hold exports and clients together; it serves nobody else.
"""

import http.server
import pathlib
import threading
from concurrent import futures

import grpc
from serving_rest import Handler
from serving_servable import Servable, ServingError
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

HOST = "127.0.0.1"
LARGEST = 1 << 30
"""Bytes of a gRPC message; gRPC's default is 4 MiB, and the real server raises it too."""


class StandIn:
    """Serves a directory of models over REST and gRPC while a `with` block lasts.

    Attributes `url` (REST) and `target` (gRPC) say where.

    Args:
        models: Directory of models, each a directory of versions.
    """

    def __init__(self, models: pathlib.Path):
        self.servables = {home.name: Servable(home) for home in models.iterdir()}
        handler = type("Found", (Handler,), {"find": staticmethod(self.find)})
        self._http = http.server.ThreadingHTTPServer((HOST, 0), handler)
        sizes = [(f"grpc.max_{way}_message_length", LARGEST) for way in ("send", "receive")]
        self._grpc = grpc.server(futures.ThreadPoolExecutor(2), options=sizes)
        services = _Services(self)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, self._grpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, self._grpc)
        self.url = f"http://{HOST}:{self._http.server_port}"
        self.target = f"{HOST}:{self._grpc.add_insecure_port(f'{HOST}:0')}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self._grpc.start()
        return self

    def __exit__(self, *error):
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait()

    def find(self, name: str, version: int | None) -> Servable:
        servable = self.servables.get(name)
        if servable is None or version not in (None, servable.version):
            raise ServingError("NOT_FOUND", f"Servable not found for request: {name}")
        return servable


class _Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, stand_in: StandIn):
        self._stand_in = stand_in

    def Predict(self, request, context):  # noqa: N802
        return self._answer(request, context, lambda servable: servable.answer(request))

    def GetModelMetadata(self, request, context):  # noqa: N802
        return self._answer(request, context, Servable.metadata)

    def GetModelStatus(self, request, context):  # noqa: N802
        return self._answer(request, context, Servable.status)

    def _answer(self, request, context, ask):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            return ask(self._stand_in.find(spec.name, version))
        except ServingError as error:
            context.abort(grpc.StatusCode[error.code], str(error))
