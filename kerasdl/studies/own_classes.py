"""Loading a run's model that has a person's own classes: their file is imported for it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.models import own

if TYPE_CHECKING:
    import keras


def load(
    file: Path, plan: Mapping[str, Any], model: str, say: Callable[[str], None]
) -> "keras.Model":
    """Returns a model of a run, not compiled.

    A saved model has its layers' names and settings, and Keras finds classes that are not its
    own by `register_keras_serializable`, once the code that has them was imported. It is only
    where the model cannot be read without it, and never from inside the run folder: a folder
    from elsewhere must not bring code along.

    Args:
        file: The .keras file, in the folder models of its run.
        plan: The run's recipe as plain data.
        model: The model's name there.
        say: Takes a sentence for the user.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    from kerasdl.models import saved

    reference = str(plan.get("build") or plan.get("networks", {}).get(model, ""))
    try:
        return saved.load(file)
    except ValueError as error:
        if not own.is_reference(reference):
            raise
        problem = error
    place = reference.partition("#")[0]
    path = Path(place.rpartition(":")[0]).expanduser()
    if path.resolve().is_relative_to(file.resolve().parent.parent):
        raise ValueError(
            f"{problem}. Its classes are in {path}, inside the run folder, which is not imported: "
            "put the file elsewhere and import it first"
        )
    try:
        own.look_up(place)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{problem}. Its own classes are where it was built: {error}") from None
    say(f"{path} was imported for the classes of {model}")
    return saved.load(file)
