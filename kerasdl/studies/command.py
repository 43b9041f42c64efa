"""The command line of a comparison of networks: arguments -> recipe -> run -> report."""

import argparse
import itertools
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kerasdl import command_line, recipe, streams
from kerasdl.command_line import INTERRUPTED
from kerasdl.studies import experiment_command, minutes, predict
from kerasdl.studies.folder import RUNS, check_usable, locked, recorded_kernels
from kerasdl.studies.folder import choose as choose_folder
from kerasdl.studies.options import App, make_parser, make_recipe
from kerasdl.studies.plan import Recipe
from kerasdl.studies.show import banner, show_results
from kerasdl.studies.together import dismiss, follow, load_in_turn, team
from kerasdl.studies.transfer.options import titles
from kerasdl.studies.transfer.weights import check_there, pin
from kerasdl.training import logs
from kerasdl.training.workers import Workers, end

GO_ON = "interrupted; the same command goes on with what is missing"


@command_line.entry
def main(app: App, argv: Sequence[str] | None = None) -> int:
    """Runs an app's command line.

    Args:
        app: The app.
        argv: Arguments without the program's name; None for the process's own.

    Returns:
        The exit code: 0, 2 after a user's error (one line on standard error),
        130 after Ctrl-C, 1 when a training failed or a worker was lost.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["predict"]:
        return predict.main(app.name, arguments[1:])
    for experiment in app.experiments:
        if _study(arguments) == experiment.name:
            return experiment_command.main(app.name, experiment, arguments)
    parser = make_parser(app)
    options = vars(parser.parse_args(arguments))
    return end(_exit_code(app, parser, arguments, options))


def _study(arguments: Sequence[str]) -> str:
    """Returns what `--study` names; each study has options of its own."""
    for option, value in itertools.pairwise([*arguments, ""]):
        name, _, joined = option.partition("=")
        if name == "--study":
            return joined or value
    return "networks"


def _exit_code(
    app: App,
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    options: Mapping[str, Any],
) -> int:
    began = time.monotonic()
    command = shlex.join(["python", "-m", f"kerasdl.apps.{app.name}", *arguments])
    try:
        plan = make_recipe(app, options)
        with team(plan, options) as (workers, strategy):
            return _run(app, plan, options, command, workers, strategy, began)
    except (ValueError, FileNotFoundError) as error:
        return command_line.fail(parser.prog, error)
    except FloatingPointError as error:
        after = ". The training failed; finished runs are kept"
        return command_line.fail(parser.prog, error, 1, after=after)
    except OSError as error:  # a full disk, a folder without permission
        after = ". Finished runs and the last checkpoint are kept; the same command goes on there"
        return command_line.fail(parser.prog, error, 1, after=after)
    except KeyboardInterrupt:
        streams.complain(f"{parser.prog}: {GO_ON}")
        return INTERRUPTED


def _run(
    app: App,
    plan: Recipe,
    options: Mapping[str, Any],
    command: str,
    workers: Workers,
    strategy: Any,
    began: float,
) -> int:
    from kerasdl import files
    from kerasdl.evaluation.familiarity import save_familiarity
    from kerasdl.studies.conclude import Comparison
    from kerasdl.studies.conclude import conclude as draw_conclusions
    from kerasdl.studies.data import describe, divide, is_published, load_whole
    from kerasdl.terminal import Console

    console = Console(stderr=False, quiet=not workers.is_chief)
    logs.check(options.get("log", ()))
    if "log" in options and "find_lr" in options:
        raise ValueError("--find-lr trains nothing that --log could log; give one of them")
    minutes.check(options)
    if "minutes" in options and workers.size > 1:
        raise ValueError("--minutes runs in one process; leave out --workers and TF_CONFIG")
    if workers.is_chief:  # before what takes time
        named = choose_folder(options["out"], app.name, {}, "") if "out" in options else RUNS
        check_usable(named)
    check_there(plan)
    dataset = load_in_turn(workers, lambda: load_whole(plan.data, options.get("data"), console))
    splits = divide(dataset, plan.data)
    if not workers.is_chief:
        follow(plan, dataset, splits, strategy, workers)
        return 0
    from kerasdl.studies.transfer.cached import open_cache
    from kerasdl.training.environment import start_keras

    begun = choose_folder(options.get("out"), app.name, recipe.to_dict(plan), dataset.sha256)
    start_keras(convolutions=plan.convolutions, recorded=recorded_kernels(begun))
    cache = open_cache(plan, options.get("cache_limit"), console)
    rows = max(map(len, (splits.train, splits.validation, splits.test)))
    plan, weights = pin(plan, dataset, options.get("data"), console, cache=cache, rows=rows)
    from kerasdl.studies.fitting import fit_networks
    from kerasdl.studies.networks import Study

    rates = None
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
    )
    del dataset  # with its undivided images, 225 MB at SVHN's full size
    if "find_lr" in options:
        from kerasdl.studies.find_lr import find_lr

        with locked(folder):
            find_lr(study)
        return 0
    failure: FloatingPointError | None = None
    with locked(folder):
        text = recipe.to_toml(plan)
        if "minutes" in options:
            text = minutes.note(options["minutes"]) + text
        files.write_text(folder / "recipe.toml", text)
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

                own = draw_conclusions(app.conclude, found) if app.conclude else []
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
    return INTERRUPTED if result.status == "interrupted" else 0
