"""The models that are served now, and what is known of those that are not.

Read and changed on the event loop's thread alone.
"""

import dataclasses
from collections.abc import Iterator

from kerasdl.serving.errors import NUMBERS, Failure
from kerasdl.serving.loading import Servable
from kerasdl.serving.routes import Target

START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"
STATES = {START: 10, LOADING: 20, AVAILABLE: 30, UNLOADING: 40, END: 50}
"""The states of TensorFlow Serving's get_model_status.proto, with their numbers."""


@dataclasses.dataclass
class Version:
    """What is known of one version.

    Args:
        number: The version.
        state: A key of `STATES`.
        code: Why it ended, as a key of `errors.NUMBERS`; "OK" otherwise.
        message: The same for people.
        servable: What serves it while its state is AVAILABLE.
    """

    number: int
    state: str = START
    code: str = "OK"
    message: str = ""
    servable: Servable | None = None

    @property
    def error_number(self) -> int:
        """The code's number, as protobuf has it."""
        return NUMBERS[self.code]


class Model:
    """One model's versions and labels."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.versions: dict[int, Version] = {}
        self.labels: dict[str, int] = {}

    @property
    def latest(self) -> Servable | None:
        """The newest version that is served."""
        served = [v for v in self.versions.values() if v.servable is not None]
        return max(served, key=lambda version: version.number).servable if served else None


class Models:
    """All models by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Model] = {}
        self.loaded_once = False
        """Whether everything there at the start has been tried."""

    def servable(self, target: Target) -> Servable:
        """Returns what serves a target.

        Raises:
            Failure: If nothing does (NOT_FOUND), or the label is unknown (INVALID_ARGUMENT),
                as upstream.
        """
        model = self.by_name.get(target.model)
        if target.label is not None:
            target = Target(target.model, self._labelled(model, target.label))
        servable = None
        if model is not None:
            if target.version is None:
                servable = model.latest
            elif target.version in model.versions:
                servable = model.versions[target.version].servable
        if servable is None:
            raise Failure("NOT_FOUND", f"Servable not found for request: {target}")
        return servable

    def statuses(self, target: Target) -> list[Version]:
        """Returns what is known of a target's versions, the newest first.

        Raises:
            Failure: If nothing is.
        """
        model = self.by_name.get(target.model)
        version = target.version
        if target.label is not None:
            version = self._labelled(model, target.label)
        if model is None or not model.versions:
            if version is None:
                raise Failure("NOT_FOUND", f"Could not find any versions of model {target.model}")
        elif version is None:
            return sorted(model.versions.values(), key=lambda one: -one.number)
        elif version in model.versions:
            return [model.versions[version]]
        raise Failure("NOT_FOUND", f"Could not find version {version} of model {target.model}")

    def served(self) -> Iterator[Servable]:
        """Yields every version that is served."""
        for model in self.by_name.values():
            for version in model.versions.values():
                if version.servable is not None:
                    yield version.servable

    def unserved(self) -> list[str]:
        """Returns the models that have versions, none of them served."""
        return [name for name, model in self.by_name.items() if model.latest is None]

    def _labelled(self, model: Model | None, label: str) -> int:
        if model is None or label not in model.labels:
            raise Failure("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
        return model.labels[label]
