"""The table and the verdict of a repeated run."""

from pathlib import Path

import msgspec
import reporting_fakes as fakes

from kerasdl.evaluation import reproduction
from kerasdl.reporting.reproduction import sentence, show

OLD = fakes.make(models=("lenet5", "smallnet"))[0]
SAME = reproduction.compare_runs(OLD, OLD.runs)


def other(figure_name, **changes):
    """The comparison with one figure of every model changed."""
    return [
        msgspec.structs.replace(
            one,
            bit_identical=[],
            figures=[
                msgspec.structs.replace(f, **changes) if f.name == figure_name else f
                for f in one.figures
            ],
        )
        for one in SAME
    ]


def make(models, **changes):
    found = reproduction.Reproduction(
        kind="part",
        record="apps/[bold]svhn",
        created=OLD.created,
        verdict=reproduction.decide(models),
        sentence=sentence("part", reproduction.decide(models), models),
        dataset=OLD.dataset.label,
        sha256=OLD.dataset.sha256,
        environment=OLD.environment,
        changed=[],
        recipe_changed=[],
        left_out=["vgg16"],
        models=models,
    )
    return msgspec.structs.replace(found, **changes)


def test_the_verdict_in_words():
    assert sentence("whole", "reproduced", SAME).startswith("Reproduced: every figure of every")
    near = other("ece", inside=True)
    assert "10 of 10 figures lie" in sentence("whole", "reproduced", near)
    assert "as far as it was run" in sentence("part", "reproduced", near)
    assert sentence("quick", "reproduced", near).startswith("A first look agrees")
    assert "has one seed" in sentence("whole", "not confirmed", near)
    far = other("test_loss", inside=False)
    assert sentence("whole", "not reproduced", far) == (
        "NOT reproduced: outside the prediction interval of the record: "
        "test loss of LeNet-5, test loss of SmallNet."
    )
    assert sentence("quick", "not reproduced", far).startswith("A first look DISAGREES")


def test_the_table_has_every_figure_and_what_differs(capsys):
    show(make(SAME, changed=["keras: 3.14.0 -> 3.15.1"]), Path("new/reproduction.json"))
    out = capsys.readouterr().out
    assert "apps/[bold]svhn" in out
    for words in ("LeNet-5", "3 bit-identical", "test accuracy, %", "calibration", "inside"):
        assert words in " ".join(out.split())
    assert "Left out: vgg16" in out
    assert "Not as in the record: keras: 3.14.0 -> 3.15.1" in out
    assert "Machine and versions are the record's" not in out
    assert out.rstrip().endswith("bit-identical to the record's.")
    assert max(map(len, out.splitlines()[:15])) <= 80


def test_what_lies_outside_stands_out(capsys):
    show(make(other("test_accuracy", inside=False)), Path("new/reproduction.json"))
    out = capsys.readouterr().out
    assert out.count("OUTSIDE") == 2
    assert "Machine and versions are the record's." in out
