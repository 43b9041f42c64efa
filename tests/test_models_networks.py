"""What is particular to each network: shapes of the stages, settings, blocks against NumPy."""

import keras
import numpy as np
import pytest

from kerasdl.models import blocks, costs, registry, shufflenet


def sides_and_channels(model, *names):
    return [tuple(model.get_layer(name).output.shape[2:]) for name in names]


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet20", (16, 32, 64)),
        ("resnet18", (64, 128, 256, 512)),
        ("resnet50", (256, 512, 1024, 2048)),
    ],
)
def test_resnet_stages_have_the_papers_shapes(name, channels):
    model = registry.build(name, (32, 32, 3), 10)
    last_blocks = {
        "resnet20": (3, 3, 3),
        "resnet18": (2, 2, 2, 2),
        "resnet50": (3, 4, 6, 3),
    }[name]
    outputs = [f"stage{stage}_block{last}_out" for stage, last in enumerate(last_blocks, start=1)]
    expected = list(zip((32, 16, 8, 4), channels, strict=False))
    assert sides_and_channels(model, *outputs) == expected
    assert sides_and_channels(model, "stem_relu") == [(32, 16 if name == "resnet20" else 64)]


def test_vgg16_stages_have_the_papers_shapes():
    model = registry.build("vgg16", (32, 32, 3), 10)
    pools = [f"pool{stage}" for stage in range(1, 6)]
    expected = [(16, 64), (8, 128), (4, 256), (2, 512), (1, 512)]
    assert sides_and_channels(model, *pools) == expected


def test_shufflenet_stages_have_the_papers_shapes():
    model = registry.build("shufflenet", (32, 32, 3), 10)
    names = ("stem_relu", "stage2_unit4_shuffle", "stage3_unit8_shuffle", "stage4_unit4_shuffle")
    assert sides_and_channels(model, *names) == [(32, 24), (16, 116), (8, 232), (4, 464)]
    assert sides_and_channels(model, "conv5_relu") == [(4, 1024)]


def test_alexnet_and_lenet5_have_the_stated_shapes():
    alexnet = registry.build("alexnet", (32, 32, 3), 10)
    expected = [(32, 96), (15, 96), (7, 256), (3, 256)]
    assert sides_and_channels(alexnet, "conv1", "pool1", "pool2", "pool5") == expected
    lenet5 = registry.build("lenet5", (28, 28, 1), 10)
    assert sides_and_channels(lenet5, "c1", "s2", "c3", "s4") == [
        (28, 6),
        (14, 6),
        (10, 16),
        (5, 16),
    ]


def test_vgg16_without_batch_normalization():
    model = registry.build("vgg16", (32, 32, 3), 10, batch_normalization=False)
    # Without the scale and the offset of each of the 4224 channels.
    assert costs.count_parameters(model).total == 14_728_266 - 2 * 4_224


def test_shufflenet_of_half_width_has_its_published_parameters():
    model = registry.build("shufflenet", (32, 32, 3), 10, width=0.5)
    # chenyaofo/pytorch-cifar-models, shufflenetv2_x0_5.
    assert costs.count_parameters(model).trainable == 352_042


def test_lenet5_settings_reach_the_layers():
    model = registry.build("lenet5", (28, 28, 1), 10, activation="tanh", pooling="average")
    assert model.get_layer("c3").activation is keras.activations.tanh
    assert isinstance(model.get_layer("s2"), keras.layers.AveragePooling2D)


def test_alexnet_drops_in_training_only():
    model = registry.build("alexnet", (32, 32, 3), 10, dropout=0.25)
    assert model.get_layer("fc6_dropout").rate == model.get_layer("fc7_dropout").rate == 0.25


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lenet5", {"activation": "softmax"}),
        ("lenet5", {"pooling": "sum"}),
        ("alexnet", {"dropout": 1.0}),
        ("alexnet", {"dropout": -0.1}),
        ("alexnet", {"dropout": float("nan")}),
        ("shufflenet", {"width": 0.7}),
        ("shufflenet", {"width": True}),
    ],
)
def test_refuses_an_impossible_setting(name, settings):
    ((setting, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"`{setting}` must be .*Received: '?{value}"):
        registry.build(name, (32, 32, 3), 10, **settings)


def image_input_of(images, **sizes):
    inputs, x = blocks.image_input(images.shape[1:], 10, **sizes)
    return keras.Model(inputs, x)


def test_pixels_are_scaled_to_plus_minus_one_exactly_under_mixed_precision():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        scaled = keras.ops.convert_to_numpy(image_input_of(images)(images))
    finally:
        keras.config.set_dtype_policy("float32")
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, images / 127.5 - 1, atol=1e-6)


def test_fractions_and_values_out_of_range_are_kept():
    # A uint8 input would cut 0.5 off and turn -3 into 253.
    images = np.array([-3.0, 0.5, 254.5, 300.0], np.float32).reshape(1, 2, 2, 1)
    scaled = keras.ops.convert_to_numpy(image_input_of(images)(images))
    np.testing.assert_allclose(scaled, images / 127.5 - 1, atol=1e-6)


def test_small_images_get_a_black_frame():
    images = np.full((1, 28, 29, 1), 255, np.uint8)
    framed = keras.ops.convert_to_numpy(image_input_of(images, exact=32)(images))[0, :, :, 0]
    expected = np.full((32, 32), -1.0)
    expected[2:30, 1:30] = 1
    np.testing.assert_allclose(framed, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(20, 20, 3), (64, 48, 3), (32, 64, 1)])
def test_other_sizes_are_resized(shape):
    images = np.full((1, *shape), 255, np.uint8)
    resized = keras.ops.convert_to_numpy(image_input_of(images, exact=32)(images))
    assert resized.shape == (1, 32, 32, shape[-1])
    np.testing.assert_allclose(resized, 1, atol=1e-5)


def test_large_images_keep_their_size_where_a_minimum_is_asked():
    images = np.zeros((1, 64, 33, 1), np.uint8)
    assert image_input_of(images, minimum=32).output_shape == (None, 64, 33, 1)


@pytest.mark.parametrize("side", [8, 7])
def test_strided_convolution_is_centred_like_the_shortcut(side):
    # A kernel that is 1 in its middle must take every second pixel, from the first on, as the
    # parameter-free shortcut and a 1x1 convolution of stride 2 do.
    image = np.random.default_rng(0).normal(size=(1, side, side, 1)).astype(np.float32)
    inputs = keras.Input((side, side, 1))
    wide = keras.Model(inputs, blocks.convolution(inputs, 1, 3, strides=2, name="wide"))
    depthwise = keras.Model(inputs, blocks.depthwise_convolution(inputs, strides=2, name="deep"))
    middle = np.zeros((3, 3, 1, 1))
    middle[1, 1] = 1
    wide.get_layer("wide").set_weights([middle])
    depthwise.get_layer("deep").set_weights([middle])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(wide(image)), image[:, ::2, ::2])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(depthwise(image)), image[:, ::2, ::2])


def test_resnet20_shortcut_is_option_a():
    model = registry.build("resnet20", (32, 32, 3), 10)
    add = model.get_layer("stage2_block1_add")
    shortcut = keras.Model(model.get_layer("stage1_block3_out").output, add.input[0])
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 16)).astype(np.float32)
    expected = np.zeros((2, 16, 16, 32), np.float32)
    expected[..., 8:24] = x[:, ::2, ::2]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(shortcut(x)), expected)


def test_channel_shuffle_is_the_papers():
    left, right = (keras.Input((4, 4, 3)) for _ in range(2))
    model = keras.Model([left, right], shufflenet._shuffled(left, right, "unit"))
    a, b = np.random.default_rng(0).normal(size=(2, 1, 4, 4, 3)).astype(np.float32)
    joined = np.concatenate([a, b], axis=-1)
    # Zhang et al. 2018: reshape to (groups, channels per group), transpose, flatten.
    expected = joined.reshape(1, 4, 4, 2, 3).swapaxes(-1, -2).reshape(1, 4, 4, 6)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model([a, b])), expected)


def test_shufflenet_unit_passes_half_of_the_channels_untouched():
    model = registry.build("shufflenet", (32, 32, 3), 10)
    unit = keras.Model(
        model.get_layer("stage2_unit1_shuffle").output,
        model.get_layer("stage2_unit2_shuffle").output,
    )
    x = np.random.default_rng(0).normal(size=(1, 16, 16, 116)).astype(np.float32)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(unit(x))[..., ::2], x[..., :58])


def test_kernels_start_with_he_variance():
    keras.utils.set_random_seed(0)
    model = registry.build("shufflenet", (32, 32, 3), 10)
    full = keras.ops.convert_to_numpy(model.get_layer("conv5").kernel)
    assert full.std() == pytest.approx((2 / 464) ** 0.5, rel=0.02)
    deep = keras.ops.convert_to_numpy(model.get_layer("stage4_unit2_right_depthwise").kernel)
    assert deep.std() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
