"""REST as TensorFlow Serving speaks it: cases of its api_rest.md and its tests, against a server.

`http_rest_api_handler_test.cc` and `json_tensor_test.cc` of tensorflow/serving say what is asked
and what must come back; where we are stricter on purpose, the case says so.
"""

import base64
import gzip
import json
import math
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import PATIENCE
from serving_fakes import TYPES, models_folder, serving

from kerasdl.serving import openapi

CAP = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = models_folder(tmp_path_factory)
    with serving(folder, "--max-body", CAP, "--max-pixels", 4096) as running:
        yield running


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


ANSWERS = {
    "rows": ("half", {"instances": [[1.0, 2.0], [3.0, 4.0]]}, [[2.5, 3.0], [3.5, 4.0]]),
    "flat rows": ("half", {"instances": [1.0, 2.0]}, [2.5, 3.0]),
    "whole numbers": ("half", {"instances": [1, 2.0, 3]}, [2.5, 3.0, 3.5]),
    "named signature": (
        "half",
        {"signature_name": "serving_default", "instances": [3.0, 4.0]},
        [3.5, 4.0],
    ),
    "empty signature name": ("half", {"signature_name": "", "instances": [3.0]}, [3.5]),
    "columns, unnamed": ("half", {"inputs": [3.0, 4.0]}, [3.5, 4.0]),
    "columns, named": ("half", {"inputs": {"x": [3.0, 4.0]}}, [3.5, 4.0]),
    "a scalar": ("half", {"inputs": 3.0}, 3.5),
    "rows of objects": ("half", {"instances": [{"x": [1.0]}, {"x": [2.0]}]}, [[2.5], [3.0]]),
    "other keys": ("half", {"instances": [1.0], "more": {"a": [[[]]]}}, [2.5]),
    "no examples": ("rows", {"inputs": {"x": []}}, None),
    "strings": ("echo", {"signature_name": "strings", "instances": ["a", b64(b"b")]}, ["a", "b"]),
    "nested strings": (
        "echo",
        {"signature_name": "strings", "instances": [[b64(b"hello")], [b64(b"world")]]},
        [["hello"], ["world"]],
    ),
    "one string": ("echo", {"signature_name": "strings", "inputs": b64(b"hello")}, "hello"),
    "several outputs": (
        "echo",
        {"signature_name": "one", "inputs": 3},
        {"double": 6.0, "half": 1.5},
    ),
    "precision is lost": (
        "echo",
        {"signature_name": "float32", "instances": [1435774380]},
        [1435774300.0],  # the shortest decimal of the float 1435774336
    ),
    "beyond float": (
        "echo",
        {"signature_name": "float32", "instances": [1.7976931348623157e308, -1e308]},
        [math.inf, -math.inf],
    ),
    "below float": ("echo", {"signature_name": "float32", "instances": [1e-300]}, [0.0]),
    "shortest decimals": (
        "echo",
        {"signature_name": "float32", "instances": [9000000, 0.5, 0.0003, 3e-5, 555557.5, 0.1]},
        [9000000.0, 0.5, 0.0003, 3e-5, 555557.5, 0.1],
    ),
    "half": ("echo", {"signature_name": "float16", "instances": [0.5, 1]}, [0.5, 1.0]),
    "bfloat16": ("echo", {"signature_name": "bfloat16", "instances": [1.5, 1]}, [1.5, 1.0]),
    "bools": ("echo", {"signature_name": "bool", "instances": [True, False]}, [True, False]),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers(server, case):
    model, body, expected = ANSWERS[case]
    status, answer = server.predict(model, body)
    if case == "no examples":
        assert status == 400  # stricter: the static shape (?,1) is checked
        return
    key = "predictions" if "instances" in body else "outputs"
    assert (status, answer) == (200, {key: expected})


def test_several_named_inputs_in_rows_and_columns(server):
    rows = [
        {
            "int_tensor": [[1, 2], [3, 4], [5, 6]],
            "str_tensor": ["foo", "bar"],
            "float_tensor": [1.0, 2.5],
            "dbl_tensor": [8.0],
        },
        {
            "int_tensor": [[7, 8], [9, 0], [1, 2]],
            "str_tensor": ["tf", "serving"],
            "float_tensor": [2.0, 0.1],
            "dbl_tensor": [9.0],
        },
    ]
    expected = [
        {**row, "str_tensor_bytes": [b64(text.encode()) for text in row["str_tensor"]]}
        for row in rows
    ]
    assert server.predict("echo", {"instances": rows}) == (200, {"predictions": expected})
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    status, answer = server.predict("echo", {"inputs": columns})
    assert status == 200
    assert answer == {"outputs": {key: [row[key] for row in expected] for key in expected[0]}}


def test_nan_and_infinities_are_bare_tokens_both_ways(server):
    body = '{"signature_name": "float32", "instances": [[NaN, Infinity], [0.1, -Infinity]]}'
    raw = server.http.post("/v1/models/echo:predict", content=body)
    assert raw.text == '{"predictions":[[NaN,Infinity],[0.1,-Infinity]]}'
    mixed = b'{"inputs": {"int_tensor": [[[1,2],[3,4],[5,6]]], "str_tensor": [["a", "b"]], '
    mixed += b'"float_tensor": [[1.0, NaN]], "dbl_tensor": [[NaN]]}}'
    status, answer = server.predict("echo", mixed)
    assert status == 200
    assert math.isnan(answer["outputs"]["float_tensor"][0][1])
    assert answer["outputs"]["float_tensor"][0][0] == 1.0


@pytest.mark.parametrize("name", TYPES[1:])
def test_integers_keep_their_range(server, name):
    limits = np.iinfo(name)
    body = {"signature_name": name, "instances": [int(limits.min), int(limits.max), 1]}
    assert server.predict("echo", body) == (200, {"predictions": body["instances"]})
    for wrong in (int(limits.max) + 1, int(limits.min) - 1, 1.5, True, "1", None, {"b64": "MQ=="}):
        status, answer = server.predict("echo", {**body, "instances": [1, wrong]})
        assert status == 400
        assert f"not of expected type: {name}" in answer["error"]


ERRORS = {
    "empty": ("half", b"", 400, "JSON Parse error: The document is empty"),
    "no JSON": ("half", b"instances = [1, 2]", 400, "JSON Parse error: Invalid value"),
    "no object": ("half", b"[1]", 400, "Is not object"),
    "bad UTF-8": ("half", b'{"instances": ["\xff"]}', 400, "JSON Parse error"),
    "too big a number": ("half", b'{"instances": [1e400]}', 400, "JSON Parse error"),
    "signature_name": ("half", {"signature_name": 5, "instances": [1]}, 400, "must be a string"),
    "JSON before the model": ("foo", b"{", 400, "JSON Parse error"),
    "signature_name before the model": ("foo", {"signature_name": []}, 400, "must be a string"),
    "model": ("foo", {"instances": [1]}, 404, "Servable not found for request: Latest(foo)"),
    "model before the inputs": ("foo", {}, 404, "Servable not found"),
    "signature": (
        "half",
        {"signature_name": "nope"},
        400,
        'Serving signature name: "nope" not found in signature def',
    ),
    "neither": ("half", {}, 400, "Missing 'inputs' or 'instances' key"),
    "both": ("half", {"instances": [1], "inputs": [1]}, 400, "Not formatted correctly"),
    "instances no list": ("half", {"instances": 1}, 400, "to be an list/array"),
    "no instances": ("half", {"instances": []}, 400, "No values in 'instances' array"),
    "string for float": ("half", {"instances": ["x", "y"]}, 400, "not of expected type: float"),
    "bool for float": ("half", {"instances": [True, 1.0]}, 400, "not of expected type: float"),
    "null": ("half", {"instances": [None]}, 400, "not of expected type: float"),
    "object for float": ("half", {"inputs": {"x": [{"b64": "eA=="}]}}, 400, "not of expected type"),
    "ragged": ("half", {"instances": [[1, 2], [3, 4], [5, 6, 7]]}, 400, "Expecting tensor size"),
    "ragged inside": ("half", {"inputs": [[1, 2], [3]]}, 400, "unexpected size: 1"),
    "too deep": ("half", {"instances": [[1, 2], [[5, 6]]]}, 400, "Expecting shape [2]"),
    "number and list": ("half", {"instances": [1, [1]]}, 400, "Expecting shape [] but got: [1]"),
    "list and number": ("half", {"inputs": [[1], 1]}, 400, "found at incorrect level: 2"),
    "list in a scalar": ("half", {"inputs": [1, [1]]}, 400, "list at unexpected level: 1"),
    "33 dimensions": ("half", '{"instances": [' + "[" * 33 + "1" + "]" * 33 + "]}", 400, "deeper"),
    "plain list": ("echo", {"instances": [[1]]}, 400, "instances is a plain list"),
    "plain value": ("echo", {"inputs": [[1]]}, 400, "inputs is a plain value/list"),
    "mixed": (
        "half",
        {"instances": [{"x": 1}, [1]]},
        400,
        "Expecting object but got list at item 1",
    ),
    "mixed the other way": (
        "half",
        {"instances": [[1], {"x": 1}]},
        400,
        "Expecting value/list but got object at item 1",
    ),
    "other name": ("half", {"instances": [{"z": 1}]}, 400, "does not have named input: z"),
    "missing name": ("echo", {"instances": [{"str_tensor": ["a", "b"]}]}, 400, "keys must be"),
    "missing column": ("echo", {"inputs": {"str_tensor": []}}, 400, "Missing named input: dbl"),
    "not base64": (
        "echo",
        {"signature_name": "strings", "instances": [{"b64": "!"}]},
        400,
        "Unable to base64 decode",
    ),
    "b64 no string": (
        "echo",
        {"signature_name": "strings", "inputs": {"s": [{"b64": 1}]}},
        400,
        "not formatted correctly for base64",
    ),
    "complex": (
        "echo",
        {"signature_name": "waves", "instances": [1]},
        501,
        "to type: complex64",
    ),
    "uneven rows": (
        "echo",
        {"signature_name": "uneven", "instances": [1, 2]},
        400,
        "inconsistent batch size",
    ),
    "a scalar row": ("echo", {"signature_name": "one", "instances": [1]}, 400, "expects shape ()"),
    "not UTF-8 out": (
        "echo",
        {"signature_name": "strings", "instances": [b64(b"\xff")]},
        400,
        "not UTF-8",
    ),
    "static shape": (
        "images",
        {"instances": np.zeros((2, 3, 4, 1), int).tolist()},
        400,
        "input 'pixels' expects shape (?,4,4,1). Received: (2,3,4,1)",
    ),
    "a file for pixels": (
        "images",
        {"instances": [b64(b"x")]},
        400,
        'not of expected type: uint8. For encoded images say "signature_name": "serving_bytes"',
    ),
    "refused by the model": ("rows", {"instances": [[-1.0]]}, 400, "a negative row"),
    "label": ("half/labels/nope", {"instances": [1]}, 400, "Unrecognized servable version label"),
    "version": ("half/versions/7", {"instances": [1]}, 404, "Specific(half, 7)"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(server, case):
    model, body, status, message = ERRORS[case]
    code, answer = server.predict(model, body)
    assert (code, list(answer)) == (status, ["error"])
    assert message in answer["error"]
    assert "\n" not in answer["error"]


URLS = {
    ("GET", "/v1/foo"): "Malformed request: GET /v1/foo",
    ("POST", "/v1/foo"): "Malformed request: POST /v1/foo",
    ("GET", "/v1/models/debug/model_name"): "Malformed request",
    ("POST", "/v1/models"): "Malformed request",
    ("GET", "/v1/models/foo:predict"): "Malformed request",
    ("GET", "/v1/models/foo/version/50:predict"): "Malformed request",
    ("POST", "/v1/models/foo/version/50:regress"): "Malformed request",
    ("POST", "/v1/models/foo/versions/HELLO:regress"): "Malformed request",
    ("POST", f"/v1/models/foo/versions/{2**64 - 1}:regress"): "Failed to convert version",
    ("POST", "/v1/models/foo/metadata"): "Malformed request",
    ("POST", "/v1/models/foo/label/some_label:regress"): "Malformed request",
    ("POST", "/v1/models/foo/versions/50/labels/some_label:regress"): "Malformed request",
    ("PUT", "/v1/models/half:predict"): "Malformed request",
    ("DELETE", "/v1/models/half"): "Malformed request",
}


@pytest.mark.parametrize(("method", "path"), URLS)
def test_malformed_urls(server, method, path):
    answer = server.http.request(method, path, content=b"")
    assert answer.status_code == 400
    assert URLS[method, path] in answer.json()["error"]


def test_names_are_decoded_and_only_looked_up(server):
    assert server.predict("h%61lf", {"instances": [1.0]}) == (200, {"predictions": [2.5]})
    for name in ("..%2F..%2Fetc", "%2e%2e", "half%2F1", "%00", "%ff"):
        assert server.predict(name, {"instances": [1.0]})[0] == 404
    assert server.http.post("/V1/MODELS/half:PREDICT", json={"inputs": 0}).json() == {"outputs": 2}


AVAILABLE = {
    "model_version_status": [
        {
            "version": "1",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


def test_status_and_metadata(server):
    for path in ("/v1/models/half", "/v1/models/half/versions/1"):
        answer = server.http.get(path)
        assert (answer.status_code, answer.json()) == (200, AVAILABLE)
        assert answer.headers["content-type"] == "application/json"
    missing = server.http.get("/v1/models/half/versions/9")
    assert missing.status_code == 404
    assert missing.json() == {"error": "Could not find version 9 of model half"}
    unknown = server.http.get("/v1/models/nope")
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"error": "Could not find any versions of model nope"},
    )
    metadata = server.http.get("/v1/models/images/metadata").json()
    assert metadata["model_spec"] == {"name": "images", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    pixels = signature["inputs"]["pixels"]
    assert pixels["dtype"] == "DT_UINT8"
    assert [dim["size"] for dim in pixels["tensor_shape"]["dim"]] == ["-1", "4", "4", "1"]
    assert pixels["tensor_shape"]["unknown_rank"] is False


EXAMPLES = {
    "regress": ("regress", "regress_x_to_y", [{"x": 80.0}, {"x": [2.0]}], [42.0, 3.0]),
    "classify": ("classify", "classify_x_to_y", [{"x": 20.0}], [[["", 12.0]]]),
    "labels": ("classify", "classify_named", [{"x": 20.0}], [[["half", 12.0]]]),
    "infinite": ("regress", "regress_x_to_y", [{"x": math.inf}], [math.inf]),
}


@pytest.mark.parametrize("case", EXAMPLES)
def test_classify_and_regress(server, case):
    method, signature, examples, expected = EXAMPLES[case]
    body = {"signature_name": signature, "examples": examples}
    assert server.predict("half", body, method=method) == (200, {"results": expected})


def test_context_is_part_of_every_example(server):
    body = {"signature_name": "regress_x_to_y", "context": {"x": 8.0}, "examples": [{}, {}]}
    assert server.predict("half", body, method="regress") == (200, {"results": [6.0, 6.0]})


EXAMPLE_ERRORS = {
    "signature_name": ({"signature_name": ["hello"], "examples": [{}]}, "must be a string"),
    "context": ({"context": [{}]}, "Example must be JSON object but got JSON Array"),
    "missing": ({}, "'examples' is expected and was not found"),
    "no list": ({"examples": {"names": []}}, "list/array"),
    "empty": ({"examples": []}, "is an empty array"),
    "list in list": ({"examples": [[{}]]}, "Example must be JSON object"),
    "null": (
        {"examples": [{"names": [10, None]}]},
        "names has element with unexpected JSON type: Null",
    ),
    "mixed": ({"examples": [{"names": [10, 10.0]}]}, "feature: names expecting type: int64"),
    "object": (
        {"examples": [{"names": [10, {"test": 10}]}]},
        "names has element with unexpected JSON type: Object",
    ),
    "array": (
        {"examples": [{"names": [[10], 20]}]},
        "names has element with unexpected JSON type: Array",
    ),
    "uint64": ({"examples": [{"names": [20, 2**64 - 13]}]}, "Only int64_t is supported"),
    "no such feature": (
        {"signature_name": "regress_x_to_y", "examples": [{"z": 1.0}]},
        "Feature: x",
    ),
    "wrong signature": ({"examples": [{"x": 1.0}]}, "No regression inputs found"),
}


@pytest.mark.parametrize("case", EXAMPLE_ERRORS)
def test_classify_and_regress_errors(server, case):
    body, message = EXAMPLE_ERRORS[case]
    status, answer = server.predict("half", body, method="regress")
    assert status == 400
    assert message in answer["error"]


def png(height, width):
    """The head of a PNG; that is all that a bomb needs."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + size + b"\x08\x00\x00\x00\x00" + b"\x00" * 64


LIMITS = {
    "body": (b'{"instances": [' + b"1," * CAP + b"1]}", {}, 413),
    "gzip bomb": (gzip.compress(b"0" * 8 * CAP), {"content-encoding": "gzip"}, 413),
    "no gzip": (b"{}", {"content-encoding": "gzip"}, 400),
    "cut gzip": (gzip.compress(b"{}" * 999)[:-9], {"content-encoding": "gzip"}, 400),
    "many gzips": (gzip.compress(b"") * 99, {"content-encoding": "gzip"}, 400),
    "brotli": (b"{}", {"content-encoding": "br"}, 415),
    "depth": (b'{"nested": ' + b"[" * 5000 + b"]" * 5000 + b"}", {}, 400),
    "depth with NaN": (b'{"n": NaN, "d": ' + b"[" * 5000 + b"]" * 5000 + b"}", {}, 400),
    "long number": (b'{"instances": [' + b"9" * 500000 + b"]}", {}, 400),
    "long number with NaN": (b'{"inputs": [NaN, ' + b"9" * 500000 + b"]}", {}, 400),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limits(server, case):
    body, headers, status = LIMITS[case]
    answer = server.http.post("/v1/models/half:predict", content=body, headers=headers)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_a_body_without_a_length_is_capped_too(server):
    answer = server.http.post(
        "/v1/models/half:predict", content=(b"1" * 65536 for _ in range(2 * CAP // 65536))
    )
    assert answer.status_code == 413


def test_gzip_is_understood(server):
    body = gzip.compress(json.dumps({"instances": [1.0]}).encode())
    answer = server.http.post(
        "/v1/models/half:predict", content=body, headers={"content-encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()) == (200, {"predictions": [2.5]})


def test_an_images_header_is_checked_before_it_is_decoded(server):
    body = {"signature_name": "serving_bytes", "instances": [b64(png(16000, 16000))]}
    status, answer = server.predict("images", body)
    assert status == 400
    assert "16000 x 16000" in answer["error"]
    # Together they are too many, each alone is not.
    many = {**body, "instances": [b64(png(60, 60))] * 2}
    assert "above the most" in server.predict("images", many)[1]["error"]


pieces = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"1", b"-", b"e", b"NaN", b"null", b"true"),
        *(b'"x"', b'"instances"', b'"inputs"', b'"signature_name"', b'"b64"', b'"strings"'),
        *(b"\xff", b"\\u"),
    ]
)
bodies = st.sampled_from(
    [
        b'{"instances": [[1.0, 2.0], [3.0, 4.0]]}',
        b'{"signature_name": "strings", "inputs": {"s": ["a", {"b64": "eA=="}]}}',
        b'{"signature_name": "serving_bytes", "instances": [{"b64": "iVBORw0KGgo="}]}',
        b'{"signature_name": "uint8", "instances": [[1, 2], [3, 255]]}',
        b'{"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}, {"x": [2]}]}',
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["half", "echo", "images", "rows", "x"]),
    st.sampled_from(["predict", "predict", "classify", "regress"]),
    bodies,
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 3), pieces), max_size=3),
)
def test_broken_requests_never_end_in_a_server_error(server, model, method, body, changes):
    for place, length, piece in changes:
        body = body[:place] + piece + body[place + length :]
    status, answer = server.predict(model, body, method=method)
    assert status in (200, 400, 404)
    assert next(iter(answer)) in ("error", "predictions", "outputs", "results")


def test_a_request_head_is_limited(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        answer = b""
        try:
            for _ in range(2000):
                plain.sendall(b"x-filler: " + b"y" * 100 + b"\r\n")
            answer = plain.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert answer.startswith(b"HTTP/1.1 400")


def test_no_cors_unless_asked_for(server):
    origin = {"origin": "https://example.org"}
    assert (
        "access-control-allow-origin" not in server.http.get("/v1/models", headers=origin).headers
    )
    refused = server.http.request("OPTIONS", "/v1/models/half:predict", headers=origin)
    assert refused.status_code == 400


def test_what_is_told_about_the_server(server):
    assert server.http.get("/healthz").json() == {"status": "alive"}
    assert server.http.get("/readyz").json() == {"status": "ready", "models_not_served": []}
    listed = server.http.get("/v1/models").json()["models"]
    assert [model["name"] for model in listed] == ["echo", "half", "images", "rows"]
    assert listed[2]["versions"][0]["signatures"] == ["serving_bytes", "serving_default"]
    server.predict("half", {"instances": [1.0]})
    server.predict("made-up", {"instances": [1.0]})
    text = server.http.get("/monitoring/prometheus/metrics").text
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"}' in text
    assert 'kerasdl_version_served{model_name="half",version="1"} 1' in text
    assert "made-up" not in text  # else anyone could fill the memory
    assert server.http.get("/openapi.json").content == openapi.document()
    assert server.http.post("/healthz").status_code == 405
    assert server.http.get("/nothing").json() == {"error": "there is nothing at /nothing"}
