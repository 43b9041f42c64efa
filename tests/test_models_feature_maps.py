"""Where a model is cut into feature maps and answer, and where the cells of the maps look."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasdl.models import registry
from kerasdl.models.feature_maps import last_maps


@pytest.fixture(autouse=True)
def same_weights():
    """The networks have the same first weights whichever tests run."""
    keras.utils.set_random_seed(0)


def through(models, x):
    for model in models:
        x = model(x, training=False)
    return x


LAYERS = {
    "cnn": ("conv2", (14, 14, 64)),
    "lenet5": ("c3", (10, 10, 16)),
    "vgg16": ("conv3_3_relu", (8, 8, 256)),
    "resnet20": ("stage3_block3_out", (7, 7, 64)),
    # Shuffled since their activation.
    "shufflenet": ("stage3_unit8_shuffle", (7, 7, 232)),
    # Its second block's maps are 6x6, and pooled before they are activated.
    "smallnet": ("block1b_relu", (13, 13, 64)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_each_network_is_cut_at_its_last_activated_maps(name):
    model = registry.build(name, (28, 28, 1), 10)
    config = model.get_config()
    maps = last_maps(model)
    assert (maps.layer, maps.shape) == LAYERS[name]
    images = np.random.default_rng(0).uniform(0, 255, (2, 28, 28, 1)).astype(np.float32)
    cells = through(maps.lower, images)
    assert cells.shape == (2, *maps.shape)
    assert float(keras.ops.min(cells)) >= 0
    np.testing.assert_allclose(
        through(maps.upper, cells), model(images, training=False), rtol=1e-4, atol=1e-4
    )
    # The model is what it was: it can be saved as before.
    assert model.get_config() == config


@pytest.mark.parametrize("name", ["mlp1", "mlp"])
def test_a_network_without_convolution_has_no_maps(name):
    assert last_maps(registry.build(name, (28, 28, 1), 10)) is None


def nested(*, pooled):
    """A base inside a model, behind a resizing; with its own pooling the maps are inside it."""
    pixels = keras.Input((28, 28, 1))
    inner = keras.Input((40, 40, 3))
    x = layers.Conv2D(4, 3, 2, "same", activation="relu", name="low")(inner)
    y = layers.Conv2D(6, 3, padding="same", name="left")(x)
    x = layers.Concatenate()([y, x])
    x = layers.ReLU(name="high")(x)
    base = keras.Model(inner, layers.GlobalAveragePooling2D()(x) if pooled else x, name="base")
    x = layers.Concatenate()([pixels] * 3)
    x = base(layers.Resizing(40, 40)(x), training=False)
    x = x if pooled else layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, layers.Dense(5)(x))


@pytest.mark.parametrize("pooled", [False, True])
def test_maps_inside_a_model_inside_the_model_are_found(pooled):
    model = nested(pooled=pooled)
    maps = last_maps(model)
    # Not "left": its maps alone are not all that the answer is made of.
    assert (maps.layer, maps.shape) == ("base/high", (20, 20, 10))
    images = np.random.default_rng(0).uniform(0, 255, (2, 28, 28, 1)).astype(np.float32)
    answer = through(maps.upper, through(maps.lower, images))
    np.testing.assert_allclose(answer, model(images, training=False), rtol=1e-5, atol=1e-5)


def test_a_sequential_in_a_sequential_is_opened():
    base = keras.Sequential([keras.Input((12, 12, 1)), layers.Conv2D(3, 3, activation="relu")])
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), base, layers.Flatten(), layers.Dense(2)], name="outer"
    )
    maps = last_maps(model)
    assert maps.layer == f"{base.name}/{base.layers[-1].name}"
    assert maps.centres == ((1.0, 1.0), (1.0, 1.0))


def test_too_few_cells_are_passed_over_unless_all_have_so_few():
    pixels = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, 4, "same", activation="relu", name="small")(pixels)
    small = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(x)))
    assert last_maps(small).layer == "small"
    assert last_maps(small).shape == (2, 2, 2)
    x = layers.Conv2D(2, 3, padding="same", activation="relu", name="large")(pixels)
    x = layers.Conv2D(2, 3, 4, "same", activation="relu", name="small")(x)
    both = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(x)))
    assert last_maps(both).layer == "large"
    assert last_maps(both, cells=2).layer == "small"


def test_maps_before_their_activation_are_passed_over():
    pixels = keras.Input((16, 16, 1))
    x = layers.Conv2D(2, 3, padding="same", activation="relu", name="active")(pixels)
    x = layers.Conv2D(2, 3, padding="same", name="linear")(x)
    x = layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D(4)(x)))
    assert last_maps(keras.Model(pixels, x)).layer == "active"


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="functional or Sequential"):
        last_maps(Own())


@pytest.mark.parametrize("name", ["lenet5", "vgg16", "resnet20", "smallnet"])
def test_cells_lie_where_they_look(name):
    """A cell's centre is the middle of the pixels that its value depends on."""
    import tensorflow as tf

    model = registry.build(name, (32, 40, 3), 10)
    maps = last_maps(model)
    images = tf.constant(np.random.default_rng(1).uniform(0, 255, (4, 32, 40, 3)), tf.float32)
    rows, columns, _ = maps.shape
    for axis, (cell, count) in enumerate(((rows // 2, rows), (columns // 2, columns))):
        # Of a line of cells, the part of the image that moves any of them.
        with tf.GradientTape() as tape:
            tape.watch(images)
            cells = through(maps.lower, images)
            line = cells[:, cell] if axis == 0 else cells[:, :, cell]
            value = tf.reduce_sum(line)
        gradient = np.abs(tape.gradient(value, images).numpy()).sum(axis=(0, 2 - axis, 3))
        weight = gradient / gradient.sum()
        start, step = maps.centres[axis]
        assert 0 < cell < count
        assert abs(weight @ np.arange(len(weight)) - (start + cell * step)) < 0.3 * step


def test_pixels_take_their_share_of_the_cells_around_them():
    pixels = keras.Input((9, 12, 1))
    x = layers.Conv2D(1, 3, 2, activation="relu")(pixels)  # centres 1, 3, 5, 7 and 1, 3, .. 9
    model = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(x)))
    vertical, horizontal = last_maps(model).spread()
    assert vertical.shape == (9, 4)
    assert horizontal.shape == (12, 5)
    np.testing.assert_array_equal(vertical[1], [1, 0, 0, 0])
    np.testing.assert_array_equal(vertical[2], [0.5, 0.5, 0, 0])
    # The last centre is at 9: half a step on it still reaches, a whole step later nothing does.
    np.testing.assert_array_equal(horizontal[9:, 4], [1, 1, 0.5])
