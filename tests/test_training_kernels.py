"""The fused kernels compute what Keras's own layers compute."""

import keras
import numpy as np
import pytest

from kerasdl.training.kernels import fused_kernels


def make_model(policy, **norm):
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        inner = keras.Sequential(
            [
                keras.Input((6, 6, 5)),
                keras.layers.Conv2D(7, 3, padding="same"),
                keras.layers.BatchNormalization(momentum=0.8, **norm),
            ]
        )
        return keras.Sequential(
            [keras.Input((6, 6, 5)), inner, keras.layers.Flatten(), keras.layers.Dense(3)]
        )
    finally:
        keras.config.set_dtype_policy(before)


def train(model, fused, optimizer=None):
    import contextlib

    generator = np.random.default_rng(0)
    x = generator.normal(2.0, 3.0, (32, 6, 6, 5)).astype("float32")
    y = generator.integers(0, 3, 32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.05), loss, jit_compile=False)
    with fused_kernels(model) if fused else contextlib.nullcontext():
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("norm", [{}, {"scale": False}, {"center": False}])
@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 3e-2)])
def test_fused_training_is_keras_training(policy, tolerance, norm):
    plain = train(make_model(policy, **norm), fused=False)
    fused = train(make_model(policy, **norm), fused=True)
    for one, other in zip(plain.variables, fused.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=one.path)


SGD = keras.optimizers.SGD
ADAM = keras.optimizers.Adam


@pytest.mark.parametrize(
    ("optimizer", "kernel"),
    [
        (lambda: ADAM(0.01), "ResourceApplyAdam"),
        (lambda: ADAM(0.01, beta_1=0.8, epsilon=1e-3, clipnorm=0.5), "ResourceApplyAdam"),
        (
            lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, use_ema=True),
            "ResourceApplyAdam",
        ),
        (lambda: ADAM(0.01, amsgrad=True), None),
        (lambda: SGD(0.01, momentum=0.9), "ResourceApplyKerasMomentum"),
        (
            lambda: SGD(0.01, momentum=0.8, nesterov=True, weight_decay=0.1, use_ema=True),
            "ResourceApplyKerasMomentum",
        ),
        (lambda: SGD(0.01), None),
    ],
)
def test_fused_updates_are_those_of_keras(optimizer, kernel, monkeypatch):
    import tensorflow as tf

    calls = []
    for name in ("ResourceApplyAdam", "ResourceApplyKerasMomentum"):
        real = getattr(tf.raw_ops, name)
        monkeypatch.setattr(
            tf.raw_ops, name, lambda name=name, real=real, **kw: calls.append(name) or real(**kw)
        )
    results = []
    for fused in (False, True):
        keras.utils.set_random_seed(0)
        # No BatchNormalization: an offset before it has a gradient of rounding errors only,
        # which Adam blows up.
        layers = [keras.layers.Flatten(), keras.layers.Dense(9, "tanh"), keras.layers.Dense(3)]
        model = train(keras.Sequential([keras.Input((6, 6, 5)), *layers]), fused, optimizer())
        results.append([v.numpy() for v in [*model.variables, *model.optimizer.variables]])
        assert "update_step" not in vars(model.optimizer)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)
    assert set(calls) == ({kernel} if kernel else set())


def test_the_fused_kernel_is_really_used_and_taken_back(monkeypatch):
    import tensorflow as tf

    calls = []
    kernel = tf.raw_ops.FusedBatchNormV3
    monkeypatch.setattr(
        tf.raw_ops, "FusedBatchNormV3", lambda **kw: calls.append(1) or kernel(**kw)
    )
    model = make_model("float32")
    train(model, fused=True)
    assert calls
    norm = model.layers[0].layers[-1]
    assert "call" not in vars(norm)


def test_inference_and_frozen_layers_keep_the_moving_statistics():
    model = make_model("float32")
    norm = model.layers[0].layers[-1]
    norm.trainable = False
    before = norm.moving_mean.numpy()
    train(model, fused=True)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before)


def test_layers_the_kernel_cannot_serve_are_left_alone():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 5)),
            keras.layers.BatchNormalization(axis=1),
            keras.layers.Flatten(),
            keras.layers.BatchNormalization(),
        ]
    )
    with fused_kernels(model):
        assert not any("call" in vars(layer) for layer in model.layers)
