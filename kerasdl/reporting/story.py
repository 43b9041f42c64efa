"""What a report says in sentences: the answer first, and what must not be overlooked."""

import math
from collections.abc import Sequence

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


def chance(record: Record, counts: Sequence[int]) -> str:
    """Returns what guessing earns on the test images, and which models earn no more.

    Args:
        record: The record.
        counts: Test images per class.
    """
    total, commonest = sum(counts), max(range(len(counts)), key=lambda place: counts[place])
    share = counts[commonest] / total
    name = text.plain(record.dataset.class_names[commonest])
    # Two standard errors of a share of so many images.
    beyond = share + 2 * math.sqrt(share * (1 - share) / total)
    poor = [one.title for one in models(record) if one.summary.test_accuracy.mean <= beyond]
    said = (
        f"Guessing is right for {text.percent(1 / len(counts))} % of the test images, always "
        f"answering the commonest class, {name}, for {text.percent(share)} %."
    )
    if poor:
        verb = "does" if len(poor) == 1 else "do"
        said += f" {text.listing(poor)} {verb} no better than that."
    return said


def unfinished(record: Record) -> str:
    """Returns which models were still improving when their training ended; "" where unknown."""
    losses = {
        one.title: [run.history.get("val_loss", []) for run in one.runs] for one in models(record)
    }
    known = {title: seeds for title, seeds in losses.items() if all(len(one) > 1 for one in seeds)}
    if not known:
        return ""
    rising = [
        title
        for title, seeds in known.items()
        if all(min(range(len(one)), key=one.__getitem__) == len(one) - 1 for one in seeds)
    ]
    if not rising:
        return "No model was still improving in every seed when its training ended."
    was = "was" if len(rising) == 1 else "were"
    return (
        f"{text.listing(rising)} {was} still improving when the training ended: in every seed the "
        "validation loss was lowest in the last epoch. More --epochs may give more."
    )


def together(record: Record) -> str:
    """Returns whose training times are shares; "" for nobody's."""
    shared = [one.title for one in models(record) if any(run.stacked for run in one.runs)]
    if not shared:
        return ""
    return f"{text.listing(shared)} were trained together: train time and images/s are shares."


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
