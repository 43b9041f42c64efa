"""The winner of a search, trained again on all images that are not the test's."""

import functools
from typing import Any

import keras
import keras_tuner
import msgspec

from kerasdl import files
from kerasdl.evaluation import metrics
from kerasdl.models import saved
from kerasdl.studies.experiment import Context
from kerasdl.training.ending import StopAfter
from kerasdl.training.engine import Engine
from kerasdl.training.settings import Training
from kerasdl.tuning.identity import checksum
from kerasdl.tuning.material import Material
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.plan import Search
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.report import Winner
from kerasdl.tuning.subjects import Subject


def retrain(context: Context, subject: Subject, ranking: Ranking, material: Material) -> Winner:
    """Trains the winner on training and validation images; scores it on the test images, once.

    Args:
        context: The experiment's; what is trained is kept in its memo and in models/.
        subject: What was searched.
        ranking: Its trials, at least one.
        material: What it trained on.

    Raises:
        FloatingPointError: If its loss or weights became NaN or infinite.
    """
    plan: Search = context.plan
    simplest = plan.winner == "simplest"
    trial = ranking.simplest(subject.key) if simplest else ranking.best
    values = trial.outcome.values
    whole: Any = material.whole()
    test = functools.cache(material.test)
    hp = keras_tuner.HyperParameters()
    hp.values = {name: one for name, one in values.items() if not name.startswith("tuner/")}
    hypermodel = material.hypermodel(whole, plan.fitted(len(material.train)))
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
        progress = context.progress(title, len(whole), training.batch_size)
        try:
            engine.fit(whole, training, seed=seed, callbacks=[StopAfter(epochs), progress])
        finally:
            progress.close()
        accuracy = metrics.score(test().labels, engine.predict(test().images)).accuracy
        context.say(f"{title}: test accuracy {100 * accuracy:.2f} %")
        found = {"accuracy": accuracy, "parameters": model.count_params(), "said": ""}
        if seed == plan.seed:
            finished = material.finish(model, hp)
            with files.atomic_path(path) as temporary:
                names = context.images[0].class_names
                saved.save(finished.model, temporary, names)
            found["said"] = finished.said
        return found

    # "imagenet" may be other weights tomorrow, of which the recipe need not know.
    features = f", features {checksum(whole)}" if subject.frozen else ""
    results = []
    for number, seed in enumerate(range(plan.seed, plan.seed + plan.seeds), start=1):
        key = f"winner {sorted(values.items())}, seed {seed}{features}"
        results.append(context.memo(key, functools.partial(train, seed, number)))
    noun = subject.words.noun
    return Winner(
        values=values,
        why=f"the simplest {noun} that is tied with the best" if simplest else f"the best {noun}",
        seeds=range(plan.seed, plan.seed + plan.seeds),
        test_accuracy=[one["accuracy"] for one in results],
        epochs=epochs,
        parameters=int(results[0]["parameters"]),
        model=path.relative_to(context.folder).as_posix(),
        said=results[0]["said"],
    )


def _epochs(plan: Search, outcome: Outcome, training: Training) -> int:
    """Returns the epochs of the new trainings: where trials were scored at their best, so many.

    The schedule stays that of the whole training, as it was for the trials.
    """
    if plan.keep == "last" and not training.patience:
        return training.epochs
    kept = sorted(execution.epoch + 1 for execution in outcome.executions)
    return kept[len(kept) // 2]
