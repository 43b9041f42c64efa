"""Studies and searches by their names, for notebooks and programs: the same as the commands."""

import importlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.face.load import load
from kerasdl.face.options import check_options, written

if TYPE_CHECKING:
    from kerasdl.command_line import Parser
    from kerasdl.face.results import StudyResult
    from kerasdl.studies.experiment import Experiment

# What is a command's, or has an argument of its own here.
_NOT_OPTIONS = ("study", "dataset", "data", "set")


def study(
    name: str,
    data: Any = None,
    *,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> "StudyResult":
    """Runs a study and writes its report.

    What is finished in the run folder is not computed again: the second call of the same study
    returns at once, and one that was stopped goes on.

    >>> import kerasdl as kd
    >>> options = {"depths": [1, 2], "activations": ["relu"], "initializers": ["he"]}
    >>> found = kd.study("depth", "synthetic_gray", epochs=1, seeds=1, train_size=200,
    ...                  cures=[], **options)
    ... # doctest: +ELLIPSIS
    ╭...
    >>> "accuracy" in " ".join(found.tables)
    True

    Args:
        name: "activations", "depth", "cuts", "scratch", "strengths" or "theory";
            `kerasdl study` lists them.
        data: Another data set than the study's own, as for `load`.
        out: The run folder; None for runs/NAME, or runs/NAME-2 where that has another run.
        data_dir: The folder with the known data sets' files; None for KERASDL_DATA or a download.
        **options: Any option of the study's command with underscores, e.g. epochs=5, seeds=3,
            preset="full".

    Returns:
        The finished study.

    Raises:
        ValueError, FileNotFoundError: If something is not what it should be.
        FloatingPointError: If a loss became NaN or infinite; what was finished is kept.
        KeyboardInterrupt: After Ctrl-C; the same call goes on with what is missing.
    """
    from kerasdl.command_line import expected
    from kerasdl.face.results import StudyResult
    from kerasdl.studies.experiment_command import make_parser
    from kerasdl.studies.listing import STUDIES

    if name not in STUDIES:
        raise ValueError(f"study: {expected(list(STUDIES), name)}")
    app, experiment = _study_of(name, data)
    parser = make_parser(app, experiment)
    shown = [repr(name)] if data is None else [repr(name), repr(name_of(data))]
    asked = {**options, **({} if out is None else {"out": os.fspath(out)})}
    if data_dir is not None:
        asked["data"] = os.fspath(data_dir)
    return StudyResult(
        perform(app, experiment, parser, data, asked, written("study", shown, options))
    )


def perform(
    app: str,
    experiment: "Experiment",
    parser: "Parser",
    data: Any,
    options: Mapping[str, Any],
    command: str,
) -> Path:
    """Runs an experiment unless its folder has all of it; returns the folder.

    Args:
        app: As for `experiment_command.main`.
        experiment: What to run.
        parser: Of its command, which knows the options.
        data: As for `load`; None for what the recipe names.
        options: By their names with underscores; `data` is the folder of the data sets' files.
        command: The call, for the report.
    """
    from kerasdl.datasets.classes import restrict
    from kerasdl.studies import experiment_run
    from kerasdl.studies.experiment_command import make_recipe

    began = time.monotonic()
    files = ("data", "out")
    given = {name: value for name, value in options.items() if name not in files}
    check_options(given, parser, experiment.presets, without=_NOT_OPTIONS)
    asked: dict[str, Any] = {"preset": "default", **options}
    takes_data = experiment_run.has_data(experiment)
    if data is not None:
        if not takes_data:
            raise ValueError(f"{experiment.name} has no images. Received: data")
        asked["dataset"] = name_of(data)
    plan = make_recipe(app, experiment, asked)
    if "minutes" in options and experiment.timing is None:
        raise ValueError(f"{experiment.name} has no epochs that minutes could shorten")
    dataset, sha256 = None, ""
    if takes_data:
        source = plan.data.dataset if data is None else data
        dataset = load(source, data_dir=options.get("data"), seed=plan.data.split_seed)
        dataset = restrict(dataset, plan.data.classes) if plan.data.classes else dataset
        sha256 = dataset.sha256
    done = experiment_run.finished(app, experiment, plan, options.get("out"), sha256)
    if done is not None:
        return done
    return experiment_run.perform(app, experiment, plan, asked, command, began, dataset=dataset)


def _study_of(name: str, data: Any) -> tuple[str, "Experiment"]:
    """Returns a study and its app: that of the data set, where that has the study."""
    from kerasdl.datasets import catalog
    from kerasdl.studies.listing import STUDIES

    own = catalog.canonical(data) if isinstance(data, str) else None
    for app in filter(None, (own, STUDIES[name][0])):
        if app not in catalog.ENTRIES and app != STUDIES[name][0]:
            continue
        module = importlib.import_module(f"kerasdl.apps.{app}")
        experiments = [module.EXPERIMENT] if hasattr(module, "EXPERIMENT") else []
        experiments += module.APP.experiments if hasattr(module, "APP") else []
        for experiment in experiments:
            if experiment.name == name:
                return app, experiment
    raise AssertionError(f"no app has the study {name}")


def name_of(data: Any) -> str:
    """Returns what a recipe calls data."""
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    return str(getattr(data, "name", "arrays"))
