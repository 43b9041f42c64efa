"""Frozen, fine-tuned or from scratch: what each costs and comes to, in a table and in words."""

from collections.abc import Sequence

from kerasdl.reporting import text
from kerasdl.reporting.figures import arms as figures
from kerasdl.sections import Figure, Section, Table
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.transfer.arms import Trained


def section(comparison: Comparison, arms: Sequence[Trained]) -> Section:
    """Returns the comparison of the arms; draws its figure.

    Args:
        comparison: The finished comparison.
        arms: Its arms.
    """
    words: list[str] = []
    for name in dict.fromkeys(one.base.name for one in arms):
        words += _words(comparison, [one for one in arms if one.base.name == name])
    return Section(
        title="Frozen, fine-tuned or from scratch",
        text=words,
        tables=[_table(comparison, arms)],
        figures=[_figure(comparison, arms)],
    )


def _words(comparison: Comparison, arms: Sequence[Trained]) -> list[str]:
    """Returns what the arms of one base say, the answer first."""
    by_arm = {one.arm: one for one in arms}
    title = arms[0].base.title
    if len(by_arm) == 1:
        (only,) = arms
        return [
            f"{title}, {_named(only)}: {comparison.score(only.model.name)}. Whether that is much "
            "for this architecture, the other arms would tell (--arms frozen,finetuned,scratch)."
        ]
    found = []
    frozen, tuned, scratch = (by_arm.get(name) for name in ("frozen", "finetuned", "scratch"))
    if frozen and scratch:
        found.append(_frozen_or_scratch(comparison, frozen, scratch))
    if frozen and tuned:
        better = comparison.better(tuned.model.name, frozen.model.name)
        weak = " Frozen features are weak here." if better == tuned.model.name else ""
        if scratch and comparison.better(frozen.model.name, scratch.model.name):
            weak = ""  # said above, or the contrary was
        lead = {
            tuned.model.name: "Fine-tuning pays",
            frozen.model.name: "Fine-tuning harms",
            None: "Whether fine-tuning pays is open",
        }[better]
        found.append(f"{title}: {lead}: {_both(comparison, tuned, frozen)}.{weak}")
    if tuned and scratch:
        better = comparison.better(tuned.model.name, scratch.model.name)
        lead = {
            tuned.model.name: f"The weights ({tuned.weights}) are worth something",
            scratch.model.name: f"The weights ({tuned.weights}) are worth nothing here",
            None: f"Whether the weights ({tuned.weights}) are worth anything is open",
        }[better]
        found.append(f"{title}: {lead}: {_both(comparison, tuned, scratch)}.")
    return found


def _frozen_or_scratch(comparison: Comparison, frozen: Trained, scratch: Trained) -> str:
    title = frozen.base.title
    better = comparison.better(frozen.model.name, scratch.model.name)
    both = _both(comparison, frozen, scratch)
    if better == frozen.model.name:
        return f"{title}: the frozen features carry: {both}."
    if better is None:
        return f"{title}: frozen or from scratch, that is open: {both}."
    why = ""
    if frozen.weights == "ImageNet":
        side, own = frozen.side(comparison.record), frozen.base.size
        why = (
            f" They were learned from photographs of things at {own}\u00d7{own} pixels; here the "
            f"base sees {side}."
        )
    return (
        f"{title}: frozen features are weak here: {both}.{why} Fine-tuning, a larger --size or an "
        "earlier cut (--features, --study cuts) may help; training from scratch did."
    )


def _both(comparison: Comparison, first: Trained, second: Trained) -> str:
    """Returns two scores and what the paired test says of them."""
    pair = {one.model.name: _named(one) for one in (first, second)}
    scores = ", ".join(f"{words} {comparison.score(name)}" for name, words in pair.items())
    for one in comparison.record.comparisons:
        if set(one.models) == set(pair):
            verdict = one.verdict
            for name, words in pair.items():
                verdict = verdict.replace(name, words)
            return f"{scores}; {verdict}"
    return scores


def _named(one: Trained) -> str:
    return {"frozen": "frozen", "finetuned": "fine-tuned", "scratch": "from scratch"}[one.arm]


def _table(comparison: Comparison, arms: Sequence[Trained]) -> Table:
    rows: list[list[str | float | int | None]] = []
    for one in arms:
        summary, run = one.model.summary, one.model.typical
        rows.append(
            [
                one.model.title,
                one.weights,
                one.side(comparison.record),
                text.percent_spread(summary.test_accuracy),
                run.parameters if run.trained_parameters is None else run.trained_parameters,
                run.parameters,
                run.epochs,
                one.feature_seconds,
                text.number_spread(summary.train_seconds, 1),
            ]
        )
    return Table(
        name="arms",
        title="What each arm costs, and what it comes to",
        columns=[
            "Model",
            "First weights",
            "Pixels a side",
            "Test accuracy, %",
            "Parameters trained",
            "Parameters",
            "Epochs",
            "Features, s",
            "Training, s",
        ],
        rows=rows,
        note="Features: the time until the frozen base's outputs for all images were there, once "
        "for all seeds; 0 where they were kept from before. Training: of the head alone where it "
        "has kept features, of both phases where the base is fine-tuned; the epochs, too.",
        digits=1,
    )


def _figure(comparison: Comparison, arms: Sequence[Trained]) -> Figure:
    name = f"{comparison.record.app}-arms.png"
    shown = [
        figures.Arm(
            title=one.model.title,
            accuracies=[run.metrics.test_accuracy for run in one.model.runs],
            feature_seconds=one.feature_seconds or 0.0,
            train_seconds=one.model.summary.train_seconds.mean,
            index=one.model.index,
        )
        for one in arms
    ]
    figures.accuracy_and_time(
        comparison.folder / "figures" / name,
        shown,
        "Frozen, fine-tuned or from scratch: accuracy and time",
        comparison.record.dataset,
    )
    scores = [f"{one.model.title} {comparison.score(one.model.name)}" for one in arms]
    return Figure(
        file=f"figures/{name}",
        alt=f"Test accuracy and training time of each arm: {'; '.join(scores)}.",
        caption="Right is better on the left side, worse on the right one. Where dots of two arms "
        "overlap, look at the test's verdict. The time of the features is spent once; a head with "
        "other settings starts at once.",
    )
