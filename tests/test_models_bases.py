"""The bases against Keras's own models: counts, cuts, and the pixels that they expect."""

import dataclasses

import keras
import numpy as np
import pytest

from kerasdl.models import bases, costs, weights
from kerasdl.models.base_model import base_model
from kerasdl.models.preprocessing import DEVIATION, KINDS, MEAN, preprocessed

# The large ones are built of the same blocks as the small of their family; a second each.
BUILT = ("vgg16", "resnet50", "resnet50v2", "mobilenet_0.25", "mobilenet_v2",
         "convnext_tiny")  # fmt: skip
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


def check_cuts(model, base):
    """Each is a layer that makes a map, farther from the image than the one before, to the end."""
    names = [layer.name for layer in model.layers]
    places = [names.index(cut) for cut in base.cuts]
    assert places == sorted(set(places))
    assert places[-1] == len(names) - 1
    # A layer's own output is that in this graph: what Grad-CAM and sweeps over cuts build on.
    outputs = keras.Model(model.input, [model.get_layer(cut).output for cut in base.cuts]).outputs
    assert all(len(output.shape) == 4 for output in outputs)
    sides = [output.shape[1] for output in outputs]
    assert sides == sorted(sides, reverse=True)
    assert outputs[-1].shape == model.output.shape


@pytest.mark.parametrize("name", BUILT)
def test_has_the_published_parameters_and_the_cuts(name):
    keras.utils.clear_session()
    base = bases.get(name)
    model = base_model(base, (32, 32, 3))
    assert costs.count_parameters(model).total == base.published_parameters
    assert model.name == base.layer_name
    check_cuts(model, base)
    assert costs.multiply_accumulates(model) > 0


def test_published_parameters_are_those_of_keras_with_the_top_less_the_top():
    # keras.io/api/applications and Keras's own `count_params`, with 1000 classes.
    with_top = {
        "resnet101": (44_707_176, 2048),
        "resnet152": (60_419_944, 2048),
        "resnet101v2": (44_675_560, 2048),
        "resnet152v2": (60_380_648, 2048),
        "mobilenet": (4_253_864, 1024),
        "densenet121": (8_062_504, 1024),
        "efficientnetb1": (7_856_239, 1280),
        "efficientnetb2": (9_177_569, 1408),
        "convnext_small": (50_223_688, 768),
    }
    for name, (parameters, width) in with_top.items():
        assert bases.get(name).published_parameters == parameters - (width + 1) * 1000
    # VGG19's top is three layers.
    top = 25_089 * 4096 + 4097 * 4096 + 4097 * 1000
    assert bases.get("vgg19").published_parameters == 143_667_240 - top


@pytest.mark.parametrize("name", bases.names())
def test_entries_are_complete(name):
    base = bases.get(name)
    assert base.name == name
    assert base.source
    assert base.preprocessing in KINDS
    assert "/" not in base.layer_name
    assert "." not in base.layer_name
    assert base.url.startswith("https://storage.googleapis.com/")
    assert base.weights_file.endswith(".h5")
    assert len(base.checksum) in (0, 32, 64)
    assert callable(getattr(keras.applications, base.function))
    assert hash(base) == hash(dataclasses.replace(base))


def test_files_are_those_of_keras_sources():
    from keras.src.applications import convnext, densenet, efficientnet, resnet, vgg16, vgg19

    for name in bases.names():
        base = bases.get(name)
        if name.startswith("resnet"):
            assert base.checksum == resnet.WEIGHTS_HASHES[name][1]
            ending = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
            assert base.url == f"{resnet.BASE_WEIGHTS_PATH}{name}{ending}"
        elif name.startswith("convnext"):
            assert base.checksum == convnext.WEIGHTS_HASHES[name][1]
            assert base.url == f"{convnext.BASE_WEIGHTS_PATH}{name}_notop.h5"
        elif name.startswith("efficientnet"):
            assert base.checksum == efficientnet.WEIGHTS_HASHES[name[-2:]][1]
            assert base.url == f"{efficientnet.BASE_WEIGHTS_PATH}{name}_notop.h5"
    assert bases.get("vgg16").url == vgg16.WEIGHTS_PATH_NO_TOP
    assert bases.get("vgg19").url == vgg19.WEIGHTS_PATH_NO_TOP
    assert bases.get("densenet121").url == densenet.DENSENET121_WEIGHT_PATH_NO_TOP


@pytest.mark.parametrize("name", ["mobilenet_0.25", "mobilenet_v2"])
def test_files_are_those_that_keras_asks_for(name, monkeypatch):
    asked = []

    def get_file(name, origin, **settings):
        asked.append((name, origin))
        raise InterruptedError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    base = bases.get(name)
    with pytest.raises(InterruptedError):
        getattr(keras.applications, base.function)(
            weights="imagenet", include_top=False, input_shape=(224, 224, 3), **base.options
        )
    assert asked == [(base.weights_file, base.url)]


@pytest.mark.parametrize(
    ("wrong", "near"), [("vgg-16", "vgg16"), ("mobilenet_75", "mobilenet_0.75"), ("VGG16", "vgg16")]
)
def test_unknown_base_names_the_near_one(wrong, near):
    with pytest.raises(ValueError, match=rf"Received: '{wrong}'\. Did you mean '{near}'\?"):
        bases.get(wrong)


@pytest.fixture
def efficientnet(monkeypatch):
    """EfficientNet-B0 as Keras makes it for ImageNet's weights, which are not at hand."""
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: "none")
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "load_weights", lambda *_: None)
        return keras.applications.EfficientNetB0(
            weights="imagenet", include_top=False, input_shape=(32, 32, 3)
        )


def test_efficientnet_is_keras_own_behind_its_own_pixels(efficientnet, tmp_path):
    base, path = bases.get("efficientnetb0"), tmp_path / "base.weights.h5"
    model = base_model(base, (32, 32, 3))
    # Keras counts the preprocessing: three means, three variances and a counter.
    assert costs.count_parameters(model).total == base.published_parameters - 7
    check_cuts(model, base)
    # Trained behind a normalisation that does nothing, its weights are for other pixels.
    efficientnet.save_weights(path)
    before = weights.identity(model)
    with pytest.raises(ValueError, match="normalises pixels by other numbers than ImageNet's"):
        weights.load(model, path, base.name)
    assert weights.identity(model) == before
    scale, normalize, rescale = efficientnet.layers[1:4]
    normalize.set_weights([np.array(MEAN), np.array(DEVIATION), np.array(0)])
    normalize.finalize_state()
    efficientnet.save_weights(path)
    weights.load(model, path, base.name)
    kernel = efficientnet.get_layer("top_conv").kernel
    np.testing.assert_array_equal(model.get_layer("top_conv").kernel, kernel)
    pixels = keras.ops.convert_to_numpy(rescale(normalize(scale(PIXELS))))
    np.testing.assert_array_equal(preprocess("efficientnet"), pixels)
    plain = (PIXELS / 255 - MEAN) / DEVIATION
    np.testing.assert_allclose(preprocess("efficientnet"), plain, atol=1e-5)


def preprocess(kind):
    inputs = keras.Input((16, 16, 3))
    return keras.ops.convert_to_numpy(keras.Model(inputs, preprocessed(inputs, kind))(PIXELS))


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("caffe", "vgg16"),
        ("caffe", "vgg19"),
        ("caffe", "resnet"),
        ("tf", "resnet_v2"),
        ("tf", "mobilenet"),
        ("tf", "mobilenet_v2"),
        ("torch", "densenet"),
    ],
)
def test_preprocessing_is_keras_own_to_the_last_bit(kind, module):
    expected = getattr(keras.applications, module).preprocess_input(PIXELS.astype(np.float32))
    np.testing.assert_array_equal(preprocess(kind), expected)
    families = [name for name in bases.names() if bases.get(name).preprocessing == kind]
    assert any(name.replace("v2", "_v2").startswith(module[:6]) for name in families)


def test_vggs_first_channel_is_blue():
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, preprocessed(inputs, "caffe"))
    blue, _, last = keras.ops.convert_to_numpy(model(red))[0, 0, 0]
    assert blue == np.float32(-103.939)
    assert last == np.float32(255) - np.float32(123.68)


def test_convnexts_pixels_are_those_of_its_own_layer():
    from keras.src.applications.convnext import PreStem

    inputs = keras.Input((16, 16, 3))
    own = keras.Model(inputs, PreStem(name="own")(inputs))
    np.testing.assert_array_equal(preprocess("convnext"), keras.ops.convert_to_numpy(own(PIXELS)))


@pytest.mark.parametrize("kind", KINDS)
def test_preprocessing_survives_saving_and_loading_in_safe_mode(kind, tmp_path):
    inputs = keras.Input((16, 16, 3))
    keras.Model(inputs, preprocessed(inputs, kind)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(PIXELS)), preprocess(kind))


def test_pixels_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = {kind: preprocess(kind) for kind in KINDS}
    finally:
        keras.config.set_dtype_policy("float32")
    for kind, values in mixed.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, preprocess(kind))


def test_unknown_preprocessing():
    with pytest.raises(ValueError, match=r"caffe, tf, torch.*'bgr'"):
        preprocess("bgr")
