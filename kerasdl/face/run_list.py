"""The runs in a folder, for notebooks and programs: their list, and who leads on which images."""

import functools
import html
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from kerasdl.face.results import Comparison, SearchResult, StudyResult
    from kerasdl.studies.run_list import ListedRun


class Runs:
    """The runs in a folder and below it, the newest first. In a notebook it shows as a table.

    Args:
        folder: A folder of runs, or a run's.

    Raises:
        FileNotFoundError: If there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str] = "runs") -> None:
        from kerasdl.studies import run_list

        self.folder = Path(folder)
        self._runs = run_list.find(self.folder)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> "Iterator[ListedRun]":
        return iter(self._runs)

    def __getitem__(self, place: int) -> "Comparison | StudyResult | SearchResult":
        """Returns a run as `load_run` does: the newest for 0."""
        from kerasdl.face.results import load_run

        return load_run(self._runs[place].folder)

    @functools.cached_property
    def table(self) -> "pd.DataFrame":
        """One row a run; index `folder`.

        Columns: kind ("comparison", "experiment" or "search"), app, status, dataset, models,
        seeds, best, score and score_std (test accuracy, 0..1), when (UTC).
        """
        import pandas as pd

        names = ["folder", "kind", "app", "status", "dataset", "models", "seeds", "best"]
        rows = []
        for run in self._runs:
            row: dict[str, Any] = {name: getattr(run, name) for name in names}
            row["models"] = ", ".join(run.models)
            row["score"] = None if run.score is None else run.score.mean
            row["score_std"] = None if run.score is None else run.score.std
            rows.append({**row, "when": run.when})
        frame = pd.DataFrame(rows, columns=[*names, "score", "score_std", "when"])
        frame = frame.astype({"score": float, "score_std": float, "seeds": "Int64"})
        frame["when"] = pd.to_datetime(frame["when"], utc=True)
        return frame.set_index("folder")

    @functools.cached_property
    def leaderboard(self) -> "pd.DataFrame":
        """Every model of every finished run, best first within its images; index `dataset`.

        Scores of different images, or of a part of a set, do not compare: `dataset` names what
        was at hand, e.g. "SVHN, partial: 4434 of 73257". Columns: model, test_accuracy and
        test_accuracy_std (0..1), seeds, parameters, folder.
        """
        import pandas as pd

        from kerasdl.face.results import Comparison

        names = ["dataset", "model", "test_accuracy", "test_accuracy_std", "seeds"]
        names += ["parameters", "folder"]
        rows: list[dict[str, Any]] = []
        for run in self._runs:
            if run.status != "complete" or run.score is None:
                continue
            where = {"dataset": run.dataset, "folder": run.folder}
            if run.kind != "comparison":
                score = {"test_accuracy": run.score.mean, "test_accuracy_std": run.score.std}
                rows.append({**where, "model": f"{run.app}: {run.best}", **score,
                             "seeds": run.score.n})  # fmt: skip
                continue
            table = Comparison(run.folder).table.reset_index()
            rows += [{**where, **row} for row in table[names[1:6]].to_dict("records")]
        frame = pd.DataFrame(rows, columns=names)
        frame = frame.astype(
            {"test_accuracy": float, "test_accuracy_std": float, "parameters": "Int64"}
        )
        order = frame.sort_values(
            ["dataset", "test_accuracy"], ascending=[True, False], kind="stable"
        )
        return order.set_index("dataset")

    def __repr__(self) -> str:
        lines = [f"<kerasdl.Runs {self.folder}: {len(self)} run{'s' * (len(self) != 1)}>"]
        for run in self._runs:
            score = "" if run.score is None else f", {run.best} {100 * run.score.mean:.2f} %"
            state = "" if run.status == "complete" else f", {run.status}"
            lines.append(f"  {run.folder}: {run.dataset or run.app or ''}{score}{state}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = self.table[["kind", "dataset", "models", "best", "score", "score_std", "when"]]
        table = shown.to_html(float_format=lambda value: f"{value:.4g}", na_rep="–", border=0)
        return f"<p><strong>{html.escape(str(self.folder))}</strong></p>{table}"


def runs(folder: str | os.PathLike[str] = "runs") -> Runs:
    """Returns the runs in a folder and below it, of every kind.

    >>> import kerasdl as kd
    >>> run = kd.compare("synthetic_gray", "mlp1", epochs=1, train_size=200, out="runs/x")
    ... # doctest: +ELLIPSIS
    ╭...
    >>> kd.runs("runs").table.kind.to_list()
    ['comparison']
    >>> kd.runs("runs").leaderboard.model.to_list()
    ['mlp1']

    Args:
        folder: A folder of runs, or a run's.

    Returns:
        A `Runs`: a list with the frames `table` and `leaderboard`.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    return Runs(folder)
