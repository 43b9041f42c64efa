"""Perceptrons on gray pixels, many trained at a time: what two experiments of CIFAR-10 share."""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.models.mlp import mlp
from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import perceptron_operations
from kerasdl.training.layer_statistics import QUANTITIES
from kerasdl.training.packed import Packed
from kerasdl.training.settings import Training

PROBED = 500
"""Training images that `signal` looks at."""

SIGMOID_GAIN = 4.0
"""What Glorot's weights are multiplied by for sigmoids, whose slope at 0 is 1/4 of tanh's (Glorot
and Bengio 2010, AISTATS, section 4.2.1, on equal variances where the slope at 0 is 1)."""

CURES = ("gain", "batch_norm", "skip", "batch_norm_skip")


class Net(NamedTuple):
    """One perceptron.

    Args:
        units: Neurons of each hidden layer.
        activation: As in `models.mlp`.
        initializer: As in `models.mlp`; "pytorch" draws the biases like the weights, too.
        cure: What is changed besides, one of CURES; None for nothing. "gain" multiplies the
            kernels by SIGMOID_GAIN.
    """

    units: tuple[int, ...]
    activation: str
    initializer: str
    cure: str | None = None


class Settings(NamedTuple):
    """How the perceptrons are trained: Adam at a constant rate.

    Args:
        epochs, batch_size, learning_rate: As in `Training`.
        epsilon: Adam's; entries of the gradient well below it hardly move a weight.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    epsilon: float

    @property
    def training(self) -> Training:
        """The same as `Training`, which has no epsilon."""
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer="adam",
            learning_rate=self.learning_rate,
            schedule="constant",
        )


def build(
    net: Net, settings: Settings, image_shape: Sequence[int], num_classes: int, seed: int
) -> keras.Model:
    """Builds and compiles a perceptron whose first weights depend on nothing but `net` and `seed`.

    Args:
        net: The perceptron.
        settings: Its training.
        image_shape: (height, width, channels) of the images; colours become one brightness.
        num_classes: At least 2.
        seed: The seed of the first weights, >= 0.
    """
    keras.utils.set_random_seed(seed)
    model = mlp(
        image_shape,
        num_classes,
        units=net.units,
        activation=net.activation,
        initializer=net.initializer,
        batch_norm=net.cure in ("batch_norm", "batch_norm_skip"),
        skip=net.cure in ("skip", "batch_norm_skip"),
        grayscale=True,
    )
    for layer in _dense(model):
        if net.initializer == "pytorch" and layer.use_bias:
            # torch.nn.Linear draws its biases from the same range as its weights.
            limit = 1 / math.sqrt(layer.kernel.shape[0])
            layer.bias.assign(keras.random.uniform(layer.bias.shape, -limit, limit))
        if net.cure == "gain":
            layer.kernel.assign(SIGMOID_GAIN * layer.kernel)
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, epsilon=settings.epsilon),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def train(
    context: Context,
    title: str,
    nets: Sequence[Net],
    settings: Settings,
    seed: int,
    *,
    validate: bool = False,
    histogram_epochs: Collection[int] = (),
) -> list[dict[str, Any]]:
    """Trains perceptrons together, on the same order of the images.

    Args:
        context: The experiment's; has the images.
        title: What is trained, for the line of progress.
        nets: The perceptrons.
        settings: Their training.
        seed: Decides first weights and order.
        validate: Whether to score the validation images after every epoch.
        histogram_epochs: 0-based epochs in which the gradients' entries are counted.

    Returns:
        For each net its fields by name, and `seed`, `history` (lists by name, one number an
        epoch), `test_loss`, `test_accuracy`, `right` (which test images it answers rightly:
        see `unpack_bits`), `layers` (names), `statistics` (epochs of layers by quantity, see
        training.layer_statistics), `histograms` (layers of counts, by epoch), `signal`.

    Raises:
        FloatingPointError: If a network's loss or weights became NaN or infinite.
    """
    dataset, parts = context.images
    keras.backend.clear_session()
    shape = dataset.image_shape, dataset.num_classes
    models = [build(net, settings, *shape, seed) for net in nets]
    signals = [signal(model, parts.train) for model in models]
    packed = Packed(
        models,
        [settings.training] * len(models),
        layer_statistics=True,
        histogram_epochs=histogram_epochs,
    )
    progress = context.progress(title, len(parts.train), settings.batch_size)
    try:
        histories = packed.fit(
            parts.train,
            seed=seed,
            validation=parts.validation if validate else None,
            callbacks=[progress],
        )
    finally:
        progress.close()
    for place, reason in packed.failed.items():
        # Neither "stuck" nor a result: the experiment's question needs a rate that all can bear.
        net = nets[place]
        raise FloatingPointError(
            f"{net.activation} of {len(net.units)} hidden layers ({net.initializer}): {reason}"
        )
    scores = packed.evaluate(parts.test)
    answers = packed.predict(parts.test.images).argmax(axis=2)
    results = []
    for index, net in enumerate(nets):
        statistics = packed.statistics[index]
        results.append(
            {
                **net._asdict(),
                "seed": seed,
                "history": histories[index],
                "test_loss": scores["loss"][index],
                "test_accuracy": scores["accuracy"][index],
                "right": pack_bits(answers[index] == parts.test.labels),
                "layers": statistics.layers,
                "statistics": {name: statistics[name] for name in QUANTITIES},
                "histograms": {str(key): value for key, value in statistics.histograms.items()},
                "signal": signals[index],
            }
        )
    return results


def operations(nets: Sequence[Net], image_shape: Sequence[int], num_classes: int) -> int:
    """Returns the multiply-accumulates of all perceptrons for an image."""
    # These studies' images are made gray.
    gray = image_shape[:2]
    return sum(perceptron_operations(gray, net.units, num_classes) for net in nets)


def signal(model: keras.Model, train: Examples) -> list[float]:
    """Returns how much the outputs of each hidden layer differ from image to image.

    Args:
        model: A perceptron of `build`, as it is.
        train: The first PROBED of them are looked at.

    Returns:
        For each hidden layer the root mean square, over its units, of the standard deviation
        over the images: 0 for a layer that gives the same whatever it is shown.
    """
    names = [layer.name for layer in model.layers]
    places = [names.index(layer.name) for layer in _dense(model)[1:]]
    if not places:
        return []
    # What enters the next Dense layer is what a hidden layer gives, its skip connection included.
    hidden = keras.Model(model.inputs, [model.layers[place].input for place in places])
    # As in training: BatchNormalization by the batch's own mean and deviation.
    outputs = keras.tree.flatten(
        hidden(keras.ops.convert_to_tensor(train.images[:PROBED]), training=True)
    )
    return [float(np.sqrt(np.var(np.asarray(out, np.float64), axis=0).mean())) for out in outputs]


def pack_bits(values: npt.NDArray[np.bool_]) -> str:
    """Returns booleans as hexadecimal digits, a quarter of a digit each."""
    return np.packbits(values).tobytes().hex()


def unpack_bits(digits: str, count: int) -> npt.NDArray[np.bool_]:
    """Returns the `count` booleans that `pack_bits` packed."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=count).astype(bool)


def _dense(model: keras.Model) -> list[keras.layers.Dense]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
