"""What a report says in sentences: the answer first, and what must not be overlooked."""

from kerasdl.evaluation.statistics import best
from kerasdl.record import DatasetInfo, Record
from kerasdl.reporting import text
from kerasdl.reporting.tables import Model, models


def label(dataset: DatasetInfo) -> str:
    """Returns the data set's label, safe to print: title, synthetic, partial."""
    return text.plain(dataset.label)


def answer(record: Record) -> str:
    """Returns which model is best, by how much, on what data, in one or two sentences."""
    winner = best(record.runs, record.comparisons)
    data = label(record.dataset)
    if winner is None:
        return f"No run was finished on {data}, so there is nothing to compare."
    by_name = {model.name: model for model in models(record)}
    top = by_name[winner.name]
    score = _score(top)
    if len(by_name) == 1:
        return f"{top.title} answers {score} of the test images rightly on {data}."
    # An interrupted run may hold models that share no seed and so were never compared.
    compared = {name for one in record.comparisons for name in one.models}
    tied = [name for name in winner.tied if name in compared]
    unknown = [by_name[name].title for name in winner.tied if name not in compared]
    if not winner.tied:
        second = by_name[winner.beaten[0]]
        lead = text.points(top.summary.test_accuracy.mean - second.summary.test_accuracy.mean)
        return (
            f"{top.title} is best: it answers {score} of the test images rightly on {data}. "
            f"That is {lead.removeprefix('+')} percentage points more than {second.title}, "
            "beyond noise."
        )
    sentence = (
        f"{top.title} has the highest test accuracy on {data}, {score}, "
        "but it is not the clear winner: "
    )
    parts = []
    if tied:
        rivals = [
            f"{by_name[name].title} ({text.percent_spread(by_name[name].summary.test_accuracy)} %)"
            for name in tied
        ]
        parts.append(f"it is tied within noise with {text.listing(rivals)}")
    if unknown:
        parts.append(f"it could not be compared with {text.listing(unknown)}")
    return sentence + " and ".join(parts) + "."


def _score(model: Model) -> str:
    spread = model.summary.test_accuracy
    seeds = f"mean ± standard deviation of {spread.n} seeds" if spread.n > 1 else "one seed"
    return f"{text.percent_spread(spread)} % ({seeds})"


def banners(record: Record) -> list[tuple[str, str]]:
    """Returns warnings (heading, text) that stand above everything else."""
    found = []
    if record.status != "complete":
        runs = len(record.runs)
        found.append(
            (
                "Interrupted run" if record.status == "interrupted" else "Unfinished run",
                f"Not everything that was planned is here: this report covers the {runs} "
                f"training {'run' if runs == 1 else 'runs'} that ended"
                + (", and the ranking may change." if runs else "."),
            )
        )
    return [*synthetic(record.dataset), *found, *partial(record.dataset)]


def synthetic(dataset: DatasetInfo) -> list[tuple[str, str]]:
    """Returns the warning that images are rendered, where they are."""
    if dataset.source != "synthetic":
        return []
    return [
        (
            "Synthetic data",
            "These images were drawn by a program, they are not photographs: no real data "
            "was found. The figures show that the software works and how the models compare "
            "on these drawings; they say nothing about real images and must not be set "
            "beside published figures.",
        )
    ]


def partial(dataset: DatasetInfo) -> list[tuple[str, str]]:
    """Returns the warning that a part of the images was used, where it was."""
    if not dataset.caveats:
        return []
    return [
        (
            "Part of the data",
            f"Only a part of the data set was used ("
            f"{text.plain(', '.join(dataset.caveats))}). Figures for the whole "
            "set are another matter.",
        )
    ]
