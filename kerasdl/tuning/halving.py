"""Hyperband that always comes to its longest trainings."""

import math
from typing import Any

import keras_tuner


class Hyperband(keras_tuner.oracles.HyperbandOracle):  # type: ignore[misc]
    """KerasTuner's Hyperband, for few settings and for trials that fail, too.

    KerasTuner's waits for as many different settings as a bracket's first round has places, and
    for as many completed trials as a round has. In a space with fewer settings it stops there,
    with all of them hardly trained; after some failures no trial goes on. Here a round is full
    when there is no new setting: the rounds that follow have the same share of it as they would
    have of a full one, and brackets without any new setting are left out. Failed trials are those
    that a halving throws out first. One iteration, in which a bracket's number is its name.

    Args:
        **options: As of `keras_tuner.oracles.HyperbandOracle`.
    """

    def __init__(self, **options: Any) -> None:
        self._settings: dict[int, int] = {}  # of brackets that are not full, by their number
        super().__init__(**options)
        # KerasTuner's 20 misses would overlook one in ten settings with a chance of 11 %.
        self._max_collisions = 200

    def _random_trial(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any]:
        response: dict[str, Any] = super()._random_trial(trial_id, bracket)
        if response["status"] != "RUNNING":
            self._settings[bracket["bracket_num"]] = len(bracket["rounds"][0])
            response = self.populate_space(trial_id)
        return response

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        """Returns how many trials a round has that did not fail, once it is full."""
        if bracket_num in self._settings:
            size: int = math.ceil(self._settings[bracket_num] / self.factor**round_num)
        else:
            size = super()._get_size(bracket_num, round_num)
        if round_num > 0:
            size = min(size, self._get_size(bracket_num, round_num - 1))
        return size - self._failed(bracket_num, round_num)

    def _failed(self, bracket_num: int, round_num: int) -> int:
        (bracket,) = (one for one in self._brackets if one["bracket_num"] == bracket_num)
        status = [str(self.trials[info["id"]].status) for info in bracket["rounds"][round_num]]
        return status.count("FAILED")
