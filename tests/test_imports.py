"""The import rules: downwards only, TensorFlow late and in few places, a fast start."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "kerasdl"
MODULES = sorted(ROOT.rglob("*.py"))

# The floors of the house; a module may import from its own floor's packages as far as
# FLOORMATES says, and from every floor below.
FLOORS = {
    "cli": 1,
    "__main__": 1,
    "face": 1,
    "apps": 1,
    "tuning": 1,
    "experiments": 2,
    "studies": 2,
    "export": 2,
    "training": 3,
    "evaluation": 3,
    "theory": 3,
    "reporting": 3,
    "models": 4,
    "scratch": 4,
    "serving": 4,
    "datasets": 5,
    "recipe": 5,
    "record": 5,
    "sections": 6,
    "files": 6,
    "quiet": 6,
    "command_line": 7,
    "terminal": 7,
    "streams": 8,
    "suggest": 8,
    "completion": 1,
    "kernels": 7,
    "console_progress": 6,
    "__init__": 7,
}
FLOORMATES = {
    # The engine scores its validation images; a report shows what evaluation computed.
    ("training", "evaluation"),
    ("reporting", "evaluation"),
    ("theory", "evaluation"),
    ("theory", "reporting"),
    ("experiments", "studies"),
    # What leaves is a model that a study trained, compared on its images.
    ("export", "studies"),
    # The face is for users of the package, as the commands are for those of a shell.
    ("__init__", "face"),
    # What a command and a function do alike stands in the face.
    ("face", "apps"),
    ("apps", "face"),
    ("face", "tuning"),
    ("cli", "apps"),
    ("__main__", "cli"),
    ("cli", "completion"),
}
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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    here = room(path)
    for name, _ in imports(path):
        if not name.startswith("kerasdl."):
            continue
        there = name.split(".")[1]
        if there == here or there not in FLOORS:
            continue
        lower = FLOORS[there] > FLOORS[here]
        assert lower or (here, there) in FLOORMATES, f"{here} imports {name}"


def test_every_room_has_its_floor():
    assert {room(path) for path in MODULES} <= set(FLOORS)


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
