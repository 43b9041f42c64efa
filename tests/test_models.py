"""What every network of the registry must do, one parametrised test a promise."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from patience import assert_equal_but_for_rounding

from kerasdl.models import costs, registry

NAMES = registry.names()
# Built only: the same blocks as the others, but seconds to run or hundreds of megabytes to save.
LARGE = ("alexnet", "resnet50", "resnet101", "transfer")
RGB, GRAY = (32, 32, 3), (28, 28, 1)
CHANCE = np.random.default_rng(0)
IMAGES = {shape: CHANCE.integers(0, 256, (4, *shape), dtype=np.uint8) for shape in (RGB, GRAY)}


def each(names=NAMES):
    """The networks as parameters; ResNet-101 is ResNet-50 with more of the same blocks."""
    slow = {"resnet101": [pytest.mark.slow]}
    return [pytest.param(name, marks=slow.get(name, [])) for name in names]


@pytest.fixture(autouse=True)
def _default_policy():
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def build(name, shape, num_classes, **settings):
    """The network as it is listed: no files are at hand."""
    return registry.build(name, shape, num_classes, **{**registry.get(name).listed, **settings})


@functools.cache
def built(name, shape):
    keras.utils.set_random_seed(0)
    return build(name, shape, 10)


@pytest.fixture(autouse=True, scope="module")
def _no_longer_than_needed():
    yield
    built.cache_clear()


def answer(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@pytest.mark.parametrize("name", each())
@pytest.mark.parametrize("shape", IMAGES)
def test_takes_raw_pixels_and_returns_float32_logits(name, shape):
    if name in LARGE and shape == GRAY:
        pytest.skip("seconds; the registry's table builds them for this shape")
    model = built(name, shape)
    output = answer(model, IMAGES[shape])
    assert output.shape == (4, 10)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    # Logits, not probabilities: no softmax was left at the end, and the images are told apart.
    assert not np.allclose(output.sum(axis=1), 1)
    assert np.ptp(output, axis=0).max() > 1e-4
    assert model.layers[-1].name == "logits"
    assert model.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize("name", each())
def test_mixed_precision_computes_in_bfloat16_and_returns_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build(name, RGB, 10)
    assert model.outputs[0].dtype == "float32"
    assert model.get_layer("logits").compute_dtype == "float32"
    assert all(weight.dtype == "float32" for weight in model.weights)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert all(layer.compute_dtype == "bfloat16" for layer in convolutions)
    if name not in LARGE:
        assert answer(model, IMAGES[RGB]).dtype == np.float32


@pytest.mark.parametrize("name", each())
@pytest.mark.parametrize("shape", IMAGES)
def test_equal_pixels_give_equal_logits_as_uint8_and_as_float(name, shape):
    if name in LARGE and shape == GRAY:
        pytest.skip("seconds; the other shape shows it")
    model, images = built(name, shape), IMAGES[shape]
    of_floats = answer(model, images.astype(np.float32))
    assert_equal_but_for_rounding(answer(model, images), of_floats)


@pytest.mark.parametrize(
    "name", each(name for name in NAMES if registry.get(name).published_parameters)
)
def test_parameters_are_the_published_ones(name):
    expected = registry.get(name).published_parameters
    assert costs.count_parameters(built(name, RGB)).trainable == expected


def test_lenet5_has_the_common_figure_for_one_channel():
    assert costs.count_parameters(built("lenet5", GRAY)).trainable == 61_706


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_survives_saving_and_loading(name, tmp_path):
    model = built(name, RGB)
    # Fresh moving statistics are 0 and 1, which a loss of them in the file would restore by chance.
    for index, weight in enumerate(model.non_trainable_weights):
        if "moving" in weight.path:
            weight.assign(weight + 0.01 * (index % 7))
    path = tmp_path / f"{name}.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    images = IMAGES[RGB]
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert_equal_but_for_rounding(answer(loaded, images), answer(model, images))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("name", each())
def test_a_step_along_the_gradient_lowers_the_loss_as_it_says(name):
    model = built(name, RGB)
    if registry.get(name).settings().get("dropout"):
        # Its noise between two measurements would be larger than a step.
        keras.utils.set_random_seed(0)
        model = build(name, RGB, 10, dropout=0.0)
    first_weights = model.get_weights()
    of_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained = [weight.value for weight in model.trainable_weights]

    def loss():
        return of_logits(np.arange(4), model(IMAGES[RGB], training=True))

    with tf.GradientTape() as tape:
        before = loss()
    gradients = tape.gradient(before, trained)
    # Kernels only: a BatchNorm's scale may rest at first, where another BatchNorm undoes it (in
    # ShuffleNet's branches, as long as the offsets are 0).
    resting = [
        weight.path
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
        if "kernel" in weight.name and not np.any(gradient)
    ]
    assert not resting, "these get no gradient"
    # The step is as long as the gradient says for such a fall: a fixed rate is too long for one
    # network or another. It is larger than what rounding does to a deep one, and taken to both
    # sides, as the loss is curved.
    fall = 0.03
    square = sum(np.square(np.asarray(gradient, np.float64)).sum() for gradient in gradients)
    start, losses = [value.numpy() for value in trained], []
    for sign in (1, -1):
        for value, old, gradient in zip(trained, start, gradients, strict=True):
            value.assign(old - sign * fall / square * gradient)
        losses.append(float(loss()))
    model.set_weights(first_weights)  # other tests take it, too
    assert losses[0] < float(before)
    assert (losses[1] - losses[0]) / (2 * fall) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(29, 35, 3), (64, 48, 1), (224, 224, 3)])
def test_builds_for_other_sizes(name, shape):
    if name == "resnet101" or (name in LARGE and shape != (29, 35, 3)):
        pytest.skip("seconds; the others show it")
    model = build(name, shape, 3)
    assert model.input_shape == (None, *shape)
    if shape != (224, 224, 3):
        assert answer(model, np.zeros((1, *shape), np.uint8)).shape == (1, 3)


@pytest.mark.parametrize("name", NAMES)
def test_layer_names_do_not_depend_on_what_was_built_before(name):
    if name in LARGE:
        pytest.skip("same blocks, seconds more")
    first = [layer.name for layer in build(name, RGB, 10).layers]
    second = [layer.name for layer in build(name, RGB, 10).layers]
    assert first == second


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 0), (32, -1, 3), (32, 32.0, 3), 32])
def test_refuses_an_impossible_shape(name, shape):
    with pytest.raises(ValueError, match=r"`input_shape`.*Received: .*32"):
        build(name, shape, 10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.5, True, "ten"])
def test_refuses_an_impossible_number_of_classes(name, num_classes):
    with pytest.raises(ValueError, match=r"`num_classes`.*Received: "):
        build(name, (32, 32, 3), num_classes)


def test_accepts_numbers_from_numpy():
    shape = tuple(np.array([28, 28, 1]))
    assert registry.build("lenet5", shape, np.int64(3)).output_shape == (None, 3)
