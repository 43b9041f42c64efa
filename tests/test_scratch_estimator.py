"""The classifier behind scikit-learn's interface."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kerasdl.scratch.estimator import ScratchClassifier
from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import SGD
from kerasdl.scratch.training import fit


# That needs SciPy's array API switched on before its first import; scikit-learn skips it otherwise.
@pytest.mark.filterwarnings("ignore:Skipping check check_array_api_input")
@parametrize_with_checks([ScratchClassifier(max_iter=5)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    names = np.array([f"digit {label}" for label in range(10)])
    return images[:600] / 16, names[labels[:600]]


def test_it_learns_digits_with_labels_of_text(digits):
    images, labels = digits
    classifier = ScratchClassifier((32,), max_iter=20, random_state=0).fit(
        images[:400], labels[:400]
    )
    assert classifier.score(images[400:], labels[400:]) > 0.7
    assert list(classifier.classes_) == sorted(set(labels))
    assert classifier.n_iter_ == 20
    assert len(classifier.loss_curve_) == len(classifier.accuracy_curve_) == 20
    assert classifier.loss_curve_[-1] < 0.2 * classifier.loss_curve_[0]
    probabilities = classifier.predict_proba(images)
    assert probabilities.shape == (600, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    found = classifier.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(classifier.predict(images), found)


def test_it_is_the_network_of_scratch(digits):
    images, labels = digits
    classifier = ScratchClassifier((16,), "tanh", momentum=0.5, max_iter=3, random_state=1)
    classifier.fit(images, labels)
    seed = np.random.RandomState(1).randint(2**31)
    network = Network(64, (16,), 10, activation="tanh", seed=seed, dtype="float64")
    codes = np.searchsorted(classifier.classes_, labels)
    history = fit(network, images, codes, epochs=3, optimizer=SGD(0.1, 0.5), seed=seed)
    np.testing.assert_array_equal(classifier.network_.parameters, network.parameters)
    assert classifier.loss_curve_ == history.loss


def test_partial_fit_goes_on_where_it_stands_also_from_a_pickle(digits):
    images, labels = digits
    whole = ScratchClassifier((16,), momentum=0.9, max_iter=3, random_state=0).fit(images, labels)
    parts = ScratchClassifier((16,), momentum=0.9, random_state=0)
    parts.partial_fit(images, labels)
    parts = pickle.loads(pickle.dumps(parts))
    parts.partial_fit(images, labels).partial_fit(images, labels)
    assert parts.n_iter_ == 3
    assert parts.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(parts.network_.parameters, whole.network_.parameters)


def test_partial_fit_needs_all_classes_at_first(digits):
    images, labels = digits
    few = labels != "digit 3"
    classifier = ScratchClassifier((8,), random_state=0)
    classifier.partial_fit(images[few], labels[few], classes=np.unique(labels))
    classifier.partial_fit(images, labels)
    assert len(classifier.classes_) == 10
    with pytest.raises(ValueError, match=r"Received: .*zebra"):
        classifier.partial_fit(images[:2], ["digit 1", "zebra"])
    with pytest.raises(ValueError, match="classes must stay"):
        classifier.partial_fit(images, labels, classes=["digit 1", "digit 2"])


def test_numbers_keep_their_precision(digits):
    images, labels = digits
    for given, asked, expected in (
        (np.float32, None, np.float32),
        (np.float64, None, np.float64),
        (np.float64, "float32", np.float32),
    ):
        classifier = ScratchClassifier((4,), dtype=asked, max_iter=1).fit(
            images.astype(given), labels
        )
        assert classifier.network_.dtype == expected
        assert classifier.predict_proba(images).dtype == expected


def test_it_works_in_a_pipeline_and_a_search(digits):
    images, labels = digits
    pipeline = make_pipeline(MinMaxScaler(), ScratchClassifier((16,), max_iter=3, random_state=0))
    search = GridSearchCV(
        pipeline, {"scratchclassifier__learning_rate_init": [1e-6, 0.1]}, cv=2, error_score="raise"
    )
    search.fit(images, labels)
    assert search.best_params_ == {"scratchclassifier__learning_rate_init": 0.1}


def test_a_training_that_diverges_is_an_error_that_says_what_to_do(digits):
    # ReLU would die instead: its gradients become 0 before anything overflows.
    classifier = ScratchClassifier((16,), "linear", learning_rate_init=1e6, random_state=0)
    with pytest.raises(ValueError, match=r"diverged in epoch .* lower learning_rate_init"):
        classifier.fit(*digits)


@pytest.mark.parametrize(
    "settings",
    [{"max_iter": 0}, {"activation": "relu7"}, {"batch_size": 0}, {"learning_rate_init": 0.0}],
    ids=str,
)
def test_impossible_settings_are_refused(digits, settings):
    with pytest.raises(ValueError, match="Received: "):
        ScratchClassifier(**settings).fit(*digits)


def test_a_classifier_without_fit_says_so(digits):
    with pytest.raises(NotFittedError):
        ScratchClassifier().predict(digits[0])
