"""TensorBoard's log of a study: `tensorboard --logdir RUN/logs`."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasdl import record
from kerasdl.training.logs import Scalar, final_scores

_PARTS = (("train", ""), ("validation", "val_"))
_EVENTS = "events.out.tfevents.*"


class TensorBoardLog:
    """Event files below a folder: one folder for each model and seed, and `report`.

    A training's folder has what Keras's callback writes (`train/`: loss,
    accuracy, learning rate by epoch and the graph of layers; `validation/`) and
    the hyper-parameters and test scores beside them. Steps are 0-based epochs.

    Args:
        folder: The folder `logs` of a run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def callback(
        self, model: str, seed: int, parameters: Mapping[str, Scalar], *, continued: bool
    ) -> keras.callbacks.Callback:
        """See `Log.callback`."""
        place = self._place(model, seed)
        if not continued and place.exists():
            shutil.rmtree(place)
        return _Epochs(place)

    def add_run(self, run: record.Run, parameters: Mapping[str, Scalar]) -> None:
        """See `Log.add_run`."""
        place = self._place(run.model, run.seed)
        for part, prefix in _PARTS:
            known = _steps(place / part)
            missing = [
                (epoch, f"epoch_{key.removeprefix(prefix)}", value)
                for key, values in run.history.items()
                if key.startswith("val_") == bool(prefix)
                for epoch, value in enumerate(values)
                if epoch not in known.get(f"epoch_{key.removeprefix(prefix)}", ())
            ]
            if missing:
                with _writing(place / part) as summary:
                    for epoch, tag, value in missing:
                        summary.scalar(tag, value, step=epoch)
        scores = final_scores(run)
        if scores.keys() <= _steps(place).keys():
            return
        with _replacing(place) as summary:
            from tensorboard.plugins.hparams import api

            api.hparams(dict(parameters), trial_id=place.name)
            for name, value in scores.items():
                summary.scalar(name, value, step=max(0, run.epochs - 1))

    def add_figures(self, figures: Sequence[Path], parameters: Mapping[str, Scalar]) -> None:
        """See `Log.add_figures`."""
        from PIL import Image

        with _replacing(self._folder / "report") as summary:
            for path in figures:
                with Image.open(path) as image:
                    pixels = np.asarray(image.convert("RGB"))
                summary.image(path.stem, pixels[None], step=0)

    def close(self) -> None:
        """See `Log.close`; every epoch is on the disk already."""

    def _place(self, model: str, seed: int) -> Path:
        return self._folder / f"{model}-seed{seed}"


class _Epochs(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """Keras's callback, which neither knows of a continued training nor flushes its files.

    The engine has no `train_function` whose operations could be shown: the graph is
    that of the layers.
    """

    def __init__(self, place: Path) -> None:
        known = _steps(place / "train")
        self._logged = known.get("epoch_loss", set())
        super().__init__(str(place), write_graph="keras" not in known, update_freq="epoch")

    def checkpoint_state(self) -> dict[str, Any]:
        """Returns nothing to restore: the files themselves say what is in them."""
        return {}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restores nothing."""

    def set_model(self, model: keras.Model) -> None:
        """Writes the graph."""
        with _one_kind_of_error(self.log_dir):
            super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Opens the files."""
        with _one_kind_of_error(self.log_dir):
            super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs an epoch that is not in the log, at once."""
        if epoch in self._logged:
            return
        with _one_kind_of_error(self.log_dir):
            super().on_epoch_end(epoch, logs)
            # A checkpoint may follow: no later start would log what it has already.
            for writer in self._writers.values():
                writer.flush()


def _steps(place: Path) -> dict[str, set[int]]:
    """Returns the steps of every tag in the event files of a folder (not below it)."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    steps: dict[str, set[int]] = {}
    for path in sorted(place.glob(_EVENTS)):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                steps.setdefault(value.tag, set()).add(event.step)
    return steps


@contextlib.contextmanager
def _writing(place: Path) -> Iterator[Any]:
    """Yields `tf.summary`, which writes into a new event file of a folder."""
    import tensorflow as tf

    with _one_kind_of_error(str(place)):
        writer = tf.summary.create_file_writer(str(place))
        with writer.as_default():
            yield tf.summary
        writer.close()


@contextlib.contextmanager
def _replacing(place: Path) -> Iterator[Any]:
    """As `_writing`; the folder's older event files go when the new one is complete."""
    old = list(place.glob(_EVENTS))
    with _writing(place) as summary:
        yield summary
    for path in old:
        path.unlink()


@contextlib.contextmanager
def _one_kind_of_error(place: str) -> Iterator[None]:
    """Turns TensorFlow's errors of a file into OSError."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        # TensorFlow's own message begins with the operation and ends with its name.
        reason = str(error.message).rpartition("}} ")[2].partition(" [Op:")[0]
        raise OSError(f"the log in {place} cannot be written: {reason}") from error
