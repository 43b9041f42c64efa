"""A callback that measures every layer of any Keras model out of its own training steps."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from kerasdl.training.layer_statistics import EDGES, LayerStatistics
from kerasdl.training.layer_sums import LayerSums


class LayerRecorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Records gradients, weights, updates and dead units of each layer, epoch by epoch.

    It works under `Model.fit` and under `Engine.fit`. While the training step is traced, it
    reads the very gradients that the optimizer gets and the outputs that the layers give,
    and adds what it measures to variables inside the compiled step: no second pass over the
    data, no call of Python between the steps. They are read once an epoch. The training
    itself is the same to the last bit (with `jit_compile=True` XLA may round otherwise).

    A layer is recorded if it has a trainable `kernel` (Dense, convolutions). Its outputs are
    those of its activation, or, where it has none, of the activation layer that follows, with
    nothing but BatchNormalization and dropout between.

    Args:
        layers: Names of the layers; None for all.
        histogram_epochs: 0-based epochs in which the gradients' entries are counted, too.

    Raises:
        ValueError: From the training, if Keras is not on TensorFlow, the model is trained on
            several replicas, or it has no such layer.
    """

    def __init__(
        self, layers: Sequence[str] | None = None, histogram_epochs: Collection[int] = ()
    ) -> None:
        super().__init__()
        self._names = None if layers is None else tuple(layers)
        self._histogram_epochs = frozenset(histogram_epochs)
        self._hooks = contextlib.ExitStack()
        self._training = False
        self.statistics = LayerStatistics(())

    def rows(self) -> Iterator[tuple[int, str, str, float]]:
        """Yields (0-based epoch, layer, quantity, value): see layer_statistics.QUANTITIES."""
        return self.statistics.rows()

    def write_csv(self, path: Path | str) -> None:
        """Writes the rows as a CSV file with a header, whole or not at all.

        Raises:
            OSError: If it cannot be written.
        """
        self.statistics.write_csv(path)

    def set_model(self, model: keras.Model) -> None:
        """Prepares for a training of `model`."""
        super().set_model(model)
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "recording layers needs Keras on TensorFlow. "
                f"Received: {keras.backend.backend()}; set KERAS_BACKEND=tensorflow"
            )
        import tensorflow as tf

        strategies = model.distribute_strategy, tf.distribute.get_strategy()
        if max(strategy.num_replicas_in_sync for strategy in strategies) > 1:
            raise ValueError("recording layers needs one device. Received: several replicas")
        self._hooks.close()
        # Keras takes the method before `on_train_begin`, and would not trace again a step that
        # was traced without the hooks.
        self._replace(model, "train_step", self._marked(model.train_step))
        model.train_function = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes the variables and hooks into the training step."""
        layers = _layers_of(self.model, self._names)
        self._sums = LayerSums(layers, bool(self._histogram_epochs))
        self.statistics = LayerStatistics(tuple(layer.name for layer in layers))
        self._hook(self._sums)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the epoch's numbers anew."""
        self._sums.start(epoch in self._histogram_epochs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reads the epoch's numbers.

        Raises:
            RuntimeError: If no step was recorded.
        """
        if not int(self._sums.steps):
            raise RuntimeError(
                "LayerRecorder saw no step of the optimizer: the model's train_step must call "
                "optimizer.apply_gradients or apply, and only one recorder can be used at a time"
            )
        self.statistics.epochs.append(self._sums.quantities())
        if epoch in self._histogram_epochs:
            counts = self._sums.counts.numpy()
            self.statistics.histograms[epoch] = counts.reshape(-1, len(EDGES) - 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Takes the hooks out."""
        self._hooks.close()
        self.model.train_function = None

    def checkpoint_state(self) -> dict[str, Any]:
        """Returns what a checkpoint of the training must keep (see state.py)."""
        return {
            "variables": [variable.numpy() for variable in self._sums.variables()],
            "epochs": list(self.statistics.epochs),
            "histograms": {str(key): value for key, value in self.statistics.histograms.items()},
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Puts back what `checkpoint_state` returned."""
        for variable, value in zip(self._sums.variables(), state["variables"], strict=True):
            variable.assign(value)
        self.statistics.epochs = list(state["epochs"])
        self.statistics.histograms = {int(key): v for key, v in state["histograms"].items()}

    def _marked(self, plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Returns the training step with a note that it is being traced."""

        def train_step(data: Any) -> Any:
            self._training = True
            try:
                return plain(data)
            finally:
                self._training = False

        return train_step

    def _hook(self, sums: LayerSums) -> None:
        """Puts instance attributes over the methods; they go with `self._hooks`."""
        # Under mixed_float16 Keras wraps the optimizer in one that scales the loss.
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        plain_apply = optimizer.apply

        def apply(grads: Any, trainable_variables: Any = None) -> Any:
            if not self._training:
                return plain_apply(grads, trainable_variables)
            variables = trainable_variables
            if variables is None:
                variables = optimizer._trainable_variables
            pairs = list(zip(grads, variables, strict=True))
            before = sums.kernels()
            result = plain_apply([gradient for gradient, _ in pairs], [v for _, v in pairs])
            sums.add({id(variable): gradient for gradient, variable in pairs}, before)
            return result

        def watched(plain: Callable[..., Any], place: int) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                outputs = plain(*arguments, **named)
                if self._training:
                    sums.see(place, outputs)
                return outputs

            return call

        self._replace(optimizer, "apply", apply)
        for place, watch in sums.watched.items():
            self._replace(watch.layer, "call", watched(watch.layer.call, place))

    def _replace(self, owner: Any, name: str, function: Any) -> None:
        before = vars(owner).get(name)
        vars(owner)[name] = function

        def undo() -> None:
            if before is None:
                vars(owner).pop(name, None)
            else:
                vars(owner)[name] = before

        self._hooks.callback(undo)


def _layers_of(model: keras.Model, names: Sequence[str] | None) -> list[Any]:
    """Returns the layers with a trainable kernel, or those of them that have these names."""
    found = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if any(getattr(layer, "kernel", None) is weight for weight in layer.trainable_variables)
    ]
    if names is not None:
        missing = set(names) - {layer.name for layer in found}
        if missing:
            raise ValueError(
                f"expected names of layers with a trainable kernel: "
                f"{', '.join(layer.name for layer in found)}. Received: {sorted(missing)}"
            )
        found = [layer for layer in found if layer.name in names]
    if not found:
        raise ValueError(f"{model.name} has no layer with a trainable kernel to record")
    return found
