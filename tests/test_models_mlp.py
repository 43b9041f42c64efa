"""Perceptrons and the small CNN: layers, settings, first weights, preprocessing inside."""

import keras
import numpy as np
import pytest

from kerasdl.models import costs, registry
from kerasdl.models.flat import Grayscale
from kerasdl.models.whitening import adapt


def pixels(n=8, shape=(28, 28, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_parameters_are_those_counted_by_hand():
    model = registry.build("mlp", (28, 28, 1), 10, units=[256, 128, 64])
    by_hand = 785 * 256 + 257 * 128 + 129 * 64 + 65 * 10
    assert costs.count_parameters(model).trainable == by_hand
    assert costs.count_parameters(registry.build("mlp", (28, 28, 1), 10, units=[])).total == 7850
    one = registry.build("mlp1", (28, 28, 1), 10, width=60)
    assert costs.count_parameters(one).total == 785 * 60 + 61 * 10


def test_one_hidden_layer_and_the_small_cnn_are_sequential():
    for name in ("mlp1", "cnn"):
        assert type(registry.build(name, (28, 28, 1), 3)) is keras.Sequential


def test_settings_reach_the_layers():
    model = registry.build(
        "mlp", (8, 8, 3), 4, units=(6, 6), activation="tanh", dropout=0.3, input_dropout=0.1,
        l1=0.01, l2=0.02, batch_norm=True, skip=True, grayscale=True, resize=4,
    )  # fmt: skip
    assert model.get_layer("flatten").output.shape == (None, 16)
    assert model.get_layer("drop2").rate == 0.3
    assert model.get_layer("drop_pixels").rate == 0.1
    assert model.get_layer("activation1").activation is keras.activations.tanh
    dense = model.get_layer("dense2")
    assert not dense.use_bias
    assert model.get_layer("norm2")
    assert (float(dense.kernel_regularizer.l1), float(dense.kernel_regularizer.l2)) == (
        pytest.approx(0.01), pytest.approx(0.02),
    )  # fmt: skip
    assert model.get_layer("add2").output.shape == (None, 6)
    names = [layer.name for layer in model.layers]
    assert "add1" not in names, "16 pixels and 6 units have no common width"


@pytest.mark.parametrize(
    ("rule", "deviation"),
    [("he", (2 / 784) ** 0.5), ("glorot", (2 / 1184) ** 0.5), ("pytorch", (1 / 3 / 784) ** 0.5),
     ("normal", 1.0), ("small_normal", 0.01), ("zeros", 0.0)],
)  # fmt: skip
def test_first_weights_have_the_rules_deviation(rule, deviation):
    model = registry.build("mlp", (28, 28, 1), 10, units=[400, 400], initializer=rule)
    kernel = model.get_layer("dense1").kernel.numpy()
    assert kernel.std() == pytest.approx(deviation, rel=0.02, abs=1e-9)
    # Two layers of one shape must not begin alike, which one initializer object would do.
    model = registry.build("mlp", (20, 20, 1), 10, units=[400, 400], initializer=rule)
    first, second = (model.get_layer(f"dense{i}").kernel.numpy() for i in (1, 2))
    assert rule == "zeros" or not np.array_equal(first, second)


def test_auto_is_he_for_relu_and_glorot_for_tanh():
    spread = {}
    for activation in ("relu", "tanh"):
        model = registry.build("mlp", (28, 28, 1), 10, units=[784], activation=activation)
        spread[activation] = model.get_layer("dense1").kernel.numpy().std()
    assert spread["relu"] == pytest.approx((2 / 784) ** 0.5, rel=0.02)
    assert spread["tanh"] == pytest.approx((2 / 1568) ** 0.5, rel=0.02)


@pytest.mark.parametrize("normalize", ["unit", "symmetric", "standard"])
def test_pixels_are_normalised_inside(normalize):
    model = registry.build("mlp", (5, 5, 3), 2, units=[3], normalize=normalize)
    images = pixels(500, (5, 5, 3))
    adapt(model, images)
    front = keras.Model(model.inputs[0], model.get_layer("flatten").output)
    seen = keras.ops.convert_to_numpy(front(images)).reshape(-1, 3)
    if normalize == "standard":
        np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-3)
    else:
        low = 0 if normalize == "unit" else -1
        assert (seen.min(), seen.max()) == (pytest.approx(low), pytest.approx(1))


def test_gray_is_the_brightness_of_rec_601():
    images = pixels(2, (3, 3, 3)).astype("float32")
    gray = keras.ops.convert_to_numpy(Grayscale()(images))
    expected = images @ np.array([0.2989, 0.5870, 0.1140], "float32")
    np.testing.assert_allclose(gray[..., 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("mlp", {"units": [0]}, "units"),
        ("mlp", {"units": "64"}, "units"),
        ("mlp", {"units": [True]}, "units"),
        ("mlp", {"activation": "softmax"}, "activation"),
        ("mlp", {"initializer": "xavier"}, "initializer"),
        ("mlp", {"normalize": "none"}, "normalize"),
        ("mlp", {"dropout": 1.0}, "dropout"),
        ("mlp", {"l2": -1.0}, "l2"),
        ("mlp", {"resize": -1}, "resize"),
        ("mlp1", {"width": 0}, "units"),
        ("cnn", {"filters": [0]}, "filters"),
        ("cnn", {"filters": [8] * 6}, "poolings"),
    ],
)
def test_refuses_an_impossible_setting(name, settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        registry.build(name, (28, 28, 1), 10, **settings)


def test_gray_needs_one_or_three_channels():
    with pytest.raises(ValueError, match="channels"):
        registry.build("mlp", (8, 8, 2), 2, grayscale=True)
