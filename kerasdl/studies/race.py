"""A race of the models of a comparison: what is left to train, and what the report says of it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kerasdl.evaluation import racing
from kerasdl.evaluation.significance import spread
from kerasdl.record import Run
from kerasdl.sections import Section, Table
from kerasdl.studies.networks_timing import key_of
from kerasdl.studies.plan import Recipe
from kerasdl.training.forecast import Forecast

if TYPE_CHECKING:
    from kerasdl.studies.stacking import Group


def race_of(plan: Recipe, runs: Sequence[Run], images: int) -> racing.Race:
    """Returns where the race of a comparison stands.

    Args:
        plan: The recipe; its `seeds` are "auto".
        runs: What is trained.
        images: The number of validation images.
    """
    accuracies: dict[str, dict[int, float]] = {model: {} for model in plan.models}
    for run in runs:
        accuracies[run.model][run.seed] = run.metrics.validation_accuracy or 0.0
    return racing.run(accuracies, most=plan.most_seeds, images=images, first_seed=plan.seed)


def groups_of(race: racing.Race, divided: Iterable[Sequence[str]]) -> Iterator["Group"]:
    """Returns what is trained up to the next look, seed by seed.

    Args:
        race: Where it stands.
        divided: The models that are trained together, as from `stacking.divide`.
    """
    from kerasdl.studies.stacking import Group

    for seed in sorted({seed for _, seed in race.missing}):
        for models in divided:
            running = tuple(model for model in models if model in race.competing)
            if running:
                yield Group(running, seed)


def is_late(race: racing.Race, runs: Sequence[Run], room: float) -> bool:
    """Returns whether the trainings up to the next look would take longer than there is time.

    Args:
        race: Where it stands; its first look is never late.
        runs: What is trained.
        room: Seconds that are left.
    """
    if not race.seeds:
        return False
    mean = {
        model: spread([run.train_seconds for run in runs if run.model == model]).mean
        for model in race.competing
    }
    return sum(mean[model] for model, _ in race.missing) > room


def skip(race: racing.Race, plan: Recipe, forecast: Forecast | None) -> None:
    """Tells a forecast that models which are out get no further seeds."""
    if forecast is not None:
        for one in race.beaten:
            for seed in range(plan.seed + one.seeds, plan.seed + plan.most_seeds):
                forecast.skip(key_of(one.model, seed))


def section(race: racing.Race, plan: Recipe, titles: dict[str, str]) -> Section:
    """Returns what the report says of a race.

    Args:
        race: At its end.
        plan: The recipe.
        titles: The models' names for people.
    """
    first = ", ".join(titles[model] for model in race.competing)
    if race.status == "decided":
        answer = f"{first} leads every other model beyond the noise of the seeds."
    elif race.status == "spent":
        answer = f"{first} have all {plan.most_seeds} seeds, and are still tied."
    else:
        answer = f"The time was over while {first} were still tied, after {race.seeds} seeds."
    looks = racing.looks(plan.most_seeds)
    told = racing.reasons(race, plan.most_seeds)
    return Section(
        title="Who got how many seeds, and why",
        text=[
            f"On the validation images: {answer}",
            "Every model got three seeds, further ones those still tied with the best, looked at "
            f"after {', '.join(map(str, looks))} seeds. A model is out when one that still "
            f"competes leads it in a paired t-test at {100 * racing.LEVEL:.0f} % divided by "
            f"{len(looks)} looks and all pairs (Maron and Moore 1993; Bonferroni), so that the "
            "best one is put out with a probability of at most that. One model beats another "
            "here where it put it out, and also leads it beyond noise on the test images.",
        ],
        tables=[
            Table(
                name="seeds",
                title="Seeds of each model",
                columns=["model", "seeds, and why"],
                rows=[[titles[model], why] for model, why in told.items()],
            )
        ],
    )
