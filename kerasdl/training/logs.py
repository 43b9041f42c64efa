"""Where trainings are logged besides the run's own record: `--log tensorboard,mlflow`.

A log holds what the record holds, for other tools to show: the scores of each
epoch while it trains, the recipe as hyper-parameters, the test scores and the
report's figures. Nothing is logged twice: what a log has already, from before an
interruption or an earlier start, is left as it is, and what it lacks is added.
"""

import argparse
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kerasdl import record, suggest

if TYPE_CHECKING:
    import keras

PACKAGES = {
    "tensorboard": ("tensorboard", "tensorflow"),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
}
NAMES = tuple(PACKAGES)

Scalar = bool | int | float | str


class Log(Protocol):
    """One kind of log of a study."""

    def callback(
        self, model: str, seed: int, parameters: Mapping[str, Scalar], *, continued: bool
    ) -> "keras.callbacks.Callback":
        """Returns the Keras callback that logs one training.

        Args:
            model: The model's name.
            seed: Its seed.
            parameters: Its hyper-parameters.
            continued: Whether the training goes on from a checkpoint. If not,
                what an earlier attempt logged is dropped.
        """

    def add_run(self, run: record.Run, parameters: Mapping[str, Scalar]) -> None:
        """Logs what the log lacks of a finished run: its scores, also those of its epochs."""

    def add_figures(self, figures: Sequence[Path], parameters: Mapping[str, Scalar]) -> None:
        """Logs the report's figures (PNG files) in place of earlier ones."""

    def close(self) -> None:
        """Ends the log: trainings that are not finished are no longer running."""


def parse(text: str) -> tuple[str, ...]:
    """Reads the value of `--log` for argparse: names separated by commas.

    Raises:
        argparse.ArgumentTypeError: If a name is unknown or there is none.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names or any(name not in NAMES for name in names):
        meant = "".join(suggest.hint(name, NAMES) for name in names if name not in NAMES)
        raise argparse.ArgumentTypeError(
            f"expected {', '.join(NAMES)} or both. Received: {text!r}.{meant}"
        )
    return names


def check(names: Sequence[str]) -> None:
    """Checks that the packages of these logs are there; imports none.

    Raises:
        ValueError: If one is not; the message says what to install.
    """
    for name in names:
        missing = [one for one in PACKAGES[name] if importlib.util.find_spec(one) is None]
        if missing:
            install = '"kerasdl[mlflow]"' if name == "mlflow" else " ".join(missing)
            raise ValueError(
                f"--log {name} needs what is not installed here: {', '.join(missing)}. "
                f"Run: pip install {install}"
            )


class Logs:
    """The logs of one study: none, one or several, all told the same.

    Nothing is written before the first training.

    Args:
        names: Some of `NAMES`.
        folder: The run folder; the logs are in its folder `logs`.
        recipe: The recipe as plain data.
    """

    def __init__(self, names: Sequence[str], folder: Path, recipe: Mapping[str, Any]) -> None:
        self._recipe = recipe
        self._logs: list[Log] = []
        if "tensorboard" in names:
            from kerasdl.training.log_tensorboard import TensorBoardLog

            self._logs.append(TensorBoardLog(folder / "logs"))
        if "mlflow" in names:
            from kerasdl.training.log_mlflow import MlflowLog

            self._logs.append(MlflowLog(folder / "logs", recipe["app"]))

    def callbacks(
        self, model: str, seed: int, *, continued: bool = False
    ) -> list["keras.callbacks.Callback"]:
        """Returns the Keras callbacks that log one training, see `Log.callback`."""
        parameters = hyperparameters(self._recipe, model, seed)
        return [log.callback(model, seed, parameters, continued=continued) for log in self._logs]

    def add_run(self, run: record.Run) -> None:
        """Logs what a log lacks of a finished run."""
        parameters = hyperparameters(self._recipe, run.model, run.seed)
        for log in self._logs:
            log.add_run(run, parameters)

    def add_figures(self, figures: Sequence[Path]) -> None:
        """Logs the report's figures (PNG files) in place of earlier ones."""
        parameters = hyperparameters(self._recipe)
        for log in self._logs:
            log.add_figures(figures, parameters)

    def close(self) -> None:
        """Ends the logs: trainings that are not finished are no longer running."""
        for log in self._logs:
            log.close()


def hyperparameters(
    recipe: Mapping[str, Any], model: str | None = None, seed: int | None = None
) -> dict[str, Scalar]:
    """Returns a recipe as flat names and plain values.

    Args:
        recipe: The recipe as plain data.
        model: One of its models, for that model's training only, its names
            without the model's (`epochs`, not `training.lenet5.epochs`).
        seed: The seed of one training.
    """
    if model is None:
        return _flat(recipe)
    general = {k: v for k, v in recipe.items() if k in ("app", "precision", "strategy", "data")}
    settings = {"settings": recipe.get("settings", {}).get(model, {})}
    return _flat({"model": model, "seed": seed, **general, **recipe["training"][model], **settings})


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value if isinstance(value, Scalar) else str(value)
    return found


def final_scores(run: record.Run) -> dict[str, float]:
    """Returns the scores of a finished run that no epoch has."""
    scores = {
        "test_accuracy": run.metrics.test_accuracy,
        "test_loss": run.metrics.test_loss,
        "train_accuracy": run.metrics.train_accuracy,
        "ece": run.metrics.ece,
        "parameters": float(run.parameters),
        "train_seconds": run.train_seconds,
    }
    if run.metrics.validation_accuracy is not None:
        scores["validation_accuracy"] = run.metrics.validation_accuracy
    return scores
