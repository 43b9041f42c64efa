"""A comparison of networks from its recipe to its report: what commands and Python call."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kerasdl import recipe
from kerasdl.datasets.dataset import Dataset
from kerasdl.studies import minutes
from kerasdl.studies.folder import check_default, check_usable, locked, recorded_kernels
from kerasdl.studies.folder import choose as choose_folder
from kerasdl.studies.options import App
from kerasdl.studies.places import choose
from kerasdl.studies.places.task import Task
from kerasdl.studies.plan import Recipe
from kerasdl.studies.show import banner, show_results
from kerasdl.studies.together import dismiss, follow, load_in_turn
from kerasdl.studies.transfer.options import titles
from kerasdl.studies.transfer.weights import check_there, pin
from kerasdl.training import logs
from kerasdl.training.workers import Workers


class Compared(NamedTuple):
    """How a comparison ended; `folder` is None where this process writes none."""

    status: Literal["complete", "interrupted"]
    folder: Path | None


def compare(
    app: App,
    plan: Recipe,
    options: Mapping[str, Any],
    command: str,
    *,
    workers: Workers,
    dataset: Dataset | None = None,
    strategy: Any = None,
    began: float | None = None,
    console: Any = None,
) -> Compared:
    """Trains and scores what is missing of a comparison, and writes its report.

    Args:
        app: What is concluded, and what others reported.
        plan: The recipe.
        options: What the recipe leaves open: out, data, log, minutes, find_lr, cache_limit,
            checkpoint_seconds, jobs, ray; absent for the usual.
        command: What repeats it, for the report.
        workers: This process among its workers.
        dataset: The images, where they are at hand; None to load what the recipe names.
        strategy: The strategy, where it had to be made already.
        began: `time.monotonic()` when the person asked, for `minutes`; None for now.
        console: A `rich` console; None for standard output.

    Raises:
        ValueError, FileNotFoundError: If something is not what it should be.
        FloatingPointError: If a loss became NaN or infinite; finished runs are kept.
        OSError: If the folder cannot be written.
    """
    from kerasdl import files
    from kerasdl.evaluation.familiarity import save_familiarity
    from kerasdl.studies.building import check_own
    from kerasdl.studies.conclude import Comparison
    from kerasdl.studies.conclude import conclude as draw_conclusions
    from kerasdl.studies.data import describe, divide, is_published, load_whole
    from kerasdl.terminal import Console

    began = time.monotonic() if began is None else began
    console = console or Console(stderr=False, quiet=not workers.is_chief)
    logs.check(options.get("log", ()))
    if "log" in options and "find_lr" in options:
        raise ValueError("--find-lr trains nothing that --log could log; give one of them")
    minutes.check(options)
    choose.check(plan, options)
    if "minutes" in options and workers.size > 1:
        raise ValueError("--minutes runs in one process; leave out --workers and TF_CONFIG")
    if workers.is_chief:  # before what takes time
        if "out" in options:
            check_usable(choose_folder(options["out"], app.name, {}, ""))
        else:
            check_default(app.name, recipe.to_dict(plan))
    check_there(plan)
    if dataset is None:
        dataset = load_in_turn(workers, lambda: load_whole(plan.data, options.get("data"), console))
    splits = divide(dataset, plan.data)
    if not workers.is_chief:
        follow(plan, dataset, splits, strategy, workers)
        return Compared("complete", None)
    from kerasdl.studies.transfer.cached import open_cache
    from kerasdl.training.environment import start_keras

    begun = choose_folder(options.get("out"), app.name, recipe.to_dict(plan), dataset.sha256)
    start_keras(convolutions=plan.convolutions, recorded=recorded_kernels(begun))
    cache = open_cache(plan, options.get("cache_limit"), console)
    rows = max(map(len, (splits.train, splits.validation, splits.test)))
    plan, weights = pin(plan, dataset, options.get("data"), console, cache=cache, rows=rows)
    from kerasdl.studies.fitting import fit_networks
    from kerasdl.studies.networks import Study

    rates, limit = None, None
    if "minutes" in options:
        from kerasdl.training.strategy import make_strategy

        strategy = make_strategy(plan.strategy)
        # From the person's Enter on: starting up and measuring take their part.
        limit = minutes.Limit(options["minutes"], began)
        plan, rates = fit_networks(
            plan,
            limit,
            dataset,
            splits,
            out=options.get("out"),
            strategy=strategy,
            weights=weights,
            console=console,
        )
        splits = divide(dataset, plan.data)
    folder = choose_folder(options.get("out"), app.name, recipe.to_dict(plan), dataset.sha256)
    banner(console, dataset.label, dataset.synthetic)

    check_own(plan, dataset, lambda text: console.print(text, highlight=False, soft_wrap=True))
    # Of these images, not of a folder that happens to have their name.
    published = is_published(describe(dataset, splits, plan.data), plan.data, app.name)
    study = Study(
        plan,
        dataset,
        splits,
        folder,
        command=command,
        reported=[one for one in app.reported if published and one.model in plan.models],
        console=console,
        checkpoint_seconds=options.get("checkpoint_seconds", 10.0),
        logs=logs.Logs(options.get("log", ()), folder, recipe.to_dict(plan)),
        distribution=strategy,
        titles={**app.titles, **titles(plan)},
        weights=weights,
        cache=cache,
        limit=limit,
    )
    task = Task(
        plan,
        study.dataset,
        splits,
        folder.resolve(),
        weights,
        options.get("log", ()),
        study.checkpoint_seconds,
        options.get("cache_limit"),
        study.record.environment.kernels,
    )
    del dataset  # with its undivided images, 225 MB at SVHN's full size
    if "find_lr" in options:
        from kerasdl.studies.find_lr import find_lr

        with locked(folder):
            find_lr(study)
        return Compared("complete", folder)
    failure: FloatingPointError | None = None
    with locked(folder):
        text = recipe.to_toml(plan)
        if "minutes" in options:
            text = minutes.note(options["minutes"]) + text
        files.write_text(folder / "recipe.toml", text)
        if {"jobs", "ray"} & options.keys():
            study.place = choose.make(options, task)
        if study.place is None:  # what a step takes here says nothing of several at a time
            study.announce_time(rates)
        try:
            study.run()
        except FloatingPointError as error:
            failure = error
        result = study.record
        reason = "was interrupted" if result.status == "interrupted" else None
        dismiss(workers, reason if failure is None else f"stopped ({failure})")
        if result.status == "complete":
            save_familiarity(folder, splits.train.images, splits.validation.images)
        if result.status == "complete":
            found = Comparison(result, study.predictions, splits, folder)
            # What an app concludes is about networks of its own.
            if plan.transfer:
                from kerasdl.studies.transfer.sections import sections

                result = study.add_sections(sections(found, study))
            else:
                from kerasdl.studies import explaining

                # An app's own tests are of seeds whose number was fixed before.
                conclude = None if plan.races else app.conclude
                own = draw_conclusions(conclude, found) if conclude else []
                result = study.add_sections([*own, *explaining.sections(found)])
        if result.runs:
            from kerasdl.reporting.report import write_report

            write_report(
                folder, result, test_images=splits.test.images, predictions=study.predictions
            )
            study.logs.add_figures(sorted((folder / "figures").glob("*.png")))
            show_results(console, result, folder)
        elif failure is None:
            console.print("Interrupted before the first network was trained: nothing to report.")
        study.logs.close()
    if failure is not None:
        raise failure
    return Compared("interrupted" if result.status == "interrupted" else "complete", folder)
