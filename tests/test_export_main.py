"""Exports from the command line: what is published, and that a bad one is not."""

import hashlib
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from export_fakes import small_cnn, small_mlp, write_images, write_run, write_search
from patience import assert_equal_but_for_rounding

from kerasdl.datasets.load import load
from kerasdl.evaluation.predictions import softmax
from kerasdl.export import card, exporting, gate, signatures
from kerasdl.export.__main__ import main
from kerasdl.serving import scan

NAMES = ["lying", "upright|1", "三"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images and the run of two models on them."""
    place = tmp_path_factory.mktemp("export")
    images = write_images(place / "images")
    models = {"mlp": small_mlp(), "cnn": small_cnn()}
    write_run(place / "run", images, models)
    return place


@pytest.fixture(scope="module")
def version(place):
    """The CNN, which is the best, in all formats, with a temperature."""
    formats = ["--format", "openvino,onnx,litert", "--calibrate"]
    assert main([str(place / "run"), "--to", str(place / "saved"), *formats]) == 0
    return place / "saved" / "svhn" / "1"


@pytest.fixture(scope="module")
def model(place):
    return keras.saving.load_model(place / "run" / "models" / "cnn-seed0.keras")


@pytest.fixture(scope="module")
def loaded(version):
    return tf.saved_model.load(str(version))


def test_the_folder_is_what_tensorflow_serving_reads(version, loaded):
    assert [path.name for path in version.parent.iterdir()] == ["1"]
    assert {"saved_model.pb", "variables", "assets.extra"} <= {p.name for p in version.iterdir()}
    (inputs,) = loaded.signatures["serving_default"].structured_input_signature[1].values()
    assert (inputs.name, inputs.dtype, inputs.shape.as_list()) == (
        "images",
        tf.uint8,
        [None, 12, 10, 3],
    )
    (inputs,) = loaded.signatures["serving_bytes"].structured_input_signature[1].values()
    assert (inputs.name, inputs.dtype, inputs.shape.as_list()) == ("image_bytes", tf.string, [None])
    assert set(loaded.signatures) == {"serving_default", "serving_bytes", "serving_explain"}
    scan.check(version)


def test_it_answers_as_the_trained_model(place, version, loaded, model):
    images = load(str(place / "images")).test.images
    temperature = card.read(version).temperature
    assert temperature != 1.0
    expected = softmax(model.predict(images, verbose=0) / temperature)
    answers = loaded.signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    assert answers["probabilities"].dtype == tf.float32
    np.testing.assert_array_equal(answers["classes"], expected.argmax(axis=1))
    words = [word.decode() for word in answers["labels"].numpy()]
    assert words == [NAMES[label] for label in expected.argmax(axis=1)]
    files = [tf.io.encode_png(image).numpy() for image in images]
    same = loaded.signatures["serving_bytes"](image_bytes=tf.constant(files))
    np.testing.assert_allclose(same["probabilities"], answers["probabilities"], atol=1e-6)
    explained = loaded.signatures["serving_explain"](images=tf.constant(images))
    assert explained["heatmap"].shape == images.shape[:3]
    assert 0 <= explained["heatmap"].numpy().min() <= explained["heatmap"].numpy().max() == 1
    assert_equal_but_for_rounding(explained["probabilities"], answers["probabilities"])


@pytest.mark.parametrize("shape", [(2, 11, 10, 3), (2, 12, 11, 3), (2, 24, 20, 3), (1, 12, 10, 1)])
@pytest.mark.parametrize("name", ["serving_default", "serving_explain"])
def test_another_shape_is_refused_by_the_graph_itself(version, loaded, shape, name):
    images = np.zeros(shape, np.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected images of the shape"):
        loaded.signatures[name](images=tf.constant(images))


def test_another_shape_is_refused_in_a_session_too(version):
    """TensorFlow Serving runs graphs in sessions and checks no shape itself."""
    from tensorflow.core.protobuf import config_pb2

    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(version))
        signature = graph.signature_def["serving_default"]
        options = config_pb2.CallableOptions()
        options.feed.append(signature.inputs["images"].name)
        options.fetch.append(signature.outputs["probabilities"].name)
        call = session._make_callable_from_options(options)
        assert call(np.zeros((2, 12, 10, 3), np.uint8))[0].shape == (2, 3)
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected images of the shape"):
            call(np.zeros((2, 11, 10, 3), np.uint8))


def test_warm_up_requests_are_prediction_logs_that_run(version, loaded):
    from tensorflow_serving.apis import prediction_log_pb2

    path = version / "assets.extra" / "tf_serving_warmup_requests"
    seen = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "svhn"
        inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        signature = request.model_spec.signature_name
        answers = loaded.signatures[signature](**inputs)
        seen.append((signature, len(answers["classes"])))
    assert seen == [
        ("serving_default", 1),
        ("serving_default", 8),
        ("serving_default", 32),
        ("serving_bytes", 2),
        ("serving_explain", 1),
    ]


def test_the_card_says_where_it_is_from_and_how_it_was_checked(place, version):
    found = card.read(version)
    assert (found.name, found.version, found.model, found.seed) == ("svhn", 1, "cnn", 0)
    assert found.class_names == NAMES
    assert found.resize == "stretch"  # as its training images, a person's own
    assert found.settings == {"width": 8}
    assert found.metrics is not None
    assert found.metrics.validation_accuracy == 0.6
    assert found.dataset.sha256 == load(str(place / "images")).sha256
    # All images there are: fewer than the thousand that a data set has.
    assert sum(found.compared_on.values()) == found.dataset.train + found.dataset.validation + (
        found.dataset.test
    )
    assert [one.format for one in found.formats] == ["saved_model", "onnx", "litert", "openvino"]
    for one in found.formats:
        assert one.agreement == 1.0
        assert 0 <= one.largest_difference < 1e-4
        assert one.bytes > 1000
    listed = {
        path.relative_to(version).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in version.rglob("*")
        if path.is_file() and path.name not in ("card.json", "README.md")
    }
    assert found.sha256 == listed
    assert {"onnx/model.onnx", "litert/model.tflite", "openvino/model.xml"} <= set(listed)
    text = (version / "README.md").read_text(encoding="utf-8")
    assert "# svhn, version 1" in text
    assert f"temperature {found.temperature:.3f}" in text
    assert r"upright\|1" in text
    assert json.loads((version / "card.json").read_text(encoding="utf-8"))["schema"] == 1


def test_what_answers_otherwise_is_not_published(place, version, capsys, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    write = signatures.write

    def write_other_weights(model, folder, **options):
        other = keras.models.clone_model(model)
        other.set_weights([1.1 * weight + 0.1 for weight in model.get_weights()])
        return write(other, folder, **options)

    monkeypatch.setattr(exporting.signatures, "write", write_other_weights)
    assert main([str(place / "run"), "--to", str(place / "saved"), "--model", "mlp"]) == 1
    captured = capsys.readouterr()
    assert re.search("not published: saved_model: a probability differs by", captured.err)
    assert captured.out == ""
    # The model's folder was written to, and nothing is left in it.
    after = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert {**before, version.parent: 0} == {**after, version.parent: 0}


def test_what_cannot_be_loaded_is_not_published(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"no graph")
    images, labels = np.zeros((2, 12, 10, 3), np.uint8), np.zeros(2, np.int32)
    logits = np.zeros((2, 3))
    found, problems = gate.run(
        tmp_path, ["saved_model"], images, labels, logits, temperature=1.0, mixed=False
    )
    assert found == []
    (problem,) = problems
    assert problem.startswith("what was written cannot be loaded: OSError: Cannot parse file")


def refuse(capsys, *arguments):
    """Runs the command, which must fail at once, and returns its line."""
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    (line,) = captured.err.splitlines()
    return line


def test_mistakes_are_one_line_and_nothing_is_written(place, version, tmp_path, capsys):
    run, saved = place / "run", place / "saved"
    write_run(tmp_path / "unfinished", place / "images", {"mlp": small_mlp()}, status="interrupted")
    write_search(tmp_path / "experiment", place / "images")
    write_search(tmp_path / "search", place / "images", small_mlp())
    (tmp_path / "file").write_text("")
    to = ("--to", tmp_path / "saved")
    for arguments, expected in (
        ((tmp_path / "nowhere", *to), "no such folder"),
        ((tmp_path, *to), "no results.json"),
        ((tmp_path / "unfinished", *to), "which is interrupted"),
        ((tmp_path / "experiment", *to), "without a model"),
        ((tmp_path / "search", *to, "--model", "mlp"), "its model is 'winner', of the seed 3"),
        ((tmp_path / "search", *to, "--calibrate"), "trained on the validation images, too"),
        ((run, *to, "--model", "vgg16"), "--model must be one of mlp, cnn"),
        ((run, *to, "--seed", "1"), "--seed must be one of 0"),
        ((run, *to, "--format", "onnx,coreml"), "--format takes some of saved_model, onnx"),
        ((run, *to, "--name", "../x"), "a model's name has letters"),
        ((run, "--to", tmp_path / "file"), "--to must be a folder"),
        ((run, "--to", saved, "--version", "1"), "is there already"),
        ((run,), "required: --to"),
        ((run, *to, "--version", "one"), "invalid int value"),
    ):
        assert expected in refuse(capsys, *arguments), arguments
    assert not (tmp_path / "saved").exists()


def test_a_missing_package_is_named_before_anything_is_done(place, tmp_path, capsys, monkeypatch):
    from kerasdl.export import formats

    monkeypatch.setitem(formats.NEEDED, "onnx", ("kerasdl_has_no_such_package",))
    line = refuse(capsys, place / "run", "--to", tmp_path / "saved", "--format", "onnx")
    assert "--format onnx needs kerasdl_has_no_such_package: pip install 'kerasdl[export]'" in line


def test_other_images_or_another_model_are_refused(place, tmp_path, capsys):
    images = write_images(tmp_path / "images", per_class=20)
    write_run(tmp_path / "run", images, {"mlp": small_mlp()})
    (tmp_path / "run" / "models" / "mlp-seed0.keras").unlink()
    small_mlp(shape=(12, 11, 3)).save(tmp_path / "run" / "models" / "mlp-seed0.keras")
    to = ("--to", tmp_path / "saved")
    assert "is not the run's model" in refuse(capsys, tmp_path / "run", *to)
    (images / "lying" / "0.png").unlink()
    assert "the images must be those of the run" in refuse(capsys, tmp_path / "run", *to)
    (tmp_path / "run" / "models" / "mlp-seed0.keras").unlink()
    assert "a committed record has none" in refuse(capsys, tmp_path / "run", *to)
    assert not (tmp_path / "saved").exists()


def test_scan_says_what_it_finds(version, tmp_path, capsys):
    assert main(["scan", str(version)]) == 0
    assert "only computes" in capsys.readouterr().out

    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def read(self, name):
            return tf.io.read_file(name)

    tf.saved_model.save(Reads(), str(tmp_path))
    assert main(["scan", str(tmp_path)]) == 1
    assert "ReadFile (opens files): node" in capsys.readouterr().out
    assert "expected a SavedModel" in refuse(capsys, "scan", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("agreement", "difference", "problems"),
    [(1.0, 1e-6, 0), (0.9991, 9e-4, 0), (0.998, 1e-6, 1), (1.0, 2e-3, 1), (0.5, 0.9, 2)],
)
def test_the_bounds_of_the_gate(agreement, difference, problems):
    found = gate.Agreement("onnx", agreement, difference, 0.9, 1, 1.0)
    assert len(gate.judge(found, gate.SAME_PRECISION)) == problems
    broken = gate.Agreement("onnx", float("nan"), float("nan"), 0.9, 1, 1.0)
    assert len(gate.judge(broken, gate.MIXED_PRECISION)) == 2
