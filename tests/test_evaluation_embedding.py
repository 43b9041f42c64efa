"""Features in a plane: groups stay groups, the numbers beside the picture are right."""

import numpy as np
import pytest

from kerasdl.evaluation.embedding import NEIGHBOURS, choose, embed


def groups(n=90, dimensions=60, apart=12.0, seed=0):
    """Three round groups of features and their classes."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    features = generator.normal(size=(n, dimensions))
    features[:, :3] += apart * np.eye(3)[labels]
    return features, labels


@pytest.fixture(scope="module")
def apart():
    features, labels = groups()
    return embed(features, labels, seed=0)


def test_groups_stay_groups(apart):
    assert apart.components.shape == apart.neighbours.shape == (90, 2)
    assert apart.agreement == (1.0, 1.0, 1.0)
    # 29 of the 89 others are of one's class.
    assert apart.chance == pytest.approx(29 / 89)


def test_the_components_are_those_of_the_svd(apart):
    features, _ = groups()
    centred = features - features.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    for i in range(2):
        one, other = apart.components[:, i], u[:, i] * s[i]
        assert abs(one @ other) / (np.linalg.norm(one) * np.linalg.norm(other)) > 0.999
    assert apart.variance == pytest.approx(tuple((s**2 / (s**2).sum())[:2]), rel=0.01)


def test_the_same_seed_gives_the_same_picture(apart):
    features, labels = groups()
    again = embed(features.astype(np.float32).astype(np.float64), labels, seed=0)
    first = embed(features, labels, seed=0)
    np.testing.assert_array_equal(first.neighbours, apart.neighbours)
    assert again.neighbours.shape == first.neighbours.shape
    other = embed(features, labels, seed=1)
    np.testing.assert_allclose(np.abs(other.components), np.abs(apart.components), rtol=0.05)


def test_features_that_know_nothing_agree_by_chance():
    features, labels = groups(apart=0.0)
    found = embed(features, labels, seed=0)
    assert found.agreement[0] == pytest.approx(found.chance, abs=0.08)


def test_equal_features_have_no_picture():
    assert embed(np.ones((30, 4)), np.arange(30) % 2, seed=0) is None


def test_one_feature_is_enough():
    found = embed(np.arange(30.0)[:, np.newaxis], np.arange(30) // 15, seed=0)
    assert found.variance == pytest.approx((1.0, 0.0))
    assert (found.components[:, 1] == 0).all()


def test_what_cannot_be_drawn_is_refused():
    few = 2 * NEIGHBOURS - 1
    with pytest.raises(ValueError, match="20 <= n <= 2000"):
        embed(np.ones((few, 3)), np.zeros(few, int), seed=0)
    with pytest.raises(ValueError, match="one label each"):
        embed(np.ones((30, 3)), np.zeros(29, int), seed=0)
    features = np.ones((30, 3))
    features[3, 1] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        embed(features, np.zeros(30, int), seed=0)


def test_images_are_drawn_by_lot():
    np.testing.assert_array_equal(choose(5, 10, 0), np.arange(5))
    drawn = choose(1000, 50, 0)
    assert len(set(drawn.tolist())) == 50
    assert (np.diff(drawn) > 0).all()
    assert drawn[-1] < 1000
    np.testing.assert_array_equal(drawn, choose(1000, 50, 0))
    assert not np.array_equal(drawn, choose(1000, 50, 1))
