import io

import keras
import numpy as np
import pytest
from keras import layers
from rich.console import Console

from kerasdl.models import transfer
from kerasdl.training.features import Extractor, FeatureCache, View
from kerasdl.training.features.folding import folded
from kerasdl.training.features.forward import Forward, batch_size
from kerasdl.training.features.pass_progress import PassProgress
from kerasdl.training.precision import policy
from kerasdl.training.settings import Training

SHAPE = (8, 8, 3)


def images(count=20, seed=0, shape=SHAPE):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def stir(model, seed=0):
    """Gives BatchNorm other numbers than its first ones, which do next to nothing."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.path.rpartition("/")[2]
        if name in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 2.0, weight.shape))
        elif name in ("beta", "moving_mean", "bias"):
            weight.assign(generator.normal(0.0, 0.5, weight.shape))
    return model


def built(body, shape=SHAPE):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape, name="pixels")
    x = body(layers.Rescaling(1 / 255)(inputs))
    return stir(keras.Model(inputs, layers.GlobalAveragePooling2D()(x)))


def norms(model):
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model._flatten_layers())


def residual(x):
    y = layers.Conv2D(4, 3, padding="same")(x)
    z = layers.BatchNormalization()(y)
    return layers.Add()([y, z])  # the convolution's own output is needed, too


def shared(x):
    convolution = layers.Conv2D(3, 3, padding="same")
    return layers.BatchNormalization()(convolution(convolution(x)))


def inner(x):
    inside = keras.Input(x.shape[1:])
    y = layers.BatchNormalization()(layers.Conv2D(4, 3)(inside))
    return keras.Model(inside, layers.ReLU()(y), name="inner")(x, training=False)


def sequential(x):
    parts = [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization()]
    return keras.Sequential([keras.Input(x.shape[1:]), *parts])(x)


# name: (layers between pixels and pooling, BatchNorms, those that remain)
BODIES = {
    "no bias": (lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(x)), 0),
    "bias": (lambda x: layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(x))), 0),
    "plain norm": (
        lambda x: layers.BatchNormalization(center=False, scale=False)(layers.Conv2D(4, 3)(x)),
        0,
    ),
    "depthwise": (
        lambda x: layers.BatchNormalization()(layers.DepthwiseConv2D(3, depth_multiplier=2)(x)),
        0,
    ),
    "a group for each channel": (
        lambda x: layers.BatchNormalization()(layers.Conv2D(6, 3, groups=3)(x)),
        0,
    ),
    "groups of two channels": (
        lambda x: layers.BatchNormalization()(layers.Conv2D(6, 3, groups=2)(layers.Dense(4)(x))),
        0,
    ),
    "dense": (lambda x: layers.BatchNormalization()(layers.Dense(4)(x)), 0),
    "model inside": (inner, 0),
    "sequential inside": (sequential, 0),
    "activation before": (
        lambda x: layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x)),
        1,
    ),
    "norm before": (lambda x: layers.Conv2D(4, 3)(layers.BatchNormalization()(x)), 1),
    "used twice": (residual, 1),
    "convolution shared": (shared, 1),
    "padding between": (
        lambda x: layers.BatchNormalization()(layers.ZeroPadding2D(1)(layers.Conv2D(4, 3)(x))),
        1,
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_folding_keeps_the_function(name):
    body, remaining = BODIES[name]
    model = built(body)
    before = [weight.numpy() for weight in model.weights]
    copy = folded(model)
    assert norms(model) == 1
    assert norms(copy) == remaining
    x = images().astype(np.float32)
    expected = model(x, training=False).numpy()
    np.testing.assert_allclose(copy(x, training=False).numpy(), expected, rtol=1e-4, atol=1e-5)
    # The copy is one: the model is as it was, and does not follow it.
    for weight in copy.weights:
        weight.assign(np.zeros(weight.shape))
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_a_group_for_each_channel_becomes_a_depthwise_convolution():
    kinds = [
        type(folded(built(BODIES[name][0])).layers[-3])
        for name in ("a group for each channel", "groups of two channels")
    ]
    assert kinds == [layers.DepthwiseConv2D, layers.Conv2D]


@pytest.mark.parametrize(("size", "smooths"), [(16, False), (8, False), (5, True)])
def test_resizing_smooths_only_where_it_shrinks(size, smooths):
    model = built(layers.Resizing(size, size, antialias=True))
    copy = folded(model)
    (resizing,) = (layer for layer in copy.layers if isinstance(layer, layers.Resizing))
    assert resizing.antialias is smooths
    x = images().astype(np.float32)
    np.testing.assert_allclose(copy(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-5)


def base(precision="float32", name="mobilenet_0.25"):
    keras.utils.set_random_seed(0)
    with policy(precision):
        model = transfer.transfer(
            (32, 32, 3), 5, base=name, weights="random", freeze="none", size=48
        )
    # As large as trained features are: random ones all but vanish on the way.
    for weight in model.weights:
        if weight.path.endswith("gamma"):
            weight.assign(np.full(weight.shape, 1.5))
    return model


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("mixed_bfloat16", 0.05)])
def test_logits_of_head_and_features_are_those_of_the_whole_model(tmp_path, precision, tolerance):
    model = base(precision)
    extractor = Extractor(
        transfer.features_model(model), {"base": "m"}, cache=FeatureCache(tmp_path)
    )
    x = images(shape=(32, 32, 3))
    features = extractor.features(x)
    assert features.dtype.name == extractor.dtype == ("float32", "bfloat16")[tolerance > 1e-3]
    assert norms(extractor._forward._model) == 0
    found = transfer.head_model(model)(np.asarray(features)).numpy()
    expected = model(x, training=False).numpy()
    assert np.abs(expected - expected.mean(axis=0)).max() > 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_a_pass_is_the_same_in_any_blocks():
    model = built(BODIES["bias"][0])
    forward = Forward(model)
    forward.batch_size = 8
    x = images(20)
    parts = np.concatenate([forward(x[:8]), forward(x[8:16]), forward(x[16:])])
    np.testing.assert_allclose(parts, model(x, training=False).numpy(), rtol=1e-4, atol=1e-5)
    assert forward._call.experimental_get_tracing_count() == 1


def test_large_maps_make_small_batches():
    assert batch_size(built(BODIES["bias"][0])) == 128
    # 60 * 60 * 400 numbers of 4 bytes: 5.8 of the 32 MiB.
    large = built(layers.Conv2D(400, 5), (64, 64, 3))
    assert batch_size(large) == 8
    assert batch_size(built(layers.Conv2D(100, 5), (64, 64, 3))) == 16


@pytest.fixture
def small():
    return built(BODIES["bias"][0])


def test_computed_once_then_found(small, tmp_path):
    cache = FeatureCache(tmp_path)
    extractor = Extractor(small, {"base": "toy"}, cache=cache)
    first = extractor.features(images())
    seconds = extractor.seconds
    assert seconds > 0
    np.testing.assert_array_equal(extractor.features(images()), first)
    assert extractor.seconds == seconds
    other = Extractor(small, {"base": "toy"}, cache=cache)
    np.testing.assert_array_equal(other.features(images()), first)
    assert other.seconds == 0
    assert len(cache.entries()) == 1


def test_what_decides_the_features_is_in_the_key(small, tmp_path, monkeypatch):
    def keys(identity=(("base", "toy"),), pixels=0, **how):
        extractor = Extractor(small, dict(identity), cache=None)
        return repr(extractor.key(images(seed=pixels), **how))

    shift, flip = Training(shift=2), Training(flip=True)
    found = [
        keys(),
        keys((("base", "toy"), ("weights", "1f"))),
        keys(pixels=1),
        keys(view=View(shift, 0, 0)),
        keys(view=View(shift, 0, 1)),
        keys(view=View(shift, 1, 0)),
        keys(view=View(flip, 0, 0)),
    ]
    # The rest of a training has no part in it.
    assert keys(view=View(Training(shift=2, epochs=3), 0, 0)) == found[3]
    monkeypatch.setattr("kerasdl.training.features.extract.VERSION", 99)
    found.append(keys())
    assert len(set(found)) == len(found)


def test_without_a_cache_it_is_computed_each_time(small):
    extractor = Extractor(small, {}, cache=None)
    first = extractor.features(images())
    seconds = extractor.seconds
    np.testing.assert_array_equal(extractor.features(images()), first)
    assert extractor.seconds > seconds
    assert extractor.features(images(0)).shape == (0, 4)


def test_an_interrupted_pass_goes_on(small, tmp_path, monkeypatch):
    expected = Extractor(small, {}, cache=None).features(images(20))
    cache = FeatureCache(tmp_path)
    monkeypatch.setattr("kerasdl.training.features.forward.batch_size", lambda model: 8)
    asked = []

    def interrupt(self, done):
        asked.append(done)
        if done == 16 and len(asked) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(PassProgress, "show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Extractor(small, {}, cache=cache).features(images(20))
    assert [one.problem for one in cache.entries()] == ["unfinished"]
    found = Extractor(small, {}, cache=cache).features(images(20))
    assert asked == [8, 16, 20]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_features_that_are_not_finite_are_an_error_that_leaves_nothing(small, tmp_path):
    small.layers[2].set_weights([np.full((3, 3, 3, 4), 1e38), np.zeros(4)])
    extractor = Extractor(small, {}, cache=FeatureCache(tmp_path))
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        extractor.features(images())
    assert list(tmp_path.iterdir()) == []


def test_other_images_and_other_models_are_refused(small):
    extractor = Extractor(small, {}, cache=None)
    for wrong in (images(shape=(8, 8, 1)), images().astype(np.float32), images()[0]):
        with pytest.raises(ValueError, match=r"expected uint8 images of shape \(n, 8, 8, 3\)"):
            extractor.features(wrong)
    with pytest.raises(ValueError, match="a vector of known length"):
        Extractor(keras.Model(small.input, small.layers[2].output), {}, cache=None)


VIEWED = Training(shift=1, rotation=10.0, crop=0.1, elastic=0.5, cutout=2, flip=True)


def test_a_view_is_the_same_in_any_blocks():
    view, x = View(VIEWED, 3, 2), images(300)
    whole = view.look(x, 0, 300)
    assert whole.dtype == np.uint8
    parts = [view.look(x, first, last) for first, last in ((0, 7), (7, 130), (130, 300))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(View(VIEWED, 3, 2).look(x, 0, 300), whole)
    for other in (View(VIEWED, 4, 2), View(VIEWED, 3, 1)):
        assert (other.look(x, 0, 300) != whole).any(axis=(1, 2, 3)).mean() > 0.9


def test_two_views_mirror_each_image_once():
    x, flip = images(50), Training(flip=True)
    first, second = (View(flip, 0, number).look(x, 0, 50) for number in (0, 1))
    mirrored = (first == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 10 < mirrored.sum() < 40
    np.testing.assert_array_equal(second[mirrored], x[mirrored])
    np.testing.assert_array_equal(second[~mirrored], x[~mirrored][:, :, ::-1])


def test_views_need_an_augmentation_and_numbers():
    with pytest.raises(ValueError, match="without any"):
        View(Training(), 0, 0)
    with pytest.raises(ValueError, match="at least 0"):
        View(VIEWED, 0, -1)


def test_features_of_a_view_are_those_of_the_augmented_images(small):
    extractor, view = Extractor(small, {}, cache=None), View(VIEWED, 0, 0)
    found = extractor.features(images(), view=view)
    np.testing.assert_array_equal(found, extractor.features(view.look(images(), 0, 20)))
    assert (found != extractor.features(images())).any()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress(terminal, monkeypatch):
    monkeypatch.setattr("kerasdl.terminal.LINE_SECONDS", 0.0)
    written = io.StringIO()
    console = Console(force_terminal=terminal, width=100, file=written)
    with PassProgress(console, "vgg16", 4000, 1000) as progress:
        progress.show(2000)
    assert "vgg16" in written.getvalue()
    assert "2,000 of 4,000 images" in written.getvalue()
    with PassProgress(None, "vgg16", 4000, 0) as progress:
        progress.show(4000)


def test_on_jax_too(run_python, without_module):
    pytest.importorskip("jax")
    program = """
import keras, numpy as np
from keras import layers
from kerasdl.training.features import Extractor
inputs = keras.Input((8, 8, 3))
x = layers.BatchNormalization()(layers.Conv2D(4, 3)(inputs))
model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
extractor = Extractor(model, {}, cache=None)
expected = model(images, training=False)
np.testing.assert_allclose(extractor.features(images), expected, rtol=1e-4, atol=1e-4)
print(sorted(extractor.key(images)["software"]))
"""
    hidden = without_module("tensorflow")
    done = run_python("-c", program, KERAS_BACKEND="jax", PYTHONPATH=hidden)
    assert done.stdout == "['device', 'extractor', 'jax', 'keras']\n", done.stderr
