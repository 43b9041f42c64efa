"""What the experiment is, and its course.

The same layers, pixels, learning rate and batch size; test accuracy after chosen epochs. Then
why two of the report's networks did not learn: short trainings with other first weights, rates
and inputs. Rows 12 to 14 of the reports.
"""

from functools import partial

from kerasdl.experiments.scratch.settings import Recipe
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context, Experiment

EXPERIMENT = Experiment(
    name="scratch",
    title="One perceptron by hand, in Keras and in scikit-learn",
    description="Train the same perceptron by hand in NumPy, in Keras and in scikit-learn, and "
    "find out why some of the reports' networks did not learn.",
    recipe=Recipe,
    presets={
        "default": {"epochs": [2, 4], "seeds": 1, "short_epochs": 2, "short_size": 5000},
        "full": {},
    },
    function="kerasdl.experiments.scratch.study:run",
    timing="kerasdl.experiments.scratch.forecast:ScratchTiming",
)


def run(context: Context) -> list[Section]:
    """Trains what is missing and draws the conclusions.

    Args:
        context: With a `Recipe` and the images.
    """
    from kerasdl.experiments.scratch import causes as causing
    from kerasdl.experiments.scratch import report
    from kerasdl.experiments.scratch.programs import train

    plan: Recipe = context.plan
    results = []
    todo = cells(plan)
    for number, (activation, program, seed) in enumerate(todo, start=1):
        key = f"{program}, {activation}, seed {seed}"
        result = context.memo(key, partial(train, context, program, activation, seed))
        last = result["test"][-1]
        score = "diverged" if last is None else f"test accuracy {100 * last:.2f} %"
        took = f"{result['seconds']:.0f} s{context.left()}"
        context.say(f"{key} ({number} of {len(todo)}): {score}, {took}")
        results.append(result)
    skipped = set() if "sklearn" in plan.programs else {"scikit-learn"}
    skipped |= set() if "sigmoid" in plan.activations else {"report's sigmoid"}
    causes = {}
    for name, find in causing.CAUSES.items():
        if name not in skipped:
            context.say(f"causes: {name}")
            causes[name] = context.memo(name, partial(find, context))
    return report.sections(context, results, causes)


def cells(plan: Recipe) -> list[tuple[str, str, int]]:
    """Returns what is trained: activation, program and seed."""
    seeds = range(plan.seed, plan.seed + plan.seeds)
    found = [(a, p, s) for s in seeds for a in plan.activations for p in plan.programs]
    # scikit-learn's network has no leaky ReLU.
    return [cell for cell in found if cell[:2] != ("leaky_relu", "sklearn")]
