"""`predict` on a run folder, from the command line of an app."""

import json
import shutil

import msgspec
import numpy as np
import pytest
from PIL import Image

from kerasdl import record
from kerasdl.apps import mnist
from kerasdl.datasets.load import load
from kerasdl.evaluation.predictions import Predictions
from kerasdl.studies.predict import choose


def stroke(seed, upright):
    """Draws a light stroke somewhere in a dark image: uint8 (16, 16)."""
    generator = np.random.default_rng(seed)
    place, begin, end = generator.integers(5, 11), *generator.integers((1, 10), (6, 15))
    image = generator.integers(0, 12, (16, 16)).astype(np.uint8)
    image[begin:end, place : place + 2] = generator.integers(200, 256)
    return image if upright else image.T


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run: two models on a folder of images."""
    place = tmp_path_factory.mktemp("predict")
    for label, name in enumerate(("lying", "upright")):
        (place / "strokes" / name).mkdir(parents=True)
        for number in range(200):
            image = stroke(2 * number + label, bool(label))
            Image.fromarray(image).save(place / "strokes" / name / f"{number}.png")
    training = ["--epochs", "3", "--precision", "float32"]
    networks = ["--models", "mlp1,mlp", "--width", "8", "--units", "6"]
    out = ["--dataset", str(place / "strokes"), "--out", str(place / "run")]
    assert mnist.main([*out, *networks, *training]) == 0
    return place / "run"


@pytest.fixture
def picture(tmp_path):
    def write(pixels, name="picture.png"):
        Image.fromarray(np.asarray(pixels, np.uint8)).save(tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.fixture
def ask(finished, capsys):
    """Runs `predict --json` and returns what it prints."""

    def run(*arguments, folder=finished):
        capsys.readouterr()
        code = mnist.main(["predict", *arguments, "--run", str(folder), "--json"])
        captured = capsys.readouterr()
        assert (code, captured.err) == (0, "")
        return json.loads(captured.out)

    return run


@pytest.fixture
def refuse(finished, capsys):
    """Runs `predict`, which must fail, and returns its lines on standard error."""

    def run(*arguments, folder=finished):
        capsys.readouterr()
        try:
            code = mnist.main(["predict", *arguments, "--run", str(folder)])
        except SystemExit as error:
            code = error.code
        captured = capsys.readouterr()
        assert (code, captured.out) == (2, "")
        lines = captured.err.splitlines()
        assert all(
            line.startswith("python -m kerasdl.apps.mnist predict: error: ") for line in lines
        )
        return lines

    return run


def probabilities(answer):
    return {guess["name"]: guess["probability"] for guess in answer["classes"]}


def assert_same_answer(one, other):
    """Asserts that two answers agree: among other pictures, the same one is rounded otherwise."""
    names = [[guess["name"] for guess in answer["classes"]] for answer in (one, other)]
    assert names[0] == names[1]
    assert probabilities(one) == pytest.approx(probabilities(other), abs=1e-6)


def test_it_says_what_the_run_said_of_its_test_images(finished, ask, picture):
    dataset = load(str(finished.parent / "strokes"))
    stored = Predictions.load(finished / "predictions.npz")
    files = [picture(dataset.test.images[i, ..., 0], f"{i}.png") for i in range(5)]
    for model, seed in (("mlp1", 0), ("mlp", 0)):
        said = ask(*files, "--model", model, "--seed", str(seed), "--top", "2")
        assert (said["model"], said["seed"]) == (model, seed)
        assert [each["file"] for each in said["pictures"]] == files
        settings = dict(record.read(finished / "results.json").recipe["settings"][model])
        expected = np.exp(stored.get(model, seed, settings)[:5])
        for row, each in zip(expected, said["pictures"], strict=True):
            found = probabilities(each)
            assert list(found) == [("lying", "upright")[i] for i in np.argsort(-row)]
            assert found["upright"] == pytest.approx(row[1], abs=1e-5)


def test_the_best_on_validation_images_answers(finished, ask, picture):
    result = record.read(finished / "results.json")
    best = max(run.metrics.validation_accuracy for run in result.runs)
    said = ask(picture(stroke(1, True)))
    assert said["validation_accuracy"] == best
    assert len(said["pictures"][0]["classes"]) == 2
    # The choice itself, on figures that differ.
    scores = {("mlp1", 0): 0.5, ("mlp", 0): 0.9, ("mlp1", 1): 0.8, ("mlp", 1): 0.9}
    losses = {("mlp1", 0): 0.1, ("mlp", 0): 0.4, ("mlp1", 1): 0.3, ("mlp", 1): 0.2}

    def changed(values):
        runs = []
        for key in losses:
            (run,) = (run for run in result.runs if run.model == key[0])
            loss = None if values is None else losses[key]
            score = None if values is None else values[key]
            metrics = msgspec.structs.replace(
                run.metrics, validation_accuracy=score, validation_loss=loss
            )
            runs.append(msgspec.structs.replace(run, seed=key[1], metrics=metrics))
        return msgspec.structs.replace(result, runs=runs)

    def chosen(record, *arguments):
        run = choose(record, *arguments)
        return run.model, run.seed

    record_ = changed(scores)
    assert chosen(record_, None, None) == ("mlp", 1)  # as right as seed 0, with less loss
    assert chosen(record_, "mlp1", None) == ("mlp1", 1)
    assert chosen(record_, None, 0) == ("mlp", 0)
    assert chosen(record_, "mlp1", 0) == ("mlp1", 0)
    assert chosen(changed(None), None, None) == ("mlp1", 0)


def test_real_pictures_are_familiar_and_others_are_not(ask, picture):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16))
    names = [picture(stroke(1000 + i, i % 2 == 1), f"{i}.png") for i in range(20)]
    said = ask(*names, picture(noise, "noise.png"))
    *real, other = said["pictures"]
    assert said["held_out"] >= 150
    assert sum(each["unlike"] for each in real) <= 2
    assert all(bool(each["notes"]) == each["unlike"] for each in real)
    assert other["unlike"]
    assert other["as_unusual"] < 0.01
    assert "unlike the training images" in other["notes"][0]
    assert not any("--invert" in note for note in other["notes"])


def test_ink_on_paper_is_noticed_and_inverted(ask, picture):
    plain, paper = stroke(2000, True), 255 - stroke(2000, True)
    files = picture(plain, "plain.png"), picture(paper, "paper.png")
    light, dark = ask(*files)["pictures"]
    assert not light["unlike"]
    assert dark["unlike"]
    assert "try with --invert" in dark["notes"][1]
    turned = ask(*files, "--invert")
    assert "light became dark" in turned["preparation"]
    dark, light = turned["pictures"]
    assert "try without --invert" in dark["notes"][1]
    assert_same_answer(light, ask(files[0])["pictures"][0])
    assert not light["unlike"]


def test_the_table_says_it_in_words(finished, picture, capsys):
    files = [picture(stroke(3000, True), "a.png"), picture(np.full((16, 16), 255), "b.png")]
    assert mnist.main(["predict", *files, "--run", str(finished), "--top", "1"]) == 0
    text = capsys.readouterr().out
    assert "% on validation" in text
    assert "upright" in text
    lines = [line for line in text.splitlines() if "unlike the training images" in line]
    assert len(lines) == 1
    assert lines[0].startswith(files[1])
    assert "its contrast is lower" in lines[0]
    assert "held-out images, none are as unusual" in lines[0]
    assert "brought to 16 x 16, as the training images were; colours became gray" in text


def test_without_familiarity_it_says_that_this_is_not_known(
    finished, ask, picture, capsys, tmp_path
):
    old = shutil.copytree(finished, tmp_path / "old")
    (old / "familiarity.npz").unlink()
    name = picture(stroke(1, True))
    said = ask(name, folder=old)
    assert said["held_out"] is None
    assert said["pictures"][0]["as_unusual"] is None
    assert said["pictures"][0]["unlike"] is None
    assert_same_answer(said["pictures"][0], ask(name)["pictures"][0])
    assert mnist.main(["predict", name, "--run", str(old)]) == 0
    text = capsys.readouterr().out
    assert "is not known: the run has no familiarity.npz" in text
    assert "as unusual" not in text.lower()


def test_an_error_is_one_line(finished, refuse, picture, tmp_path):
    good = picture(stroke(1, True))
    (tmp_path / "broken.png").write_bytes((tmp_path / "picture.png").read_bytes()[:60])
    broken, none = str(tmp_path / "broken.png"), str(tmp_path / "none.png")
    cases = [
        ((good,), {"folder": tmp_path / "nowhere"}, "no such folder; train with"),
        ((good,), {"folder": tmp_path}, "no results.json"),
        ((good, "--model", "vgg"), {}, "--model must be one of mlp1, mlp. Received: 'vgg'"),
        ((good, "--seed", "7"), {}, "--seed must be one of 0. Received: 7"),
        ((good, "--top", "0"), {}, "expected a number of classes >= 1. Received: '0'"),
        ((), {}, "the following arguments are required: IMAGE"),
    ]
    for arguments, where, complaint in cases:
        (line,) = refuse(*arguments, **where)
        assert complaint in line
    # Each bad picture has its line, and nothing is said of the good one.
    first, second, third = refuse(broken, good, none, str(tmp_path))
    assert "broken.png must be a readable image" in first
    assert "none.png, no such file" in second
    assert "a folder" in third


def spoil(run, kind):
    if kind == "unfinished":
        text = (run / "results.json").read_text()
        (run / "results.json").write_text(text.replace('"complete"', '"running"'))
        return "expected a finished run. Received: "
    if kind == "no record":
        (run / "results.json").write_text('{"schema": 2}')
        return "is not a kerasdl results.json"
    if kind == "familiarity":
        (run / "familiarity.npz").write_bytes(b"PK\3\4 or so")
        return "familiarity.npz is not"
    model = run / "models" / "mlp1-seed0.keras"
    if kind == "no model":
        model.unlink()
        return "no such file"
    if kind == "damaged model":
        model.write_bytes(model.read_bytes()[:500])
        return "mlp1-seed0.keras"
    import keras

    keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten()]).save(model)
    return "is not the run's model"


KINDS = ["unfinished", "no record", "familiarity", "no model", "damaged model", "other model"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_run_is_one_line(finished, refuse, picture, tmp_path, kind):
    run = shutil.copytree(finished, tmp_path / "run")
    complaint = spoil(run, kind)
    arguments = "--model", "mlp1", "--seed", "0"
    (line,) = refuse(picture(stroke(1, True)), *arguments, folder=run)
    assert complaint in line


@pytest.mark.parametrize("arguments", [["--help"], ["a.png"], ["a.png", "--top", "x"]], ids=str)
def test_what_needs_no_network_imports_none(run_python, arguments, tmp_path):
    program = "-X", "importtime", "-m", "kerasdl.apps.svhn", "predict"
    done = run_python(*program, *arguments, cwd=tmp_path)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert done.returncode == (0 if "--help" in arguments else 2)
    assert "kerasdl.studies.predict" in imported
    assert not imported & {"tensorflow", "jax", "keras", "PIL", "pandas", "scipy", "jinja2"}


def test_networks_of_published_images_see_a_picture_with_its_proportions(
    finished, ask, picture, tmp_path
):
    run = shutil.copytree(finished, tmp_path / "run")
    text = (run / "results.json").read_text().replace('"source": "folder"', '"source": "local"')
    (run / "results.json").write_text(text)
    wide = np.zeros((16, 32), np.uint8)
    wide[:, 8:24] = stroke(4000, True)
    # Half as high: four rows of border above and below.
    small = Image.fromarray(wide).resize((16, 8), Image.Resampling.BILINEAR)
    rows = np.asarray(small)
    border = np.concatenate([rows[0], rows[-1], rows[:, 0], rows[:, -1]])
    whole = np.full((16, 16), np.round(np.median(border)))
    whole[4:12] = rows
    said = ask(picture(wide, "wide.png"), picture(whole, "whole.png"), folder=run)
    assert "scaled to fit 16 x 16" in said["preparation"]
    one, other = said["pictures"]
    assert_same_answer(one, other)
    stretched = ask(picture(wide, "wide.png"))["pictures"][0]
    assert probabilities(stretched) != pytest.approx(probabilities(one), abs=1e-5)
