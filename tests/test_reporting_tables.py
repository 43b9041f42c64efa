"""Tables and sentences equal the record they are made from."""

import re

import msgspec
import pytest
import reporting_fakes as fakes

from kerasdl.evaluation import statistics
from kerasdl.record import Record, Reported
from kerasdl.reporting import story, tables

PARTIAL = "partial: 4434 of 73257"


@pytest.fixture(scope="module")
def record() -> Record:
    return fakes.make(images=800)[0]


def parse(markdown: str) -> list[dict[str, str]]:
    """Reads a Markdown table as GitHub does: cells between unescaped bars."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in markdown.splitlines()
    ]
    head, rule, *body = rows
    assert all(re.fullmatch(r":?-+:?", cell) for cell in rule)
    assert {len(row) for row in rows} == {len(head)}
    return [dict(zip(head, row, strict=True)) for row in body]


def test_results_table_equals_the_record(record: Record) -> None:
    rows = parse(tables.results_table(record))
    best_first = sorted(record.summary, key=lambda one: -one.test_accuracy.mean)
    assert len(rows) == len(best_first) == 8
    for row, one in zip(rows, best_first, strict=True):
        assert row["Model"].strip("*").replace("\\", "") == one.title
        accuracy = re.fullmatch(
            r"([\d.]+) ± ([\d.]+) \(n=(\d)\)", row["Test accuracy, %"].strip("*")
        )
        assert accuracy is not None
        assert float(accuracy[1]) == pytest.approx(one.test_accuracy.mean * 100, abs=0.0051)
        assert float(accuracy[2]) == pytest.approx((one.test_accuracy.std or 0) * 100, abs=0.0051)
        assert int(accuracy[3]) == one.test_accuracy.n
        assert int(row["Parameters"].replace("\u202f", "")) == one.parameters
        assert row["Data"] == PARTIAL
        gap = one.train_accuracy.mean - one.test_accuracy.mean
        assert float(row["Gap, points"].replace("\u2212", "-")) == pytest.approx(
            gap * 100, abs=0.0051
        )
    epochs = {row["Model"].strip("*"): row["Epochs"] for row in rows}
    assert epochs["AlexNet"] == "10\u201312"
    assert epochs["VGG16"] == "12"


def test_bold_is_the_best_and_what_is_tied_with_it(record: Record) -> None:
    best = statistics.best(record.runs, record.comparisons)
    assert best is not None
    titles = {one.model: one.title for one in record.summary}
    expected = {titles[name] for name in [best.name, *best.tied]}
    rows = parse(tables.results_table(record))
    bold = {row["Model"].strip("*") for row in rows if row["Model"].startswith("**")}
    assert bold == expected
    tied = fakes.make(models=("lenet5", "smallnet"), skills={"lenet5": 3.75}, images=200)[0]
    rows = parse(tables.results_table(tied))
    assert all(row["Model"].startswith("**") for row in rows)


def test_one_seed_shows_no_deviation() -> None:
    record = fakes.make(models=("lenet5",), seeds=1, images=50, partial=None)[0]
    table = tables.results_table(record)
    assert "±" not in table
    assert "(n=1)" in table
    assert "Data" not in table
    assert "one seed" in story.answer(record)


def test_hostile_titles_stay_in_their_cell() -> None:
    record = fakes.make(models=("lenet5",), seeds=1, images=50)[0]
    evil = "a|b\n| **x** <img src=x>"
    record = msgspec.structs.replace(
        record, summary=[msgspec.structs.replace(record.summary[0], title=evil)]
    )
    (row,) = parse(tables.results_table(record))
    assert re.sub(r"\\(.)", r"\1", row["Model"]) == "**a|b | **x** <img src=x>**"
    assert "<img" not in row["Model"].replace("\\<", "")


def test_a_summary_of_other_runs_is_refused(record: Record) -> None:
    with pytest.raises(ValueError, match="summarise"):
        tables.models(msgspec.structs.replace(record, summary=record.summary[1:]))


def test_reported_figures_carry_the_label_and_never_meet_synthetic_data(record: Record) -> None:
    table = tables.reported(record)
    assert table is not None
    rows = parse(table.markdown())
    assert [row["Test accuracy, %"] for row in rows] == ["LeNet-5", "ResNet-18", "squeezenet"]
    assert not any(PARTIAL in row["Ours"] for row in rows)  # it stands in the caption
    assert rows[0]["Reported (A)"] == "47.00"
    assert rows[1]["Reported (A)"] == "\u2013"
    assert rows[2]["Ours"] == "\u2013"
    dataset = msgspec.structs.replace(record.dataset, source="synthetic")
    assert tables.reported(msgspec.structs.replace(record, dataset=dataset)) is None
    assert tables.reported(msgspec.structs.replace(record, reported=[])) is None


def test_several_figures_of_one_report_share_a_cell(record: Record) -> None:
    both = [Reported(report="D", model="vgg16", test_accuracy=a) for a in (0.94, 0.954)]
    table = tables.reported(msgspec.structs.replace(record, reported=both))
    assert table is not None
    assert table.rows[0][2] == "94.00, 95.40"


def test_comparisons_are_seen_from_the_best(record: Record) -> None:
    table = tables.against_best(record)
    assert table is not None
    assert len(table.rows) == 7
    assert table.header[0] == "SmallNet against"
    for row in table.rows:
        assert row[1].startswith("+")
        # SmallNet is the last of the record: counts must be turned round.
        assert sum(map(int, row[2].split(", "))) > sum(map(int, row[3].split(", ")))
    pairs = tables.all_pairs(record)
    assert pairs is not None
    for i in range(8):
        for j in range(i):
            above = pairs.rows[j][i + 1]
            assert pairs.rows[i][j + 1] == above.replace("+", "\u2212")
            assert ((i, j + 1) in pairs.strong) == ((j, i + 1) in pairs.strong)


def test_typical_run_is_the_median() -> None:
    record = fakes.make(models=("lenet5",), images=300)[0]
    (model,) = tables.models(record)
    values = sorted(run.metrics.test_accuracy for run in record.runs)
    assert model.typical.metrics.test_accuracy == values[1]


def test_the_answer(record: Record) -> None:
    answer = story.answer(record)
    assert answer.startswith("SmallNet is best: it answers ")
    assert PARTIAL in answer
    assert "beyond noise" in answer
    tied = fakes.make(models=("lenet5", "smallnet"), skills={"lenet5": 3.75}, images=200)[0]
    assert "tied within noise with" in story.answer(tied)
    alone = msgspec.structs.replace(record, comparisons=[])
    assert "could not be compared with" in story.answer(alone)
    none = fakes.make(models=(), status="interrupted", images=20)[0]
    assert story.answer(none).startswith("No run was finished on SVHN")


def test_banners() -> None:
    record = fakes.make(models=("lenet5",), seeds=1, images=20, partial=None)[0]
    assert story.banners(record) == []
    record = fakes.make(
        models=("lenet5",), seeds=1, images=20, source="synthetic", status="interrupted"
    )[0]
    headings = [heading for heading, _ in story.banners(record)]
    assert headings == ["Synthetic data", "Interrupted run", "Part of the data"]
    assert "SYNTHETIC" in tables.results_table(record)
    assert "SYNTHETIC" in story.answer(record)
    assert "1 training run that ended" in story.banners(record)[1][1]
