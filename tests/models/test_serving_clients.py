"""Clients of a model server get what Keras gives: REST, gRPC and ovmsclient.

The server is the stand-in of `serving_stand_in`, or the real one at TFCYCLEGAN_SERVING_URL, whose
gRPC port is 8500, with the model of `serving_model`.
"""

import base64
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse

import numpy as np
import pytest
import requests
import serving_model
import tensorflow as tf
from places import DOCS
from record_sets import record
from serving_model import NAME, SHAPES
from tiny_runs import made_once

from tfcyclegan.data import intensity, record_bytes, records, windows
from tfcyclegan.models.serving.graph import translate

grpc = pytest.importorskip("grpc", reason="needs grpcio, of the extra `dev`")
pytest.importorskip("tensorflow_serving.apis", reason="needs the extra `serving`")

from google.protobuf import text_format  # noqa: E402
from serving_stand_in import StandIn  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2  # noqa: E402

TOLERANCE = 1e-5
"""Unit range."""
REAL = os.environ.get("TFCYCLEGAN_SERVING_URL", "").rstrip("/")
GRPC_PORT = 8500
SIGNATURES = {"serving_default"} | {
    direction + kind for direction in ("a_to_b", "b_to_a") for kind in ("", "_volume", "_example")
}
PAGE = (DOCS / "serving.md").read_text()
ODD = (3, 181, 217, 1)


@dataclasses.dataclass(frozen=True)
class Server:
    """Where a model server answers REST and gRPC, and the generators that it serves."""

    url: str
    target: str
    generators: list
    stand_in: object = None


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if REAL:
        host = urllib.parse.urlparse(REAL).hostname
        yield Server(REAL, f"{host}:{GRPC_PORT}", [*serving_model.generators().values()])
        return
    with StandIn(made_once(tmp_path_factory, "models", serving_model.write)) as stand_in:
        yield Server(
            stand_in.url, stand_in.target, [*serving_model.generators().values()], stand_in
        )


@pytest.fixture(scope="module")
def stub(server):
    limits = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
    with grpc.insecure_channel(server.target, options=limits) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def post(server: Server, body: dict | str, status: int = 200, name: str = NAME) -> dict:
    text = body if isinstance(body, str) else json.dumps(body)
    reply = requests.post(f"{server.url}/v1/models/{name}:predict", data=text, timeout=120)
    assert reply.status_code == status, reply.text[:500]
    return reply.json()


def ask(stub, signature: str, **inputs) -> dict[str, np.ndarray]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    reply = stub.Predict(request, timeout=120)
    return {name: tf.make_ndarray(value) for name, value in reply.outputs.items()}


def close(made, expected) -> None:
    np.testing.assert_allclose(np.asarray(made, np.float32), expected, atol=TOLERANCE)


def volume() -> tuple[np.ndarray, np.ndarray]:
    """Three slices in scanner units, and the same in unit range as images."""
    voxels = np.random.default_rng(1).uniform(0, 900, (3, 50, 37)).astype(np.float32)
    unit = intensity.scanner_to_unit(voxels, windows.volume_window(voxels))
    return voxels, unit[..., np.newaxis]


def example() -> tuple[bytes, np.ndarray]:
    """A serialized record, and its image."""
    stored = np.random.default_rng(2).integers(0, 1 << 16, (records.SIZE,) * 2, np.uint16)
    row = record("t2", 0, 1, 4, **{"image/data": stored})
    return record_bytes.serialize(row), (row["image/data"] / 65535)[np.newaxis, ..., np.newaxis]


def test_the_status_says_which_version_is_available(server):
    reply = requests.get(f"{server.url}/v1/models/{NAME}", timeout=60)
    (version,) = reply.json()["model_version_status"]
    assert reply.status_code == 200 and version["version"] == "1"
    assert version["state"] == "AVAILABLE" and version["status"]["error_code"] == "OK"


def test_the_metadata_names_every_signature_with_its_tensors(server):
    reply = requests.get(f"{server.url}/v1/models/{NAME}/metadata", timeout=60).json()
    assert reply["model_spec"]["name"] == NAME and reply["model_spec"]["version"] == "1"
    found = reply["metadata"]["signature_def"]["signature_def"]
    assert found.keys() - {"__saved_model_init_op"} == SIGNATURES
    image = found["a_to_b"]["inputs"]["image"]
    assert image["dtype"] == "DT_FLOAT"
    assert [side["size"] for side in image["tensor_shape"]["dim"]] == ["-1", "-1", "-1", "1"]
    assert found["a_to_b_example"]["inputs"]["examples"]["dtype"] == "DT_STRING"
    assert found["b_to_a_volume"]["outputs"].keys() == {"volume", "scale"}


def test_rows_and_columns_give_what_keras_gives(server):
    image = serving_model.images(ODD)
    expected = translate(server.generators[0], image)
    close(post(server, {"instances": image.tolist()})["predictions"], expected)
    named = [{"image": one} for one in image.tolist()]
    close(post(server, {"instances": named})["predictions"], expected)
    close(post(server, {"inputs": image.tolist()})["outputs"], expected)
    body = {"signature_name": "b_to_a", "inputs": {"image": image.tolist()}}
    close(post(server, body)["outputs"], translate(server.generators[1], image))


def test_volumes_go_by_columns(server):
    voxels, unit = volume()
    body = {"signature_name": "a_to_b_volume", "inputs": voxels.tolist()}
    made = post(server, body)["outputs"]
    close(made["volume"], translate(server.generators[0], unit)[..., 0])
    np.testing.assert_allclose(made["scale"], np.percentile(voxels, [0.5, 99.5]), rtol=1e-6)
    # Two ends of a window are no rows of three slices.
    by_rows = {"signature_name": "a_to_b_volume", "instances": voxels.tolist()}
    assert "inconsistent batch size" in post(server, by_rows, 400)["error"]


def test_records_go_as_base64(server):
    serialized, image = example()
    value = {"b64": base64.b64encode(serialized).decode()}
    expected = translate(server.generators[0], image.astype(np.float32))
    body = {"signature_name": "a_to_b_example", "instances": [value]}
    close(post(server, body)["predictions"], expected)


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({"instances": [[[[0.5]]]]}, 404, "nobody"),
        ({"signature_name": "nothing", "instances": [[[[0.5]]]]}, 400, NAME),
        ("{", 400, NAME),
        ({"image": 1}, 400, NAME),
        ({"instances": [[0.5]]}, 400, NAME),
        ({"signature_name": "a_to_b_volume", "inputs": np.ones((1, 20, 20)).tolist()}, 400, NAME),
        ({"signature_name": "a_to_b_example", "instances": [{"b64": "AAAA"}]}, 400, NAME),
    ],
)
def test_what_cannot_be_answered_is_an_error_in_json(server, body, status, name):
    found = post(server, body, status, name)
    assert found.keys() == {"error"} and found["error"]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_grpc_gives_what_keras_gives(server, stub, shape):
    image = serving_model.images(shape)
    expected = translate(server.generators[0], image)
    close(ask(stub, "serving_default", image=image)["image"], expected)


def test_grpc_takes_volumes_and_records(server, stub):
    voxels, unit = volume()
    made = ask(stub, "b_to_a_volume", volume=voxels)
    close(made["volume"], translate(server.generators[1], unit)[..., 0])
    serialized, image = example()
    made = ask(stub, "b_to_a_example", examples=[serialized])["image"]
    close(made, translate(server.generators[1], image.astype(np.float32)))


def test_grpc_describes_the_model(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = NAME
    reply = stub.GetModelMetadata(request, timeout=60)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata["signature_def"].Unpack(found)
    assert found.signature_def.keys() - {"__saved_model_init_op"} == SIGNATURES
    shape = found.signature_def["a_to_b"].inputs["image"].tensor_shape
    assert [side.size for side in shape.dim] == [-1, -1, -1, 1]


def test_grpc_errors_have_a_code(stub):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "nobody"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError, match="needs contrast") as caught:
        ask(stub, "a_to_b_volume", volume=np.ones((1, 20, 20), np.float32))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


# Numbers as text are slow: every size, and every batch of one of them.
@pytest.mark.parametrize("shape", [s for s in SHAPES if s[0] == 1 or s[1:] == ODD[1:]], ids=str)
def test_ovmsclient_over_rest_gives_what_keras_gives(server, shape):
    client = ovms().make_http_client(urllib.parse.urlparse(server.url).netloc)
    image = serving_model.images(shape)
    made = client.predict({"image": image}, NAME, model_version=1, timeout=120)
    close(made, translate(server.generators[0], image))


def test_ovmsclient_over_grpc_gives_what_keras_gives(server):
    client = ovms().make_grpc_client(server.target)
    assert client.get_model_status(NAME, model_version=1)[1]["state"] == "AVAILABLE"
    described = client.get_model_metadata(NAME, model_version=1)
    assert described["inputs"]["image"] == {"shape": [-1, -1, -1, 1], "dtype": "DT_FLOAT"}
    image = serving_model.images(ODD)
    made = client.predict({"image": image}, NAME, model_version=1, timeout=120)
    close(made, translate(server.generators[0], image))
    with pytest.raises(ovms().ModelNotFoundError):
        client.predict({"image": image}, "nobody", timeout=60)


def ovms():
    return pytest.importorskip("ovmsclient", reason="needs ovmsclient, of the extra `dev`")


def test_a_server_plays_the_warm_up_requests_when_it_loads(server):
    if server.stand_in is None:
        pytest.skip("a real server does not say")
    assert server.stand_in.servables[NAME].warmed_up == len(SIGNATURES)


def block(kind: str) -> str:
    """Returns the one code block of that kind in docs/serving.md."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_configuration_of_the_documents_is_one(server):
    config = text_format.Parse(block("protobuf"), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.model_platform == "tensorflow" and model.base_path.endswith(model.name)
    assert [*model.model_version_policy.specific.versions] == [*model.version_labels.values()]


def test_the_curl_call_of_the_documents_works(server, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    (call,) = [line for line in block("sh").replace("\\\n", "").splitlines() if "curl" in line]
    image = serving_model.images((1, 20, 24, 1))
    (tmp_path / "slices.json").write_text(json.dumps({"instances": image.tolist()}))
    words = shlex.split(call.replace("http://localhost:8501", server.url))
    reply = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    close(json.loads(reply.stdout)["predictions"], translate(server.generators[0], image))


def test_the_grpc_client_of_the_documents_works(server, tmp_path):
    (program,) = [
        text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "grpc" in text
    ]
    voxels, unit = volume()
    np.save(tmp_path / "volume.npy", voxels)
    program = program.replace("localhost:8500", server.target)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    made = np.load(tmp_path / "flair.npy")
    close(made, translate(server.generators[0], unit)[..., 0])
