"""The network transfer: its parts, what trains of it, and what a frozen base keeps."""

import keras
import numpy as np
import pytest
from patience import assert_equal_but_for_rounding

from kerasdl.models import saved, weights
from kerasdl.models.base_model import base_model
from kerasdl.models.bases import get
from kerasdl.models.preprocessing import preprocessed
from kerasdl.models.transfer import (
    base_of,
    cuts,
    features_model,
    head_model,
    is_transfer,
    set_trainable,
    transfer,
    unfreeze,
)

SMALL = "mobilenet_0.25"
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(6) % 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file of weights such as a training leaves: no statistics of a BatchNorm at their start."""
    keras.utils.set_random_seed(0)
    model = base_model(get(SMALL), (32, 32, 3))
    generator = np.random.default_rng(0)
    for weight in model.weights:
        noise = generator.normal(0, 0.1, weight.shape)
        kernel = "kernel" in weight.name
        weight.assign(weight + noise if not kernel else weight * 3 + noise)
        if "variance" in weight.name:
            weight.assign(0.5 + abs(noise))
    path = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    model.save_weights(path)
    return path


@pytest.fixture(scope="module")
def build(trained):
    def make(**settings):
        keras.utils.set_random_seed(1)
        settings = {"base": SMALL, "weights": str(trained), **settings}
        shape = settings.pop("shape", (32, 32, 3))
        return transfer(shape, 3, **settings)

    return make


@pytest.fixture(scope="module")
def frozen(build):
    """For tests that only look."""
    return build(head=(8, 4), dropout=0.3)


def answer(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def values(layers):
    weights = [weight for layer in layers for weight in layer.weights]
    return [keras.ops.convert_to_numpy(weight).copy() for weight in weights]


def step(model, inputs, labels=LABELS):
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,  # tracing the base takes longer than running it once
    )
    return float(model.train_on_batch(inputs, labels))


def moved(before, after):
    return [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]


def test_a_step_moves_the_head_and_no_bit_of_the_frozen_base(build):
    model = build(head=(8,), dropout=0.1)
    base, head = base_of(model), [model.get_layer("hidden1"), model.get_layer("logits")]
    before, head_before = values([base]), values(head)
    assert any("moving_variance" in weight.path for weight in base.weights)
    step(model, IMAGES)
    assert not any(moved(before, values([base])))
    assert all(moved(head_before, values(head)))


def test_batch_norm_keeps_its_statistics_where_the_base_trains(build):
    # A linear head begins at zero, and hands nothing down in its first step.
    model = build(freeze="none", head=(8,))
    base = base_of(model)
    before = values([base])
    step(model, IMAGES)
    changed = moved(before, values([base]))
    still = [
        weight.path for weight, change in zip(base.weights, changed, strict=True) if not change
    ]
    assert [path for path in still if "moving" in path] == still
    assert len(still) == 2 * 27


def test_a_random_base_trains_with_its_statistics():
    model = transfer((32, 32, 3), 3, base=SMALL, weights="random", freeze="none")
    base = base_of(model)
    before = values([base])
    step(model, IMAGES)
    statistics = [weight.path for weight in base.weights if "moving" in weight.path]
    changed = moved(before, values([base]))
    assert sum(changed) > len(statistics)
    for weight, change in zip(base.weights, changed, strict=True):
        assert change or "moving" not in weight.path
    # A short training ends before statistics with Keras's momentum have caught up.
    assert base.get_layer("conv1_bn").momentum == 0.9


def test_freezing_up_to_a_layer_moves_the_layers_behind_it_only(build):
    model = build(freeze="conv_pw_6_relu", head=(8,))
    base = base_of(model)
    names = [layer.name for layer in base.layers]
    here = names.index("conv_pw_6_relu")
    before = [values([layer]) for layer in base.layers]
    step(model, IMAGES)
    for place, layer in enumerate(base.layers):
        change = any(moved(before[place], values([layer])))
        assert change == (place > here and bool(layer.weights)), layer.name


def test_what_trains_can_be_chosen_again(build):
    model = build()
    everything = len(base_of(model).trainable_weights)
    assert everything == 0
    set_trainable(model, "none")
    everything = len(base_of(model).trainable_weights)
    assert everything == 27 + 2 * 27  # kernels; scales and offsets
    unfreeze(model, "conv_pw_13")
    names = {weight.path.split("/")[-2] for weight in base_of(model).trainable_weights}
    assert names == {"conv_pw_13", "conv_pw_13_bn"}
    set_trainable(model, "conv_pw_13")
    names = {weight.path.split("/")[-2] for weight in base_of(model).trainable_weights}
    assert names == {"conv_pw_13_bn"}
    set_trainable(model, "conv")
    assert base_of(model).trainable_weights == []
    assert len(model.trainable_weights) == 2
    with pytest.raises(ValueError, match=r"Received: 'conv_pw_14'\. Did you mean 'conv_pw_4'"):
        unfreeze(model, "conv_pw_14")
    with pytest.raises(ValueError, match="Received: 'half'"):
        set_trainable(model, "half")


def test_features_are_those_of_keras_model_on_preprocessed_pixels(build, trained):
    keras_model = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    keras_model.load_weights(trained)
    map_ = keras_model(keras.applications.mobilenet.preprocess_input(IMAGES.astype("float32")))
    map_ = keras.ops.convert_to_numpy(map_)
    assert np.abs(map_).max() > 0.1
    pooled = {"average": map_.mean((1, 2)), "max": map_.max((1, 2)), "flatten": map_[:, 0, 0]}
    for pooling, expected in pooled.items():
        features = answer(features_model(build(pooling=pooling)), IMAGES)
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


def test_the_cut_takes_the_named_block(build, frozen):
    model = build(features="conv_pw_3_relu")
    assert base_of(model).output.shape[1:] == (8, 8, 32)
    whole = base_of(frozen)
    inputs = keras.Input((32, 32, 3))
    scaled = keras.Model(inputs, preprocessed(inputs, "tf"))(IMAGES)
    until = keras.Model(whole.input, whole.get_layer("conv_pw_3_relu").output)
    expected = answer(until, scaled).mean((1, 2))
    np.testing.assert_allclose(answer(features_model(model), IMAGES), expected, rtol=1e-5)
    assert cuts(SMALL)[2] == "conv_pw_3_relu"


def test_the_parts_make_the_whole_and_share_its_weights(build):
    model = build(head=(8, 4), dropout=0.3)
    features, head = features_model(model), head_model(model)
    assert features.output_shape == (None, 256)
    assert head.input_shape == (None, 256)
    of_images = answer(features, IMAGES)
    whole = answer(model, IMAGES)
    assert_equal_but_for_rounding(answer(head, of_images), whole)
    assert whole.dtype == np.float32
    step(head, of_images)
    again = answer(model, IMAGES)
    assert not np.allclose(again, whole)
    assert_equal_but_for_rounding(answer(head, of_images), again)


def test_names_of_the_layers(build, frozen):
    names = [layer.name for layer in build(head=[8], dropout=0.3, shape=(40, 28, 1)).layers]
    assert names == ["pixels", "rgb", "resize", "divide", "center", "mobilenet_0_25", "pool",
                     "standardize", "drop0", "hidden1", "drop1", "logits"]  # fmt: skip
    assert frozen.get_layer("drop1").rate == 0.3
    assert frozen.get_layer("hidden2").units == 4


def test_gray_is_three_equal_channels(build, frozen):
    gray = IMAGES[..., :1]
    expected = answer(features_model(frozen), np.repeat(gray, 3, axis=-1))
    features = answer(features_model(build(shape=(32, 32, 1))), gray)
    assert_equal_but_for_rounding(features, expected)


@pytest.mark.parametrize(
    ("shape", "size", "taken"),
    [((20, 44, 1), 0, (32, 44)), ((32, 32, 3), 48, (48, 48))],
)
def test_images_are_resized_inside(build, shape, size, taken):
    model = build(shape=shape, size=size, freeze="conv")
    assert base_of(model).input_shape == (None, *taken, 3)
    images = np.full((1, *shape), 200, np.uint8)
    before = model.get_layer(model.layers[model.layers.index(base_of(model)) - 1].name)
    pixels = answer(keras.Model(model.input, before.output), images)
    np.testing.assert_allclose(pixels, 200 / 127.5 - 1, atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenet_0.25", "convnext_tiny", "vgg16"])
def test_survives_saving_and_loading_in_safe_mode(name, tmp_path):
    first = cuts(name)[1]
    model = transfer(
        (32, 32, 3), 3, base=name, weights="random", freeze="none", features=first, head=(4,)
    )
    set_trainable(model, cuts(name)[0])
    expected = answer(model, IMAGES)
    head_model(model)
    model.save(tmp_path / "model.keras")
    loaded = saved.load(tmp_path / "model.keras")
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert_equal_but_for_rounding(answer(loaded, IMAGES), expected)
    assert is_transfer(loaded)
    trains = [layer.name for layer in base_of(model).layers if layer.trainable_weights]
    again = [layer.name for layer in base_of(loaded).layers if layer.trainable_weights]
    assert again == trains
    assert 1 <= len(trains) < sum(bool(layer.weights) for layer in base_of(model).layers)
    features = answer(features_model(loaded), IMAGES)
    assert_equal_but_for_rounding(answer(head_model(loaded), features), expected)
    assert weights.identity(base_of(loaded)) == weights.identity(base_of(model))


def test_batch_norm_stays_in_inference_mode_in_a_loaded_model(build, tmp_path):
    build(freeze="none").save(tmp_path / "model.keras")
    loaded = saved.load(tmp_path / "model.keras")
    statistics = [weight for weight in base_of(loaded).weights if "moving" in weight.path]
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in statistics]
    step(loaded, IMAGES)
    after = [keras.ops.convert_to_numpy(weight) for weight in statistics]
    assert not any(moved(before, after))


def test_mixed_precision_ends_in_float32_logits(build):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(head=(4,))
        features, head = features_model(model), head_model(model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == head.output.dtype == "float32"
    assert features.output.dtype == "bfloat16"
    assert base_of(model).get_layer("conv_pw_3").compute_dtype == "bfloat16"
    assert all(weight.dtype == "float32" for weight in model.weights)
    whole = answer(model, IMAGES)
    np.testing.assert_array_equal(answer(head, features(IMAGES)), whole)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"base": "vgg-16"}, "Unknown base.*Did you mean 'vgg16'"),
        ({"size": 31}, "`size` must be 0 or an integer of at least 32.*Received: 31"),
        ({"size": 64.0}, "`size`.*Received: 64.0"),
        ({"pooling": "mean"}, "`pooling` must be one of average, max, flatten.*'mean'"),
        ({"features": "conv_pw_3_rleu"}, "Unknown layer.*Did you mean 'conv_pw_3_relu'"),
        ({"freeze": "cnv"}, "Unknown layer.*Did you mean 'conv"),
        ({"head": 8}, "`head` must be a list of positive integers.*Received: 8"),
        ({"head": [8, 0]}, r"`head`.*Received: \[8, 0\]"),
        ({"dropout": 1.0}, "`dropout`"),
        ({"weights": "random"}, "`freeze` must be \"none\" with random weights.*'conv'"),
        ({"weights_sha256": "0" * 64}, "`weights_sha256`.*Expected: 0000.*base.weights.h5"),
        ({"shape": (32, 32, 4)}, "1 or 3 channels.*Received: 4"),
        ({"features": "input_layer"}, "`features`|Unknown layer"),
    ],
)
def test_impossible_settings(build, settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        build(**settings)


def test_other_models_have_no_base():
    other = keras.Sequential([keras.Input((4,), name="pixels"), keras.layers.Dense(2)])
    assert not is_transfer(other)
    for part in (base_of, features_model, head_model):
        with pytest.raises(ValueError, match="Expected a model of kerasdl"):
            part(other)


def test_real_weights_give_their_known_features(real_data, monkeypatch):
    monkeypatch.setenv("KERASDL_DATA", str(real_data))
    model = transfer((32, 32, 3), 10, base="mobilenet_0.75", features="conv_pw_6_relu")
    assert (
        weights.identity(base_of(model))
        == "858deefa09493530b0ce9e15a0f94bc3d8fdda1e99b2592fbcf7f0d57d73caaf"
    )
    reference = keras.applications.MobileNet(
        alpha=0.75, weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    reference.load_weights(weights.resolve("imagenet", "mobilenet_0.75"))
    until = keras.Model(reference.input, reference.get_layer("conv_pw_6_relu").output)
    pixels = keras.applications.mobilenet.preprocess_input(IMAGES.astype("float32"))
    expected = answer(until, pixels).mean((1, 2))
    np.testing.assert_allclose(answer(features_model(model), IMAGES), expected, rtol=1e-5)


def test_a_layer_that_does_not_exist_is_answered_with_those_that_do(build, frozen):
    with pytest.raises(ValueError, match="Received: 'conv_pw_9'") as raised:
        build(features="conv_pw_3_relu", freeze="conv_pw_9")
    # By the name that the user knows, not the layer's; and no layer behind the cut.
    assert str(raised.value).startswith(
        "Unknown layer of mobilenet_0.25. Expected one of conv, none, conv_pw_1_relu, "
        "conv_pw_2_relu, conv_pw_3_relu, or another that "
        "`python -m kerasdl.models --layers transfer:mobilenet_0.25` lists."
    )
    with pytest.raises(ValueError, match=r"one of conv_pw_1_relu, .*, conv_pw_13_relu, or another"):
        unfreeze(frozen, "top")


def test_features_that_are_dead_in_training_say_nothing_later(build):
    head = head_model(build())
    head.compile(
        keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    inputs = np.random.default_rng(1).normal(0, 1, (6, head.input_shape[1])).astype(np.float32)
    inputs[:, 0] = 0
    for _ in range(3):
        head.train_on_batch(inputs, LABELS)
    awake = inputs.copy()
    awake[:, 0] = 100
    np.testing.assert_array_equal(answer(head, awake), answer(head, inputs))
    awake[:, 1] = 100
    assert not np.allclose(answer(head, awake), answer(head, inputs))
