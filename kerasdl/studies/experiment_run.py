"""What an experiment does from its recipe to its report: what commands and Python call."""

import dataclasses
import datetime
import importlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import files, recipe, record
from kerasdl.datasets.dataset import Dataset
from kerasdl.studies import folder as folders
from kerasdl.studies import minutes
from kerasdl.studies.experiment import Context, Experiment, Memo


def has_data(experiment: Experiment) -> bool:
    """Returns whether an experiment takes images."""
    return any(field.name == "data" for field in msgspec.structs.fields(experiment.recipe))


def base_of(app: str, experiment: Experiment) -> str:
    """Returns the name of an experiment's folder in runs/, before a number."""
    return app if experiment.name == app else f"{app}-{experiment.name}"


def finished(
    app: str, experiment: Experiment, plan: Any, out: str | None, sha256: str
) -> Path | None:
    """Returns the folder that has all of an experiment; None where something is left to do.

    Args:
        app, experiment, plan: As for `perform`.
        out: The folder that the user named, or None.
        sha256: Checksum of the images; "" without images.

    Raises:
        ValueError: If `out` has another run.
    """
    settings = {"app": app, "experiment": experiment.name, **recipe.to_dict(plan)}
    folder = folders.choose_for(out, base_of(app, experiment), settings, sha256)
    whole = (folder / "results.json").is_file() and (folder / "report.html").is_file()
    return folder if whole and folders.read_finished(folder).status == "complete" else None


def perform(
    app: str,
    experiment: Experiment,
    plan: Any,
    options: Mapping[str, Any],
    command: str,
    began: float,
    *,
    dataset: Dataset | None = None,
) -> Path:
    """Does what is missing of an experiment, and writes its report; for commands and Python.

    Args:
        app: As for `main`.
        experiment: What to run.
        plan: Its recipe.
        options: What the recipe leaves open: data, out, jobs, minutes; absent for the usual.
        command: What repeats it, for the report.
        began: `time.monotonic()` when the person asked, for `minutes`.
        dataset: The images, where they are at hand; None to load what the recipe names.

    Returns:
        The run folder.

    Raises:
        ValueError, FileNotFoundError: If something is not what it should be.
        FloatingPointError: If a loss became NaN or infinite; what was finished is kept.
        ChildProcessError: If another process of the run failed.
        OSError: If the folder cannot be written.
    """
    from kerasdl.reporting.findings import write_findings
    from kerasdl.reporting.render import toml
    from kerasdl.studies.data import describe, divide, load_whole
    from kerasdl.studies.rehearsing import announce_time
    from kerasdl.studies.show import banner
    from kerasdl.terminal import Console
    from kerasdl.training.environment import describe as describe_environment
    from kerasdl.training.environment import start_keras

    console = Console()
    named = {"app": app, "experiment": experiment.name}
    # Before anything that takes time; what the folder holds is looked at later.
    if "out" in options:
        folders.check_usable(folders.choose_for(options["out"], "", None, ""))
    else:
        folders.check_default(base_of(app, experiment), {**named, **recipe.to_dict(plan)})
    splits = None
    if has_data(experiment):
        dataset = dataset or load_whole(plan.data, options.get("data"), console)
        splits = divide(dataset, plan.data)
    sha256 = dataset.sha256 if dataset else ""
    context = Context(
        plan,
        Path(),
        console,
        Memo(Path(), {}),
        dataset,
        splits,
        data_dir=options.get("data"),
        jobs=options.get("jobs", 1),
    )
    rates, note = None, ""
    if "minutes" in options and dataset is not None:
        from kerasdl.studies.fitting import fit_experiment

        start_keras(
            convolutions=experiment.has_convolutions(plan),
            recorded=folders.recorded_kernels(Path(options["out"])) if "out" in options else None,
        )
        limit = minutes.Limit(options["minutes"], began)
        plan, rates = fit_experiment(
            experiment,
            context,
            limit,
            out=options.get("out"),
            base=base_of(app, experiment),
            extra=named,
        )
        splits, note = divide(dataset, plan.data), minutes.note(limit.minutes)
    settings = {**named, **recipe.to_dict(plan)}
    folder = folders.choose_for(options.get("out"), base_of(app, experiment), settings, sha256)
    if dataset is not None:
        banner(console, dataset.label, dataset.synthetic)
    start_keras(
        convolutions=experiment.has_convolutions(plan),
        recorded=folders.recorded_kernels(folder),
    )
    environment = describe_environment("none", getattr(plan, "precision", "float32"))
    identity = {"recipe": settings, "images": sha256, "environment": environment}
    module, function = experiment.function.split(":")
    run = getattr(importlib.import_module(module), function)
    info = describe(dataset, splits, plan.data) if dataset and splits else None
    with folders.locked(folder):
        files.write_text(folder / "recipe.toml", note + toml(settings))
        # From now on the folder is this experiment's, and its parts are of these kernels.
        folders.keep_environment(folder, environment)
        memo = Memo(folder, identity)
        context = dataclasses.replace(
            context, plan=plan, folder=folder, memo=memo, splits=splits, info=info
        )
        context, predicted = announce_time(experiment, context, rates)
        started = time.perf_counter()
        sections = list(run(context))
        findings = record.Findings(
            kind="search" if experiment.room == "tuning" else "experiment",
            app=app,
            study=experiment.name,
            title=experiment.title,
            command=command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            status="complete",
            environment=environment,
            dataset=info,
            recipe=settings,
            seconds=memo.earlier_seconds + time.perf_counter() - started,
            sections=sections,
            predicted_seconds=predicted,
        )
        write_findings(folder, findings)
    for section in sections:
        for claim in section.claims:
            context.say(f"{claim.report}: {claim.claim} -> {claim.verdict}: {claim.measured}")
    context.say(f"Report: {folder / 'report.html'}")
    return folder
