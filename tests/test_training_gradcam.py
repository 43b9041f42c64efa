"""Grad-CAM: the formula, the place, the same on both backends and in an exported graph."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasdl.models import registry
from kerasdl.training import gradcam


@pytest.fixture(autouse=True)
def same_weights():
    """The networks have the same first weights whichever tests run."""
    keras.utils.set_random_seed(0)


def bright_corner(*, flat):
    """Logits by hand: class 1 wants light in the upper left quarter, class 0 in the lower right."""
    pixels = keras.Input((8, 8, 1))
    x = layers.Conv2D(1, 1, activation="relu", name="light")(pixels)
    x = layers.AveragePooling2D(4)(x)
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    model = keras.Model(pixels, layers.Dense(2, name="logits")(x))
    model.get_layer("light").set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    if flat:
        kernel = np.array([[0, 1], [0, 0], [0, 0], [1, 0]], np.float32)
        model.get_layer("logits").set_weights([kernel, np.zeros(2)])
    return model


def test_heat_is_where_the_class_gets_its_score():
    model = bright_corner(flat=True)
    images = np.full((1, 8, 8, 1), 100, np.uint8)
    for klass, rows in ((1, slice(0, 4)), (0, slice(4, 8))):
        heat = gradcam.heat_maps(model, images, [klass])[0]
        expected = np.zeros((8, 8), np.float32)
        expected[rows, rows] = 1
        np.testing.assert_allclose(heat, expected, atol=1e-6)
    # The mean over all cells cannot tell the corners apart: that is what is wrong with it.
    np.testing.assert_allclose(gradcam.heat_maps(model, images, [1], averaged=True)[0], 1.0)


def test_without_classes_it_is_the_answer():
    model = bright_corner(flat=True)
    images = np.zeros((2, 8, 8, 1), np.uint8)
    images[0, :4, :4] = 50
    images[1, 4:, 4:] = 50
    own = gradcam.heat_maps(model, images)
    np.testing.assert_array_equal(own, gradcam.heat_maps(model, images, [1, 0]))
    # Nothing in the first image speaks for class 0: no heat, and no division by it.
    assert gradcam.heat_maps(model, images, [0, 1]).max() == 0


def test_before_an_average_over_all_cells_it_is_the_papers_own():
    pixels = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3, activation="relu")(pixels)
    model = keras.Model(pixels, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))
    images = np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3))  # more than a batch
    ours = gradcam.heat_maps(model, images)
    assert ours.shape == (70, 12, 12)
    assert ours.dtype == np.float32
    assert ours.min() == 0
    assert ours.max() <= 1
    np.testing.assert_allclose(ours, gradcam.heat_maps(model, images, averaged=True), atol=1e-5)


def test_averaged_is_equation_one_and_two_of_the_paper():
    import tensorflow as tf

    model = registry.build("lenet5", (28, 28, 1), 10)
    image = np.random.default_rng(0).uniform(0, 255, (1, 28, 28, 1)).astype(np.float32)
    maps = keras.Model(model.input, [model.get_layer("c3").output, model.output])
    with tf.GradientTape() as tape:
        cells, logits = maps(image)
        score = logits[0, 7]
    alpha = tape.gradient(score, cells).numpy().mean(axis=(1, 2))[0]
    heat = np.maximum((cells.numpy()[0] * alpha).sum(axis=-1), 0)
    found = gradcam.heat_maps(model, image, [7], averaged=True)[0]
    # The first cell's centre is at 4.5, the next two pixels on: pixels 5 and 6 lie a quarter and
    # three quarters of the way to it.
    expected = 0.75 * heat[:-1] + 0.25 * heat[1:]
    expected = 0.75 * expected[:, :-1] + 0.25 * expected[:, 1:]
    found = found[5:23:2, 5:23:2]
    assert expected.max() > 0
    # The largest value may lie between these pixels.
    scale = found.sum() / expected.sum()
    np.testing.assert_allclose(found, scale * expected, atol=1e-4)


def test_an_exported_graph_gives_the_same(tmp_path):
    import tensorflow as tf

    model = registry.build("lenet5", (16, 16, 3), 4)
    explain = gradcam.make_graph_function(model)

    class Exported(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.uint8, name="images")])
        def serve(self, images):
            return {"heat": explain(images)}

    exported = Exported()
    tf.saved_model.save(exported, str(tmp_path), signatures=exported.serve)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    heat = loaded(images=tf.constant(images))["heat"].numpy()
    assert heat.dtype == np.float32
    np.testing.assert_allclose(heat, gradcam.heat_maps(model, images), atol=1e-5)


JAX = """
import sys
import numpy as np
from pathlib import Path
from kerasdl.models import saved
from kerasdl.training.gradcam import heat_maps
model, images = saved.load(Path(sys.argv[1])), np.load(sys.argv[2])
import keras
assert keras.backend.backend() == "jax"
np.savez(sys.argv[3], own=heat_maps(model, images), averaged=heat_maps(model, images, [1, 2],
         averaged=True))
"""


def test_jax_gives_the_same(tmp_path, run_python):
    pixels = keras.Input((10, 10, 1))
    x = layers.Conv2D(3, 3, activation="relu")(pixels)
    x = layers.MaxPooling2D(2)(x)
    model = keras.Model(pixels, layers.Dense(4)(layers.Flatten()(x)))
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 10, 10, 1)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    places = [tmp_path / name for name in ("model.keras", "images.npy", "heat.npz")]
    done = run_python("-c", JAX, *places, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "heat.npz") as found:
        np.testing.assert_allclose(found["own"], gradcam.heat_maps(model, images), atol=1e-4)
        averaged = gradcam.heat_maps(model, images, [1, 2], averaged=True)
        np.testing.assert_allclose(found["averaged"], averaged, atol=1e-4)


def test_a_mixed_policy_gives_float32_heat():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = registry.build("lenet5", (28, 28, 1), 4)
    finally:
        keras.config.set_dtype_policy(policy)
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1)).astype(np.uint8)
    heat = gradcam.heat_maps(model, images)
    assert heat.dtype == np.float32
    assert heat.max() == 1


def test_no_images_give_no_heat_maps():
    model = bright_corner(flat=False)
    assert gradcam.heat_maps(model, np.zeros((0, 8, 8, 1), np.uint8), []).shape == (0, 8, 8)


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(ValueError, match="network with convolutions"):
        gradcam.heat_maps(registry.build("mlp1", (8, 8, 1), 3), np.zeros((1, 8, 8, 1)))
    model = bright_corner(flat=False)
    sure = keras.Model(model.input, layers.Softmax()(model.output))
    with pytest.raises(ValueError, match="ends with a softmax"):
        gradcam.maps_of(sure)
    for classes in ([0], [0, 2], [-1, 0], [0.0, 1.0]):
        with pytest.raises(ValueError, match=r"expected 2 classes in 0\.\.1"):
            gradcam.heat_maps(model, np.zeros((2, 8, 8, 1)), classes)
