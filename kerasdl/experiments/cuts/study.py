"""Where should a pre-trained network be cut, and at what input size? One forward pass says.

Features of the last block of a network trained on ImageNet are the best for ImageNet's objects; for
other images, and small ones, an earlier block may know more, and costs less. The base stays
frozen: one pass over the images gives the features of all its cuts (kerasdl/training/features keeps
them), and on each cut linear heads are trained, all seeds and penalties of it at once
(kerasdl/training/packed). The best cut leaves as one model from pixels to logits.
"""

from functools import partial

import msgspec

from kerasdl.experiments.cuts.settings import Place, Recipe
from kerasdl.models import bases
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context, Experiment
from kerasdl.training.settings import Training

EXPERIMENT = Experiment(
    name="cuts",
    title="Where to cut a pre-trained network",
    description="Take the features of every block of a frozen base from keras.applications, at "
    "several input sizes, in one forward pass each; train linear heads on all of them; say which "
    "cut is best, which are tied with it, and what they cost.",
    recipe=Recipe,
    presets={"default": {}, "full": {"sizes": [32, 64, 96, 128]}},
    function="kerasdl.experiments.cuts.study:run",
    timing="kerasdl.experiments.cuts.forecast:CutsTiming",
    options={"training": Training},
    convolutions=True,
)


def of(dataset: str, train_size: int | None = 5000) -> Experiment:
    """Returns the experiment as an app has it.

    Args:
        dataset: The app's data set.
        train_size: How many images the preset "default" trains on; None for all.
    """
    chosen = {"dataset": dataset}
    portion = {} if train_size is None else {"train_size": train_size}
    changes = {"default": {**chosen, **portion}, "full": chosen}
    presets = {
        name: {**preset, "data": changes[name]} for name, preset in EXPERIMENT.presets.items()
    }
    return msgspec.structs.replace(EXPERIMENT, presets=presets)


def run(context: Context) -> list[Section]:
    """Computes the features and trains the heads that are missing, and draws the conclusions.

    Args:
        context: With a `Recipe` and the images.
    """
    from kerasdl.experiments.cuts import report as cuts_report
    from kerasdl.experiments.cuts.analysis import Results, make_cut
    from kerasdl.experiments.cuts.sweep import Sweep
    from kerasdl.experiments.cuts.winner import score

    plan: Recipe = context.plan
    names = plan.features or bases.get(plan.transfer).cuts
    sweep = Sweep(context, names)
    cuts, passes = [], {}
    for size in plan.sizes:
        about = context.memo(f"pass at {size}, {sweep.sha256}", partial(sweep.describe, size))
        passes[size] = about["seconds"]
        for number, name in enumerate(names, start=1):
            place = Place(size, name)
            title = f"{name} at {size} pixels ({number} of {len(names)})"
            key = f"{name} at {size}, {sweep.sha256}"
            heads = context.memo(key, partial(sweep.train, place, title))
            cut = make_cut(place, about["cuts"][name], heads)
            cuts.append(cut)
            context.say(f"{title}: validation accuracy {100 * cut.spread.mean:.2f} %")
    results = Results(plan, cuts)
    cut = results.winner
    key = f"winner {cut.place} {cut.l2}, {sweep.sha256}"
    winner = context.memo(key, partial(score, context, sweep, cut))
    context.say(f"{cut.name}: test accuracy {100 * sum(winner['test']) / plan.seeds:.2f} %")
    return cuts_report.sections(context, results, winner, passes)
