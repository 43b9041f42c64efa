"""A look at data: what is counted, what is found wrong, in Python and at the command line."""

import doctest
import json

import numpy as np
import pytest
from PIL import Image

import kerasdl as kd
from kerasdl import cli
from kerasdl.face import look as looking


@pytest.fixture
def photos(tmp_path):
    """Eight cats and two dogs in train, two of each in test; nothing is wrong with them."""
    generator = np.random.default_rng(0)
    root = tmp_path / "photos"
    for part, label, count in (
        ("train", "cat", 8),
        ("train", "dog", 2),
        ("test", "cat", 2),
        ("test", "dog", 2),
    ):
        folder = root / part / label
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def copy(source, target):
    target.write_bytes(source.read_bytes())


def test_a_sound_folder_is_counted(photos):
    found = kd.look(photos)
    assert found.counts.loc["cat"].to_dict() == {"train": 8, "test": 2}
    assert found.counts.loc["dog"].to_dict() == {"train": 2, "test": 2}
    assert found.sizes.to_dict("records") == [{"height": 12, "width": 10, "images": 14}]
    assert found.imbalance == 2.5
    assert len(found.unreadable) == len(found.duplicates) == 0
    assert found.notes == []
    assert repr(found).startswith("<kerasdl.Look photos: 10 train, 4 test images of 2 classes")


def test_every_unreadable_file_is_named_and_the_rest_is_counted(photos):
    (photos / "train" / "cat" / "0.png").write_bytes(b"no picture")
    cut = photos / "test" / "dog" / "1.png"
    cut.write_bytes(cut.read_bytes()[:100])
    found = kd.look(photos)
    assert found.unreadable.file.to_list() == [str(photos / "train" / "cat" / "0.png"), str(cut)]
    assert "Received: something else" in found.unreadable.problem[0]
    assert "truncated" in found.unreadable.problem[1]
    assert found.counts.loc["cat", "train"] == 7
    assert found.dataset is None
    assert set(found.figures) == {"counts", "samples"}
    assert "2 of 14 files cannot be read" in found.notes[0]
    with pytest.raises(ValueError, match=r"0\.png"):
        kd.load(photos)


def test_copies_are_found_where_they_flatter_or_contradict(photos):
    copy(photos / "train" / "cat" / "1.png", photos / "test" / "cat" / "0.png")
    copy(photos / "train" / "cat" / "2.png", photos / "train" / "dog" / "0.png")
    found = kd.look(photos)
    assert found.duplicates.groupby("group")["class"].agg(list).to_list() == [
        ["cat", "cat"],
        ["cat", "dog"],
    ]
    assert found.duplicates.part.to_list() == ["train", "test", "train", "train"]
    said = " ".join(found.notes)
    assert "2 images repeat" in said
    assert "1 of 4 test images are training or validation images" in said
    assert "1 image stands in several classes" in said
    assert found.to_dict()["duplicates"][1]["image"] == str(photos / "test" / "cat" / "0.png")


def test_unequal_classes_sizes_and_other_files_are_said(photos):
    for number in range(8, 20):
        copy(photos / "train" / "cat" / "0.png", photos / "train" / "cat" / f"{number}.png")
    Image.new("RGB", (30, 20)).save(photos / "test" / "dog" / "0.png")
    (photos / "train" / "dog" / "list.csv").write_text("")
    found = kd.look(photos)
    said = " ".join(found.notes)
    assert "22 images of cat, 4 of dog. Always answering cat scores 84.6 %" in said
    assert "Images of 2 sizes" in said
    assert "1 of .csv" in said


def test_a_data_set_shows_itself_and_its_augmentation(examples):
    part = examples(30)
    data = kd.load(part.images, part.labels, test=(part.images[:6], part.labels[:6]))
    found = data.look(flip=True, shift=3)
    assert found.counts["train"].to_list() == [10, 10, 10]
    assert "6 of 6 test images are training" in " ".join(found.notes)
    assert set(found.figures) == {"counts", "samples", "augmented"}
    title = found.figures["augmented"].texts[0].get_text()
    assert title == "As they are, and augmented: shift 3, flip"
    page = found._repr_html_()
    assert page.count("data:image/png;base64,") == 3
    assert np.array_equal(found.samples(2)["0"][0], part.images[0])


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("svnh", {}, "Did you mean 'svhn'"),
        ("nowhere/photos", {}, "no such folder"),
        ("synthetic_gray", {"filp": True}, "Did you mean 'flip'"),
        ("synthetic_gray", {"shift": -1}, "shift"),
    ],
)
def test_mistakes_are_one_clear_error(data, options, message, few_synthetic):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        kd.look(data, **options)


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least two folders"):
        kd.look(tmp_path)


def test_the_command(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    page = tmp_path / "page.html"
    assert cli.main(["look", str(photos), "--out", str(page)]) == 0
    said = capsys.readouterr().out
    assert "12 x 10" in said
    assert max(map(len, said.splitlines()[:-1])) <= 80
    assert page.read_text(encoding="utf-8").count("data:image/png") == 3
    assert cli.main(["look", str(photos), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"][0] == {"class": "cat", "train": 8, "test": 2}
    (photos / "test" / "dog" / "0.png").write_bytes(b"no picture")
    assert cli.main(["look", str(photos)]) == 1
    assert "0.png must be an image" in capsys.readouterr().out
    assert cli.main(["look", "svnh"]) == 2
    assert "Did you mean 'svhn'?" in capsys.readouterr().err


def test_examples_run():
    found = doctest.testmod(looking, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert found.failed == 0
