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
    """The runs in folders and below them, the newest first. In a notebook it shows as a table.

    Args:
        *folders: Folders of runs, or runs'.

    Raises:
        FileNotFoundError: If there is no such folder.
    """

    def __init__(self, *folders: str | os.PathLike[str]) -> None:
        from kerasdl.studies import run_list

        self.folders = [Path(folder) for folder in folders]
        found = {run.folder: run for folder in self.folders for run in run_list.find(folder)}
        self._runs = sorted(
            found.values(), key=lambda run: (run.when or "", run.folder), reverse=True
        )

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
        was at hand, e.g. "SVHN, partial: 4434 of 73257", and `images` tells folders of one name
        apart (the first digits of their checksum). Columns: images, model, test_accuracy and
        test_accuracy_std (0..1), seeds, parameters, folder.
        """
        import pandas as pd

        from kerasdl.face.finished import read
        from kerasdl.face.results import Comparison

        names = ["model", "test_accuracy", "test_accuracy_std", "seeds", "parameters"]
        rows: list[dict[str, Any]] = []
        for run in self._runs:
            if run.status != "complete" or run.score is None:
                continue
            dataset = read(Path(run.folder)).dataset
            images = "" if dataset is None else dataset.sha256[:8]
            where = {"dataset": run.dataset, "images": images, "folder": run.folder}
            if run.kind == "comparison":
                table = Comparison(run.folder).table.reset_index()
                rows += [{**where, **row} for row in table[names].to_dict("records")]
            else:
                values = [f"{run.app}: {run.best}", run.score.mean, run.score.std, run.score.n]
                rows.append({**where, **dict(zip(names, values, strict=False))})
        frame = pd.DataFrame(rows, columns=["dataset", "images", *names, "folder"])
        kinds = {"test_accuracy": float, "test_accuracy_std": float, "parameters": "Int64"}
        order = frame.astype(kinds).sort_values(
            ["dataset", "images", "test_accuracy"], ascending=[True, True, False], kind="stable"
        )
        return order.set_index("dataset")

    def write_page(self, path: str | os.PathLike[str]) -> Path:
        """Writes one HTML page on these runs: scores, leaders, recipes that differ, curves.

        Args:
            path: The file, e.g. "runs.html".

        Returns:
            The file.

        Raises:
            ValueError: If there is no run.
            OSError: If the file cannot be written.
        """
        from kerasdl import files
        from kerasdl.face.runs_page import page

        files.write_text(path, page(self, Path(path).absolute().parent))
        return Path(path)

    @property
    def _names(self) -> str:
        return ", ".join(map(str, self.folders))

    def __repr__(self) -> str:
        lines = [f"<kerasdl.Runs {self._names}: {len(self)} run{'s' * (len(self) != 1)}>"]
        for run in self._runs:
            score = "" if run.score is None else f", {run.best} {100 * run.score.mean:.2f} %"
            state = "" if run.status == "complete" else f", {run.status}"
            lines.append(f"  {run.folder}: {run.dataset or run.app or ''}{score}{state}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = self.table[["kind", "dataset", "models", "best", "score", "score_std", "when"]]
        table = shown.to_html(float_format=lambda value: f"{value:.4g}", na_rep="–", border=0)
        return f"<p><strong>{html.escape(self._names)}</strong></p>{table}"


def runs(*folders: str | os.PathLike[str]) -> Runs:
    """Returns the runs in folders and below them, of every kind.

    >>> import kerasdl as kd
    >>> run = kd.compare("synthetic_gray", "mlp1", epochs=1, train_size=200, out="runs/x")
    ... # doctest: +ELLIPSIS
    ╭...
    >>> kd.runs("runs").table.kind.to_list()
    ['comparison']
    >>> kd.runs("runs").leaderboard.model.to_list()
    ['mlp1']

    Args:
        *folders: Folders of runs, or runs' own, to compare chosen ones; none for "runs".

    Returns:
        A `Runs`: a list with the frames `table` and `leaderboard`; `write_page` writes a page.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    return Runs(*folders or ("runs",))
