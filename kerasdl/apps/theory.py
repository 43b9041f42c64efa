"""Theory: what the reports claim of losses, convexity and convolutions, measured.

    python -m kerasdl.apps.theory                   # a minute on two cores
    python -m kerasdl.apps.theory --preset full     # more seeds, rates and points

Expected, from `--preset full`, MNIST's 3 against 8 and scikit-learn's breast cancer table, ten
seeds. Cross-entropy is the Bernoulli's likelihood (to 7e-11 nats). At one learning rate for
both, up to the one that suits it, it learns faster than squared error in 37 of 46 comparisons
and slower in none; with each loss at its own rate it is faster in 2 of 8 and slower in 2. One
linear layer is convex under both losses; at all of 6000 random points of two to four layers the
Hessian has a negative eigenvalue, under either loss. Raw cross-entropy has no value at 99 % of
random one-layer points. CE = KL + entropy to 9e-15 nats. A 5x5 convolution has 153 632
parameters, with a 1x1 before it 15 920; 9.7 times fewer multiply-accumulates took 4.0 times less
time (4.8 of processor time; two cores of an AMD EPYC that other work shared, TensorFlow 2.21,
Keras 3.15.1). The record is in apps/theory/.
"""

import sys
from collections.abc import Sequence

from kerasdl.experiments.theory import Recipe
from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment

EXPERIMENT = Experiment(
    name="theory",
    title="Losses, convexity and convolutions: what the reports claim, measured",
    description="Measure what the reports claim in theory: cross-entropy against squared error, "
    "convexity, divergence and two convolutions; each claim gets a verdict.",
    recipe=Recipe,
    presets={
        "default": {},
        "full": {
            "seeds": 10,
            "steps": 3000,
            "rates": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0],
            "points": 1000,
            "pairs": 10_000,
            "rounds": 51,
        },
    },
    function="kerasdl.experiments.theory:run",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return experiment_command.main("theory", EXPERIMENT, argv)


if __name__ == "__main__":
    sys.exit(main())
