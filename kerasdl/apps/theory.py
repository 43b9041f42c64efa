"""Theory: what the reports claim of losses, convexity and convolutions, measured.

python -m kerasdl.apps.theory
"""

import sys
from collections.abc import Sequence

from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment
from kerasdl.studies.theory import Recipe

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
    function="kerasdl.studies.theory:run",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return experiment_command.main("theory", EXPERIMENT, argv)


if __name__ == "__main__":
    sys.exit(main())
