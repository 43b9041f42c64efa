"""MLflow's log of a study, in an SQLite file of the run folder.

MLflow's own Keras callback (mlflow.keras.MlflowCallback) does not serve here: it
writes later, in a thread, so that a killed run loses epochs which its checkpoint
has; it writes an epoch of a continued training twice; and it hides its errors.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kerasdl import record
from kerasdl.training.logs import Scalar, final_scores

_NAME = "mlflow.runName"


class MlflowLog:
    """One MLflow experiment: a run for each model and seed, and one called `report`.

    Shown by `mlflow ui --backend-store-uri sqlite:///RUN/logs/mlflow.db`. Steps are
    0-based epochs. The file is opened with the first thing to log.

    Args:
        folder: The folder `logs` of a run; it gets `mlflow.db` and `mlflow/`.
        app: The name of the experiment.
    """

    def __init__(self, folder: Path, app: str) -> None:
        self._folder, self._app = folder.resolve(), app
        self._client: Any = None
        self._experiment = ""

    def callback(
        self, model: str, seed: int, parameters: Mapping[str, Scalar], *, continued: bool
    ) -> keras.callbacks.Callback:
        """See `Log.callback`."""
        with self._open() as client:
            run = self._find(_title(model, seed))
            if run is not None and not continued:
                client.delete_run(run.info.run_id)
                run = None
            if run is None:
                run = self._create(_title(model, seed), parameters)
            else:
                client.update_run(run.info.run_id, status="RUNNING")
            return _Epochs(self, run.info.run_id)

    def add_run(self, run: record.Run, parameters: Mapping[str, Scalar]) -> None:
        """See `Log.add_run`."""
        with self._open() as client:
            title = _title(run.model, run.seed)
            found = self._find(title) or self._create(title, parameters)
            if found.info.status == "FINISHED":
                return
            known = self.epochs(found.info.run_id)
            for epoch in range(run.epochs):
                if epoch not in known:
                    values = {k: v[epoch] for k, v in run.history.items() if epoch < len(v)}
                    self.add(found.info.run_id, epoch, values)
            if "test_accuracy" not in found.data.metrics:
                self.add(found.info.run_id, max(0, run.epochs - 1), final_scores(run))
            client.set_terminated(found.info.run_id)

    def add_figures(self, figures: Sequence[Path], parameters: Mapping[str, Scalar]) -> None:
        """See `Log.add_figures`."""
        with self._open() as client:
            found = self._find("report") or self._create("report", parameters)
            for path in figures:
                client.log_artifact(found.info.run_id, str(path), "figures")
            client.set_terminated(found.info.run_id)

    def close(self) -> None:
        """See `Log.close`."""
        if self._client is None:
            return
        with self._open() as client:
            for run in client.search_runs([self._experiment], "attributes.status = 'RUNNING'"):
                client.set_terminated(run.info.run_id, "KILLED")

    def add(self, run_id: str, epoch: int, values: Mapping[str, float]) -> None:
        """Logs the scores of one epoch."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, epoch) for name, value in values.items()]
        with self._open() as client:
            client.log_batch(run_id, metrics=metrics)

    def epochs(self, run_id: str) -> set[int]:
        """Returns the epochs that a run has."""
        with self._open() as client:
            return {metric.step for metric in client.get_metric_history(run_id, "loss")}

    def _find(self, title: str) -> Any:
        found = self._client.search_runs([self._experiment], f"tags.`{_NAME}` = '{title}'")
        return found[0] if found else None

    def _create(self, title: str, parameters: Mapping[str, Scalar]) -> Any:
        from mlflow.entities import Param

        run = self._client.create_run(self._experiment, run_name=title)
        params = [Param(name, str(value)) for name, value in parameters.items()]
        self._client.log_batch(run.info.run_id, params=params)
        return run

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        """Yields the client; its errors become OSError."""
        # Before MLflow is imported, which would report its use over the network otherwise.
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        # It prints the stack of every error, and the errors are raised below.
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self._client is None:
                self._client, self._experiment = self._connect()
            yield self._client
        except (MlflowException, SQLAlchemyError) as error:
            reason = str(error).splitlines()[0]
            raise OSError(f"the log in {self._folder} cannot be written: {reason}") from error

    def _connect(self) -> tuple[Any, str]:
        from mlflow.tracking import MlflowClient

        self._folder.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(f"sqlite:///{self._folder / 'mlflow.db'}")
        place = (self._folder / "mlflow").as_uri()
        experiment = client.get_experiment_by_name(self._app)
        if experiment is None:
            return client, client.create_experiment(self._app, artifact_location=place)
        if experiment.artifact_location != place:
            raise ValueError(
                f"{self._folder}/mlflow.db has its figures in {experiment.artifact_location}: the "
                "run folder was moved. Remove the file, and it is made anew from the record"
            )
        return client, experiment.experiment_id


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs the scores and the learning rate of each epoch that the log lacks."""

    def __init__(self, log: MlflowLog, run_id: str) -> None:
        super().__init__()
        self._log, self._run_id = log, run_id
        self._logged = log.epochs(run_id)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs an epoch, before anything else goes on."""
        if epoch in self._logged:
            return
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._log.add(self._run_id, epoch, {**(logs or {}), "learning_rate": rate})


def _title(model: str, seed: int) -> str:
    return f"{model}-seed{seed}"
