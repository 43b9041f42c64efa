"""Compares a repeated run with its record, figure by figure: reproduction.json.

Each figure has its prediction interval (`evaluation.agreement`). The level is 95 % for
the figure that a record is quoted for and 99 % for the others, which are many: one
outside is an alarm, and should rarely be a false one.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from kerasdl.evaluation.agreement import Figure, judge, sampling_error
from kerasdl.evaluation.agreement_tables import Compared
from kerasdl.evaluation.significance import spread
from kerasdl.evaluation.variants import group
from kerasdl.record import Environment, Record, Run
from kerasdl.sections import Struct

Verdict = Literal["reproduced", "not reproduced", "not confirmed"]

# What of a run's metrics is compared: level, and on how many images it was measured.
METRICS = {
    "test_accuracy": (0.95, "test"),
    "test_loss": (0.99, "test"),
    "ece": (0.99, "test"),
    "validation_accuracy": (0.99, "validation"),
    "train_accuracy": (0.99, "train"),
}
# The same for the history of an epoch.
HISTORY: dict[str, tuple[float | None, str]] = {
    "accuracy": (0.95, "train"),
    "loss": (0.99, "train"),
    # Shown, not judged: with BatchNorm, whose moving statistics lag behind while the rate is
    # high, they jump by whole nats from epoch to epoch and are far from normally distributed.
    "val_accuracy": (None, "validation"),
    "val_loss": (None, "validation"),
}


class Model(Struct, frozen=True):
    """One network, then and now.

    Args:
        model: Its name, with the settings where the record has several.
        title: Its name for people.
        seeds: The seeds that were run again.
        bit_identical: Those of them whose every figure of every epoch is the record's.
        epochs: After how many epochs the figures were taken; the training was stopped
            there where `of_epochs` is more.
        of_epochs: The epochs of the recipe.
        figures: The figures; the first is the one that the network is known by.
    """

    model: str
    title: str
    seeds: list[int]
    bit_identical: list[int]
    epochs: int
    of_epochs: int
    figures: list[Figure]


class Reproduction(Struct, frozen=True, kw_only=True):
    """The content of reproduction.json.

    Args:
        kind: "whole", "part" (fewer models or seeds) or "quick" (stopped early).
        record: The record's folder, as it was named.
        created: When, ISO 8601.
        verdict: "not confirmed" when no figure is outside but one cannot be judged.
        sentence: The verdict for people.
        dataset: The images, in words.
        sha256: Checksum of the images; the record's is the same.
        environment: The machine and the versions now.
        changed: What of them is not as in the record, e.g. "keras: 3.14.0 -> 3.15.1".
        recipe_changed: Keys that recipes have gained since the record.
        left_out: Models of the record that were not asked for.
        models: The models that were run again.
    """

    schema: Literal[1] = 1
    kind: Literal["whole", "part", "quick"]
    record: str
    created: str
    verdict: Verdict
    sentence: str
    dataset: str
    sha256: str
    environment: Environment
    changed: list[str]
    recipe_changed: list[str]
    left_out: list[str]
    models: list[Model]


class StudyReproduction(Struct, frozen=True, kw_only=True):
    """The content of reproduction.json of an experiment or a search.

    Args:
        tables: Its tables beside the record's.
        recipe_changed: As in `Reproduction`, like the rest.
    """

    schema: Literal[1] = 1
    kind: Literal["study"] = "study"
    record: str
    created: str
    verdict: Verdict
    sentence: str
    environment: Environment
    changed: list[str]
    recipe_changed: list[str]
    tables: Compared


def compare_runs(old: Record, new: Sequence[Run]) -> list[Model]:
    """Compares finished runs with a record's, network by network.

    Args:
        old: The record.
        new: Runs of its recipe or of a part of it; a network has at least one.

    Returns:
        The networks of the record that occur in `new`.
    """
    again, found = group(new), []
    for name, before in group(old.runs).items():
        after = again.get(name, [])
        if not after:
            continue
        figures = []
        for key, (level, part) in METRICS.items():
            values, now = ([getattr(r.metrics, key) for r in runs] for runs in (before, after))
            if None in values or None in now:  # a run without validation images
                continue
            mean = spread([r.metrics.test_accuracy for r in before] if key == "ece" else values)
            floor = sampling_error(key, mean.mean, getattr(old.dataset, part))
            figures.append(judge(key, values, now, level=level, floor=floor))
        seconds, took = (spread([r.train_seconds for r in runs]) for runs in (before, after))
        figures.append(Figure("train_seconds", seconds, took, None, None, None))
        of_old = {run.seed: run for run in before}
        same = [run.seed for run in after if run.seed in of_old and _same(run, of_old[run.seed])]
        found.append(
            Model(
                model=name,
                title=_title(old, before[0]),
                seeds=[run.seed for run in after],
                bit_identical=same,
                epochs=max(run.epochs for run in after),
                of_epochs=max(run.epochs for run in before),
                figures=figures,
            )
        )
    return found


def compare_histories(
    old: Record, model: str, histories: Mapping[int, Mapping[str, Sequence[float]]]
) -> Model:
    """Compares a network's trainings, stopped after some epochs, with the record's there.

    Args:
        old: The record, which has the network.
        model: Its name, as in `variants.group`.
        histories: Values per epoch by key and seed; all of one length, >= 1 and at
            most that of the record's.
    """
    before = group(old.runs)[model]
    epochs = len(next(iter(next(iter(histories.values())).values())))
    figures = []
    for key, (level, part) in HISTORY.items():
        everywhere = [*(run.history for run in before), *histories.values()]
        if not all(key in history for history in everywhere):
            continue
        values = [run.history[key][epochs - 1] for run in before]
        now = [float(history[key][epochs - 1]) for history in histories.values()]
        if level is None:
            figures.append(Figure(key, spread(values), spread(now), None, None, None))
            continue
        floor = sampling_error(key, spread(values).mean, getattr(old.dataset, part))
        figures.append(judge(key, values, now, level=level, floor=floor))
    of_old = {run.seed: run.history for run in before}
    same = [
        seed
        for seed, history in histories.items()
        if seed in of_old
        and {key: list(map(float, values)) for key, values in history.items()}
        == {key: values[:epochs] for key, values in of_old[seed].items()}
    ]
    return Model(
        model=model,
        title=_title(old, before[0]),
        seeds=list(histories),
        bit_identical=same,
        epochs=epochs,
        of_epochs=max(run.epochs for run in before),
        figures=figures,
    )


def decide(models: Sequence[Model]) -> Verdict:
    """Returns the verdict on all judged figures."""
    inside = [figure.inside for one in models for figure in one.figures if figure.level is not None]
    if False in inside:
        return "not reproduced"
    return "not confirmed" if None in inside else "reproduced"


def decide_tables(found: Compared) -> Verdict:
    """Returns the verdict on the tables of an experiment or a search."""
    if any(figure.inside is False for figure in found.judged):
        return "not reproduced"
    judged = any(figure.inside for figure in found.judged)
    return "reproduced" if judged or not found.differing else "not confirmed"


def changes(old: Environment, new: Environment) -> list[str]:
    """Lists what of machine and versions differs, e.g. "keras: 3.14.0 -> 3.15.1"."""
    names = old.__struct_fields__
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in names]
    return [f"{name}: {before} -> {now}" for name, before, now in pairs if before != now]


def _same(one: Run, other: Run) -> bool:
    return one.history == other.history and one.metrics == other.metrics


def _title(old: Record, run: Run) -> str:
    titles = [s.title for s in old.summary if (s.model, s.settings) == (run.model, run.settings)]
    return titles[0] if titles else run.model
