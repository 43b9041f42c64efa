"""What an export is made of: the run's model, its images, its precision, other formats."""

import numpy as np
import pytest
from export_fakes import small_cnn, small_mlp, write_images, write_search

from kerasdl.datasets.dataset import Examples
from kerasdl.export import formats, held_out, precision, runs, signatures


def examples(count, first=0):
    labels = np.arange(first, first + count, dtype=np.int32)
    return Examples(np.zeros((count, 2, 2, 1), np.uint8), labels)


def test_a_search_has_its_winner_and_no_images_to_calibrate_on(tmp_path):
    images = write_images(tmp_path / "images")
    source = runs.find(write_search(tmp_path / "run", images, small_mlp()))
    assert (source.model, source.seed, source.metrics) == ("winner", 3, None)
    assert source.file.name == "winner.keras"
    found = held_out.load(source, None, None)
    assert len(found.validation) == 0
    assert set(found.counts) == {"test", "training"}  # it was trained on the validation images


@pytest.mark.parametrize(
    ("test", "validation", "training", "counts"),
    [
        (10_000, 500, 500, {"test": 2000}),
        (1000, 500, 500, {"test": 1000}),
        (178, 100, 900, {"test": 178, "validation": 100, "training": 722}),
        (178, 0, 100, {"test": 178, "training": 100}),
    ],
)
def test_at_least_a_thousand_images_where_there_are(
    monkeypatch, test, validation, training, counts
):
    from kerasdl.datasets.dataset import Splits

    class Info:
        sha256 = "a" * 64

    class Source:
        data, dataset, model = None, Info, "mlp"

    splits = Splits(examples(training, 50_000), examples(validation, 20_000), examples(test))
    monkeypatch.setattr(held_out, "load_whole", lambda *_: Info)
    monkeypatch.setattr(held_out, "divide", lambda *_: splits)
    found = held_out.load(Source, None, None)
    assert found.counts == counts
    assert len(found.examples) == sum(counts.values())
    labels = found.examples.labels
    assert len(set(labels.tolist())) == len(labels)
    # Spread over the whole part: data sets may be sorted by class.
    assert labels[: counts["test"]].max() >= 0.99 * test - 5


def test_a_mixed_model_in_float32_has_the_same_weights_and_better_numbers():
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_cnn()
    finally:
        keras.config.set_dtype_policy(policy)
    assert not precision.computes_in_float32(mixed)
    exact = precision.as_float32(mixed)
    assert precision.computes_in_float32(exact)
    assert precision.as_float32(exact) is exact
    for old, new in zip(mixed.get_weights(), exact.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 10, 3)).astype(np.float32)
    rough, fine = mixed.predict(images, verbose=0), exact.predict(images, verbose=0)
    assert 0 < np.abs(rough - fine).max() < 0.05 * np.abs(fine).max()


def test_what_formats_are_named(monkeypatch):
    assert formats.parse("saved_model") == ("saved_model",)
    assert formats.parse("openvino, onnx") == ("saved_model", "onnx", "openvino")
    with pytest.raises(ValueError, match="--format takes some of"):
        formats.parse("onnx,torch")


def test_a_model_that_an_exporter_cannot_write_is_one_sentence(tmp_path):
    class Refusing:
        def export(self, *_, **__):
            raise RuntimeError("no such operation\nand a page more")

    with pytest.raises(ValueError, match=r"cannot be written as onnx: no such operation$"):
        formats.write(Refusing(), tmp_path, "onnx")


def test_a_model_without_a_convolution_has_nothing_to_explain(tmp_path):
    import tensorflow as tf

    names = ["a", "b", "c"]
    assert signatures.write(small_mlp(), tmp_path, class_names=names) == [
        "serving_default",
        "serving_bytes",
    ]
    signature = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    assert set(signature.structured_outputs) == {"probabilities", "classes", "labels"}


def test_models_of_other_kinds_are_refused(tmp_path):
    import keras

    inputs = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    with pytest.raises(ValueError, match="of a fixed size"):
        signatures.image_shape(keras.Model(inputs, keras.layers.Dense(2)(pooled)))
    with pytest.raises(ValueError, match="one class name for each"):
        signatures.write(small_mlp(), tmp_path / "x", class_names=["a", "b"])
    assert not (tmp_path / "x").exists()
    assert signatures.has_explanation(small_cnn())
    assert not signatures.has_explanation(small_mlp())
