"""CE = KL + entropy on every kind of distribution, and the figure that shows it."""

import numpy as np
import pytest
from PIL import Image

from kerasdl.theory import divergence, divergence_section


@pytest.fixture(scope="module")
def found():
    return divergence.measure(class_counts=(2, 7), pairs=50, seed=1)


def test_the_identity_holds_to_rounding(found):
    assert len(found) == 2 * 5
    for one in found:
        assert one.error < 1e-13
        assert one.gradient_error < 1e-8
        assert one.cross_entropy == pytest.approx(one.divergence + one.entropy, abs=1e-12)
        assert one.keras_cross_entropy == pytest.approx(one.cross_entropy, abs=1e-5)
        assert one.keras_divergence == pytest.approx(one.divergence, abs=1e-4)


def test_the_constant_is_zero_for_one_hot_alone(found):
    for one in found:
        assert (one.entropy == 0.0) == (one.name == "one-hot")
    assert {one.name: one for one in found}["uniform"].entropy == pytest.approx(np.log(7))


def test_by_hand():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert divergence.cross_entropy(p, q) == pytest.approx(np.log(4))
    assert divergence.divergence(p, q) == pytest.approx(np.log(2))
    assert divergence.entropy(p) == pytest.approx(np.log(2))


@pytest.mark.parametrize("classes", [2, 9])
def test_distributions_are_distributions(classes):
    for p in divergence.families(classes, 200, np.random.default_rng(0)).values():
        assert p.shape == (200, classes)
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1.0)
    sparse = divergence.families(classes, 200, np.random.default_rng(0))["any, with zeros"]
    assert (sparse == 0).any()


def test_the_section_says_right_and_a_broken_identity_wrong(found):
    claims = divergence_section.section(found, []).claims
    assert [one.verdict for one in claims] == ["right", "right"]
    broken = [divergence.Family(**{**vars(one), "error": 0.1}) for one in found]
    assert divergence_section.section(broken, []).claims[0].verdict == "wrong"


def test_the_figure_is_drawn(tmp_path):
    divergence_section.draw(tmp_path / "divergence.png")
    with Image.open(tmp_path / "divergence.png") as image:
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
