"""The command `kerasdl`: its commands, what is meant by a mistyped one, completion, studies."""

import importlib
import json
import shutil
import subprocess

import pytest

from kerasdl import cli, completion, streams
from kerasdl.studies.listing import SEARCHES, STUDIES


@pytest.fixture(autouse=True)
def normal():
    yield
    streams.set_level(streams.NORMAL)


def code_of(arguments):
    """The exit code, whether a command returns it or its parser ends with it."""
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return end.code


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(arguments))
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("svnh", "svhn"),
        ("cifar", "cifar10"),
        ("train", "compare"),
        ("tune", "search"),
        ("ls", "runs"),
        ("serving", "serve"),
        ("networks", "models"),
        ("help", "--help"),
        ("version", "--version"),
    ],
)
def test_a_mistyped_command_is_named_with_what_was_meant(capsys, typed, meant):
    assert f"Did you mean 'kerasdl {meant}'?" in refused(capsys, typed)


def test_a_command_like_none_is_answered_with_all_of_them(capsys):
    line = refused(capsys, "xyzzy")
    assert all(name in line for name in cli.COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_help_lists_the_commands(capsys, arguments):
    assert code_of(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in cli.COMMANDS)
    assert max(map(len, said.splitlines())) <= 80


def test_other_words_are_of_commands_that_exist():
    known = {*cli.COMMANDS, "--help", "--version"}
    assert set(cli.OTHER_WORDS) <= known
    words = [word for words in cli.OTHER_WORDS.values() for word in words]
    assert len(set(words)) == len(words)
    assert not set(words) & set(cli.COMMANDS)


def test_every_command_has_a_module_with_a_main():
    for module, _ in cli.COMMANDS.values():
        assert callable(importlib.import_module(module).main)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_version_quiet_and_verbose(name):
    parser = completion._parser_of(cli.COMMANDS[name][0])
    known = parser._option_string_actions
    assert {"--version", "-q", "-v", "--quiet", "--verbose"} <= set(known)


@pytest.mark.parametrize("name", ["models", "runs", "cache", "study"])
def test_what_lists_prints_json(name, capsys, monkeypatch, tmp_path):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kerasdl.models.registry.names", lambda: ("lenet5",))
    assert cli.main([name, "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert cli.main(["-q", name]) == 0
    assert "━" not in capsys.readouterr().out


def test_data_sets_are_listed_as_json(capsys, monkeypatch):
    monkeypatch.setattr("kerasdl.datasets.tfds.is_prepared", lambda entry: False)
    assert cli.main(["datasets", "where", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["datasets"]][:2] == ["mnist", "fashion_mnist"]
    assert cli.main(["datasets", "where", "-q"]) == 0
    assert capsys.readouterr().out.split()[0] == "mnist"


def test_tables_fit_80_columns_with_every_cell_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("kerasdl.models.registry.names", lambda: ("mlp1", "lenet5"))
    for command in (
        ["models"],
        ["models", "-v"],
        ["models", "--layers", "resnet20"],
        ["runs", str(completion.__file__).rpartition("/kerasdl/")[0] + "/apps"],
        ["study"],
        ["datasets", "where"],
    ):
        assert cli.main(command) == 0
        said = capsys.readouterr().out
        lines = [line for line in said.splitlines() if set(line) & set("│┃┏└─")]
        assert lines
        assert max(map(len, lines)) <= 80, command
        assert "…" not in said, command


def test_the_sources_of_networks_are_shown_where_more_is_asked_for(capsys, monkeypatch):
    monkeypatch.setattr("kerasdl.models.registry.names", lambda: ("lenet5",))
    assert cli.main(["models"]) == 0
    assert "LeCun" not in capsys.readouterr().out
    assert cli.main(["models", "-v"]) == 0
    assert "LeCun" in capsys.readouterr().out


@pytest.fixture(scope="module")
def scripts():
    return {shell: completion.script(shell, cli.COMMANDS) for shell in cli.SHELLS}


@pytest.mark.parametrize("shell", cli.SHELLS)
def test_the_completion_is_a_script_of_its_shell(scripts, shell, capsys):
    assert cli.main(["--print-completion", shell]) == 0
    assert capsys.readouterr().out.strip() == scripts[shell].strip()
    if (program := shutil.which(shell)) is not None:
        done = subprocess.run(
            [program, "-n"], input=scripts[shell], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes_commands_options_and_names(scripts, tmp_path):
    program = shutil.which("bash")
    if program is None:
        pytest.skip("no bash here")
    (tmp_path / "script").write_text(scripts["bash"])

    def complete(*words):
        lines = [
            f"source {tmp_path / 'script'}",
            f"COMP_WORDS=({' '.join(words)})",
            f"COMP_CWORD={len(words) - 1}",
            "_shtab_kerasdl 2>/dev/null",
            'echo "${COMPREPLY[@]}"',
        ]
        return subprocess.run(
            [program, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
        ).stdout.split()

    assert "svhn" in complete("kerasdl", "sv")
    assert "--epochs" in complete("kerasdl", "svhn", "--ep")
    assert "lenet5" in complete("kerasdl", "svhn", "--models", "le")
    assert "full" in complete("kerasdl", "svhn", "--preset", "f")
    assert "fashion_mnist" in complete("kerasdl", "svhn", "--dataset", "fash")


def test_an_unknown_shell_is_refused(capsys):
    assert "Did you mean 'bash'?" in refused(capsys, "--print-completion", "bsh")


def test_the_list_of_studies_is_that_of_the_apps():
    found = {}
    for app in ("svhn", "mnist", "fashion_mnist", "cifar10", "gurmukhi"):
        for experiment in importlib.import_module(f"kerasdl.apps.{app}").APP.experiments:
            found.setdefault(experiment.name, set()).add(app)
    found["theory"] = {"theory"}
    assert set(STUDIES) == set(found)
    assert all(app in found[name] for name, (app, _) in STUDIES.items())
    for name in SEARCHES:
        assert importlib.import_module(f"kerasdl.tuning.{name}").EXPERIMENT.name == name


def test_a_study_is_run_by_its_name(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("kerasdl.apps.cifar10.main", lambda argv: seen.append(argv) or 0)
    monkeypatch.setattr("kerasdl.apps.theory.main", lambda argv: seen.append(argv) or 0)
    assert cli.main(["study", "depth", "--preset", "full", "--json"]) == 0
    assert cli.main(["study", "theory", "--seeds", "2"]) == 0
    assert seen == [["--study", "depth", "--preset", "full", "--json"], ["--seeds", "2"]]
    assert "Did you mean 'depth'?" in refused(capsys, "study", "dept")


def test_a_search_is_run_by_its_name_or_by_what_is_searched(monkeypatch, capsys):
    seen = []
    for name in SEARCHES:
        monkeypatch.setattr(
            f"kerasdl.tuning.{name}.main", lambda argv, name=name: seen.append((name, argv)) or 0
        )
    assert cli.main(["search", "mnist_width", "--preset", "full"]) == 0
    assert cli.main(["search", "--build", "mine.py:build", "--dataset", "photos"]) == 0
    assert cli.main(["search", "--app", "svhn", "--space", "space.toml"]) == 0
    assert seen == [
        ("mnist_width", ["--preset", "full"]),
        ("own_model", ["--build", "mine.py:build", "--dataset", "photos"]),
        ("search", ["--app", "svhn", "--space", "space.toml"]),
    ]
    assert cli.main(["search", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in listed} == set(SEARCHES)
    assert "Did you mean 'mnist_width'?" in refused(capsys, "search", "mnist_widht")


def test_predict_asks_for_a_run(capsys, tmp_path):
    assert "--run" in refused(capsys, "predict", "x.png")
    assert cli.main(["predict", "x.png", "--run", str(tmp_path / "nowhere")]) == 2
    assert "expected the folder of a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["svhn", "--preset", "defualt"], "default"),
        (["svhn", "--study", "cutz"], "cuts"),
        (["svhn", "--models", "lenet"], "lenet5"),
        (["fashion_mnist", "--models", "sigmiod"], "sigmoid"),
        (["svhn", "--dataset", "mnsit"], "mnist"),
        (["svhn", "--transfer", "mobilnet"], "mobilenet"),
        (["svhn", "--transfer", "vgg16", "--arms", "frozn"], "frozen"),
        (["svhn", "--log", "tensorbord"], "tensorboard"),
        (["svhn", "--optimizer", "adm"], "adam"),
        (["svhn", "--set", "settings.lenet5.activaton=relu"], "activation"),
        (["search", "--app", "svnh"], "svhn"),
        (["search", "--app", "svhn", "--model", "lenet"], "lenet5"),
        (["search", "--spcae", "x.toml"], "--space"),
        (["datasets", "verify", "mnits"], "mnist"),
        (["models", "--layers", "lenet"], "lenet5"),
    ],
)
def test_a_mistyped_value_is_named_with_what_was_meant(capsys, arguments, meant):
    assert code_of(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Did you mean '{meant}'?" in line
    assert line.count("Did you mean") == 1
