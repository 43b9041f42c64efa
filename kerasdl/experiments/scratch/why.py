"""Why some of the reports' networks did not learn: what the short trainings show."""

from collections.abc import Mapping, Sequence
from typing import Any

from kerasdl.sections import Claim, Section, Table
from kerasdl.studies.experiment import Context


def starts(
    context: Context,
    rows: Sequence[Mapping[str, Any]],
    long: Sequence[Mapping[str, Any]] | None,
    real: bool,
) -> Section:
    """Says which first weights let which activation learn.

    Args:
        context: The experiment's.
        rows: As from `causes.starts`.
        long: As from `causes.reports_sigmoid`; None where sigmoid is not trained.
        real: Whether the report's claims are about these images and this network.
    """
    plan = context.plan
    chance = 1 / context.images[0].num_classes
    table = Table(
        name="starts",
        title="After a short training by hand, by the first weights",
        columns=[
            "First weights",
            "Activation",
            "Learning rate",
            "Gradient of the first layer",
            "Gradient of the last layer",
            "Validation accuracy, %",
        ],
        rows=[
            [
                _start(row),
                row["activation"],
                f"{row['rate']:g}",
                row["first_gradient"],
                row["last_gradient"],
                None if row["accuracy"] is None else 100 * row["accuracy"],
            ]
            for row in rows
        ],
        note=f"{plan.short_epochs} epochs of {plan.short_size} images. Gradients: norms of the "
        "weights' gradients in the first step. No accuracy: the numbers overflowed.",
        digits=4,
    )
    text, claims = [], []
    sigmoid = [row for row in rows if row["activation"] == "sigmoid"]
    if sigmoid:
        known = [row for row in sigmoid if row["accuracy"] is not None]
        stuck = [row for row in known if _accuracy(row) < chance + 0.05]
        best = max(known, key=_accuracy)
        small = _row(sigmoid, "normal", 0.01, plan.learning_rate)
        ratio = small["first_gradient"] / max(small["last_gradient"], 1e-300)
        text.append(
            f"{len(stuck)} of {len(sigmoid)} sigmoid networks stayed at chance. From "
            f"0.01 * randn the first layer's gradient is {ratio:.1e} times the last layer's: "
            "every sigmoid multiplies it by its derivative, at most 1/4, and by small weights. "
            f"The best, {_start(best)} at rate {best['rate']:g}, came to "
            f"{100 * _accuracy(best):.1f} % in the same time."
        )
        if long:
            stays = all(row["accuracy"] < chance + 0.05 for row in long)
            reached = ", ".join(
                f"{100 * row['accuracy']:.1f} % after {row['epochs']} epochs" for row in long
            )
            claims.append(
                Claim(
                    report="E, row 13",
                    claim="The sigmoid network stays at 10 % after 50 and 100 epochs.",
                    measured=f"From 0.01 * randn at {plan.learning_rate:g}: {reached} of all "
                    f"images. From {_start(best)} at {best['rate']:g}: {100 * _accuracy(best):.1f} "
                    "% after the short training. The first weights decide, not the activation.",
                    verdict="partly right" if stays else "wrong",
                )
            )
    for scale in (0.01, 1.0):
        found = [
            row
            for row in rows
            if (row["initializer"], row["scale"], row["rate"])
            == ("normal", scale, plan.learning_rate)
        ]
        listed = ", ".join(
            f"{row['activation']} "
            + ("diverges" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f} %")
            for row in found
        )
        text.append(f"From {_start(found[0])}: {listed}.")
    text.append("The report does not say what its normal weights were multiplied by.")
    return Section(
        title="Why the sigmoid network stayed at chance",
        text=text,
        claims=claims if real else [],
        tables=[table],
    )


def _row(
    rows: Sequence[Mapping[str, Any]], initializer: str, scale: float, rate: float
) -> Mapping[str, Any]:
    wanted = (initializer, scale, rate)
    return next(r for r in rows if (r["initializer"], r["scale"], r["rate"]) == wanted)


def scikit_learn(rows: Sequence[Mapping[str, Any]], real: bool) -> Section:
    """Says which inputs and rates scikit-learn's network diverges with; else as `starts`."""
    lost = [row for row in rows if row["accuracy"] is None or row["accuracy"] < 0.2]
    table = Table(
        name="scikit-learn",
        title="scikit-learn's network after a short training, by input, momentum and rate",
        columns=["Activation", "Pixels", "Momentum", "Learning rate", "Validation accuracy, %"],
        rows=[
            [
                row["activation"],
                row["pixels"],
                f"{row['momentum']:g}",
                f"{row['rate']:g}",
                None if row["accuracy"] is None else 100 * row["accuracy"],
            ]
            for row in rows
        ],
        note="No number: the weights were no longer finite and scikit-learn stopped.",
        digits=1,
    )

    def failures(**wanted: Any) -> str:
        chosen = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
        return f"{sum(row in lost for row in chosen)} of {len(chosen)}"

    unbounded = [row for row in lost if row["activation"] != "tanh"]
    text = (
        f"{len(lost)} of {len(rows)} combinations failed (not finite, or below 20 %): with pixels "
        f"0..255 {failures(pixels='0..255')}, with 0..1 {failures(pixels='0..1')}; with rate 0.1 "
        f"{failures(rate=0.1)}, with 0.001 {failures(rate=0.001)}. ReLU and linear layers pass on "
        "whatever size comes in, so that raw pixels or a velocity of ten gradients (momentum 0.9) "
        "make a step of rate 0.1 overshoot; tanh saturates instead of overflowing."
    )
    good = max(
        (row for row in rows if row["activation"] == "relu"),
        key=_accuracy,
    )
    claim = Claim(
        report="E, row 14",
        claim="scikit-learn's ReLU and linear networks diverge (accuracy 0.0).",
        measured=f"They do in {len(unbounded)} of "
        f"{sum(row['activation'] != 'tanh' for row in rows)} combinations of input, momentum and "
        f"rate; ReLU on pixels {good['pixels']} with momentum {good['momentum']:g} at rate "
        f"{good['rate']:g} gives {100 * _accuracy(good):.1f} %. The settings "
        "fail, not the program.",
        verdict="partly right" if unbounded else "wrong",
    )
    return Section(
        title="Why scikit-learn's ReLU diverged",
        text=[text],
        claims=[claim] if real else [],
        tables=[table],
    )


def _accuracy(row: Mapping[str, Any]) -> float:
    return -1.0 if row["accuracy"] is None else float(row["accuracy"])


def _start(row: Mapping[str, Any]) -> str:
    name = {"normal": "randn", "random": "rand"}.get(row["initializer"], row["initializer"])
    return name if row["scale"] == 1 else f"{row['scale']:g} * {name}"
