"""The Keras side of `peers.py`: `Model.fit`, kerasdl's engine, its packing and its feature pass."""

import json
import sys
import time

import numpy as np
from peers_cases import CASES, CLASSES, WIDTHS, Case, Job, Outcome, Stopwatch, data

from kerasdl.training.environment import start_keras

# The child's job: perceptrons alone have the kernels that kerasdl gives them.
CASE = json.loads(sys.argv[-1])["case"]
start_keras(convolutions=not CASE.startswith(("mlp", "widths")))

import keras  # noqa: E402

from kerasdl import models  # noqa: E402
from kerasdl.datasets.dataset import Examples  # noqa: E402
from kerasdl.models import transfer  # noqa: E402
from kerasdl.models.mlp import mlp1  # noqa: E402
from kerasdl.training.compiling import compile_model  # noqa: E402
from kerasdl.training.engine import Engine  # noqa: E402
from kerasdl.training.features import Extractor  # noqa: E402
from kerasdl.training.packed import Packed  # noqa: E402
from kerasdl.training.precision import policy  # noqa: E402
from kerasdl.training.settings import Training  # noqa: E402


class Steps(keras.callbacks.Callback):
    """Tells a stopwatch of the steps; the engine's first compiled call is one step."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.watch = watch

    def on_train_batch_end(self, batch, logs=None):
        """Tells it."""
        self.watch.step()


def run(job: Job) -> Outcome:
    """Does a job of an arm of Keras's in this process."""
    keras.utils.set_random_seed(0)
    case = CASES[job.case]
    kinds = {"training": train, "widths": train_widths, "features": compute_features}
    with policy("mixed_bfloat16" if job.precision == "bfloat16" else "float32"):
        return kinds[case.kind](case, job)


def train(case: Case, job: Job) -> Outcome:
    """Trains one network with the engine or with `Model.fit`."""
    model, settings, examples = _network(case), _training(case, job), Examples(*data(job))
    compile_model(model, settings, job.images)
    _save(job, [model])
    watch = Stopwatch()
    if job.arm == "fit":
        history = model.fit(
            examples.images,
            examples.labels,
            batch_size=case.batch_size,
            epochs=job.epochs,
            callbacks=[Steps(watch)],
            verbose=0,
        )
    else:
        history = Engine(model).fit(examples, settings, seed=0, callbacks=[Steps(watch)])
    return watch.stop(list(history.history["loss"]), _count([model]))


def train_widths(case: Case, job: Job) -> Outcome:
    """Trains the ten perceptrons as one computation; the losses are their means."""
    networks = [mlp1(case.shape, CLASSES, width=width) for width in WIDTHS]
    settings, examples = _training(case, job), Examples(*data(job))
    _save(job, networks)
    watch = Stopwatch()
    packed = Packed(networks, [settings] * len(networks))
    histories = packed.fit(examples, seed=0, callbacks=[Steps(watch)])
    packed.unpack()
    losses = np.mean([history["loss"] for history in histories], axis=0).tolist()
    return watch.stop(losses, _count(networks))


def compute_features(case: Case, job: Job) -> Outcome:
    """Passes images through a frozen VGG16."""
    whole = transfer.transfer(
        case.shape, CLASSES, base="vgg16", weights="random", freeze="none", size=case.shape[0]
    )
    model = transfer.features_model(whole)
    _save(job, [model])
    images, _ = data(job)
    extractor = Extractor(model, {}, cache=None)
    watch = Stopwatch()
    features = extractor.features(images)
    outcome = watch.stop([float(np.abs(features).mean())], _count([model]))
    # A second pass has nothing left to trace.
    started = time.perf_counter()
    extractor.features(images)
    return outcome._replace(rest=time.perf_counter() - started)


def _network(case: Case) -> keras.Model:
    if case.network.startswith("mlp"):
        return mlp1(case.shape, CLASSES, width=int(case.network.removeprefix("mlp")))
    return models.build(case.network, case.shape, CLASSES)


def _training(case: Case, job: Job) -> Training:
    return Training(
        epochs=job.epochs,
        batch_size=case.batch_size,
        optimizer=case.optimizer,
        learning_rate=case.learning_rate,
        schedule="constant",
    )


def _weights(networks: list[keras.Model]) -> list[keras.Variable]:
    return [weight for network in networks for weight in network.trainable_weights]


def _count(networks: list[keras.Model]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in _weights(networks))


def _save(job: Job, networks: list[keras.Model]) -> None:
    np.savez(job.weights, *(weight.numpy() for weight in _weights(networks)))
