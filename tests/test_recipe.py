import argparse
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from kerasdl import command_line, recipe


class Inner(recipe.Struct, frozen=True):
    epochs: Annotated[int, Meta(ge=1, description="how often, in %")] = 3
    rate: Annotated[float, Meta(gt=0, description="rate")] = 0.1
    pace: Annotated[Literal["fast", "slower"], Meta(description="pace")] = "fast"


class Outer(recipe.Struct, frozen=True):
    models: Annotated[tuple[str, ...], Meta(description="names")] = ("a",)
    kind: Annotated[Literal["x", "y"], Meta(description="kind")] = "x"
    size: Annotated[int | None, Meta(description="size")] = None
    flip: Annotated[bool, Meta(description="mirror")] = False
    inner: Inner = Inner()
    each: dict[str, Inner] = {}  # noqa: RUF012 - msgspec copies an empty default


def test_toml_round_trip(tmp_path):
    made = Outer(models=("a", "b"), size=4, each={"a": Inner(epochs=7)})
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(made))
    assert recipe.from_dict(recipe.read_toml(path), Outer, where="x") == made


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inner": {"epoch": 4}}, "unknown key 'epoch' in `inner`; did you mean 'epochs'?"),
        ({"zzz": 1}, "unknown key 'zzz'; expected one of"),
        ({"inner": {"epochs": 0}}, "`inner.epochs`"),
        ({"inner": {"epochs": "4"}}, "Expected `int`, got `str` at `inner.epochs`"),
        ({"kind": "z"}, "my.toml: kind: expected one of x, y. Received: 'z'."),
        ({"each": {"a": {"pace": "slow"}}}, "pace: expected one of fast, slower. Received: 'slow'"),
        ({"each": {"a": {"rat": 1.0}}}, "did you mean 'rate'?"),
    ],
)
def test_wrong_data_says_where_and_what(data, message):
    with pytest.raises(ValueError, match=r"my\.toml: ") as caught:
        recipe.from_dict(data, Outer, where="my.toml")
    assert message in str(caught.value)


def test_a_file_that_is_not_toml_says_where(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("a = \n")
    with pytest.raises(ValueError, match=r"recipe\.toml is not a TOML file: .*line 1"):
        recipe.read_toml(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a TOML file"):
        recipe.read_toml(path)
    with pytest.raises(ValueError, match="Received the folder"):
        recipe.read_toml(tmp_path)


def test_merge_lays_tables_over_each_other():
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert recipe.merge(base, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}


def test_differences_name_the_leaf():
    old, new = recipe.to_dict(Outer()), recipe.to_dict(Outer(inner=Inner(epochs=9), size=2))
    assert recipe.differences(old, new) == ["inner.epochs: 3 -> 9", "size: (none) -> 2"]
    assert recipe.differences(old, old) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=1", {"a": {"b": 1}}),
        ("a = 0.5", {"a": 0.5}),
        ("a=true", {"a": True}),
        ('a=["x", "y"]', {"a": ["x", "y"]}),
        ("a.b-c=mixed_float16", {"a": {"b-c": "mixed_float16"}}),
    ],
)
def test_an_assignment_is_a_dotted_key_and_a_toml_value(text, expected):
    assert recipe.parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", "a b=1"])
def test_a_malformed_assignment_is_refused(text):
    with pytest.raises(ValueError, match="--set takes KEY=VALUE"):
        recipe.parse_assignment(text)


def parse(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    recipe.add_options(parser, Outer, title="t")
    recipe.add_options(parser, Inner, title="u")
    return vars(parser.parse_args(arguments))


def test_options_come_from_the_fields_and_are_absent_unless_given():
    assert parse() == {}
    given = parse("--models", "a, b", "--size", "4", "--flip", "true", "--rate", "1e-3")
    assert given == {"models": ("a", "b"), "size": 4, "flip": True, "rate": 1e-3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), ">= 1"),
        (("--epochs", "x"), "Received: 'x'"),
        (("--kind", "z"), "Received: 'z'"),
        (("--flip", "maybe"), "Received: 'maybe'"),
    ],
)
def test_an_option_checks_its_value(arguments, message):
    with pytest.raises(argparse.ArgumentError, match=message):
        parse(*arguments)


def test_a_wrong_choice_is_answered_with_the_choices(capsys):
    from kerasdl.training.settings import Training

    parser = command_line.Parser(prog="app")
    recipe.add_options(parser, Training, title="training")
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--class-weight", "equal"])
    assert stopped.value.code == 2
    assert "expected one of balanced, none. Received: 'equal'" in capsys.readouterr().err
