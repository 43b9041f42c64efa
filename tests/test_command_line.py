"""What all commands have in common: parsers, errors, how much is said, streams that close."""

import errno
import io
import os
import sys
import types

import pytest
from rich.table import Table

from kerasdl import cli, command_line, streams, suggest, terminal
from kerasdl.command_line import Parser
from kerasdl.terminal import Bar, Console, Part, fit


@pytest.fixture(autouse=True)
def normal():
    yield
    streams.set_level(streams.NORMAL)


def refused(capsys, parser, *arguments):
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(list(arguments))
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("received", "meant"),
    [
        ("ephocs", "epochs"),
        ("--ephocs", "epochs"),
        ("Batch_Size", "batch-size"),
        ("batch", "batch-size"),
        ("xyzzy", None),
        ("--", None),
    ],
)
def test_the_nearest_name(received, meant):
    assert suggest.nearest(received, ["epochs", "batch-size", "out"]) == meant


def test_a_beginning_of_two_names_is_none_of_them():
    assert suggest.nearest("finetune", ["finetune-epochs-of-x", "finetune-learning-rate"]) is None


def parser():
    made = Parser(prog="p", words=("predict",))
    made.add_argument("--epochs", type=int)
    made.add_argument("--learning-rate", type=float)
    made.add_argument("--preset", choices=["default", "full"])
    made.add_argument("--to", required=True)
    return made


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--ephocs", "3"], "p: error: unknown option '--ephocs'. Did you mean '--epochs'?"),
        (["--ephocs=3", "--to", "x"], "unknown option '--ephocs'. Did you mean '--epochs'?"),
        (["--to", "x", "--lr", "1"], "unknown option '--lr'. Did you mean '--learning-rate'?"),
        (["--to", "x", "predcit"], "unknown argument 'predcit'. Did you mean 'predict'?"),
        (["--to", "x", "epochs"], "unknown argument 'epochs'. Did you mean '--epochs'?"),
        (["--to", "x", "--xyzzy"], "unknown option '--xyzzy'. (see --help)"),
        (
            ["--to", "x", "--preset", "ful"],
            "expected one of default, full. Received: 'ful'. Did you mean 'full'?",
        ),
        (["--epoch", "3"], "unknown option '--epoch'. Did you mean '--epochs'?"),
    ],
)
def test_a_mistyped_option_or_value_is_named_with_what_was_meant(capsys, arguments, line):
    assert line in refused(capsys, parser(), *arguments)


def test_what_follows_two_dashes_is_no_option():
    made = Parser(prog="p")
    made.add_argument("images", nargs="+")
    assert made.parse_args(["--", "--ephocs"]).images == ["--ephocs"]


def test_an_option_of_a_command_below_is_suggested(capsys):
    made = Parser(prog="p")
    made.add_subparsers(dest="command").add_parser("where", lists=True).add_argument("--data")
    assert "Did you mean '--json'?" in refused(capsys, made, "where", "--jsn")
    assert "Did you mean 'where'?" in refused(capsys, made, "wher")


def test_version_names_what_computes(capsys):
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(["--version"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("kerasdl ")
    assert "Keras 3." in said
    assert "TensorFlow 2." in said


def test_how_much_is_said_belongs_to_the_process_and_not_to_the_options():
    options = parser().parse_args(["--to", "x", "-q"])
    assert not {"quiet", "verbose"} & set(vars(options))
    assert streams.level == streams.QUIET
    assert streams.options() == ["-q"]
    assert Console().quiet
    parser().parse_args(["--to", "x", "-v"])
    assert terminal.line_seconds() == 1.0
    assert not Console().quiet


def test_a_command_begins_at_the_usual_level_each_time():
    levels = []

    @command_line.entry
    def command(argv):
        levels.append(streams.level)
        streams.set_level(streams.QUIET)
        return 0

    assert [command([]), command([])] == [0, 0]
    assert levels == [streams.NORMAL, streams.NORMAL]


def test_a_failure_is_one_line_and_with_v_also_where_it_came_from(capsys):
    with pytest.raises(ValueError, match="bad") as caught:
        raise ValueError("bad \x1b[31mname")
    assert command_line.fail("p", caught.value) == 2
    assert capsys.readouterr().err == "p: error: bad �[31mname\n"
    streams.set_level(streams.VERBOSE)
    assert command_line.fail("p", caught.value, 1, after=". More") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("p: error: bad �[31mname. More\n")


def test_ctrl_c_is_a_sentence_and_code_130(capsys):
    @command_line.entry
    def command(argv):
        raise KeyboardInterrupt

    assert command([]) == 130
    assert capsys.readouterr().err == "kerasdl: interrupted\n"


class Closed(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def flush(self):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(
    "say",
    [
        lambda: streams.write("x"),
        lambda: Console().print("x"),
        lambda: terminal.show_list(Table, data=[1], names=[], as_json=True),
        lambda: None,  # what is buffered fails at the end
    ],
    ids=["write", "console", "json", "at the end"],
)
def test_output_that_nobody_reads_ends_with_a_sentence_and_141(monkeypatch, capsys, say):
    monkeypatch.setattr(sys, "stdout", Closed())

    @command_line.entry
    def command(argv):
        try:
            say()
        except OSError:  # as commands do, whose disk may be full
            return 1
        return 0

    with pytest.raises(SystemExit) as stopped:
        command([])
    assert stopped.value.code == streams.OUTPUT_CLOSED == 141
    (line,) = capsys.readouterr().err.splitlines()
    assert "nobody reads standard output" in line


def test_a_program_that_imports_kerasdl_gets_an_exception(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        Console().print("x")


def test_standard_error_that_nobody_reads_does_not_matter(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", Closed())
    Console(stderr=True).print("progress")
    assert command_line.fail("p", "bad") == 2
    print("result")
    assert capsys.readouterr().out == "result\n"


def test_closed_streams_and_a_reader_that_leaves(tmp_path):
    """One process for each: descriptors 1 and 2 are really closed."""
    import subprocess

    command = [sys.executable, "-m", "kerasdl"]

    def run(shell):
        line = shell.format(kerasdl=" ".join(command))
        return subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    assert run("{kerasdl} study -q 2>&-").stdout.startswith("activations\n")
    assert run("{kerasdl} study -q >&- 2>&-").returncode == 0
    # The mistake is known by its code, though nobody can be told.
    assert run("{kerasdl} svnh 2>&-").returncode == 2
    # `true` has gone before anything is written.
    left = run("{kerasdl} study --json | true; echo ${{PIPESTATUS[0]}}")
    assert left.stdout == "141\n"
    assert left.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_start_of_tensorflow_survives_a_closed_standard_error(tmp_path, run_python):
    # Else the first file that is opened is descriptor 2, and gets what TensorFlow says.
    code = (
        "import os, sys\n"
        "os.close(2); sys.stderr = None\n"
        "from kerasdl.quiet import quiet_start\n"
        "with quiet_start():\n"
        "    os.write(2, b'W0000 careful\\n')\n"
        f"with open({str(tmp_path / 'file')!r}, 'w') as file: print(file.fileno() > 2)\n"
    )
    done = run_python("-c", code)
    assert (done.returncode, done.stdout) == (0, "True\n")


PARTS = [
    Part("epoch 1/10", "1/10", 0),
    Part("1,234 images/s", "1,234/s", 4),
    Part("loss 0.532", "0.532", 3),
    Part("accuracy 84.0 %", "84.0 %", 1),
    Part("40 s left (whole run 4 min)", "40 s", 2),
]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (
            90,
            "epoch 1/10  1,234 images/s  loss 0.532  accuracy 84.0 %  40 s left (whole run 4 min)",
        ),
        (60, "epoch 1/10  1,234/s  0.532  accuracy 84.0 %  40 s"),
        (20, "1/10  84.0 %  40 s"),
        (12, "1/10  84.0 %"),
        (4, "1/10"),
        (1, ""),
    ],
)
def test_a_line_of_progress_fits_and_the_important_is_the_last_to_go(width, line):
    assert fit(PARTS, width) == line


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_a_bar_shows_figures_at_every_width(width):
    file = io.StringIO()
    bar = Bar(Console(file=file, width=width, force_terminal=True), "lenet5, seed 0", 100)
    bar.show(30, PARTS)
    bar._progress.refresh()
    bar.close()
    said = file.getvalue().split("\r")[-3]  # its last line before it goes away
    assert "84.0 %" in said
    assert ("lenet5, seed 0" in said) == (width >= 120)
    assert "…" not in said


def test_a_list_is_a_table_json_or_names(capsys):
    def table():
        made = Table("Name")
        made.add_row("a")
        return made

    def show(as_json=False):
        terminal.show_list(table, data=["é"], names=["a", "b"], as_json=as_json, notes=["n [b]"])
        return capsys.readouterr().out

    assert "Name" in (said := show())
    assert said.endswith("n [b]\n")
    assert show(as_json=True) == '[\n  "é"\n]\n'
    streams.set_level(streams.QUIET)
    assert show() == "a\nb\n"
    assert os.linesep not in show(as_json=True).strip('[]\n é"')


@pytest.mark.parametrize("width", [20, 60, 80])
def test_results_show_their_figures_at_every_width(width):
    from pathlib import Path

    from kerasdl import record
    from kerasdl.reporting.text import percent
    from kerasdl.studies.show import show_results

    root = Path(__file__).resolve().parents[1]
    result = record.read(root / "apps" / "svhn" / "results.json")
    file = io.StringIO()
    show_results(Console(file=file, width=width), result, Path("run"))
    said = file.getvalue().split("Report:")[0]
    for row in result.summary:
        assert percent(row.test_accuracy.mean) in said
    assert "…" not in said


@pytest.mark.parametrize("width", [10, 20, 40])
def test_a_narrow_console_shows_the_cells_of_a_table_below_each_other(width):
    table = Table(title="Runs")
    for heading in ("Run", "Score", "Best"):
        table.add_column(heading)
    table.add_row("runs/a", "93.06 %", "smallnet")
    table.add_row("runs/b", "", "runs/b")
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    said = " ".join(" ".join(lines).split())
    assert said == "Runs runs/a Score: 93.06 % Best: smallnet runs/b Best: runs/b"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["cache", "lst"], "Without arguments it lists"),
        (["models", "list"], "Without arguments it lists"),
        (["datasets", "--jsn"], "Did you mean '--json'?"),
        (["datasets", "--json"], "goes after a command"),
        (["compare", "svnh"], "Did you mean '--dataset svhn'?"),
        (["svhn", "lenet"], "Did you mean '--models lenet5'?"),
        (["study", "depth", "cifar"], "Did you mean '--dataset cifar10'?"),
        (["search", "mnist_width", "--trails", "3"], "Did you mean '--trials'?"),
    ],
    ids=" ".join,
)
def test_a_value_without_its_option_and_an_option_before_its_command(capsys, arguments, line):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_help_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


class Display:
    """IPython's display module, for a console that believes to be in a notebook."""

    def __init__(self):
        self.shown = []

    def HTML(self, text):
        return text

    def display(self, text, display_id):
        assert display_id
        self.shown.append(text)
        return self

    def update(self, text):
        self.shown.append(text)


def test_a_notebook_gets_a_bar_that_is_changed_in_place(monkeypatch):
    display = Display()
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(terminal, "NOTEBOOK_SECONDS", 0.0)
    console = Console(force_jupyter=True)
    assert terminal.has_bars(console)
    bar = Bar(console, "lenet5 <seed 0>", 100)
    bar.show(40, [Part("loss 0.3", "0.3", 0)])
    bar.close()
    bar.show(50)
    with terminal.working(console, "Measuring"):
        pass
    assert '<progress value="40" max="100">' in display.shown[2]
    assert "lenet5 &lt;seed 0&gt;  loss 0.3" in display.shown[2]
    assert display.shown[3:] == ["", "", "<code>Measuring ...</code>", ""]
    quiet = Console(force_jupyter=True, quiet=True)
    Bar(quiet, "title", 100).show(40)
    assert len(display.shown) == 7
