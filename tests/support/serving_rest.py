"""The REST side of the stand-in for a model server.

Reference:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import http.server
import json
import re

import numpy as np
from google.protobuf import json_format
from serving_servable import Servable, ServingError

PATH = re.compile(r"/v1/models/(?P<name>\w+)(?:/versions/(?P<version>\d+))?(?P<rest>|/metadata)")
HTTP_STATUS = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request; a subclass has the attribute `find`, from name and version to model."""

    def do_GET(self):  # noqa: N802
        self._reply(self._get)

    def do_POST(self):  # noqa: N802
        self._reply(self._post)

    def log_message(self, *_):
        """Says nothing."""

    def _reply(self, method) -> None:
        try:
            status, body = 200, method()
        except ServingError as error:
            status, body = HTTP_STATUS[error.code], {"error": str(error)}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _servable(self, suffix: str = "") -> tuple[Servable, str]:
        match = PATH.fullmatch(self.path.removesuffix(suffix))
        if match is None or not self.path.endswith(suffix):
            raise ServingError("INVALID_ARGUMENT", f"Malformed request: {self.path}")
        version = match["version"] and int(match["version"])
        return self.find(match["name"], version), match["rest"]

    def _get(self) -> dict:
        servable, rest = self._servable()
        if rest:
            return _metadata_as_json(servable)
        return _as_json(servable.status())

    def _post(self) -> dict:
        servable, _ = self._servable(":predict")
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        except ValueError as error:
            raise ServingError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error
        signature = servable.signature(body.get("signature_name", ""))
        (*names,) = signature.structured_input_signature[1]
        if "instances" in body and "inputs" not in body:
            made = servable.predict(signature, _from_rows(body["instances"], names))
            return {"predictions": _to_rows(made)}
        if "inputs" in body and "instances" not in body:
            inputs = body["inputs"]
            named = isinstance(inputs, dict) and inputs.keys() != {"b64"}
            inputs = inputs if named else {names[0]: inputs}
            made = servable.predict(signature, {k: _decoded(v) for k, v in inputs.items()})
            shown = {name: value.tolist() for name, value in made.items()}
            return {"outputs": shown if len(shown) > 1 else next(iter(shown.values()))}
        raise ServingError("INVALID_ARGUMENT", "Expected either 'instances' or 'inputs'")


def _from_rows(rows: list, names: list[str]) -> dict:
    """Gathers instances, each a value of the only input or an object of all inputs."""
    if not isinstance(rows, list) or not rows:
        raise ServingError("INVALID_ARGUMENT", "Expected 'instances' to be a list with values")
    if isinstance(rows[0], dict) and rows[0].keys() != {"b64"}:
        return {name: [_decoded(row[name]) for row in rows] for name in rows[0]}
    return {names[0]: [_decoded(row) for row in rows]}


def _to_rows(outputs: dict[str, np.ndarray]) -> list:
    """Returns a prediction for each instance; all outputs must have as many."""
    counts = {name: len(value) for name, value in outputs.items()}
    count = next(iter(counts.values()))
    for name, other in counts.items():
        if other != count:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"Tensor name: {name} has inconsistent batch size: {other} expecting: {count}",
            )
    columns = {name: value.tolist() for name, value in outputs.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _decoded(value):
    """Decodes {"b64": ...} in nested lists; numbers are left as they are, because they are many."""
    leaf = value
    while isinstance(leaf, list) and leaf:
        leaf = leaf[0]
    if not isinstance(leaf, dict):
        return value
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [_decoded(part) for part in value]


def _as_json(message) -> dict:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _metadata_as_json(servable: Servable) -> dict:
    definitions = {name: _as_json(value) for name, value in servable.signature_defs.items()}
    spec = {"name": servable.name, "signature_name": "", "version": str(servable.version)}
    # The inner object is the SignatureDefMap, whose only field has the name of its key.
    return {
        "model_spec": spec,
        "metadata": {"signature_def": {"signature_def": definitions}},
    }
