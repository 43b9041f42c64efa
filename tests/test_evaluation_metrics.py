"""Scores, calibration and errors against numbers worked out by hand."""

import math

import numpy as np
import pytest

from kerasdl.evaluation import calibration, errors, metrics
from kerasdl.evaluation.predictions import softmax

# Rows as probabilities: right with 0.7, wrong with 0.6, right with 0.5, wrong with 0.9.
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.3, 0.5, 0.2], [0.05, 0.9, 0.05]])
LABELS = np.array([0, 1, 1, 0])
LOGITS = np.log(PROBABILITIES) + np.array([[3.0], [-7], [0], [100]])


@pytest.mark.parametrize("from_logits", [True, False])
def test_score_by_hand(from_logits: bool) -> None:
    found = metrics.score(LABELS, LOGITS if from_logits else PROBABILITIES, from_logits=from_logits)
    assert found.accuracy == 0.5
    expected = -(math.log(0.7) + math.log(0.3) + math.log(0.5) + math.log(0.05)) / 4
    assert found.loss == pytest.approx(expected, rel=1e-12)
    assert found.per_class_accuracy == [0.5, 0.5, None]
    assert found.count == 4
    # Every answer has a bin of its own: mean of |1-0.7|, |0-0.6|, |1-0.5|, |0-0.9|.
    assert found.ece == pytest.approx((0.3 + 0.6 + 0.5 + 0.9) / 4, abs=1e-12)


def test_equal_scores_mean_the_first_class() -> None:
    assert metrics.score([0, 1], np.zeros((2, 2)) + 5.0).accuracy == 0.5


def test_a_sure_right_answer_has_loss_zero_not_minus_zero() -> None:
    loss = metrics.score([0], [[1000.0, 0.0]]).loss
    assert math.copysign(1.0, loss) == 1.0


def test_combine_without_validation() -> None:
    score = metrics.score(LABELS, LOGITS)
    combined = metrics.combine(score, None, score)
    assert combined.validation_accuracy is None
    assert combined.validation_loss is None
    assert combined.test_accuracy == combined.train_accuracy == 0.5
    assert metrics.combine(score, score, score).validation_loss == score.loss


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1, 1], "one length"), ([0, 1, 1, 3], "0..2"), ([0.0, 1, 1, 0], "integer"), ([], "non-")],
)
def test_wrong_labels_are_refused(labels: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.score(labels, LOGITS)


def test_confusion_by_hand() -> None:
    matrix = metrics.confusion([0, 0, 1, 2], [0, 2, 1, 1], 4)
    expected = np.zeros((4, 4), int)
    expected[0, 0] = expected[0, 2] = expected[1, 1] = expected[2, 1] = 1
    np.testing.assert_array_equal(matrix, expected)
    assert metrics.per_class_accuracy(matrix) == [0.5, 1.0, 0.0, None]


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_intervals(
    successes: int, total: int, low: float, high: float
) -> None:
    found = metrics.wilson(successes, total)
    assert found == pytest.approx((low, high), abs=5e-5)
    assert found[0] <= successes / total <= found[1]


@pytest.mark.parametrize("case", [(3, 2), (-1, 2), (0, 0)])
def test_wilson_refuses_impossible_counts(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="Received"):
        metrics.wilson(*case)


def _two_class(confidence: list[float]) -> np.ndarray:
    return np.log(np.array([[c, 1 - c] for c in confidence]))


def test_ece_by_hand_with_two_bins() -> None:
    # 0.95, 0.85 and 0.65 share the upper of two bins: confidence 0.8166…, accuracy 2/3.
    found = calibration.reliability([0, 0, 1], _two_class([0.95, 0.85, 0.65]), num_bins=2)
    assert found.counts.tolist() == [0, 3]
    assert math.isnan(found.accuracy[0])
    assert found.confidence[1] == pytest.approx(2.45 / 3)
    assert found.ece == pytest.approx(abs(2 / 3 - 2.45 / 3))


def test_bins_are_closed_on_the_right() -> None:
    logits = np.log([[0.4, 0.3, 0.3], [0.41, 0.3, 0.29]])
    found = calibration.reliability([0, 0], logits, num_bins=5)
    assert found.counts.tolist() == [0, 1, 1, 0, 0]


def test_perfect_and_hopeless_calibration() -> None:
    assert calibration.reliability([0, 1], [[99.0, 0], [0, 99]]).ece == pytest.approx(0.0)
    assert calibration.reliability([1, 0], [[99.0, 0], [0, 99]]).ece == pytest.approx(1.0)


def test_most_confident_errors_in_order() -> None:
    found = errors.most_confident(LABELS, LOGITS)
    assert [(e.index, e.true, e.predicted) for e in found] == [(3, 0, 1), (1, 1, 0)]
    assert found[0].confidence == pytest.approx(0.9)
    assert found[0].true_probability == pytest.approx(0.05)
    assert errors.most_confident(LABELS, LOGITS, limit=1) == found[:1]
    assert errors.most_confident(softmax(LOGITS).argmax(axis=1), LOGITS) == []
    with pytest.raises(ValueError, match="limit"):
        errors.most_confident(LABELS, LOGITS, limit=-1)
