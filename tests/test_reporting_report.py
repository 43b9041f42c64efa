"""The report of a run folder: complete, self-contained, labelled, safe to open."""

import base64
import csv
import html.parser
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import reporting_fakes as fakes

from kerasdl.record import Record
from kerasdl.reporting import report, story, tables, text
from kerasdl.reporting.render import render
from kerasdl.sections import Figure, Section

PARTIAL = "partial: 4434 of 73257"
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Collects tags and text, and checks that tags are closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def write(folder: Path, **options: Any) -> tuple[Record, Page, str]:
    record, images, predictions = fakes.make(**options)
    report.write_report(folder, record, test_images=images, predictions=predictions)
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    return record, page, (folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record, Page, str]:
    folder = tmp_path_factory.mktemp("zoo")
    return folder, *write(folder, models=("lenet5", "resnet18", "smallnet"), images=300)


def test_nothing_else_is_written(zoo: tuple[Path, Record, Page, str]) -> None:
    names = {path.name for path in zoo[0].iterdir()}
    assert names == {"figures", "history.csv", "results.csv", "README.md", "report.html"}
    assert {path.suffix for path in (zoo[0] / "figures").iterdir()} == {".png"}


def test_the_page_loads_nothing(zoo: tuple[Path, Record, Page, str]) -> None:
    folder, _, page, _ = zoo
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "link", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "action", "data", "poster"}:
                assert value is not None
                assert value.startswith(("#", "data:image/png;base64,"))
    content = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?://", content)
    policy = [tag for tag in page.all("meta") if tag.get("http-equiv")]
    assert policy[0]["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_the_page_holds_every_figure_with_alt_text(zoo: tuple[Path, Record, Page, str]) -> None:
    folder, _, page, readme = zoo
    on_disk = {path.read_bytes() for path in (folder / "figures").iterdir()}
    images = page.all("img")
    inlined = {base64.b64decode(str(image["src"]).partition(",")[2]) for image in images}
    assert inlined == on_disk
    assert all(image["alt"] for image in images)
    links = re.findall(r"^!\[(.+)\]\((.+)\)$", readme, re.MULTILINE)
    assert {(folder / link).read_bytes() for _, link in links} == on_disk
    assert all(alt for alt, _ in links)


def test_the_page_is_accessible(zoo: tuple[Path, Record, Page, str]) -> None:
    page = zoo[2]
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("title")
    assert len(page.all("h1")) == 1
    assert all(cell.get("scope") in {"row", "col"} for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    targets = {str(a["href"])[1:] for a in page.all("a")}
    assert targets <= {attributes.get("id") for _, attributes in page.tags}


def test_readme_starts_with_the_answer_and_quotes_the_table(
    zoo: tuple[Path, Record, Page, str],
) -> None:
    _, record, page, readme = zoo
    lines = readme.splitlines()
    assert lines[0].startswith("# SVHN")
    assert lines[2] == text.markdown(story.answer(record))
    assert tables.results(record).markdown() in readme
    assert story.answer(record) in page.text
    for row in tables.results(record).rows:
        for cell in row:
            assert cell in page.text


def test_the_recipe_in_the_readme_is_the_recipe(zoo: tuple[Path, Record, Page, str]) -> None:
    _, record, _, readme = zoo
    (block,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    expected = {key: value for key, value in record.recipe.items() if value is not None}
    assert tomllib.loads(block) == expected
    assert record.command in readme
    assert record.dataset.sha256 in readme


def test_partial_stands_in_captions_and_in_no_cell(
    zoo: tuple[Path, Record, Page, str],
) -> None:
    _, record, page, readme = zoo
    lines = readme.splitlines()
    for one in record.summary:
        accuracy = text.percent_spread(one.test_accuracy)
        holders = [line for line in lines if accuracy in line and line[:1] == "|"]
        assert holders
        assert not any(PARTIAL in line for line in holders)
    for start in ("Data: ", "Ours: ", "Differences of mean test accuracy "):
        (line,) = [line for line in lines if line.startswith(start)]
        assert PARTIAL in line
    assert "like-for-like" in page.text
    captions = re.findall(r"(Results on [^\n]*|Paired tests on [^\n]*|ours on [^\n]*)", page.text)
    assert len(captions) == 3
    assert all(PARTIAL in caption for caption in captions)


def test_csv_files_equal_the_record(zoo: tuple[Path, Record, Page, str]) -> None:
    folder, record, _, _ = zoo
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(run.history["loss"]) for run in record.runs)
    for run in record.runs:
        own = [r for r in rows if (r["model"], r["seed"]) == (run.model, str(run.seed))]
        assert [int(r["epoch"]) for r in own] == list(range(1, len(own) + 1))
        assert [float(r["val_loss"]) for r in own] == pytest.approx(run.history["val_loss"])
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["test_accuracy"]) for r in rows] == [
        pytest.approx(run.metrics.test_accuracy) for run in record.runs
    ]


def test_a_second_writing_changes_no_byte(zoo: tuple[Path, Record, Page, str]) -> None:
    folder = zoo[0]
    names = ["README.md", "report.html", "history.csv", "results.csv"]
    before = [(folder / name).read_bytes() for name in names]
    write(folder, models=("lenet5", "resnet18", "smallnet"), images=300)
    assert [(folder / name).read_bytes() for name in names] == before


def test_hostile_names_are_text(tmp_path: Path) -> None:
    record, page, readme = write(
        tmp_path,
        names=fakes.HOSTILE,
        models=("smallnet",),
        seeds=1,
        images=80,
        partial=None,
        source="folder",
        title='"><script>alert(2)</script> ੴ',
    )
    assert page.all("script") == []
    assert "<script>alert(1)</script>" in page.text
    assert "<script>alert(2)</script>" in page.text
    assert "五" in page.text
    assert "\u202e" not in page.text + readme
    assert not re.search(r"(?<!\\)<script", readme)
    lines = [line for line in readme.splitlines() if line.startswith("| 1: 五")]
    assert len(lines) == 1
    assert len(re.split(r"(?<!\\)\|", lines[0])) == 5
    assert record.dataset.title.partition(">")[0] in page.text


def test_synthetic_and_interrupted_cannot_be_overlooked(tmp_path: Path) -> None:
    _, page, readme = write(
        tmp_path,
        models=("lenet5", "resnet18"),
        seeds=1,
        images=60,
        source="synthetic",
        partial=None,
        status="interrupted",
        validation=False,
        title="Digits",
    )
    banners = [tag for tag in page.all("div") if "alarm" in str(tag.get("class"))]
    assert len(banners) == 2
    top = readme[: readme.index("## Results")]
    assert "**SYNTHETIC DATA.**" in top
    assert "**INTERRUPTED RUN.**" in top
    for shown in (page.text, readme):
        # The record brings figures of other reports; they must not be seen.
        assert "Reported" not in shown
        assert "squeezenet" not in shown
    rows = [line for line in readme.splitlines() if re.match(r"\| \**(LeNet|ResNet)", line)]
    assert not any("SYNTHETIC" in line for line in rows)
    (line,) = [line for line in readme.splitlines() if line.startswith("Data: ")]
    assert "synthetic" in line.lower()


def test_many_classes_stay_out_of_the_readme(tmp_path: Path) -> None:
    names = [f"kind {i}" for i in range(60)]
    _, page, readme = write(
        tmp_path, names=names, models=("smallnet",), seeds=1, images=300, shape=(28, 28, 1)
    )
    assert "## Accuracy by class" not in readme
    assert "59: kind 59" in page.text


def test_no_run_at_all(tmp_path: Path) -> None:
    _, page, readme = write(tmp_path, models=(), status="interrupted", images=20)
    assert "No run was finished" in page.text
    assert "No run was finished" in readme
    assert page.all("img") == []
    assert (tmp_path / "history.csv").read_text() == "model,seed\n"


@pytest.mark.parametrize("case", ["dtype", "count", "classes"])
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path, case: str) -> None:
    record, images, predictions = fakes.make(models=("lenet5",), seeds=1, images=30)
    if case == "dtype":
        images = images.astype(np.float32)  # type: ignore[assignment]
    elif case == "count":
        images = images[1:]
    else:
        predictions = fakes.Predictions(predictions.labels, 11)
    with pytest.raises(ValueError, match="Received"):
        report.write_report(tmp_path, record, test_images=images, predictions=predictions)
    assert list(tmp_path.iterdir()) == []


def test_notes_and_a_partial_test_part_are_said(tmp_path: Path) -> None:
    record, images, predictions = fakes.make(models=("lenet5",), seeds=1)
    note = "4 of 178 test images are training images, too <b>."
    dataset = msgspec.structs.replace(record.dataset, notes=[note], partial_test="1952 of 26032")
    record = msgspec.structs.replace(record, dataset=dataset)
    report.write_report(tmp_path, record, test_images=images, predictions=predictions)
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(content)
    assert "4 of 178 test images are training images, too" in page.text
    assert "<b>." not in content
    assert "test partial: 1952 of 26032" in page.text
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "4 of 178 test images are training images, too" in readme


def test_every_table_of_the_readme_stands_apart(zoo: tuple[Path, Record, Page, str]) -> None:
    lines = zoo[3].splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("|") and i and lines[i - 1]]
    assert all(lines[i - 1].startswith("|") for i in starts)


def test_the_target_of_a_picture_is_its_file():
    figure = Figure(file="figures/fashion_mnist-a b.png", alt="a_b", caption="c")
    section = Section(title="t", figures=[figure])
    text = render("sections.md.jinja", {"sections": [section]})
    assert r"![a\_b](figures/fashion_mnist-a%20b.png)" in text


def test_chance_and_who_is_no_better_are_said() -> None:
    record = fakes.make(models=("lenet5", "smallnet"), seeds=2, images=200)[0]
    counts = [110, *[10] * 9]
    said = story.chance(record, counts)
    name = record.dataset.class_names[0]
    assert said.startswith(
        "Guessing is right for 10.00 % of the test images, always answering the "
    )
    assert f"commonest class, {name}, for 55.00 %." in said
    low = [
        msgspec.structs.replace(
            one, test_accuracy=msgspec.structs.replace(one.test_accuracy, mean=mean)
        )
        for one, mean in zip(record.summary, (0.58, 0.9), strict=True)
    ]
    told = story.chance(msgspec.structs.replace(record, summary=low), counts)
    assert told.endswith("LeNet-5 does no better than that.")
    both = [msgspec.structs.replace(one, test_accuracy=low[0].test_accuracy) for one in low]
    told = story.chance(msgspec.structs.replace(record, summary=both), counts)
    assert told.endswith("LeNet-5 and SmallNet do no better than that.")


def test_who_was_still_improving_is_said() -> None:
    record = fakes.make(models=("lenet5", "smallnet"), seeds=2, images=50)[0]

    def with_losses(**losses: list[list[float]]) -> Record:
        runs = [
            msgspec.structs.replace(run, history={"val_loss": losses[run.model][run.seed]})
            for run in record.runs
        ]
        return msgspec.structs.replace(record, runs=runs)

    falling, risen = [3.0, 2.0, 1.0], [3.0, 1.0, 2.0]
    said = story.unfinished(with_losses(lenet5=[falling, falling], smallnet=[falling, risen]))
    assert said.startswith("LeNet-5 was still improving when the training ended")
    said = story.unfinished(with_losses(lenet5=[risen, risen], smallnet=[falling, risen]))
    assert said.startswith("No model was still improving")
    assert not story.unfinished(with_losses(lenet5=[[1.0]] * 2, smallnet=[[]] * 2))


def test_what_comes_next_has_the_runs_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record, images, predictions = fakes.make(models=("lenet5",), seeds=1, images=50)
    folder = Path("runs") / "my run"
    report.write_report(folder, record, test_images=images, predictions=predictions)
    assert "comes next" not in (folder / "README.md").read_text()
    (folder / "models").mkdir()
    report.write_report(folder, record, test_images=images, predictions=predictions)
    for page in ("README.md", "report.html"):
        shown = (folder / page).read_text().replace("&#39;", "'")
        assert "kerasdl predict photos/ --run 'runs/my run'" in shown
        assert "kerasdl export 'runs/my run' --to saved_models" in shown
        assert str(tmp_path) not in shown
    record = msgspec.structs.replace(record, status="interrupted")
    report.write_report(folder, record, test_images=images, predictions=predictions)
    assert "comes next" not in (folder / "README.md").read_text()
