"""The tables of a report as rows of text, for Markdown and HTML alike."""

import dataclasses
import math
from collections.abc import Sequence

from kerasdl.evaluation.statistics import best
from kerasdl.evaluation.variants import group
from kerasdl.record import Comparison, DatasetInfo, Record, Run, Summary
from kerasdl.reporting import text


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Args:
        header: One title per column.
        rows: One text per column.
        strong: Positions (row, column) that are set in bold.
        words: Columns that hold words (set flush left) besides the first.
    """

    header: list[str]
    rows: list[list[str]]
    strong: frozenset[tuple[int, int]] = frozenset()
    words: frozenset[int] = frozenset()

    def markdown(self) -> str:
        """Returns the table in GitHub's Markdown; every cell is escaped."""
        bars = [":---" if i == 0 or i in self.words else "---:" for i in range(len(self.header))]
        lines = ["| " + " | ".join(map(text.markdown, self.header)) + " |"]
        lines.append("| " + " | ".join(bars) + " |")
        for i, row in enumerate(self.rows):
            cells = [
                f"**{text.markdown(cell)}**" if (i, j) in self.strong else text.markdown(cell)
                for j, cell in enumerate(row)
            ]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Model:
    """One row of the results: a model with its summary and its runs.

    Args:
        name: As in `variants.group` and in comparisons.
        title: The name for people, one line.
        index: Position in the record; chooses the colour.
        summary: Its scores over the seeds.
        runs: Its runs by seed.
    """

    name: str
    title: str
    index: int
    summary: Summary
    runs: list[Run]

    @property
    def typical(self) -> Run:
        """The run of median test accuracy: pictures of it flatter nobody."""
        ranked = sorted(self.runs, key=lambda run: run.metrics.test_accuracy)
        return ranked[(len(ranked) - 1) // 2]


def models(record: Record) -> list[Model]:
    """Joins summaries and runs, in the record's order.

    Args:
        record: The record; its summary must be that of its runs.

    Raises:
        ValueError: If the summary does not name the models of the runs in order.
    """
    groups = group(record.runs)
    expected = [(runs[0].model, runs[0].settings) for runs in groups.values()]
    received = [(summary.model, summary.settings) for summary in record.summary]
    if expected != received:
        raise ValueError(
            f"the summary must be of the models {list(groups)}, one each in this order. "
            f"Received: {[model for model, _ in received]}; make it with "
            "kerasdl.evaluation.statistics.summarise(runs, titles)"
        )
    return [
        Model(name=name, title=text.plain(summary.title), index=i, summary=summary, runs=runs)
        for i, ((name, runs), summary) in enumerate(
            zip(groups.items(), record.summary, strict=True)
        )
    ]


def ranked(record: Record) -> list[Model]:
    """Returns the models, highest mean test accuracy first."""
    return sorted(models(record), key=lambda model: -model.summary.test_accuracy.mean)


def caveat(dataset: DatasetInfo) -> str:
    """Returns what must stand beside every figure, e.g. "partial: a of b", or ""."""
    parts = ["SYNTHETIC"] if dataset.source == "synthetic" else []
    return ", ".join([*parts, *map(text.plain, dataset.caveats)])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _epochs(runs: Sequence[Run]) -> str:
    low, high = min(run.epochs for run in runs), max(run.epochs for run in runs)
    return str(low) if low == high else f"{low}\u2013{high}"


def results(record: Record, *, quoted: bool = False) -> Table:
    """Returns the results, best model first; the best and those tied with it in bold.

    Args:
        record: The record.
        quoted: Whether it stands apart from a caption with the data's label, which then has a
            column where the data are partial or synthetic.
    """
    rows, strong = [], set()
    winner = best(record.runs, record.comparisons)
    top = {winner.name, *winner.tied} if winner else set()
    extra = caveat(record.dataset) if quoted else ""
    for i, model in enumerate(ranked(record)):
        summary = model.summary
        if model.name in top:
            strong.update({(i, 0), (i, 1)})
        gap = summary.train_accuracy.mean - summary.test_accuracy.mean
        rows.append(
            [
                model.title,
                f"{text.percent_spread(summary.test_accuracy)} (n={summary.test_accuracy.n})",
                *([extra] if extra else []),
                text.percent_spread(summary.train_accuracy),
                text.points(gap),
                text.number_spread(summary.test_loss, 3),
                text.percent_spread(summary.ece),
                text.count(summary.parameters),
                text.quantity(summary.multiply_accumulates)
                if summary.multiply_accumulates is not None
                else "–",
                _epochs(model.runs),
                text.duration(summary.train_seconds.mean),
                text.count(round(_mean([run.images_per_second for run in model.runs]))),
            ]
        )
    header = [
        "Model",
        "Test accuracy, %",
        *(["Data"] if extra else []),
        "Train accuracy, %",
        "Gap, points",
        "Test loss",
        "ECE, %",
        "Parameters",
        "MACs",
        "Epochs",
        "Train time",
        "Images/s",
    ]
    words = frozenset({2}) if extra else frozenset()
    return Table(header=header, rows=rows, strong=frozenset(strong), words=words)


def brief_table(record: Record) -> str:
    """Returns the main figures of a record as a Markdown table, for a page that quotes several."""
    whole = results(record, quoted=True)
    wanted = ["Model", "Test accuracy, %", "Data", "Parameters", "Epochs", "Train time"]
    columns = [whole.header.index(title) for title in wanted if title in whole.header]
    chosen = Table(
        header=[whole.header[j] for j in columns],
        rows=[[row[j] for j in columns] for row in whole.rows],
        strong=frozenset((i, columns.index(j)) for i, j in whole.strong if j in columns),
        words=frozenset(columns.index(j) for j in whole.words if j in columns),
    )
    return chosen.markdown()


def results_table(record: Record) -> str:
    """Returns the results as a Markdown table, to be shown wherever the record is quoted."""
    return results(record, quoted=True).markdown()


def reported(record: Record) -> Table | None:
    """Returns the figures of other reports beside ours; None where there are none.

    Real data only: on synthetic images the two have nothing to do with each
    other, and there is no table whatever the record says.
    """
    if record.dataset.source == "synthetic" or not record.reported:
        return None
    ours = {model.summary.model: model for model in reversed(models(record))}
    reports = list(dict.fromkeys(one.report for one in record.reported))
    rows = []
    for name in dict.fromkeys(one.model for one in record.reported):
        cells = [
            ", ".join(
                text.percent(one.test_accuracy)
                for one in record.reported
                if (one.report, one.model) == (report, name)
            )
            or text.NOTHING
            for report in reports
        ]
        mine = text.NOTHING
        if name in ours:
            mine = text.percent_spread(ours[name].summary.test_accuracy)
        rows.append([ours[name].title if name in ours else text.plain(name), mine, *cells])
    header = ["Test accuracy, %", "Ours", *(f"Reported ({report})" for report in reports)]
    return Table(header=header, rows=rows)


def _signed(one: Comparison, first: str) -> float:
    return one.difference if one.models[0] == first else -one.difference


def against_best(record: Record) -> Table | None:
    """Returns the best model's comparisons with the others, with p-values and verdicts."""
    winner = best(record.runs, record.comparisons)
    if winner is None or not record.comparisons:
        return None
    rows = []
    for model in ranked(record):
        for one in record.comparisons:
            if set(one.models) != {winner.name, model.name}:
                continue
            counts = [one.only_first, one.only_second]
            if one.models[0] != winner.name:
                counts.reverse()
            rows.append(
                [
                    model.title,
                    text.points(_signed(one, winner.name)),
                    ", ".join(map(text.count, counts[0])),
                    ", ".join(map(text.count, counts[1])),
                    ", ".join(map(text.p_value, one.p_values)),
                    text.p_value(one.p_images),
                    text.NOTHING if one.p_seeds is None else text.p_value(one.p_seeds),
                    text.plain(one.verdict),
                ]
            )
    title = next(model.title for model in models(record) if model.name == winner.name)
    header = [
        f"{title} against",
        "Difference, points",
        f"Only {title} right, per seed",
        "Only the other right, per seed",
        "McNemar p, per seed",
        "p over seeds (Holm)",
        "p of seeds (t-test)",
        "Verdict",
    ]
    return Table(header=header, rows=rows, words=frozenset({7})) if rows else None


def all_pairs(record: Record) -> Table | None:
    """Returns row minus column in points for every pair, bold beyond noise; None below 3 models."""
    order = ranked(record)
    if len(order) < 3 or not record.comparisons:
        return None
    found = {frozenset(one.models): one for one in record.comparisons}
    rows, strong = [], set()
    for i, row in enumerate(order):
        cells = [row.title]
        for j, column in enumerate(order):
            one = found.get(frozenset((row.name, column.name)))
            if one is None or i == j:
                cells.append("" if i == j else text.NOTHING)
                continue
            cells.append(text.points(_signed(one, row.name)))
            if one.better is not None:
                strong.add((i, j + 1))
        rows.append(cells)
    return Table(
        header=["Row minus column", *(model.title for model in order)],
        rows=rows,
        strong=frozenset(strong),
    )


def classes(record: Record, counts: Sequence[int]) -> Table:
    """Returns the accuracy of each class, mean over seeds, one column per model.

    Args:
        record: The record.
        counts: Test images per class.
    """
    order = ranked(record)
    rows = []
    for i, name in enumerate(record.dataset.class_names):
        cells = [f"{i}: {text.plain(name)}", text.count(counts[i])]
        for model in order:
            values = [run.metrics.per_class_accuracy[i] for run in model.runs]
            known = [value for value in values if value is not None]
            cells.append(text.percent(_mean(known)) if known else text.NOTHING)
        rows.append(cells)
    return Table(
        header=["Class", "Test images", *(f"{model.title}, %" for model in order)], rows=rows
    )
