"""The arms of a transfer: what moves, what does not, and what a killed training goes on with."""

import keras
import numpy as np
import pytest
from arms_fakes import make_study
from transfer_fakes import BASE, write_weights

from kerasdl.datasets.dataset import Features
from kerasdl.models import transfer
from kerasdl.studies.stacking import Group
from kerasdl.studies.transfer import phases
from kerasdl.studies.transfer.cached import CachedBase
from kerasdl.training.features.views import View
from kerasdl.training.order import epoch_order, view_order

SHORT = ["--epochs", "3", "--batch-size", "20", "--learning-rate", "0.01"]
SECOND = ["--finetune-epochs", "2", "--finetune-rate", "0.001", "--layer-decay", "0.5"]
CUT = ["--features", "conv_pw_5_relu"]
"""The base's first layers alone, where it does not matter how many there are."""

LAYER = "conv_dw_12"
"""The first layer that the second phase trains."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "base.weights.h5")


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory):
    """Features are kept from test to test, as they are from run to run."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def study(tmp_path, examples, weights, one_cache, monkeypatch):
    monkeypatch.setenv("KERASDL_HOME", str(one_cache))

    def make(*arguments, folder=tmp_path / "run", **options):
        words = ["--weights", weights, *SHORT, *arguments]
        return make_study(folder, examples, *words, **options)

    return make


def weights_of(model):
    return {one.path: keras.ops.convert_to_numpy(one.value) for one in model.weights}


def changed(before, model):
    """Returns the paths of the variables of the base that are not what the file says."""
    base = transfer.base_of(model)
    return {
        variable.path
        for variable, old in zip(base.weights, before.weights, strict=True)
        if not np.array_equal(variable.value, old.value)
    }


@pytest.fixture(scope="module")
def original(weights):
    """The base as the file has it."""
    from kerasdl.models import bases
    from kerasdl.models.base_model import base_model

    base = base_model(bases.get(BASE), (32, 32, 3))
    base.load_weights(weights)
    return base


def test_a_frozen_base_stays_and_the_head_learns(study, original):
    found = study("--head", "8", "--epochs", "40", "--seeds", "2")
    result = found.run()
    model = keras.saving.load_model(found.folder / "models" / f"{BASE}-frozen-seed0.keras")
    assert changed(original, model) == set()
    first, second = result.runs
    # 256 features, 8 hidden neurons, 3 classes.
    assert first.trained_parameters == 256 * 8 + 8 + 8 * 3 + 3
    assert first.parameters > 200_000
    assert first.history["loss"][-1] < 0.8 < 1.0 < first.history["loss"][0]
    assert first.feature_seconds > 0
    assert second.feature_seconds == 0  # kept from the first seed
    assert len(first.settings["weights_sha256"]) == 64
    scores = found.predictions.get(first.model, 0, first.settings)
    logits = keras.ops.log_softmax(model.predict(found.splits.test.images, verbose=0))
    np.testing.assert_allclose(scores, logits, rtol=1e-3, atol=1e-3)


def test_features_and_pixels_teach_the_head_the_same(study, tmp_path):
    cached = study("--shift", "0", *CUT).fit(f"{BASE}-frozen", 0, "cached")
    plain = study("--shift", "0", *CUT, "--no-cache", folder=tmp_path / "other")
    assert not plain.plan.transfer[f"{BASE}-frozen"].cached
    pixels = plain.fit(f"{BASE}-frozen", 0, "pixels")
    assert pixels.feature_seconds is None
    for key, values in cached.model.history.history.items():
        np.testing.assert_allclose(
            pixels.model.history.history[key], values, rtol=1e-3, err_msg=key
        )
    images = plain.splits.test.images
    ours, theirs = cached.predict(images), pixels.predict(images)
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())


class Killed(BaseException):
    """Ends a training where it is raised, as a signal would."""


class KillIn(keras.callbacks.Callback):
    """Ends the process's work at the end of the first stretch of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self._last, self._epoch = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # A checkpoint follows this call; the next stretch is the first that is lost.
        if self._epoch == self._last and batch >= 1:
            raise Killed


ARMS = ["--arms", "finetuned", "--unfreeze", LAYER, "--dropout", "0.2", *SECOND]
TUNED = f"{BASE}-finetuned"


def test_the_second_phase_moves_the_base_from_a_layer_on_and_goes_on_from_any_kill(
    study, original, tmp_path
):
    found = study(*ARMS, seconds=0.0)
    (tuned,) = found.run().runs
    assert tuned.epochs == 5
    assert {len(values) for values in tuned.history.values()} == {5}
    # More than the head, and not all.
    assert 256 * 3 + 3 < tuned.trained_parameters < tuned.parameters
    assert not (found.folder / "checkpoints").exists()
    whole = keras.saving.load_model(found.folder / "models" / f"{TUNED}-seed0.keras")
    layers = transfer.base_of(whole).layers
    first = [layer.name for layer in layers].index(LAYER)
    above = {weight.path for layer in layers[first:] for weight in layer.weights}
    # BatchNorm keeps its statistics where it trains, too.
    assert changed(original, whole) == {path for path in above if "moving" not in path}
    # Killed once in each phase.
    killed = study(*ARMS, folder=tmp_path / "killed", seconds=0.0)
    store, second = killed.executor.checkpoints(Group((TUNED,), 0))
    for epoch in (1, 4):
        with pytest.raises(Killed):
            killed.fit(TUNED, 0, "killed", [KillIn(epoch)], store)
        assert store.latest().epoch == min(epoch, 3)
        assert (second.latest() is None) == (epoch < 3)
    fitted = killed.fit(TUNED, 0, "continued", checkpoints=store)
    assert fitted.model.history.history == tuned.history
    expected = weights_of(whole)
    for path, value in weights_of(fitted.model).items():
        np.testing.assert_array_equal(value, expected[path], err_msg=path)


def test_other_weights_than_the_recipes_are_refused(study, tmp_path):
    sha256 = study().plan.settings[f"{BASE}-frozen"]["weights_sha256"]
    other = write_weights(tmp_path / "other.weights.h5", seed=2)
    pinned = f'settings."{BASE}-frozen".weights_sha256={sha256}'
    study("--set", pinned)  # the very weights
    with pytest.raises(ValueError, match=sha256[:8]):
        study("--weights", other, "--set", pinned)


@pytest.mark.parametrize(
    "arguments",
    [["--features", "block3_pool"], ["--freeze", "conv_pw_99"], [*ARMS, "--unfreeze", "top"]],
)
def test_a_layer_that_does_not_exist_is_named_before_anything_is_trained(
    study, arguments, tmp_path
):
    with pytest.raises(ValueError, match=rf"Unknown layer.*Received: '{arguments[-1]}'"):
        study(*arguments)
    assert not list(tmp_path.rglob("results.json"))


def test_rates_are_tested_on_features(study):
    from kerasdl.studies.find_lr import find_lr

    found = study(*CUT)
    find_lr(found)
    assert (found.folder / "find_lr" / f"{BASE}-frozen.csv").is_file()


def test_wrong_features_end_in_an_error(study, monkeypatch):
    found = study(*CUT)
    real, train = CachedBase.of, found.splits.train.images
    monkeypatch.setattr(
        CachedBase, "of", lambda self, x: real(self, x) + (0.5 if x is train else 0.0)
    )
    with pytest.raises(ValueError, match=r"must agree to 0\.001.*kerasdl cache"):
        found.fit(f"{BASE}-frozen", 0, "wrong")


def test_views_are_of_the_images_looked_at_again(study):
    found = study("--views", "2", "--shift", "2", "--epochs", "2", *CUT)
    name, images = f"{BASE}-frozen", found.splits.train.images
    begun = phases.start(found, name, 0)
    assert (begun.train.views, len(begun.train)) == (2, len(images))
    features = transfer.features_model(begun.model)
    view = View(found.plan.training[name], found.plan.seed, 0)
    first, second = np.split(begun.train.images, 2)
    assert np.abs(first - second).max() > 0.1 * np.abs(first).max()
    for rows, shown in ((first, images), (second, view.look(images, 0, len(images)))):
        expected = features.predict(shown, verbose=0)
        np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(begun.train.labels, np.tile(found.splits.train.labels, 2))
    fitted = found.fit(name, 0, "views")
    assert fitted.model.history.epoch == [0, 1]


def test_views_are_seen_in_turn():
    order = epoch_order(50, 7, 4)
    epochs = [view_order(epoch_order(50, 7, e), 3, 7, e) for e in range(4, 7)]
    np.testing.assert_array_equal(epochs[0] % 50, order)
    assert sorted(np.concatenate(epochs)) == list(range(150))
    assert len(set(epochs[0] // 50)) == 3
    np.testing.assert_array_equal(view_order(order, 1, 7, 4), order)


def test_features_know_their_examples():
    rows, labels = np.zeros((6, 4), np.float32), np.zeros(6, np.int32)
    assert len(Features(rows, labels)) == 6
    assert len(Features(rows, labels, 3)) == 2
    for wrong in (rows.astype(np.float64), rows[0], rows.astype(np.uint8)):
        with pytest.raises(ValueError, match="features must be a float array"):
            Features(wrong, labels)
    with pytest.raises(ValueError, match=r"expected 4 views.*Received: 6 rows"):
        Features(rows, labels, 4)
    with pytest.raises(ValueError, match="labels must be"):
        Features(rows, labels[:5])
