"""`--minutes` applied: what was decided before in the folder, else measured and decided now."""

from collections.abc import Mapping
from typing import Any

from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.studies import minutes
from kerasdl.studies.experiment import Context, Experiment
from kerasdl.studies.plan import Recipe
from kerasdl.studies.rehearsing import is_spread, rehearsing
from kerasdl.studies.timing import Sizes, Timing, measure
from kerasdl.training.forecast import Rate


def fit_networks(
    plan: Recipe,
    limit: minutes.Limit,
    dataset: Dataset,
    splits: Splits,
    *,
    out: str | None,
    strategy: Any,
    weights: Mapping[str, str],
    console: Any,
) -> tuple[Recipe, dict[str, Rate] | None]:
    """Returns the recipe of a comparison that fits, and what was measured for it.

    Args:
        plan: The recipe, with the weights of its bases.
        limit: How long it may take.
        dataset: The images.
        splits: Their parts.
        out: The run folder that the user named, or None.
        strategy: As from `make_strategy`.
        weights: Paths of the weights that bases begin with, by model.
        console: A `rich` console, for a line about what was decided.

    Raises:
        ValueError: If even the shortest recipe is too long.
    """
    from kerasdl.studies.networks_timing import FirstLook, NetworksTiming

    # What a race needs further seeds for, it takes as far as the time goes.
    kind = FirstLook if plan.races else NetworksTiming
    timing = kind(plan, dataset, splits, strategy, weights)
    features = any(how.cached for how in plan.transfer.values())
    sizes = Sizes.of(splits, dataset.num_classes)
    fitted: Recipe
    fitted, rates = fit(
        timing,
        plan,
        limit,
        sizes,
        console,
        out=out,
        base=plan.app,
        sha256=dataset.sha256,
        images_first=features,
    )
    return fitted, rates


def fit_experiment(
    experiment: Experiment,
    context: Context,
    limit: minutes.Limit,
    *,
    out: str | None,
    base: str,
    extra: Mapping[str, Any],
) -> tuple[Any, dict[str, Rate] | None]:
    """Returns the recipe of an experiment that fits, and what was measured for it.

    Args:
        experiment: What it is, with a `timing`.
        context: With its recipe and images; its folder is not looked at.
        limit, out, base, extra: As of `fit`.

    Raises:
        ValueError: If even the shortest recipe is too long.
    """
    if is_spread():
        raise ValueError(
            "--minutes goes by what one machine measures. Received: KERASTUNER_ORACLE_IP, a search "
            "on several; drop one of them"
        )
    dataset, splits = context.images
    sizes = Sizes.of(splits, dataset.num_classes)
    where: dict[str, Any] = {"out": out, "base": base, "extra": extra, "sha256": dataset.sha256}
    where["images_first"] = hasattr(context.plan, "transfer")
    with rehearsing(experiment, context) as timing:
        return fit(timing, context.plan, limit, sizes, context.console, **where)


def fit(
    timing: Timing,
    plan: Any,
    limit: minutes.Limit,
    sizes: Sizes,
    console: Any,
    *,
    out: str | None,
    base: str,
    sha256: str,
    images_first: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> tuple[Any, dict[str, Rate] | None]:
    """Returns the recipe that fits, and what was measured for it; None where that was earlier.

    Args:
        timing: What takes time.
        plan: The recipe.
        limit: How long it may take.
        sizes: How many images `plan` has.
        console: A `rich` console, for a line about what was decided.
        out: The run folder that the user named, or None.
        base: The run folder's name in runs/, where the user named none.
        sha256: Checksum of the images.
        images_first: As of `minutes.fit`.
        extra: What stands in recipe.toml besides the recipe.

    Raises:
        ValueError: If even the shortest recipe is too long.
    """
    given = limit.minutes
    before = minutes.earlier(out, base, given, plan, sizes, sha256=sha256, extra=extra)
    if before is not None:
        _say(console, f"--minutes {given:g}: goes on with the recipe that it decided earlier")
        return before, None
    rates = measure(timing, timing.works(plan, sizes), console)

    def seconds(one: Any, of: Sizes) -> float:
        works = timing.works(one, of)
        return sum(rates[work.kind].of(work) for work in works) + timing.rest(one)

    fitted, said = minutes.fit(plan, sizes, limit, seconds, images_first=images_first)
    _say(console, said)
    return fitted, rates


def _say(console: Any, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
