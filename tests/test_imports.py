"""The import rules: downwards only, TensorFlow late and in few places, a fast start."""

import ast
import re
from pathlib import Path

import picture
import pytest

ROOT = Path(__file__).resolve().parent.parent / "kerasdl"
MODULES = sorted(ROOT.rglob("*.py"))

MAY_IMPORT_TENSORFLOW = ("kernels.py", "training/", "export/", "serving/", "datasets/tfds.py")


def room(path):
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


def imports(path):
    """Yields (module name, whether at the top level of the file)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = set()
    for node in ast.walk(tree):
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or checking:
            late.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, id(node) not in late
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module, id(node) not in late
            for name in node.names:
                yield f"{node.module}.{name.name}", id(node) not in late


def packages_and_imports():
    packages = {room(path) for path in MODULES}
    pairs = {}
    for path in MODULES:
        for name, _ in imports(path):
            there = name.split(".")[1] if name.startswith("kerasdl.") else ""
            if there in packages - {room(path)}:
                pairs[room(path), there] = f"{path.relative_to(ROOT)} has {name}"
    return packages, pairs


def test_the_picture_in_the_architecture_page_is_what_the_code_imports():
    drawn = picture.read(picture.PAGE.read_text(encoding="utf-8"))
    assert picture.differences(drawn, *packages_and_imports()) == []


def in_the_code(dotted):
    """Whether "package.module", "module.name" or "module.Class.name" is anywhere in kerasdl."""
    parts = dotted.split(".")
    for path in MODULES:
        place = f"/{path.relative_to(ROOT).with_suffix('').as_posix()}".removesuffix("/__init__")
        for count in range(1, len(parts) + 1):
            if place.endswith("/" + "/".join(parts[:count])):
                text = path.read_text(encoding="utf-8")
                defined = (rf"^ *(def |class )?{name}\b *[(:=]" for name in parts[count:])
                if all(re.search(one, text, re.MULTILINE) for one in defined):
                    return True
    return False


def test_what_the_architecture_page_names_is_there():
    text = picture.PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+\.)+\w+)(?:\(\w*\))?`", text))
    named -= {"results.json", "predictions.npz", "report.html"}
    assert len(named) > 30
    missing = sorted(name for name in named if not in_the_code(name))
    assert missing == []


SKETCH = """
```mermaid
flowchart TB
  subgraph upper ["Upper"]
    a["a: first"]
    b["b: second"]
  end
  subgraph lower ["Lower"]
    c["c: third"]
  end
  upper --> lower
  a --> b
```
"""
USED = {("a", "b"): "a.py", ("a", "c"): "a.py"}


@pytest.mark.parametrize(
    ("packages", "used", "difference"),
    [
        ("abc", USED, None),
        ("abc", {**USED, ("b", "c"): "b.py"}, None),
        ("abc", {**USED, ("c", "a"): "c.py"}, "c must not import a: c.py"),
        ("abc", {**USED, ("b", "a"): "b.py"}, "b must not import a: b.py"),
        ("abcd", {**USED, ("a", "d"): "a.py"}, "d is not in the picture"),
        ("ab", {("a", "b"): "a.py"}, "c is in the picture only"),
        ("abc", {("a", "c"): "a.py"}, "no import needs a --> b"),
        ("abc", {("a", "b"): "a.py"}, "no import goes from upper to lower"),
    ],
)
def test_a_picture_that_is_not_the_code_is_found_out(packages, used, difference):
    found = picture.differences(picture.read(SKETCH), packages, used)
    assert (difference in found) if difference else (found == [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a --> b", "a -.-> b"),
        ("a --> b", "a --> c"),
        ("upper --> lower", "lower --> upper"),
        ('c["c: third"]', 'a["a: again"]'),
        ('c["c: third"]', 'c["d: third"]'),
    ],
)
def test_a_picture_that_is_not_clear_is_refused(old, new):
    with pytest.raises(AssertionError):
        picture.read(SKETCH.replace(old, new))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tensorflow_is_imported_late_and_in_few_places(path):
    for name, top in imports(path):
        if name.split(".")[0] in ("tensorflow", "tensorflow_datasets", "jax"):
            assert not top, f"{path} imports {name} at its top level"
            where = path.relative_to(ROOT).as_posix()
            assert where.startswith(MAY_IMPORT_TENSORFLOW), f"{where} imports {name}"


def test_no_app_imports_another():
    for path in (ROOT / "apps").glob("*.py"):
        for name, _ in imports(path):
            assert not name.startswith("kerasdl.apps"), f"{path.name} imports {name}"


def test_serving_stands_alone():
    alone = (
        "kerasdl.serving",
        "kerasdl.files",
        "kerasdl.quiet",
        "kerasdl.kernels",
        "kerasdl.recipe",
        "kerasdl.command_line",
        "kerasdl.streams",
    )
    for path in (ROOT / "serving").rglob("*.py"):
        for name, _ in imports(path):
            if name.partition(".")[0] in ("kerasdl", "keras"):
                known = f"{name}.".startswith(tuple(f"{one}." for one in alone))
                assert known or name in ("kerasdl", "kerasdl.__version__"), f"{path} imports {name}"


def test_models_know_no_data_set():
    for path in (ROOT / "models").rglob("*.py"):
        for name, _ in imports(path):
            assert not name.startswith("kerasdl.datasets"), f"{path.name} imports {name}"


FAST = {
    "import": ("-c", "import kerasdl"),
    "--help": ("-m", "kerasdl.apps.svhn", "--help"),
    "models": ("-m", "kerasdl.apps.svhn", "--models", "lenet"),
    "transfer": ("-m", "kerasdl.apps.svhn", "--transfer", "vgg17"),
    "size": ("-m", "kerasdl.apps.svhn", "--transfer", "vgg16", "--size", "20"),
    "weights": ("-m", "kerasdl.apps.svhn", "--transfer", "vgg16", "--weights", "nowhere"),
    "recipe": ("-m", "kerasdl.apps.svhn", "--set", "training.lenet5.epoch=3"),
    "cli": ("-m", "kerasdl", "--help"),
    "datasets": ("-m", "kerasdl.datasets", "--help"),
    "networks": ("-m", "kerasdl.models", "--help"),
    "mnist_width": ("-m", "kerasdl.tuning.mnist_width", "--help"),
    "regularization": ("-m", "kerasdl.tuning.regularization", "--l2", "0"),
    "search": ("-m", "kerasdl.tuning.search", "--app", "mnist", "--epochs", "2"),
    "transfer_head": ("-m", "kerasdl.tuning.transfer_head", "--transfer", "vgg116"),
    "cuts": ("-m", "kerasdl.apps.cifar10", "--study", "cuts", "--sizes", "8"),
    "export": ("-m", "kerasdl.export", "--help"),
    "nothing to export": ("-m", "kerasdl.export", "nowhere", "--to", "nowhere"),
    "scan": ("-m", "kerasdl.export", "scan", "nowhere"),
    "cache": ("-m", "kerasdl", "cache", "--help"),
    "runs": ("-m", "kerasdl", "runs", "--help"),
    "study": ("-m", "kerasdl", "study"),
    "version": ("-m", "kerasdl", "--version"),
    "completion": ("-m", "kerasdl", "--print-completion", "bash"),
    "mistyped": ("-m", "kerasdl.apps.svhn", "--ephocs", "3"),
    "out": ("-m", "kerasdl.apps.svhn", "--out", f"{__file__}/run"),
    "serving": ("-m", "kerasdl.serving", "--help"),
    "client": ("-m", "kerasdl.serving.client", "--help"),
    "ray": ("-m", "kerasdl.serving.ray", "--help"),
    "nothing to serve": ("-m", "kerasdl.serving", "nowhere"),
    "member": ("-m", "kerasdl.tuning.member", "--help"),
}


@pytest.mark.parametrize("case", FAST)
def test_answers_that_need_no_tensorflow_do_not_import_it(run_python, case):
    done = run_python("-X", "importtime", *FAST[case])
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    heavy = {"tensorflow", "jax", "keras", "pandas", "matplotlib", "scipy", "jinja2", "sklearn"}
    assert "kerasdl" in imported
    assert not imported & heavy
    assert done.returncode in (0, 2)


def test_the_walk_sees_late_imports():
    late = dict(imports(ROOT / "training" / "engine.py"))
    assert late["tensorflow"] is False
    assert late["keras"] is True
