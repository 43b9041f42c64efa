"""Each variable moves at its own rate, with and without fused kernels."""

import keras
import numpy as np
import pytest

from kerasdl.training.compiling import compile_model, make_optimizer
from kerasdl.training.discriminative import scales_by_depth
from kerasdl.training.engine import Engine
from kerasdl.training.settings import Training


def make(scales=(), optimizer="adamw", **settings):
    """A compiled network of three dense layers with known weights."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(3),
        ]
    )
    training = Training(
        epochs=1, batch_size=64, optimizer=optimizer, schedule="constant", **settings
    )
    compile_model(model, training, 64, scales)
    return model, training


def moved(model, examples, training):
    before = [np.array(weight) for weight in model.get_weights()]
    Engine(model).fit(examples(), training, seed=0)
    return [after - old for after, old in zip(model.get_weights(), before, strict=True)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_first_step_is_as_long_as_the_rate(examples, optimizer):
    scales = [0.25, 0.25, 0.5, 0.5, 1.0, 1.0]
    settings = {"learning_rate": 0.01, "weight_decay": 0.1}
    plain = moved(*reordered(make(optimizer=optimizer, **settings), examples))
    scaled = moved(*reordered(make(scales, optimizer, **settings), examples))
    for whole, part, scale in zip(plain, scaled, scales, strict=True):
        assert np.abs(whole).max() > 0
        np.testing.assert_allclose(part, scale * whole, rtol=2e-3, atol=2e-7)


def reordered(made, examples):
    model, training = made
    return model, examples, training


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_keras_own_update_and_the_fused_one_agree(optimizer):
    def after_steps(fused):
        from kerasdl.training.kernels import fused_kernels

        model, _ = make([0.2, 0.2, 0.6, 0.6, 1.0, 1.0], optimizer, learning_rate=0.05)
        model.optimizer.build(model.trainable_variables)
        gradients = [
            keras.random.normal(variable.shape, seed=number)
            for number, variable in enumerate(model.trainable_variables)
        ]
        for _ in range(3):
            if fused:
                with fused_kernels(model):
                    assert "update_step" in vars(model.optimizer)
                    model.optimizer.apply(gradients)
            else:
                model.optimizer.apply(gradients)
        return model.get_weights()

    for one, other in zip(after_steps(True), after_steps(False), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6)


def test_decay_alone_pulls_by_the_scaled_rate():
    training = Training(optimizer="adamw", weight_decay=0.5, learning_rate=0.1, schedule="constant")
    optimizer = make_optimizer(training, 10, scales=[0.5, 1.0, 1.0, 1.0])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(3)])
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.zeros_like(variable) for variable in model.trainable_variables])
    for variable, expected in zip(model.trainable_variables, (0.975, 1, 0.95, 1), strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-6)
    assert optimizer.weight_decay == 0.5


def test_another_number_of_variables_is_refused():
    optimizer = make_optimizer(Training(), 10, scales=[0.5])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"expected 1 variables.*Received: 2"):
        optimizer.build(model.trainable_variables)


def test_it_can_be_saved():
    optimizer = make_optimizer(Training(optimizer="sgd"), 10, scales=[0.5, 1.0])
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.scales == (0.5, 1.0)
    assert type(again) is type(optimizer)


def test_blocks_nearer_to_the_image_have_lower_rates():
    base = keras.Sequential(
        [
            keras.Input((4,)),
            *(keras.layers.Dense(4, name=name) for name in ("a", "b", "end_1", "c", "end_2", "d")),
        ],
        name="base",
    )
    model = keras.Sequential([keras.Input((4,)), base, keras.layers.Dense(2, name="logits")])
    base.get_layer("a").trainable = False
    scales = scales_by_depth(model, base, ("end_0", "end_1", "end_2"), 0.5)
    # The kernels of b, end_1; c, end_2 and what is behind; the head.
    assert scales[::2] == [0.25, 0.25, 0.5, 0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("block1_conv2", [0.5, 0.5]),
        ("block3_pool", [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 0.5]),
        # Two layers of block 3 are a block, too.
        ("block3_conv2", [0.125, 0.125, 0.25, 0.25, 0.5, 0.5]),
    ],
)
def test_the_last_block_is_the_one_that_the_features_are_of(features, expected):
    whole = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    base = keras.Model(whole.input, whole.get_layer(features).output)
    cuts = [f"block{number}_pool" for number in range(1, 6)]
    assert scales_by_depth(base, base, cuts, 0.5)[::2] == expected
