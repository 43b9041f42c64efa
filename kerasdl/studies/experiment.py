"""Experiments that are no comparison of networks: what they are, and what they are given."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kerasdl import files
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.recipe import Struct
from kerasdl.record import DatasetInfo
from kerasdl.sections import Section

if TYPE_CHECKING:
    from rich.console import Console

    from kerasdl.training.forecast import Forecast
    from kerasdl.training.stopwatch import Rehearsal


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment of an app.

    Args:
        name: As in `--study <name>`; an app whose only study it is has its own name here.
        title: The report's title.
        description: One or two sentences for `--help`.
        recipe: The struct that fully decides it; every field has a default. Fields with
            a description become options; a field `data` of the type `plan.Data` has
            the images loaded.
        presets: Changes of the struct's defaults by name; "default" is the run
            without arguments.
        function: "module:function" that does it, from a `Context` to the sections;
            imported when it runs, so that it may import Keras at its top.
        options: Structs of nested fields whose fields become options too, by the
            name of the field, e.g. {"data": Data}.
        room: Where its command is: `python -m kerasdl.<room>.<app>`.
        shared: Whether several processes can work at it: `--jobs N`.
        convolutions: Whether it computes convolutional networks, where the recipe has no
            `convolutions` that says so; TensorFlow's kernels are chosen by it.
        timing: "module:name" of what makes its `Timing` from a `Context`; None where its time
            is not known before.
    """

    name: str
    title: str
    description: str
    recipe: type[Struct]
    presets: Mapping[str, Mapping[str, Any]]
    function: str
    options: Mapping[str, type[Struct]] = msgspec.field(default_factory=dict)
    room: str = "apps"
    shared: bool = False
    convolutions: bool = False
    timing: str | None = None

    def has_convolutions(self, plan: Struct) -> bool:
        """Returns whether a recipe of it computes convolutional networks."""
        return bool(getattr(plan, "convolutions", self.convolutions))


@dataclasses.dataclass(frozen=True)
class Context:
    """What an experiment is given.

    Args:
        plan: Its recipe, an instance of `Experiment.recipe`.
        folder: The run folder; figures belong in its `figures`.
        console: Where to say what is going on.
        memo: What was finished earlier.
        dataset: The images, where the recipe has a field `data`.
        splits: Their parts.
        info: What the record says of them, for the titles of figures.
        data_dir: Where the user said that the data sets' files are, or None.
        jobs: How many processes are to share the work, where `Experiment.shared`.
        forecast: Knows how long it all takes, or None.
        rehearsal: Measures a training instead of letting it come to its end, or None.
    """

    plan: Any
    folder: Path
    console: "Console"
    memo: "Memo"
    dataset: Dataset | None = None
    splits: Splits | None = None
    info: DatasetInfo | None = None
    data_dir: str | None = None
    jobs: int = 1
    forecast: "Forecast | None" = None
    rehearsal: "Rehearsal | None" = None

    def progress(self, title: str, num_examples: int, batch_size: int) -> Any:
        """Returns the callback that shows a training; its `close` is called in any case.

        Args:
            title: What is trained.
            num_examples: Training images in an epoch.
            batch_size: Images in a step.
        """
        from kerasdl.training.progress import RichProgress

        if self.rehearsal is not None:
            return self.rehearsal.watch(num_examples, batch_size)
        return RichProgress(self.console, title, num_examples, batch_size, self.forecast)

    def left(self) -> str:
        """Returns e.g. "; 4 min left", where that is known: for a line between two parts."""
        from kerasdl.training.forecast import about

        return "" if self.forecast is None else f"; {about(self.forecast.pending())} left"

    @property
    def images(self) -> tuple[Dataset, Splits]:
        """The images and their parts; an experiment that asks for them has them."""
        if self.dataset is None or self.splits is None:
            raise ValueError("expected a recipe with a field `data`. Received: none such")
        return self.dataset, self.splits

    def say(self, text: str) -> None:
        """Prints one line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


Function = Callable[[Context], Sequence[Section]]


class Memo:
    """Finished parts of an experiment, so that an interrupted one goes on with the rest.

    A part is a JSON file of its own in `<folder>/parts`, named after everything that
    decides it: a part of another recipe, other images or another version is not found.

    Args:
        folder: The run folder.
        identity: What decides the results: recipe, images, versions, machine.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = folder / "parts"
        self._identity = msgspec.json.encode(msgspec.to_builtins(identity), order="sorted")
        self.earlier_seconds = 0.0
        self.forecast: Forecast | None = None
        """Is told when a part begins and ends, where there is one."""

    def __contains__(self, key: str) -> bool:
        """Whether a part was finished earlier."""
        return self._path(key).is_file()

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(self._identity + key.encode()).hexdigest()[:24]
        return self._folder / f"{name}.json"

    def __call__(self, key: str, compute: Callable[[], Any]) -> Any:
        """Returns a part: read where it was finished earlier, else computed and kept.

        Args:
            key: The part's name, unique in the experiment, e.g. "relu, seed 3".
            compute: Returns plain data (mappings, lists, numbers, texts, arrays; NaN
                and infinity come back as None).
        """
        path = self._path(key)
        if path.is_file():
            try:
                part = msgspec.json.decode(path.read_bytes(), type=_Part)
            except msgspec.DecodeError:
                pass  # not a whole file of ours: computed anew
            else:
                self.earlier_seconds += part.seconds
                if self.forecast is not None:
                    self.forecast.skip(key)
                return part.value
        if self.forecast is not None:
            self.forecast.begin(key)
        started = time.perf_counter()
        value = msgspec.to_builtins(compute(), enc_hook=_plain)
        part = _Part(key, time.perf_counter() - started, value)
        content = msgspec.json.encode(part)
        files.write_bytes(path, content)
        if self.forecast is not None:
            self.forecast.end()
        # Read back, so that a continued run computes with the very same values.
        return msgspec.json.decode(content, type=_Part).value


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    seconds: float
    value: Any


def _plain(value: Any) -> Any:
    """Turns NumPy's numbers and arrays into Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a type of JSON: {value!r}")
