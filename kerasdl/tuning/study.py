"""The course of a search command: search, rank, train the winner again, report."""

import os
import sys
import time
from functools import partial
from pathlib import Path

import keras
from keras_tuner.src.distribute import utils as distribution
from rich.console import Console

from kerasdl import streams
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context
from kerasdl.training.forecast import Forecast
from kerasdl.training.progress import RichProgress
from kerasdl.tuning import jobs, report, wording
from kerasdl.tuning.hparams import write_hparams
from kerasdl.tuning.material import Material, prepare
from kerasdl.tuning.oracles import make_oracle
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.packed_tuner import PackedTuner
from kerasdl.tuning.plan import Search
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.subjects import SUBJECTS, Subject
from kerasdl.tuning.training_jobs import MakeCallbacks
from kerasdl.tuning.winner import retrain

TRIALS = "trials"
"""What the keys of a search's works begin with that are no winner's."""

PROJECT = "keras_tuner"
"""KerasTuner's project folder inside the run folder."""


def mnist_width(context: Context) -> list[Section]:
    """Searches the width; the function of `tuning.mnist_width`."""
    return run(context, SUBJECTS["mnist_width"](context.plan))


def regularization(context: Context) -> list[Section]:
    """Searches the strengths; the function of `tuning.regularization`."""
    return run(context, SUBJECTS["regularization"](context.plan))


def fields(context: Context) -> list[Section]:
    """Searches fields of a recipe; the function of `tuning.search`."""
    return run(context, SUBJECTS["search"](context.plan))


def transfer_head(context: Context) -> list[Section]:
    """Searches the head on a frozen base; the function of `tuning.transfer_head`."""
    return run(context, SUBJECTS["transfer_head"](context.plan))


def own_model(context: Context) -> list[Section]:
    """Searches a person's own space; the function of `tuning.own_model`."""
    from kerasdl.tuning.own_hypermodel import looked_at

    return run(context, looked_at(context, SUBJECTS["own_model"](context.plan)))


def run(context: Context, subject: Subject) -> list[Section]:
    """Searches, trains the winner again, and returns the report's sections.

    Args:
        context: With a recipe that is a `Search`.
        subject: What is searched.
    """
    dataset, parts = context.images
    if context.forecast is not None:
        context.forecast.begin("features")
    # Before other processes need it, too: what takes time to compute is kept for them.
    material = prepare(
        context.plan,
        subject,
        dataset,
        parts,
        data_dir=context.data_dir,
        console=context.console,
    )
    alone = not distribution.has_chief_oracle() and context.jobs == 1
    if distribution.has_chief_oracle():
        # Of several machines: serves the workers there. What they found is in the folder then.
        search(context.plan, material, context.folder, context.console, processes=context.jobs)
        for name in jobs.VARIABLES:
            del os.environ[name]
    elif context.jobs > 1:
        data = [] if context.data_dir is None else ["--data", context.data_dir]
        command = [sys.executable, "-m", "kerasdl.tuning.member", str(context.folder), *data]
        command += ["--attached", "--jobs", str(context.jobs), *streams.options()]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        jobs.run(command, context.jobs, cores=cores)
    started = time.perf_counter()
    if context.forecast is not None:
        context.forecast.end()
    outcomes = search(
        context.plan, material, context.folder, context.console, forecast=context.forecast
    )
    if alone:
        # Trained before a kill; of several processes the time has been waited for.
        trained = sum(outcome.seconds for outcome in outcomes)
        context.memo.earlier_seconds += max(0.0, trained - (time.perf_counter() - started))
    write_hparams(context.folder / "hparams", outcomes, objective=context.plan.objective)
    ranking = Ranking(outcomes, objective=context.plan.objective, validation=len(parts.validation))
    context.say(wording.sentence(ranking, subject.words))
    winner, failure = None, None
    try:
        winner = retrain(context, subject, ranking, material) if ranking.trials else None
    except FloatingPointError as error:
        # What the search found stands without it.
        failure = Section(title="The winner on the test set", text=[f"Training it failed: {error}"])
        context.say(failure.text[0])
    assert context.info is not None
    sections = report.sections(
        context.folder,
        context.info,
        ranking,
        words=subject.words,
        axis=subject.axis,
        winner=winner,
    )
    return sections if failure is None else [sections[0], failure, *sections[1:]]


def search(
    plan: Search,
    material: Material,
    folder: Path,
    console: Console,
    *,
    processes: int = 1,
    forecast: Forecast | None = None,
) -> list[Outcome]:
    """Runs the trials that are missing in a folder.

    Args:
        plan: How to search.
        material: What; its test part is not looked at.
        folder: The run folder.
        console: Where to say what is going on.
        processes: How many processes share the search.
        forecast: Knows how long it all takes, or None.

    Returns:
        All trials; where the process serves as KerasTuner's chief, those known to it: none.
    """
    train = material.train

    def callbacks(title: str, batch_size: int) -> list[keras.callbacks.Callback]:
        if forecast is not None:
            # The groups that an earlier start finished are not asked for.
            forecast.begin_next(TRIALS)
        return [RichProgress(console, title, len(train), batch_size, forecast)]

    tuner = make_tuner(plan, material, folder, console, callbacks=callbacks, processes=processes)
    run_trials(tuner, plan, material)
    if forecast is not None:
        forecast.end()
    return [] if distribution.has_chief_oracle() else tuner.outcomes


def finished_groups(folder: Path) -> int:
    """Returns how many groups of trials a run folder has."""
    return len(list((folder / PROJECT / "groups").glob("[!.]*.json")))


def make_tuner(
    plan: Search,
    material: Material,
    folder: Path,
    console: Console,
    *,
    callbacks: MakeCallbacks,
    processes: int = 1,
) -> PackedTuner:
    """Returns the tuner of a search.

    Args:
        plan, material, folder, console, processes: As of `search`.
        callbacks: Makes those of a training.
    """
    training = plan.fitted(len(material.train))
    oracle = make_oracle(
        plan.algorithm,
        objective=plan.objective,
        seed=plan.seed + 1,
        max_trials=plan.trials or None,
        max_epochs=training.epochs,
    )
    return PackedTuner(
        oracle,
        material.hypermodel(material.train, training),
        seeds=plan.seeds,
        seed=plan.seed,
        keep=plan.keep,
        processes=processes,
        say=partial(console.print, highlight=False, markup=False, soft_wrap=True),
        callbacks=callbacks,
        directory=str(folder),
        project_name=PROJECT,
    )


def run_trials(tuner: PackedTuner, plan: Search, material: Material) -> None:
    """Lets a tuner of `make_tuner` run all trials that it has not."""
    train, validation = material.train, material.validation
    training = plan.fitted(len(train))
    tuner.search(
        train.images,
        train.labels,
        epochs=training.epochs,
        batch_size=training.batch_size,
        validation_data=(validation.images, validation.labels),
    )
