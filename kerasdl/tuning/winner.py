"""The winner of a search, trained again on all images that are not the test's."""

from functools import partial
from typing import Any

import keras
import keras_tuner
import msgspec
import numpy as np

from kerasdl import files
from kerasdl.datasets.dataset import Examples
from kerasdl.evaluation import metrics
from kerasdl.studies.experiment import Context
from kerasdl.training.ending import StopAfter
from kerasdl.training.engine import Engine
from kerasdl.training.progress import RichProgress
from kerasdl.training.settings import Training
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.plan import Search
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.report import Winner
from kerasdl.tuning.subjects import Subject, make_hypermodel


def retrain(context: Context, subject: Subject, ranking: Ranking) -> Winner:
    """Trains the winner on training and validation images; scores it on the test images, once.

    Args:
        context: The experiment's; what is trained is kept in its memo and in models/.
        subject: What was searched.
        ranking: Its trials, at least one.

    Raises:
        FloatingPointError: If its loss or weights became NaN or infinite.
    """
    plan: Search = context.plan
    dataset, parts = context.images
    simplest = plan.winner == "simplest"
    trial = ranking.simplest(subject.key) if simplest else ranking.best
    values = trial.outcome.values
    whole = Examples(
        np.concatenate([parts.train.images, parts.validation.images]),
        np.concatenate([parts.train.labels, parts.validation.labels]),
    )
    hp = keras_tuner.HyperParameters()
    hp.values = {name: one for name, one in values.items() if not name.startswith("tuner/")}
    hypermodel = make_hypermodel(plan, subject, dataset, whole, plan.fitted(len(parts.train)))
    training = hypermodel.training(hp)
    epochs = _epochs(plan, trial.outcome, training)
    # Its patience has no validation images left to stop by.
    training = msgspec.structs.replace(training, patience=0)
    path = context.folder / "models" / "winner.keras"

    def train(seed: int, number: int) -> dict[str, Any]:
        title = f"winner, seed {seed} ({number} of {plan.seeds})"
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        model = hypermodel.build(hp)
        engine = Engine(model)
        progress = RichProgress(context.console, title, len(whole), training.batch_size)
        try:
            engine.fit(whole, training, seed=seed, callbacks=[StopAfter(epochs), progress])
        finally:
            progress.close()
        if seed == plan.seed:
            with files.atomic_path(path) as temporary:
                model.save(temporary)
        accuracy = metrics.score(parts.test.labels, engine.predict(parts.test.images)).accuracy
        context.say(f"{title}: test accuracy {100 * accuracy:.2f} %")
        return {"accuracy": accuracy, "parameters": model.count_params()}

    results = []
    for number, seed in enumerate(range(plan.seed, plan.seed + plan.seeds), start=1):
        key = f"winner {sorted(values.items())}, seed {seed}"
        results.append(context.memo(key, partial(train, seed, number)))
    noun = subject.words.noun
    return Winner(
        values=values,
        why=f"the simplest {noun} that is tied with the best" if simplest else f"the best {noun}",
        seeds=range(plan.seed, plan.seed + plan.seeds),
        test_accuracy=[one["accuracy"] for one in results],
        epochs=epochs,
        parameters=int(results[0]["parameters"]),
        model=path.relative_to(context.folder).as_posix(),
    )


def _epochs(plan: Search, outcome: Outcome, training: Training) -> int:
    """Returns the epochs of the new trainings: where trials were scored at their best, so many.

    The schedule stays that of the whole training, as it was for the trials.
    """
    if plan.keep == "last" and not training.patience:
        return training.epochs
    kept = sorted(execution.epoch + 1 for execution in outcome.executions)
    return kept[len(kept) // 2]
