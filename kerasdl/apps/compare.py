"""Any data set: compare networks, ours and your own, and write a report.

    python -m kerasdl.apps.compare --dataset PHOTOS --models lenet5,smallnet
    python -m kerasdl.apps.compare --dataset PHOTOS --models mine.py:build,smallnet --seeds 3

PHOTOS is a folder with one folder of images per class, or a name of the catalog. The training
is a cautious one for images that may not be mirrored; the apps of the known data sets
(`kerasdl svhn` and others) have what is best for those.
"""

import sys
from collections.abc import Sequence

from kerasdl.models import registry
from kerasdl.studies import command
from kerasdl.studies.mlp_settings import MlpSettings
from kerasdl.studies.options import App
from kerasdl.training.settings import Training

_TRAINING = Training(
    epochs=15,
    minimum_images=60_000,
    batch_size=64,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=1e-2,
    schedule="cosine",
    warmup=0.1,
    shift=2,
)

APP = App(
    name="compare",
    description="Compare networks, ours and your own (--models mine.py:build), on any data set.",
    training=dict.fromkeys(registry.names(), _TRAINING),
    settings=MlpSettings,
    augmentation={"shift": 2},
    presets={"default": {"models": ("lenet5", "smallnet"), "data": {}}},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return command.main(APP, argv)


if __name__ == "__main__":
    sys.exit(main())
