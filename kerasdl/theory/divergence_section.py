"""What the report says of cross-entropy and the Kullback-Leibler divergence (row 16)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasdl.reporting.figures import style
from kerasdl.sections import Claim, Figure, Section, Table
from kerasdl.theory.divergence import Family, cross_entropy, divergence, entropy

ROUNDING = 1e-12
"""Nats."""
SHOWN = (1.0, 0.9, 0.6)
"""P's first class in the figure; 1 is one-hot."""


def section(found: Sequence[Family], figures: Sequence[Figure]) -> Section:
    """Returns the section with its claims, table and figures.

    Args:
        found: The measurements.
        figures: What was drawn.
    """
    error = max(one.error for one in found)
    gradient = max(one.gradient_error for one in found)
    hot = [one for one in found if one.name == "one-hot"]
    others = [one for one in found if one.name != "one-hot"]
    zero = max(abs(one.entropy) + one.entropy_spread for one in hot)
    pairs = sum(one.pairs for one in found)
    apart = max(abs(one.keras_cross_entropy - one.keras_divergence - one.entropy) for one in found)
    return Section(
        title="Cross-entropy, divergence and entropy",
        text=[
            "The cross-entropy of P and Q is the Kullback-Leibler divergence KL(P‖Q) plus the "
            "entropy of P. Training changes Q only, so both losses have the same gradient and the "
            "same minimum, where Q = P. The minimum of the divergence is 0; that of cross-entropy "
            "is the entropy of P, which is 0 for one-hot labels and not for smoothed ones: a "
            "cross-entropy above 0 may be as good as can be.",
        ],
        claims=[
            Claim(
                report="E, row 16",
                claim="Cross-entropy is KL divergence plus a constant when P is fixed.",
                measured=f"On {pairs} pairs of distributions, one-hot and not, the two sides "
                f"differ by at most {error:.0e} nats, and the gradients by a logit by "
                f"{gradient:.0e}. Keras's own two losses differ from the identity by {apart:.0e} "
                "in the mean, because they cut probabilities off at 1e-7.",
                verdict="right" if error < ROUNDING else "wrong",
            ),
            Claim(
                report="E, row 16",
                claim="For one-hot P the constant is 0.",
                measured=f"The entropy of one-hot distributions is {zero:.0f}; of the others it "
                f"is {min(one.entropy for one in others):.2f} to "
                f"{max(one.entropy for one in others):.2f} nats in the mean.",
                verdict="right" if zero == 0.0 else "wrong",
            ),
        ],
        tables=[
            Table(
                name="divergence",
                title="Means over the pairs, in nats",
                columns=[
                    "P",
                    "Classes",
                    "Pairs",
                    "Cross-entropy",
                    "KL divergence",
                    "Entropy of P",
                    "Largest error",
                ],
                rows=[
                    [
                        one.name,
                        one.classes,
                        one.pairs,
                        one.cross_entropy,
                        one.divergence,
                        one.entropy,
                        one.error,
                    ]
                    for one in found
                ],
                note="Error: of CE = KL + entropy, in one pair; float64 rounds at 1e−16.",
                digits=4,
            )
        ],
        figures=list(figures),
    )


def draw(path: Path) -> None:
    """Draws cross-entropy and divergence of two classes over Q for three P.

    Args:
        path: The PNG to write.
    """
    q = np.linspace(0.005, 0.995, 400)
    pairs = np.column_stack([q, 1 - q])
    label = "two classes; P fixed, Q varies; the gap between the curves is the entropy of P"
    title = "Cross-entropy is KL divergence lifted by the entropy of P"
    with style.drawing(path, (9.0, 3.4), title, label) as figure:
        grid = figure.subplots(1, len(SHOWN), squeeze=False, sharey=True)[0]
        for axes, share in zip(grid, SHOWN, strict=True):
            p = np.broadcast_to([share, 1 - share], pairs.shape)
            ce, kl = cross_entropy(p, pairs), divergence(p, pairs)
            axes.plot(q, ce, color=style.color(0), label="cross-entropy")
            axes.plot(q, kl, color=style.color(1), ls=(0, (4, 1.5)), label="KL divergence")
            axes.fill_between(q, kl, ce, color=style.color(0), alpha=0.12, lw=0)
            axes.axvline(share, color=style.MUTED, lw=0.8, ls=(0, (1, 1)))
            axes.set_title(
                f"P = ({share:g}, {1 - share:.2g}), entropy {entropy(p[0]):.3f}", fontsize=9
            )
            axes.set_xlabel("Q's probability of the first class")
            axes.set_ylim(0, 3)
        grid[0].set_ylabel("Nats")
        grid[0].legend(fontsize=8)
