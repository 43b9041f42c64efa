"""results.json: strict both ways, with the place of what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
import reporting_fakes as fakes

from kerasdl import record as records


@pytest.fixture(scope="module")
def record() -> records.Record:
    return fakes.make(models=("lenet5", "smallnet"), images=60)[0]


def test_round_trip_and_schema(record: records.Record, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    records.write(record, path)
    assert records.read(path) == record
    content = json.loads(path.read_text())
    jsonschema.validate(content, records.json_schema())
    assert list(content)[:3] == ["schema", "kind", "app"]
    del content["dataset"]["partial"]
    with pytest.raises(jsonschema.ValidationError, match="partial"):
        jsonschema.validate(content, records.json_schema())


def test_nan_is_refused_with_its_place(record: records.Record, tmp_path: Path) -> None:
    broken = msgspec.structs.replace(
        record.runs[1], history={**record.runs[1].history, "loss": [1.0, float("nan")]}
    )
    record = msgspec.structs.replace(record, runs=[record.runs[0], broken])
    with pytest.raises(ValueError, match=r"record\.runs\[1\]\.history\.loss\[1\].*nan"):
        records.write(record, tmp_path / "results.json")
    assert list(tmp_path.iterdir()) == []


def test_percent_instead_of_share_is_refused(record: records.Record, tmp_path: Path) -> None:
    one = record.runs[0]
    metrics = msgspec.structs.replace(one.metrics, test_accuracy=91.2)
    record = msgspec.structs.replace(record, runs=[msgspec.structs.replace(one, metrics=metrics)])
    with pytest.raises(ValueError, match=r"\$\.runs\[0\]\.metrics\.test_accuracy"):
        records.write(record, tmp_path / "results.json")


def test_numpy_numbers_become_json_numbers(record: records.Record, tmp_path: Path) -> None:
    one = msgspec.structs.replace(
        record.runs[0],
        epochs=np.int64(2),
        train_seconds=np.float64(1.5),
        history={"loss": [np.float32(0.5)], "accuracy": np.array([0.25, 0.5])},
    )
    path = tmp_path / "results.json"
    records.write(msgspec.structs.replace(record, runs=[one]), path)
    found = records.read(path).runs[0]
    assert (found.epochs, found.train_seconds) == (2, 1.5)
    assert found.history == {"loss": [0.5], "accuracy": [0.25, 0.5]}
    for bad in (np.float32("inf"), np.array([np.nan])):
        broken = msgspec.structs.replace(record, recipe={"learning_rate": bad})
        with pytest.raises(ValueError, match=r"record\.recipe\.learning_rate"):
            records.write(broken, path)


def test_foreign_objects_are_refused(record: records.Record, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not written.*type of JSON"):
        records.write(msgspec.structs.replace(record, recipe={"x": object()}), tmp_path / "r.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"schema": 3}, "schema"),
        ({"status": "fine"}, "status"),
        ({"runs": [{}]}, r"runs\[0\]"),
    ],
)
def test_reading_is_strict(
    record: records.Record, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "results.json"
    records.write(record, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message) as error:
        records.read(path)
    assert str(path) in str(error.value)


def test_importing_loads_nothing_heavy() -> None:
    heavy = "numpy pandas matplotlib scipy jinja2 keras tensorflow"
    code = f"import sys, kerasdl.record;print([m for m in {heavy.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_report_loads_its_libraries_only_when_called() -> None:
    heavy = "pandas matplotlib scipy jinja2 keras tensorflow"
    code = (
        "import sys, kerasdl.reporting.report, kerasdl.evaluation.statistics;"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
