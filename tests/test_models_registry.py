"""The registry and its command."""

import dataclasses
import subprocess
import sys

import pytest
from patience import PATIENCE

from kerasdl.models import __main__ as command
from kerasdl.models import bases, registry

NAMES = registry.names()


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_has_the_networks_of_the_reports():
    assert set(NAMES) >= {
        "smallnet", "lenet5", "alexnet", "vgg16", "resnet18", "resnet20", "resnet50", "resnet101",
        "shufflenet", "mlp", "mlp1", "cnn", "transfer",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_entries_are_complete(name):
    network = registry.get(name)
    assert network.name == name
    assert network.title
    years = ("1986", "1998", "2012", "2014", "2015", "2016", "2018", "2024")
    assert any(year in network.source for year in years)
    assert (network.published_parameters is None) == (network.published_in is None)
    function = network.load()
    assert function.__module__ == network.function.split(":")[0]
    assert function.__doc__
    assert set(network.listed) <= set(network.settings())
    assert network.setting_names() == tuple(network.settings())


def test_entries_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        registry.get("lenet5").title = "LeNet-6"


@pytest.mark.parametrize(
    ("wrong", "near"), [("resnet81", "resnet18"), ("LeNet5", "lenet5"), ("shuflenet", "shufflenet")]
)
def test_unknown_network_names_the_near_one(wrong, near):
    with pytest.raises(
        ValueError, match=rf"Received: '{wrong}'\. Did you mean '{near}'\?"
    ) as raised:
        registry.get(wrong)
    assert all(name in str(raised.value) for name in NAMES)


def test_unknown_network_without_a_near_one():
    with pytest.raises(ValueError, match=r"Received: 'perceiver'\.$"):
        registry.get("perceiver")


def test_unknown_setting_names_the_ones_that_exist():
    with pytest.raises(
        ValueError, match=r"setting of lenet5.*activation, pooling.*'activaton'"
    ) as e:
        registry.build("lenet5", (32, 32, 3), 10, activaton="tanh")
    assert "Did you mean 'activation'?" in str(e.value)


def test_unknown_setting_of_a_network_without_settings():
    with pytest.raises(ValueError, match=r"setting of resnet20\. There are none.*'width'"):
        registry.build("resnet20", (32, 32, 3), 10, width=2)


def test_settings_are_those_of_the_function():
    assert registry.get("lenet5").settings() == {"activation": "relu", "pooling": "max"}
    assert registry.get("resnet20").settings() == {}


def test_reading_the_registry_imports_no_keras():
    done = run_python(
        "import sys, kerasdl.models as m; m.names(); m.get('lenet5')\n"
        "try: m.get('lenet')\n"
        "except ValueError: pass\n"
        "print([n for n in ('keras', 'tensorflow', 'jax', 'torch', 'numpy') if n in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_help_and_wrong_arguments_import_no_keras():
    done = run_python(
        "import runpy, sys\n"
        "for argv in (['--help'], ['--input-shape', '32x32'], ['--clases', '3']):\n"
        "    sys.argv = ['kerasdl.models', *argv]\n"
        "    try: runpy.run_module('kerasdl.models', run_name='__main__')\n"
        "    except SystemExit as end: print('exit', end.code, 'keras' in sys.modules)\n"
    )
    assert "usage: python -m kerasdl.models" in done.stdout
    ends = [line for line in done.stdout.splitlines() if line.startswith("exit")]
    assert ends == ["exit 0 False", "exit 2 False", "exit 2 False"]
    # One line each, no usage above it.
    first, second = done.stderr.splitlines()
    assert "'32x32'" in first
    assert "--clases" in second


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--classes", "1"], "`num_classes`"), (["--input-shape", "32,32"], "`input_shape`")],
)
def test_impossible_values_end_with_one_line_and_exit_code_2(arguments, complaint, capsys):
    assert command.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert complaint in line


@pytest.mark.parametrize(
    "names", [("lenet5", "smallnet", "mlp"), pytest.param(NAMES, marks=pytest.mark.slow)], ids=len
)
def test_table_lists_all_networks(names, capsys, monkeypatch):
    monkeypatch.setattr(registry, "names", lambda: names)
    assert command.main(["--input-shape", "28,28,1", "--classes", "10"]) == 0
    table = capsys.readouterr().out
    assert "28x28x1" in table
    for name in names:
        row = next(line for line in table.splitlines() if f" {name} " in line)
        assert registry.get(name).title in row
    row = next(line for line in table.splitlines() if " lenet5 " in line)
    assert "61,706" in row
    assert "0.42 M" in row
    own = table[table.index("Bases of the network") :]
    for name in bases.names():
        (row,) = (line for line in own.splitlines() if f"│ {name} " in line)
        assert f"{bases.get(name).published_parameters:,}" in row


def test_layers_of_a_base_of_transfer(capsys):
    assert command.main(["--layers", "transfer:mobilenet_0.5"]) == 0
    table = capsys.readouterr().out
    for name in bases.get("mobilenet_0.5").cuts:
        assert f" {name} " in table
    assert "4×4×128" in table


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("transfer:mobilnet", "Did you mean 'mobilenet'?"),
        ("lenet5:vgg16", "only transfer:BASE has a base"),
    ],
)
def test_a_base_that_is_none_ends_with_one_line(name, complaint, capsys):
    assert command.main(["--layers", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line
