"""What a network says of a person's pictures, and how that is shown."""

import msgspec

from kerasdl.reporting.text import plain


class Guess(msgspec.Struct, frozen=True):
    """A class and its probability, 0..1."""

    name: str
    probability: float


class Picture(msgspec.Struct, frozen=True):
    """What is said of one picture.

    Args:
        file: The file as the user named it.
        classes: The most probable classes, the first first.
        as_unusual: The share of held-out images that are as unusual as it is; None
            where that is not known.
        notes: Sentences to heed, e.g. that it is unlike the training images.
    """

    file: str
    classes: list[Guess]
    as_unusual: float | None
    unlike: bool | None
    notes: list[str]


class Answers(msgspec.Struct, frozen=True):
    """What `--json` prints; `held_out` is the number of images that `as_unusual` compares with."""

    run: str
    model: str
    seed: int
    validation_accuracy: float | None
    dataset: str
    preparation: str
    held_out: int | None
    pictures: list[Picture]


def show(answers: Answers, *, synthetic: bool) -> None:
    """Prints answers as a table, and below it what is to be heeded.

    Args:
        answers: The answers.
        synthetic: Whether the network was trained on rendered images.
    """
    from rich.table import Table
    from rich.text import Text

    from kerasdl.terminal import Console

    console = Console()

    def say(text: str, style: str = "") -> None:
        console.print(Text(plain(text), style), soft_wrap=True)

    accuracy = answers.validation_accuracy
    score = "no validation images" if accuracy is None else f"{100 * accuracy:.2f} % on validation"
    say(f"{answers.model}, seed {answers.seed} ({score}), of {answers.run}")
    say(answers.dataset, "bold red" if synthetic else "bold")
    table = Table()
    table.add_column("picture", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right")
    if answers.held_out is not None:
        table.add_column("as unusual", justify="right")
    for picture in answers.pictures:
        for number, guess in enumerate(picture.classes):
            cells = [plain(picture.file) if number == 0 else "", plain(guess.name)]
            cells.append(f"{100 * guess.probability:.2f} %")
            if picture.as_unusual is not None:
                share = f"{100 * picture.as_unusual:.1f} %"
                cells.append(share if number == 0 else "")
            style = "yellow" if picture.unlike else ""
            table.add_row(*(Text(cell, style) for cell in cells))
        table.add_section()
    console.print(table)
    for picture in answers.pictures:
        if picture.notes:
            say(f"{picture.file}: {' '.join(picture.notes)}", "yellow")
    if answers.held_out is None:
        say(
            "Whether a picture looks like the training images is not known: the run has no "
            "familiarity.npz. Its command, given again, writes it."
        )
    else:
        say(f"As unusual: so many of {answers.held_out:,} held-out images are, or more so.")
    say(answers.preparation)
