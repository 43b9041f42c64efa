"""What finished runs are in a notebook: frames, figures, and the trained models."""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.face.finished import FinishedRun, kind_of, read
from kerasdl.face.trained import Trained

if TYPE_CHECKING:
    import pandas as pd


class Comparison(FinishedRun):
    """A comparison of networks in its run folder. In a notebook it shows as the report's head.

    Args:
        folder: The run folder.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it is no comparison of networks.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder, "comparison")

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """The models, best first; index `model`.

        Columns: title, parameters, test_accuracy and train_accuracy (0..1), their `_std` over
        the seeds (NaN for one), test_loss (nats), ece (0..1), train_seconds, seeds.
        """
        import pandas as pd

        spreads = ("test_accuracy", "train_accuracy", "test_loss", "ece", "train_seconds")
        rows = []
        for one in self.record.summary:
            row: dict[str, Any] = {"model": one.model, "title": one.title}
            row["parameters"] = one.parameters
            for name in spreads:
                spread = getattr(one, name)
                row[name], row[f"{name}_std"] = spread.mean, spread.std
            rows.append({**row, "seeds": one.test_accuracy.n})
        frame = pd.DataFrame(rows).set_index("model")
        return frame.astype({f"{name}_std": float for name in spreads}).sort_values(
            "test_accuracy", ascending=False, kind="stable"
        )

    @functools.cached_property
    def comparisons(self) -> "pd.DataFrame":
        """Every two models: first, second, difference (-1..1), p_images, p_seeds, better, verdict.

        `better` is None where they are tied within noise; what is tested stands in
        `kerasdl.evaluation.statistics`.
        """
        import pandas as pd

        names = ["first", "second", "difference", "p_images", "p_seeds", "better", "verdict"]
        rows = [
            (*one.models, one.difference, one.p_images, one.p_seeds, one.better, one.verdict)
            for one in self.record.comparisons
        ]
        return pd.DataFrame(rows, columns=names)

    @functools.cached_property
    def history(self) -> "pd.DataFrame":
        """One row an epoch: model, seed, epoch (from 1), and what was measured in it."""
        import pandas as pd

        frames = []
        for run in self.record.runs:
            frame = pd.DataFrame(run.history)
            frame.insert(0, "epoch", range(1, len(frame) + 1))
            frame.insert(0, "seed", run.seed)
            frame.insert(0, "model", run.model)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    @property
    def best(self) -> Trained:
        """The model with the best validation accuracy (without validation images: the first)."""
        return self.trained()

    def trained(self, model: str | None = None, seed: int | None = None) -> Trained:
        """Returns a trained model.

        Args:
            model: Its name; None for all, of which the best on validation images is taken.
            seed: Its seed; None likewise.

        Raises:
            ValueError: If there is no such model or seed, or the run is not finished.
            FileNotFoundError: If its file is missing, as in a committed record.
        """
        from kerasdl.export import runs

        return Trained(runs.find(self.folder, model, seed))

    def verdicts(self) -> Sequence[str]:
        """Returns the comparisons in words."""
        return [one.verdict for one in self.record.comparisons]

    def __repr__(self) -> str:
        lines = [f"<kerasdl.Comparison {self.folder}: {self.record.dataset.label}>"]
        for one in self.record.summary:
            std = "" if one.test_accuracy.std is None else f" ± {100 * one.test_accuracy.std:.2f}"
            lines.append(f"  {one.model}: {100 * one.test_accuracy.mean:.2f}{std} % of test images")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        columns = ["title", "parameters", "test_accuracy", "test_accuracy_std", "train_seconds"]
        frame = self.table[[*columns, "seeds"]]
        return self._html(self.record.dataset.label, frame, self.verdicts())


class StudyResult(FinishedRun):
    """A finished study. In a notebook it shows as the report's head.

    Args:
        folder: The run folder.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it is no study.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder, "experiment")

    @property
    def table(self) -> "pd.DataFrame":
        """The study's first table; `tables` has all of them, by their names."""
        import pandas as pd

        return next(iter(self.tables.values()), pd.DataFrame())

    def __repr__(self) -> str:
        return self._text()

    def _repr_html_(self) -> str:
        return self._html(self.record.title, self.table, self._answers())


class SearchResult(FinishedRun):
    """A finished search. In a notebook it shows as the report's head.

    Args:
        folder: The run folder.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it is no search.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder, "search")

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """The trials, best first; index `trial`.

        Columns: rank, one for each hyper-parameter, val_accuracy, val_loss, accuracy and loss
        with their `_std` over the seeds, p, tied, seeds, epochs_kept, parameters, seconds, status.
        """
        if "trials" not in self.tables:
            import pandas as pd

            return pd.DataFrame()
        frame = self.tables["trials"].rename(columns=_column)
        frame.index.name = "trial"
        return frame

    @property
    def best_hyperparameters(self) -> dict[str, Any]:
        """The values of the trial with the best validation score.

        Raises:
            ValueError: If no trial was completed.
        """
        if not (self.table.get("rank") == 1).any():
            raise ValueError(f"expected a completed trial. Received: {self.folder}, without any")
        trial = self.folder / "keras_tuner" / f"trial_{self.table.index[0]}" / "trial.json"
        if trial.is_file():
            values = json.loads(trial.read_bytes())["hyperparameters"]["values"]
        else:  # a committed record: as in its table
            columns = list(self.table.columns)
            names = columns[1 : next(i for i, name in enumerate(columns) if name in _SCORES)]
            values = self.table.iloc[0][names].dropna().to_dict()
        return {name: value for name, value in values.items() if not name.startswith("tuner/")}

    @property
    def best(self) -> Trained:
        """The winner, trained again on training and validation images.

        Raises:
            ValueError, FileNotFoundError: If there is none, as in a committed record.
        """
        from kerasdl.export import runs

        return Trained(runs.find(self.folder))

    def __repr__(self) -> str:
        return self._text()

    def _repr_html_(self) -> str:
        return self._html(self.record.title, self.table, self._answers())


_SCORES = ("val_accuracy", "val_loss", "accuracy", "loss")
_COLUMNS = {"Tied with the best": "tied"}
_OURS = ("Rank", "Seeds", "Epochs kept", "Parameters", "Seconds", "Status")


def _column(title: str) -> str:
    """Returns the name of a column of trials; hyper-parameters keep theirs."""
    if title in _OURS:
        return title.lower().replace(" ", "_")
    return _COLUMNS.get(title, title.replace(" deviation", "_std"))


def load_run(folder: str | os.PathLike[str]) -> Comparison | StudyResult | SearchResult:
    """Returns what was run before, by a function or by a command.

    >>> import kerasdl as kd
    >>> run = kd.compare("synthetic_gray", "mlp1", epochs=1, train_size=200, out="runs/x")
    ... # doctest: +ELLIPSIS
    ╭...
    >>> kd.load_run("runs/x").table.equals(run.table)
    True

    Args:
        folder: The run folder, e.g. "runs/svhn".

    Returns:
        A `Comparison`, `StudyResult` or `SearchResult`: what it is of.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If its record cannot be read.
    """
    match kind_of(read(Path(folder))):
        case "comparison":
            return Comparison(folder)
        case "experiment":
            return StudyResult(folder)
        case "search":
            return SearchResult(folder)
