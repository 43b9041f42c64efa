"""Parameters and multiply-accumulates against counts by hand."""

import zipfile

import keras
import pytest
from keras import layers

from kerasdl.models import costs, registry
from kerasdl.models.__main__ import main as command


def lenet5_by_hand():
    return (
        28 * 28 * 6 * 5 * 5 * 3  # c1
        + 10 * 10 * 16 * 5 * 5 * 6  # c3
        + 400 * 120
        + 120 * 84
        + 84 * 10
    )


def resnet20_by_hand():
    stage1 = 6 * 32 * 32 * 16 * 9 * 16
    stage2 = 16 * 16 * 32 * 9 * 16 + 5 * 16 * 16 * 32 * 9 * 32
    stage3 = 8 * 8 * 64 * 9 * 32 + 5 * 8 * 8 * 64 * 9 * 64
    return 32 * 32 * 16 * 9 * 3 + stage1 + stage2 + stage3 + 64 * 10


def resnet18_by_hand():
    total = 32 * 32 * 64 * 9 * 3 + 4 * 32 * 32 * 64 * 9 * 64 + 512 * 10
    for side, channels in ((16, 128), (8, 256), (4, 512)):
        first = side * side * channels * 9 * channels // 2
        shortcut = side * side * channels * channels // 2
        total += first + shortcut + 3 * side * side * channels * 9 * channels
    return total


def vgg16_by_hand():
    total, before = 512 * 10, 3
    for side, filters in (
        *((32, 64),) * 2,
        *((16, 128),) * 2,
        *((8, 256),) * 3,
        *((4, 512),) * 3,
        *((2, 512),) * 3,
    ):
        total += side * side * filters * 9 * before
        before = filters
    return total


def shufflenet_by_hand():
    total, before, side = 32 * 32 * 24 * 9 * 3, 24, 32
    for channels, units in ((116, 4), (232, 8), (464, 4)):
        half, old, side = channels // 2, side, side // 2
        left = side * side * before * 9 + side * side * half * before
        right = old * old * half * before + side * side * half * 9 + side * side * half * half
        basic = 2 * side * side * half * half + side * side * half * 9
        total += left + right + (units - 1) * basic
        before = channels
    return total + 4 * 4 * 1024 * 464 + 1024 * 10


@pytest.mark.parametrize(
    ("name", "by_hand", "published"),
    [
        ("lenet5", lenet5_by_hand, 0.65e6),
        # 40.81 M is often printed: that network has 1x1 convolutions as shortcuts (option B).
        ("resnet20", resnet20_by_hand, 40.55e6),
        ("resnet18", resnet18_by_hand, 0.556e9),
        ("vgg16", vgg16_by_hand, 0.313e9),
        # 46.13 M is printed where BatchNorm is included.
        ("shufflenet", shufflenet_by_hand, 45.0e6),
    ],
)
def test_multiply_accumulates_of_the_networks(name, by_hand, published):
    count = costs.multiply_accumulates(registry.build(name, (32, 32, 3), 10))
    assert count == by_hand()
    assert count == pytest.approx(published, rel=0.005)


def model_of(*stack, shape=(8, 8, 6)):
    return keras.Sequential([keras.Input(shape), *stack])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(4, 3), 6 * 6 * 4 * 9 * 6),
        (layers.Conv2D(4, 3, strides=2, padding="same"), 4 * 4 * 4 * 9 * 6),
        (layers.Conv2D(4, (1, 3), padding="same", groups=2), 8 * 8 * 4 * 3 * 3),
        (layers.Conv2D(4, 3, dilation_rate=2), 4 * 4 * 4 * 9 * 6),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 6 * 6 * 12 * 9),
        (layers.SeparableConv2D(5, 3, depth_multiplier=2), 6 * 6 * (12 * 9 + 12 * 5)),
        (layers.Conv2DTranspose(4, 3, strides=2), 8 * 8 * 6 * 9 * 4),
        (layers.Conv2D(4, 3, data_format="channels_first"), 6 * 4 * 4 * 9 * 8),
        (layers.LayerNormalization(), 0),
        (layers.Dense(5), 8 * 8 * 6 * 5),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
    ],
)
def test_multiply_accumulates_of_a_layer(layer, expected):
    assert costs.multiply_accumulates(model_of(layer)) == expected


def test_inception_example_of_the_course_reports():
    # A 5x5 convolution of 28x28x192, directly and behind a 1x1 bottleneck of 16 filters.
    direct = model_of(layers.Conv2D(32, 5, padding="same"), shape=(28, 28, 192))
    bottleneck = model_of(
        layers.Conv2D(16, 1), layers.Conv2D(32, 5, padding="same"), shape=(28, 28, 192)
    )
    assert costs.count_parameters(direct).total == 153_632
    assert costs.count_parameters(bottleneck).total == 15_920
    assert costs.multiply_accumulates(direct) == 28 * 28 * 32 * 25 * 192
    assert costs.multiply_accumulates(bottleneck) == 28 * 28 * (16 * 192 + 32 * 25 * 16)


def test_a_layer_with_weights_of_unknown_kind_is_not_counted_as_zero():
    model = model_of(layers.EinsumDense("abcd,de->abce", (8, 8, 4), name="up"))
    with pytest.raises(ValueError, match=r"Dense, Conv1D.*'up' of type EinsumDense"):
        costs.multiply_accumulates(model)
    table = costs.model_costs(model)
    assert [layer.name for layer in table.uncounted] == ["up"]
    assert table.layers[0].multiply_accumulates is None
    assert table.parameters == 24


def test_an_operation_that_multiplies_is_not_counted_as_zero():
    inputs = keras.Input((4, 4))
    model = keras.Model(inputs, keras.ops.matmul(inputs, inputs))
    with pytest.raises(ValueError, match=r"counted in layers.*Matmul"):
        costs.multiply_accumulates(model)


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match=r"functional or Sequential.*Own"):
        costs.multiply_accumulates(Own())


def test_an_open_size_is_refused():
    model = model_of(layers.Conv2D(4, 3, name="wide"), shape=(None, None, 3))
    with pytest.raises(ValueError, match=r"must be fixed.*'wide'"):
        costs.multiply_accumulates(model)


def test_a_shared_layer_counts_at_each_use_with_the_size_of_that_use():
    shared = layers.Conv2D(6, 3, padding="same")
    shared(keras.Input((64, 64, 6)))  # elsewhere, at another size
    inputs = keras.Input((8, 8, 6))
    model = keras.Model([inputs], [shared(layers.MaxPooling2D()(shared(inputs)))])
    assert costs.multiply_accumulates(model) == (8 * 8 + 4 * 4) * 6 * 9 * 6
    assert costs.count_weight_layers(model) == 2
    uses = [layer for layer in costs.model_costs(model).layers if layer.name == shared.name]
    assert [use.output_shape for use in uses] == [(8, 8, 6), (4, 4, 6)]
    assert [use.parameters for use in uses] == [9 * 6 * 6 + 6, 0]


def test_a_model_inside_a_model_is_counted():
    inner = model_of(layers.Conv2D(4, 3))
    inputs = keras.Input((8, 8, 6))
    outer = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inner(inputs))))
    assert costs.multiply_accumulates(outer) == 6 * 6 * 4 * 9 * 6 + 144 * 2


def test_parameters_are_split_into_trainable_and_not():
    model = model_of(layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Dropout(0.5))
    count = costs.count_parameters(model)
    assert (count.trainable, count.non_trainable) == (4 * 9 * 6 + 4 + 8, 8)
    assert count.total == model.count_params()
    model.layers[0].trainable = False
    assert costs.count_parameters(model).non_trainable == 4 * 9 * 6 + 4 + 8


@pytest.mark.parametrize(("name", "depth"), [("lenet5", 5), ("alexnet", 8), ("resnet20", 20)])
def test_weight_layers_are_the_depth_of_the_name(name, depth):
    assert costs.count_weight_layers(registry.build(name, (32, 32, 3), 10)) == depth


def test_the_table_of_a_published_network():
    # Sandler et al. 2018, "MobileNetV2", table 4: 3.4 M parameters, 300 M multiply-adds.
    model = keras.applications.MobileNetV2(weights=None)
    table = costs.model_costs(model)
    assert table.parameters == model.count_params()
    assert table.multiply_accumulates == pytest.approx(300e6, rel=0.005)
    assert not table.uncounted
    for layer in table.layers:
        assert layer.output_shape == tuple(model.get_layer(layer.name).output.shape[1:])


def test_the_table_of_a_model_with_several_inputs_operations_and_models_inside():
    inner = keras.Sequential([keras.Input((12,)), layers.Dense(3, name="inner")])
    first, second = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    joined = layers.Concatenate(name="joined")([first, second])
    small = inner(joined) + 1.0
    product = layers.Dot(1, name="product")([small, small])
    model = keras.Model({"a": first, "b": second}, {"x": product, "y": small})
    table = costs.model_costs(model)
    kinds = [(layer.kind, layer.output_shape, layer.activations) for layer in table.layers]
    assert sorted(kinds) == [
        ("Add", (3,), 3), ("Concatenate", (12,), 12), ("Dense", (3,), 3), ("Dot", (1,), 1)
    ]  # fmt: skip
    assert table.parameters == 39
    assert table.multiply_accumulates == 36
    assert table.activations == 19
    assert [layer.name for layer in table.uncounted] == ["product"]


def test_the_table_wants_fixed_sizes():
    model = model_of(layers.GlobalAveragePooling2D(), shape=(None, None, 3))
    assert costs.model_costs(model).activations == 3
    with pytest.raises(ValueError, match=r"must be fixed.*'wide'"):
        costs.model_costs(model_of(layers.ReLU(name="wide"), shape=(None, None, 3)))


def test_the_command_prints_the_layers_of_a_network(capsys):
    assert command(["--layers", "lenet5", "--input-shape", "28,28,1"]) == 0
    printed = capsys.readouterr().out
    assert "10×10×16" in printed
    assert "61,706" in printed
    assert "416,520" in printed


def test_the_command_prints_the_layers_of_a_saved_model(capsys, tmp_path):
    path = tmp_path / "mine.keras"
    model_of(layers.Conv2D(4, 3), layers.EinsumDense("abcd,de->abce", (6, 6, 2))).save(path)
    assert command(["--layers", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "EinsumDense" in printed
    assert "≥ 7,776" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "lenet"], "Did you mean 'lenet5'"),
        (["--layers", "none.keras"], "none.keras, no such file"),
        (["--layers", "text.keras"], "zip archive"),
        (["--layers", "empty.keras"], "no Keras model that can be read"),
        (["--layers", "empty.keras", "--classes", "3"], "has its own"),
        (["--layers", "lenet5", "--classes", "1"], "at least 2"),
        (["--layers", "lenet5", "--input-shape", "8,8"], "three positive integers"),
    ],
)
def test_the_command_says_what_is_wrong(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.keras").write_text("hello")
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    assert command(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
