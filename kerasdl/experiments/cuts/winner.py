"""The chosen cut: trained anew, scored on the test images once, saved as one model."""

from typing import Any

import numpy as np

from kerasdl import files
from kerasdl.datasets.dataset import Features
from kerasdl.experiments.cuts import heads
from kerasdl.experiments.cuts.analysis import Cut
from kerasdl.experiments.cuts.sweep import Sweep
from kerasdl.models import transfer, weights
from kerasdl.studies.experiment import Context
from kerasdl.studies.transfer.whole import CHECKED

FILE = "models/cut.keras"


def score(context: Context, sweep: Sweep, cut: Cut) -> dict[str, Any]:
    """Trains heads on training and validation images; scores them on the test images, once.

    Args:
        context: The experiment's; the model of the first seed is saved in its folder.
        sweep: The features.
        cut: The chosen one.

    Returns:
        `test` accuracy of each seed; the `model`'s file, its `parameters`, the digest of the
        base's weights up to the cut, `weights_sha256`, and on how many images (`compared`) its
        logits are those of the head on the features, with the largest relative `difference`.

    Raises:
        FloatingPointError: If a head's numbers became NaN or infinite.
        ValueError: If the whole model is not the head on the features.
    """
    train, validation = sweep.rows(cut.place)
    whole = np.concatenate([train.images, validation.images])
    labels = np.concatenate([train.labels, validation.labels])
    scaling = heads.Scaling.of(whole)
    packed = sweep.fit([cut.l2], Features(scaling(whole), labels), cut.name)
    where = {"size": cut.place.size, "features": cut.place.cut}
    model = sweep.frozen.model(**where)
    base = sweep.frozen.features_of(model, **where, pooling=context.plan.pooling)
    _, parts = context.images
    test = Features(scaling(base.of(parts.test.images)), parts.test.labels)
    right = heads.right(packed, test)
    first = packed.unpack()[0]
    joined = sweep.frozen.joined(
        model,
        scaling.of_model(*first.get_weights()),
        packed.predict(test.images[:CHECKED])[0],
        parts.test.images[:CHECKED],
    )
    with files.atomic_path(context.folder / FILE) as temporary:
        joined.model.save(temporary)
    return {
        "test": right.mean(axis=1),
        "model": FILE,
        "parameters": joined.model.count_params(),
        "weights_sha256": weights.identity(transfer.base_of(model)),
        "compared": joined.images,
        "difference": joined.difference,
    }
