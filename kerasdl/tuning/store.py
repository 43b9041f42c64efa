"""The files of a search: what it is, its finished groups, and states to go on from."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kerasdl import files, recipe
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.states import State


class Store:
    """The folder of a search.

    A group of trials that are trained together is one file: it is there as a whole or not
    at all, so that a group is never trained again in part, in other company.

    Args:
        folder: KerasTuner's project folder.
        identity: What decides the search, as plain data: space, data, seeds, settings, versions.

    Raises:
        ValueError: If the folder has another search; the message says how it differs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = Path(folder)
        path = self._folder / "search.json"
        content = msgspec.json.encode(identity)
        if path.is_file():
            try:
                found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            except msgspec.DecodeError:
                raise ValueError(f"{path} is not a search of kerasdl's") from None
            # Through JSON, so that tuples and lists are alike.
            differences = recipe.differences(found, msgspec.json.decode(content))
            if differences:
                raise ValueError(
                    f"{self._folder} has another search: {'; '.join(differences)}. Name another "
                    "folder, or give overwrite=True"
                )
        else:
            files.write_bytes(path, content)

    def get(self, trials: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Outcome] | None:
        """Returns the outcomes of a group that is finished, else None.

        Args:
            trials: The id and values of each trial, in order.
        """
        path = self._group(trials)
        if not path.is_file():
            return None
        try:
            outcomes = msgspec.json.decode(path.read_bytes(), type=list[Outcome])
        except msgspec.DecodeError:
            return None  # not a whole file of ours: trained anew
        expected = [(name, dict(values)) for name, values in trials]
        found = [(outcome.trial_id, outcome.values) for outcome in outcomes]
        return outcomes if found == expected else None

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Keeps the outcomes of a group."""
        path = self._group([(outcome.trial_id, outcome.values) for outcome in outcomes])
        files.write_bytes(path, msgspec.json.encode(outcomes))

    def outcomes(self) -> list[Outcome]:
        """Returns all finished trials in the order of their ids, whoever trained them."""
        found = [
            outcome
            for path in (self._folder / "groups").glob("*.json")
            if not path.name.startswith(".")
            for outcome in msgspec.json.decode(path.read_bytes(), type=list[Outcome])
        ]
        return sorted(found, key=lambda outcome: outcome.trial_id)

    def get_state(self, trial_id: str, seed: int) -> State:
        """Returns the state in which the training of a trial ended.

        Raises:
            FileNotFoundError: If there is none.
        """
        with np.load(self._state(trial_id, seed), allow_pickle=False) as arrays:
            return [arrays[name] for name in sorted(arrays.files)]

    def put_state(self, trial_id: str, seed: int, state: State) -> None:
        """Keeps the state in which the training of a trial ended."""
        with files.atomic_open(self._state(trial_id, seed), "wb") as file:
            named: dict[str, Any] = {f"{place:06d}": one for place, one in enumerate(state)}
            np.savez(file, **named)

    def _state(self, trial_id: str, seed: int) -> Path:
        return self._folder / "states" / f"{trial_id}-{seed}.npz"

    def _group(self, trials: Sequence[tuple[str, Mapping[str, Any]]]) -> Path:
        name = hashlib.sha256(msgspec.json.encode([(n, dict(v)) for n, v in trials])).hexdigest()
        return self._folder / "groups" / f"{trials[0][0]}-{name[:16]}.json"
