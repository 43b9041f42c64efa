"""A look at a data set before anything is trained on it: counts, sizes, faults, samples."""

import functools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.datasets import survey
from kerasdl.datasets.dataset import Dataset
from kerasdl.face.load import load

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kerasdl.training.settings import Training

IMBALANCED = 3.0
"""From so many times as many images of the commonest class as of the rarest it is said."""


class Look:
    """What is in a data set. In a notebook it shows as a page.

    Args:
        title: What the data set is called.
        entries: Its images.
        dataset: The data set; None where files cannot be read.
        in_files: Whether the entries are files; else they are in the data set.
        class_names: The names of the classes in their order.
        notes: Sentences that are known of it already.
        training: Whose augmentation the samples show.
    """

    def __init__(
        self,
        title: str,
        entries: list[survey.Entry],
        dataset: Dataset | None,
        in_files: bool,
        class_names: tuple[str, ...],
        notes: list[str],
        training: "Training",
    ) -> None:
        self.title, self.dataset, self.class_names = title, dataset, class_names
        self._entries, self._in_files = entries, in_files
        self._said, self.training = notes, training

    @functools.cached_property
    def counts(self) -> "pd.DataFrame":
        """Images of each class, unreadable ones left out; index `class`, a column for each part.

        A folder without train and test has one column, `all`.
        """
        import pandas as pd

        parts = list(dict.fromkeys(entry.part for entry in self._entries))
        found = Counter((one.label, one.part) for one in self._entries if one.problem is None)
        rows = [[found[name, part] for part in parts] for name in self.class_names]
        return pd.DataFrame(rows, columns=parts, index=pd.Index(self.class_names, name="class"))

    @functools.cached_property
    def sizes(self) -> "pd.DataFrame":
        """How many images there are of each size, the commonest first: height, width, images."""
        import pandas as pd

        found = Counter(entry.size for entry in self._entries if entry.size is not None)
        rows = [(*size, count) for size, count in found.most_common()]
        return pd.DataFrame(rows, columns=["height", "width", "images"])

    @functools.cached_property
    def unreadable(self) -> "pd.DataFrame":
        """Every file that cannot be read: file, class, problem."""
        import pandas as pd

        rows = [
            (one.name, one.label, one.problem.removeprefix(f"{one.name} "))
            for one in self._entries
            if one.problem is not None
        ]
        return pd.DataFrame(rows, columns=["file", "class", "problem"])

    @functools.cached_property
    def duplicates(self) -> "pd.DataFrame":
        """Images that are equal pixel for pixel: group (from 0), part, class, image.

        A group with several parts lets a network be tested on what it learned by heart; one with
        several classes has a wrong label.
        """
        import pandas as pd

        rows = [
            (number, one.part, one.label, one.name)
            for number, group in enumerate(survey.repeated(self._entries))
            for one in group
        ]
        return pd.DataFrame(rows, columns=["group", "part", "class", "image"])

    @property
    def imbalance(self) -> float:
        """How many times as many images the commonest class has as the rarest; inf for none."""
        totals = self.counts.sum(axis=1)
        return float(totals.max() / totals.min()) if totals.min() else float("inf")

    @functools.cached_property
    def notes(self) -> list[str]:
        """What a person should know, in sentences; empty where nothing is amiss."""
        totals, said = self.counts.sum(axis=1), []
        if bad := len(self.unreadable):
            said.append(
                f"{bad} of {len(self._entries):,} files cannot be read; until they are removed or "
                "saved again, the folder is refused."
            )
        groups = self.duplicates.groupby("group")
        if len(self.duplicates):
            copies = len(self.duplicates) - groups.ngroups
            repeat = "image repeats" if copies == 1 else "images repeat"
            said.append(f"{copies:,} {repeat} another one, pixel for pixel.")
        tested = groups.part.agg(lambda parts: "test" in set(parts) and len(set(parts)) > 1)
        if leaks := int(self.duplicates[self.duplicates.part == "test"].group.map(tested).sum()):
            said.append(
                f"{leaks:,} of {int(self.counts['test'].sum()):,} test images are training or "
                "validation images, too: the test score flatters."
            )
        conflicts = int((groups["class"].nunique() > 1).sum())
        if conflicts:
            said.append(
                f"{conflicts:,} {'images stand' if conflicts > 1 else 'image stands'} in several "
                "classes: all but one of their labels are wrong."
            )
        if self.imbalance >= IMBALANCED:
            most, least = totals.idxmax(), totals.idxmin()
            share = totals.max() / max(1, totals.sum())
            said.append(
                f"The classes are unequal: {totals.max():,} images of {most}, {totals.min():,} of "
                f"{least}. Always answering {most} scores {100 * share:.1f} %; consider "
                'class_weight="balanced".'
            )
        if len(self.sizes) > 1:
            said.append(
                f"Images of {len(self.sizes):,} sizes are brought to one; the aspect ratio is not "
                "kept."
            )
        return [*said, *self._said]

    @functools.cached_property
    def figures(self) -> "dict[str, Figure]":
        """Matplotlib figures: "counts", "samples" and, of readable data, "augmented"."""
        from kerasdl.face import look_figures

        return look_figures.draw(self)

    def samples(self, count: int = 8) -> "dict[str, list[Any]]":
        """Returns the first readable images of each class, uint8 arrays (h, w, c).

        Args:
            count: How many of each, >= 1.
        """
        from kerasdl.datasets.image import MAX_PIXELS, read_small_image

        found: dict[str, list[Any]] = {name: [] for name in self.class_names}
        for entry in self._entries:
            shown = found[entry.label]
            if entry.problem is not None or len(shown) >= count:
                continue
            if self._in_files:
                shown.append(read_small_image(entry.name, MAX_PIXELS)[1])
            else:
                part, _, place = entry.name.rstrip("]").partition("[")
                shown.append(getattr(self.dataset, part).images[int(place)])
        return found

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as plain data, for JSON."""
        return {
            "title": self.title,
            "classes": self.counts.reset_index().to_dict("records"),
            "sizes": self.sizes.to_dict("records"),
            "unreadable": self.unreadable.to_dict("records"),
            "duplicates": self.duplicates.to_dict("records"),
            "imbalance": None if self.imbalance == float("inf") else self.imbalance,
            "notes": self.notes,
        }

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{count:,}" + (f" {part}" if part != "all" else "")
            for part, count in self.counts.sum().items()
        )
        sizes = ", ".join(f"{h} x {w}" for h, w in self.sizes.head(3)[["height", "width"]].values)
        more = f" and {len(self.sizes) - 3} more sizes" if len(self.sizes) > 3 else ""
        lines = [
            f"<kerasdl.Look {self.title}: {parts} images of {len(self.class_names)} classes, "
            f"{sizes}{more}>"
        ]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        from kerasdl.face import look_figures

        return look_figures.page(self)


def look(
    data: Any,
    labels: Any = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    **options: Any,
) -> Look:
    """Looks at a data set: what is in it, what is wrong with it, and samples of it.

    Of a folder every file is opened, and all that cannot be read are listed.

    >>> import kerasdl as kd
    >>> import numpy as np
    >>> images = np.zeros((40, 12, 12), np.uint8)
    >>> images[:39] += np.arange(39, dtype=np.uint8)[:, None, None]
    >>> found = kd.look(images, ["cat"] * 32 + ["dog"] * 8)
    >>> found.counts.sum(axis=1).to_list(), found.imbalance
    ([32, 8], 4.0)
    >>> sorted(found.duplicates["class"])
    ['cat', 'dog']
    >>> sorted(found.figures)
    ['augmented', 'counts', 'samples']

    Args:
        data, labels: As for `load`.
        data_dir: The folder with the known data sets' files; None for KERASDL_DATA or a download.
        quiet: Whether nothing is said of where the images come from.
        **options: Fields of the training whose augmentation "augmented" shows, e.g. flip=True,
            shift=4; the usual ones of the data set else.

    Returns:
        A `Look`.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is no data set, or an option is no field of a training.
    """
    from kerasdl.datasets import catalog
    from kerasdl.terminal import Console

    training = _training(data, options)
    if isinstance(data, str | Path) and catalog.canonical(os.fspath(data)) is None:
        root = Path(data).expanduser()
        if not root.is_dir() and root.name == os.fspath(data):
            raise catalog.unknown_name(os.fspath(data))
        entries = survey.of_folder(root, Console(quiet=quiet))
        notes = [
            f"No images by their names, and left out: {count:,} of {suffix}."
            for suffix, count in survey.others(root).most_common()
        ]
        names = tuple(dict.fromkeys(entry.label for entry in entries))
        sound = all(entry.problem is None for entry in entries)
        dataset = load(data, quiet=quiet) if sound else None
        return Look(root.resolve().name, entries, dataset, True, names, notes, training)
    dataset = load(data, labels, data_dir=data_dir, quiet=quiet)
    entries = survey.of_dataset(dataset)
    names, notes = dataset.class_names, list(dataset.notes)
    return Look(dataset.label, entries, dataset, False, names, notes, training)


def _training(data: Any, options: dict[str, Any]) -> "Training":
    """Returns the training of the data set's app, with its augmentation or another."""
    import msgspec

    from kerasdl import recipe, suggest
    from kerasdl.face.compare import app_of
    from kerasdl.training.settings import AUGMENTATION, Training

    for name in options:
        if name not in AUGMENTATION:
            raise ValueError(
                f"expected one of {', '.join(AUGMENTATION)}. Received: {name!r}."
                f"{suggest.hint(name, AUGMENTATION)}"
            )
    app = app_of(data)
    usual = app.training[app.presets["default"]["models"][-1]]
    if not any(getattr(usual, name) for name in AUGMENTATION):
        usual = msgspec.structs.replace(usual, **app.augmentation)
    plain = {**msgspec.to_builtins(usual), **options}
    return recipe.from_dict(plain, Training, where="the augmentation")
