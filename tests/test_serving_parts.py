"""The server's parts that need no server: what lies in a folder, headers of images, messages."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kerasdl.serving import (
    card,
    errors,
    images,
    limits,
    listing,
    metrics,
    models,
    routes,
    warmup,
)
from kerasdl.serving.errors import Failure
from kerasdl.serving.options import Options
from kerasdl.serving.replica import Replica


def make(folder, *versions):
    for version in versions:
        (folder / version).mkdir(parents=True)


def test_a_folder_of_models_and_what_is_no_version(tmp_path):
    make(tmp_path / "one", "1", "20", "part-3", ".4", "-5", "६")
    make(tmp_path / ".hidden", "1")
    make(tmp_path / "empty", "latest")
    make(tmp_path / "no\udcfftext", "1")
    (tmp_path / "file").write_text("")
    (tmp_path / "linked").symlink_to(tmp_path / "one")
    found = listing.models(tmp_path)
    assert {name: sorted(model.versions) for name, model in found.items()} == {
        "one": [1, 20],
        "linked": [1, 20],
    }


def test_a_folder_that_is_one_model(tmp_path):
    make(tmp_path / "mnist", "1", "2")
    assert sorted(listing.models(tmp_path / "mnist")["mnist"].versions) == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"a": "1"}', '{"a": true}', '{"": 1}', "\udcff", '{"\\ud800": 1}', "[" * 100_000],
)
def test_labels_that_are_none(tmp_path, text):
    make(tmp_path / "one", "1")
    path = tmp_path / "one" / "labels.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    found = listing.models(tmp_path)["one"]
    assert found.labels == {}
    assert "labels.json" in found.problem


def test_class_names_of_a_card(tmp_path):
    def named(names, kind="kerasdl-model-card"):
        (tmp_path / "card.json").write_text(json.dumps({"kind": kind, "class_names": names}))
        return card.class_names(card.read(tmp_path))

    assert card.class_names(card.read(tmp_path)) == []
    assert named(["cat", "dog", "ੳ"]) == ["cat", "dog", "ੳ"]
    assert len(named(["x"] * 10_000)) == 10_000
    for names in (None, "cat", {"0": "cat"}, ["cat", 1], ["\ud800"], ["a\nb"], ["x"] * 10_001):
        assert named(names) == []
    assert named(["cat"], kind="another") == []
    for text in ("{", "[" * 100_000, "\0"):
        (tmp_path / "card.json").write_text(text)
        with pytest.raises(ValueError, match=r"card\.json is no JSON"):
            card.read(tmp_path)


def test_a_fingerprint_sees_what_changes(tmp_path):
    make(tmp_path, "1/variables")
    (tmp_path / "1" / "a").write_text("x")
    before = listing.fingerprint(tmp_path / "1")
    assert before == listing.fingerprint(tmp_path / "1")
    (tmp_path / "1" / "variables" / "b").write_text("")
    assert before != listing.fingerprint(tmp_path / "1")
    assert listing.fingerprint(tmp_path / "nowhere") == ()


def encoded(kind, **options):
    file = io.BytesIO()
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(file, kind, **options)
    return file.getvalue()


ENCODED = {
    "PNG": encoded("PNG"),
    "BMP": encoded("BMP"),
    "GIF": encoded("GIF"),
    "JPEG": encoded("JPEG"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "JPEG with much before the frame": encoded("JPEG", exif=b"Exif\x00\x00" + b"x" * 60000),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_the_size_of_an_image_by_its_header(kind):
    content = ENCODED[kind]
    assert images.image_size(content) == (30, 50)
    for end in range(0, len(content), 7):
        assert images.image_size(content[:end]) in (None, (30, 50))


def test_every_frame_of_a_gif_counts():
    file = io.BytesIO()
    frames = [Image.fromarray(np.full((30, 50), 9 * i, np.uint8)) for i in range(5)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert images.image_size(file.getvalue()) == (150, 50)


def test_what_is_no_image_has_no_size():
    for content in (b"", b"hello", b"\xff\xd8\xff", b"BM", b"GIF89a", b"\x89PNG\r\n\x1a\n"):
        assert images.image_size(content) is None
    with pytest.raises(Failure, match="4096 segments"):
        images.image_size(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 5000)


class Error(Exception):
    error_code = 3

    def __init__(self, message):
        super().__init__(message)
        self.message = message


def test_the_frame_of_a_graphs_error_is_left_out():
    message = (
        "Graph execution error:\n\nDetected at node Assert defined at (most recent call last):\n"
        '  File "/home/someone/train.py", line 7, in f\n<stack traces unavailable>\n'
        "assertion failed: [a negative row] [x < 0]\n"
        "\t [[{{node StatefulPartitionedCall/Assert}}]] [Op:__inference_signature_wrapper_47]"
    )
    failure = errors.from_exception(Error(message))
    assert failure.message == "assertion failed: [a negative row] [x < 0]"
    assert (failure.code, failure.http) == ("INVALID_ARGUMENT", 400)
    failure = errors.from_exception(Error("[image 0: none][Op:__inference_wrapper_<lambda>_12]"))
    assert failure.message == "[image 0: none]"
    other = errors.from_exception(KeyError("x"))
    assert (other.code, other.http) == ("INTERNAL", 500)


STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
}


def test_status_codes_are_tensorflows_in_http_and_grpc():
    import grpc

    for code, status in STATUSES.items():
        assert Failure(code, "").http == status
    for code, number in errors.NUMBERS.items():
        assert getattr(grpc.StatusCode, code).value[0] == number


def test_routes():
    target = routes.parse("POST", "/v1/models/a%2Fb/versions/3:predict").target
    assert target == routes.Target("a/b", 3)
    route = routes.parse("GET", "/V1/models/m/labels/x%20y/metadata")
    assert route == routes.Route("metadata", routes.Target("m", None, "x y"))
    assert routes.parse("GET", "/v1/models").action == "list"
    for path in ("/v1/models/", "/v1/models/m/", "/v1/models/m/versions/٣"):
        with pytest.raises(Failure, match="Malformed request"):
            routes.parse("GET", path)


def test_batch_sizes_to_warm_up():
    assert warmup.batch_sizes(1) == [1]
    assert warmup.batch_sizes(8) == [1, 2, 4, 8]
    assert warmup.batch_sizes(48) == [1, 2, 4, 8, 16, 32, 48]


def test_the_gate_counts_requests_and_bytes():
    gate = limits.Gate(2, 100)
    gate.enter()
    gate.enter()
    with pytest.raises(Failure) as caught:
        gate.enter()
    assert caught.value.http == 503
    gate.leave()
    gate.enter()
    gate.hold(1000)  # a single body may be larger than all together
    with pytest.raises(Failure):
        gate.hold(1)
    gate.release(1000)
    gate.hold(100)
    assert gate.refused == 2


def test_a_label_of_a_version_that_is_not_served():
    served = models.Models()
    served.by_name["m"] = models.Model("m")
    served.by_name["m"].labels["stable"] = 4
    with pytest.raises(Failure) as caught:
        served.servable(routes.Target("m", None, "stable"))
    assert caught.value.message == "Servable not found for request: Specific(m, 4)"
    with pytest.raises(Failure, match="Unrecognized servable version label: x"):
        served.statuses(routes.Target("m", None, "x"))


def test_metrics_in_prometheus_format():
    counts = metrics.Metrics()
    counts.requests.add('a"b\\c\n', "OK")
    for value in (0.0004, 0.0005, 5, 100):
        counts.latency.add(value, "m", "predict", "REST")
    lines = counts.text([("gauge", "Help.", [("", 1.5)])]).splitlines()
    assert ':tensorflow:serving:request_count{model_name="a\\"b\\\\c\\n",status="OK"} 1' in lines
    labels = 'model_name="m",api="predict",entrypoint="REST"'
    assert f'kerasdl_request_seconds_bucket{{{labels},le="0.0005"}} 2' in lines
    assert f'kerasdl_request_seconds_bucket{{{labels},le="+Inf"}} 4' in lines
    assert f"kerasdl_request_seconds_count{{{labels}}} 4" in lines
    assert lines[-3:] == ["# HELP gauge Help.", "# TYPE gauge gauge", "gauge 1.5"]


def test_the_description_is_openapi_and_names_every_path():
    from kerasdl.serving import openapi

    document = json.loads(openapi.document())
    assert document["openapi"] == "3.1.0"
    assert "/v1/models/{model}/labels/{label}:predict" in document["paths"]
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text


def test_a_replica_that_is_ill_says_so(tmp_path):
    replica = Replica(tmp_path, Options(), "", 1)
    replica.check_health()  # not started yet, so not ill
    healthy = True
    replica._server = SimpleNamespace(healthy=lambda: healthy)
    replica.check_health()
    healthy = False
    with pytest.raises(RuntimeError, match="dead or stuck"):
        replica.check_health()
