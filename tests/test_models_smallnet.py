"""What is special about SmallNet: patch whitening, Dirac initialisation; class names inside."""

import keras
import numpy as np
import pytest

from kerasdl import models
from kerasdl.models import saved
from kerasdl.models.smallnet import Dirac
from kerasdl.models.whitening import PatchWhitening, adapt


@pytest.fixture
def smooth_images():
    """Images whose neighbouring pixels and channels are alike, as in photographs."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (200, 4, 4, 1))
    images = small.repeat(5, axis=1).repeat(5, axis=2).repeat(3, axis=3)
    noise = generator.integers(-20, 20, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def whitened(model, images):
    outputs = keras.Model(model.input, model.get_layer("whitening").output)(images)
    return keras.ops.convert_to_numpy(outputs).reshape(-1, outputs.shape[-1])


def test_adapted_patches_are_uncorrelated_with_variance_one(smooth_images):
    model = models.build("smallnet", (20, 20, 3), 10)
    before = np.cov(whitened(model, smooth_images)[:, :12].T)
    adapt(model, smooth_images)
    after = np.cov(whitened(model, smooth_images).T)
    # epsilon keeps directions that hardly occur a little below 1.
    np.testing.assert_allclose(after[:12, :12], np.eye(12), atol=0.08)
    np.testing.assert_allclose(after[12:, 12:], after[:12, :12], atol=1e-5)
    np.testing.assert_allclose(after[:12, 12:], -after[:12, :12], atol=1e-5)
    assert np.abs(before - np.eye(12)).max() > 0.2


def test_adapting_is_repeatable_and_the_kernel_is_not_trained(smooth_images):
    one, other = (models.build("smallnet", (20, 20, 3), 10) for _ in range(2))
    adapt(one, smooth_images)
    adapt(other, smooth_images)
    kernels = [m.get_layer("whitening").kernel for m in (one, other)]
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, kernels))
    assert not any("whitening" in variable.path for variable in one.trainable_variables)


def test_adapting_a_network_without_whitening_changes_nothing(smooth_images):
    model = models.build("lenet5", (20, 20, 3), 10)
    before = model.get_weights()
    adapt(model, smooth_images)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_images_of_another_shape_are_refused():
    layer = PatchWhitening(2)
    layer.build((None, 8, 8, 3))
    with pytest.raises(ValueError, match=r"shape \(n, h, w, 3\).*Received: \(2, 8, 8, 1\)"):
        layer.adapt(np.zeros((2, 8, 8, 1), np.float32))


def test_the_first_filters_pass_their_channel_through():
    kernel = keras.ops.convert_to_numpy(Dirac(seed=0)((3, 3, 4, 10)))
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 4)).astype("float32")
    y = keras.ops.convert_to_numpy(keras.ops.conv(x, kernel, padding="same"))
    np.testing.assert_allclose(y[..., :4], x, rtol=1e-6)
    others = kernel[..., 4:]
    assert others.std() == pytest.approx((1 / (3 * 9 * 4)) ** 0.5, rel=0.1)


def test_a_saved_smallnet_keeps_kernel_names_and_outputs(smooth_images, tmp_path):
    model = models.build("smallnet", (20, 20, 3), 3)
    adapt(model, smooth_images)
    saved.save(model, tmp_path / "m.keras", ("a", "<b>", "ੴ"))
    again = saved.load(tmp_path / "m.keras")
    assert saved.class_names(tmp_path / "m.keras") == ("a", "<b>", "ੴ")
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(m(smooth_images[:4])) for m in (model, again))
    )


def test_the_number_of_names_is_the_number_of_outputs(tmp_path):
    model = models.build("lenet5", (28, 28, 1), 3)
    with pytest.raises(ValueError, match=r"expected 3 class names.*Received: 2"):
        saved.save(model, tmp_path / "m.keras", ("a", "b"))
    assert not (tmp_path / "m.keras").exists()
