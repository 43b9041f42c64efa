"""What a finished comparison is in a notebook: frames, figures, and the trained models."""

import functools
import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import record
from kerasdl.face.trained import Trained
from kerasdl.studies.folder import results_of

if TYPE_CHECKING:
    import pandas as pd


class Comparison:
    """A comparison of networks in its run folder. In a notebook it shows as the report's head.

    Args:
        folder: The run folder.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it is no comparison of networks.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        path = results_of(self.folder)
        if record.is_findings(path):
            raise ValueError(
                f"expected a comparison of networks. Received: {self.folder}, the experiment "
                f"{record.read_findings(path).study!r}; its report is in "
                f"{self.folder / 'report.html'}"
            )
        self.record = record.read(path)

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
    def figures(self) -> dict[str, Path]:
        """The report's figures, PNG files by their names."""
        return {path.stem: path for path in sorted((self.folder / "figures").glob("*.png"))}

    @property
    def report(self) -> Path:
        """The report, an HTML file."""
        return self.folder / "report.html"

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
        shown = self.table[[*columns, "seeds"]].to_html(
            float_format=lambda value: f"{value:.4g}", na_rep="–", border=0
        )
        said = "".join(f"<li>{html.escape(text)}</li>" for text in self.verdicts())
        return (
            f"<p><strong>{html.escape(self.record.dataset.label)}</strong></p>{shown}"
            f"<ul>{said}</ul><p>{html.escape(str(self.report))}</p>"
        )


def load_run(folder: str | os.PathLike[str]) -> Comparison:
    """Returns a comparison that was run before, by `compare` or by a command.

    Args:
        folder: The run folder, e.g. "runs/svhn".

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it is no comparison of networks.
    """
    return Comparison(folder)
