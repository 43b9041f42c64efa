"""gRPC, through the stubs of tensorflow-serving-api: the cases of upstream's server tests."""

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from patience import PATIENCE
from serving_fakes import models_folder, serving

KEY = "a-key-of-sixteen-characters"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text(KEY + "\n")
    options = ("--max-body", 2**20, "--api-key-file", key, "--cors-origin", "https://example.org")
    with serving(models_folder(tmp_path_factory), *options) as running:
        running.http.headers["authorization"] = f"Bearer {KEY}"
        yield running


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc) as open_channel:
        yield open_channel


@pytest.fixture
def call(channel):
    """Calls a method of a service with a message, with the key in the metadata."""
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    model = model_service_pb2_grpc.ModelServiceStub(channel)

    def make(method, request, key=KEY, timeout=PATIENCE):
        stub = prediction if hasattr(prediction, method) else model
        metadata = [("x-api-key", key)] if key else []
        return getattr(stub, method)(request, timeout=timeout, metadata=metadata)

    return make


def predict_request(text, **inputs):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = text_format.Parse(text, predict_pb2.PredictRequest())
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_predict(call):
    request = predict_request('model_spec { name: "half" }', x=np.float32([[2.0, 4.0]]))
    answer = call("Predict", request)
    assert list(answer.outputs["y"].float_val) == [3.0, 4.0]
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [1, 2]
    spec = answer.model_spec
    assert (spec.name, spec.version.value) == ("half", 1)
    assert spec.signature_name == "serving_default"


TYPES = ("bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")


@pytest.mark.parametrize("name", [*TYPES, "float16", "bfloat16", "float32", "float64"])
def test_every_type_comes_back(call, name):
    import tensorflow as tf

    value = np.array([[0, 1], [1, 0]]).astype(tf.as_dtype(name).as_numpy_dtype)
    text = f'model_spec {{ name: "echo" signature_name: "{name}" }}'
    answer = call("Predict", predict_request(text, v=value)).outputs["v"]
    assert answer.dtype == tf.as_dtype(name).as_datatype_enum
    np.testing.assert_array_equal(tf.make_ndarray(answer), value)


def test_strings_and_complex_numbers_too(call):
    import tensorflow as tf

    text = 'model_spec { name: "echo" signature_name: "strings" }'
    answer = call("Predict", predict_request(text, s=[[b"a", b"\xff\x00"]]))
    assert list(answer.outputs["s"].string_val) == [b"a", b"\xff\x00"]
    waves = np.array([1 + 2j, 3j], np.complex64)
    text = 'model_spec { name: "echo" signature_name: "waves" }'
    answer = call("Predict", predict_request(text, c=waves))
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["c"]), waves)


def test_an_output_filter(call):
    text = 'model_spec { name: "echo" signature_name: "one" } output_filter: "half"'
    answer = call("Predict", predict_request(text, x=np.float32(3)))
    assert {name: list(proto.float_val) for name, proto in answer.outputs.items()} == {
        "half": [1.5]
    }


ERRORS = {
    "no model": ("", {}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "model": ('model_spec { name: "foo" }', {}, "NOT_FOUND", "Latest(foo)"),
    "version": (
        'model_spec { name: "half" version { value: 9 } }',
        {},
        "NOT_FOUND",
        "Specific(half, 9)",
    ),
    "label": (
        'model_spec { name: "half" version_label: "x" }',
        {},
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: x",
    ),
    "signature": (
        'model_spec { name: "half" signature_name: "x" }',
        {},
        "FAILED_PRECONDITION",
        'Serving signature key "x" not found.',
    ),
    "missing input": (
        'model_spec { name: "half" }',
        {},
        "INVALID_ARGUMENT",
        "input size does not match signature",
    ),
    "extra input": (
        'model_spec { name: "half" }',
        {"x": np.float32(1), "z": 1},
        "INVALID_ARGUMENT",
        "Sent extra: {z}",
    ),
    "type": (
        'model_spec { name: "half" }',
        {"x": np.float64(1)},
        "INVALID_ARGUMENT",
        "input 'x' expects type float. Received: double",
    ),
    "static shape": (
        'model_spec { name: "images" }',
        {"pixels": np.zeros((1, 3, 4, 1), np.uint8)},
        "INVALID_ARGUMENT",
        "expects shape (?,4,4,1). Received: (1,3,4,1)",
    ),
    "output": (
        'model_spec { name: "half" } output_filter: "z"',
        {"x": np.float32(1)},
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z",
    ),
    "output twice": (
        'model_spec { name: "half" } output_filter: "y" output_filter: "y"',
        {"x": np.float32(1)},
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: y",
    ),
    "refused by the model": (
        'model_spec { name: "rows" }',
        {"x": np.float32([[-1.0]])},
        "INVALID_ARGUMENT",
        "a negative row",
    ),
    "a tensor of terabytes": (
        'model_spec { name: "half" } inputs { key: "x" value { dtype: DT_FLOAT '
        "tensor_shape { dim { size: 1000000000000 } } float_val: 1 } }",
        {},
        "INVALID_ARGUMENT",
        "at most 1048576 bytes",
    ),
    "a negative size": (
        'model_spec { name: "half" } inputs { key: "x" value { dtype: DT_FLOAT '
        "tensor_shape { dim { size: -3 } } float_val: 1 } }",
        {},
        "INVALID_ARGUMENT",
        "none negative",
    ),
    "too few values": (
        'model_spec { name: "half" } inputs { key: "x" value { dtype: DT_FLOAT '
        'tensor_shape { dim { size: 3 } } tensor_content: "abc" } }',
        {},
        "INVALID_ARGUMENT",
        "a tensor of shape [3]",
    ),
    "a resource": (
        'model_spec { name: "half" } inputs { key: "x" value { dtype: DT_RESOURCE } }',
        {},
        "UNIMPLEMENTED",
        "cannot carry",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(call, case):
    text, inputs, code, message = ERRORS[case]
    with pytest.raises(grpc.RpcError) as caught:
        call("Predict", predict_request(text, **inputs))
    assert caught.value.code().name == code
    assert message in caught.value.details()


def test_a_message_above_the_cap_is_refused(call):
    request = predict_request('model_spec { name: "half" }', x=np.zeros(2**19, np.float32))
    with pytest.raises(grpc.RpcError) as caught:
        call("Predict", request)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_ends_a_request_and_cancels_what_waits(call, server):
    inputs = {"x": np.float32([[1.0]]), "turns": np.int32([[30000]])}
    text = 'model_spec { name: "rows" signature_name: "slow" }'
    with pytest.raises(grpc.RpcError) as caught:
        call("Predict", predict_request(text, **inputs), timeout=0.05)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    server.until(
        lambda: "kerasdl_requests_now 0" in server.http.get("/monitoring/prometheus/metrics").text
    )


def example_request(kind, text, x):
    from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

    messages = {
        "Classify": classification_pb2.ClassificationRequest,
        "Regress": regression_pb2.RegressionRequest,
        "MultiInference": inference_pb2.MultiInferenceRequest,
    }
    request = text_format.Parse(text, messages[kind]())
    if x is not None:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(x)
    return request


def test_classify_regress_and_both(call):
    text = 'model_spec { name: "half" signature_name: "classify_x_to_y" }'
    answer = call("Classify", example_request("Classify", text, 2.0))
    assert [one.score for one in answer.result.classifications[0].classes] == [3.0]
    assert answer.model_spec.version.value == 1
    text = 'model_spec { name: "half" signature_name: "regress_x_to_y" }'
    answer = call("Regress", example_request("Regress", text, 2.0))
    assert answer.result.regressions[0].value == 3.0
    text = "".join(
        f'tasks {{ model_spec {{ name: "half" signature_name: "{name}_x_to_y" }} '
        f'method_name: "tensorflow/serving/{name}" }}'
        for name in ("regress", "classify")
    )
    results = call("MultiInference", example_request("MultiInference", text, 2.0)).results
    assert results[0].regression_result.regressions[0].value == 3.0
    assert results[1].classification_result.classifications[0].classes[0].score == 3.0
    assert results[1].model_spec.signature_name == "classify_x_to_y"


EXAMPLE_ERRORS = {
    ("Classify", 'model_spec { name: "half" signature_name: "classify_x_to_y" }', None): "empty",
    ("Regress", 'model_spec { name: "half" }', 1.0): "No regression inputs",
    (
        "MultiInference",
        'tasks { model_spec { name: "half" } } tasks { model_spec { name: "rows" } }',
        1.0,
    ): "Unsupported signature method_name",
}


@pytest.mark.parametrize("case", EXAMPLE_ERRORS, ids=lambda case: case[0])
def test_errors_of_examples(call, case):
    with pytest.raises(grpc.RpcError, match=EXAMPLE_ERRORS[case]):
        call(case[0], example_request(*case))


def test_status_and_metadata(call):
    from tensorflow_serving.apis import get_model_metadata_pb2 as metadata_pb2
    from tensorflow_serving.apis import get_model_status_pb2 as status_pb2
    from tensorflow_serving.apis import model_management_pb2

    request = status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half"
    (status,) = call("GetModelStatus", request).model_version_status
    assert (status.version, status.state) == (1, status_pb2.ModelVersionStatus.AVAILABLE)
    assert status.status.error_code == 0
    request.model_spec.name = "nope"
    with pytest.raises(grpc.RpcError, match="Could not find any versions of model nope"):
        call("GetModelStatus", request)
    request = metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "half"
    answer = call("GetModelMetadata", request)
    signatures = metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].dtype == 1
    del request.metadata_field[:]
    with pytest.raises(grpc.RpcError, match="must specify at least one metadata_field"):
        call("GetModelMetadata", request)
    with pytest.raises(grpc.RpcError) as caught:
        call("HandleReloadConfigRequest", model_management_pb2.ReloadConfigRequest())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "labels.json" in caught.value.details()


def test_health_needs_no_key(channel):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "tensorflow.serving.PredictionService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    watched.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_nothing_else_goes_without_the_key(call, server):
    request = predict_request('model_spec { name: "half" }', x=np.float32([2.0]))
    for key in ("", "wrong"):
        with pytest.raises(grpc.RpcError) as caught:
            call("Predict", request, key=key)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    without = {"authorization": ""}
    get = server.http.get
    for path in ("/v1/models", "/v1/models/half/metadata", "/monitoring/prometheus/metrics"):
        assert get(path, headers=without).status_code == 401
        assert get(path, headers={**without, "x-api-key": KEY}).status_code == 200
    body = {"instances": [1.0]}
    refused = server.http.post("/v1/models/half:predict", json=body, headers=without)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert get("/healthz", headers=without).status_code == 200


def test_cors_when_asked_for(server):
    preflight = server.http.options(
        "/v1/models/half:predict", headers={"authorization": "", "origin": "https://example.org"}
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://example.org"


def test_both_ports_answer_at_once(call, server):
    request = predict_request('model_spec { name: "half" }', x=np.float32([2.0]))
    for _ in range(20):
        assert call("Predict", request).outputs["y"].float_val[0] == 3.0
        assert server.predict("half", {"instances": [2.0]}) == (200, {"predictions": [3.0]})
