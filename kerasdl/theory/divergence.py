"""Cross-entropy is the Kullback-Leibler divergence plus the entropy of the true distribution."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from kerasdl.theory.tasks import Floats

STEP = 1e-5


@dataclasses.dataclass(frozen=True)
class Family:
    """The identity on many pairs of distributions of one kind.

    Args:
        name: What the true distributions P are.
        classes: Number of classes.
        pairs: Number of pairs (P, Q).
        cross_entropy, divergence, entropy: Means over the pairs, nats.
        entropy_spread: Largest entropy of a P less the smallest, nats.
        error: Largest |CE - (KL + H)| of a pair, nats.
        gradient_error: Largest difference between the gradients of CE and KL by Q's logits.
        keras_cross_entropy: Mean of Keras's `categorical_crossentropy`, nats.
        keras_divergence: Mean of Keras's `kl_divergence`, nats.
    """

    name: str
    classes: int
    pairs: int
    cross_entropy: float
    divergence: float
    entropy: float
    entropy_spread: float
    error: float
    gradient_error: float
    keras_cross_entropy: float
    keras_divergence: float


def cross_entropy(p: Floats, q: Floats) -> Floats:
    """Returns -sum p ln q over the last axis, nats; terms with p = 0 are 0."""
    from scipy.special import xlogy

    found: Floats = -xlogy(p, q).sum(axis=-1)
    return found


def divergence(p: Floats, q: Floats) -> Floats:
    """Returns sum p ln(p / q) over the last axis, nats, by SciPy's own formula."""
    from scipy.special import rel_entr

    found: Floats = rel_entr(p, q).sum(axis=-1)
    return found


def entropy(p: Floats) -> Floats:
    """Returns -sum p ln p over the last axis, nats, by SciPy's own formula."""
    from scipy.special import entr

    found: Floats = entr(p).sum(axis=-1)
    return found


def families(classes: int, pairs: int, generator: np.random.Generator) -> dict[str, Floats]:
    """Returns true distributions (pairs, classes) of several kinds, by name."""
    hot = np.eye(classes)[generator.integers(0, classes, pairs)]
    soft = generator.dirichlet(np.ones(classes), pairs)
    sparse = soft * (generator.random((pairs, classes)) < 0.5)
    # At least one class remains.
    sparse = np.where(sparse.sum(axis=1, keepdims=True) > 0, sparse, hot)
    return {
        "one-hot": hot,
        "one-hot, smoothed by 0.1": 0.9 * hot + 0.1 / classes,
        "any (Dirichlet)": soft,
        "any, with zeros": sparse / sparse.sum(axis=1, keepdims=True),
        "uniform": np.full((pairs, classes), 1.0 / classes),
    }


def measure(*, class_counts: Sequence[int], pairs: int, seed: int = 0) -> list[Family]:
    """Checks CE = KL + H on distributions of several kinds.

    Q is the softmax of normal logits with deviation 2; each term is computed by a formula of
    its own, so that rounding is all that may differ.

    Args:
        class_counts: Numbers of classes, each at least 2.
        pairs: Pairs of each kind.
        seed: Of the distributions.

    Returns:
        One entry per kind and number of classes.
    """
    found = []
    for classes in class_counts:
        generator = np.random.default_rng([seed, classes])
        logits = 2.0 * generator.normal(size=(pairs, classes))
        for name, p in families(classes, pairs, generator).items():
            found.append(_family(name, p, logits))
    return found


def _family(name: str, p: Floats, logits: Floats) -> Family:
    q = _softmax(logits)
    ce, kl, h = cross_entropy(p, q), divergence(p, q), entropy(p)
    # Central differences by the first logit of each pair: the entropy falls out of both.
    moved = [_softmax(_move(logits, step)) for step in (STEP, -STEP)]
    slopes = [
        (loss(p, moved[0]) - loss(p, moved[1])) / (2 * STEP) for loss in (cross_entropy, divergence)
    ]
    keras_ce, keras_kl = _keras(p, q)
    return Family(
        name=name,
        classes=p.shape[1],
        pairs=len(p),
        cross_entropy=float(ce.mean()),
        divergence=float(kl.mean()),
        entropy=float(h.mean()),
        entropy_spread=float(np.ptp(h)),
        error=float(np.abs(ce - (kl + h)).max()),
        gradient_error=float(np.abs(slopes[0] - slopes[1]).max()),
        keras_cross_entropy=keras_ce,
        keras_divergence=keras_kl,
    )


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def _move(logits: Floats, step: float) -> Floats:
    moved = logits.copy()
    moved[:, 0] += step
    return moved


def _keras(p: Floats, q: Floats) -> tuple[float, float]:
    import keras

    true, predicted = (keras.ops.convert_to_tensor(one, "float64") for one in (p, q))
    losses = (keras.losses.categorical_crossentropy, keras.losses.kl_divergence)
    ce, kl = (float(np.mean(keras.ops.convert_to_numpy(f(true, predicted)))) for f in losses)
    return ce, kl
