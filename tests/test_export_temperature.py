"""The temperature that undoes a known overconfidence."""

import numpy as np
import pytest

from kerasdl.evaluation.predictions import softmax
from kerasdl.export.temperature import calibrate


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_it_finds_the_factor_that_logits_were_multiplied_by(factor):
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(20_000, 4))
    draws = generator.random((20_000, 1))
    labels = (softmax(logits).cumsum(axis=1) < draws).sum(axis=1)  # as often right as sure
    found = calibrate(labels, factor * logits)
    assert found.temperature == pytest.approx(factor, rel=0.03)
    assert found.loss[1] <= found.loss[0]
    assert found.ece[1] < 0.02
    if factor != 1.0:
        assert found.ece[0] > 0.05
    assert found.images == 20_000


def test_there_must_be_images():
    with pytest.raises(ValueError, match="calibration needs validation images"):
        calibrate([], np.zeros((0, 3)))
