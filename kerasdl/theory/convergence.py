"""How fast logistic regression learns under cross-entropy and under squared error.

Two comparisons, because they answer differently: at an equal learning rate, and with each loss
at the rate that suits it. That rate is found on seeds of its own; the seeds that are compared
had no part in it.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.significance import paired_t
from kerasdl.theory.descent import STARTS, Course, Training, descend
from kerasdl.theory.losses import CE, SIGMOID_MSE, Loss
from kerasdl.theory.tasks import Task

Steps = npt.NDArray[np.int64]
Reached = npt.NDArray[np.bool_]

PAIR = (CE, SIGMOID_MSE)
CHOOSING = 1_000_000
"""Added to the seeds that choose learning rates."""
LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Duel:
    """Cross-entropy against squared error from one start, over seeds.

    Args:
        margin: Which target: so much below the best accuracy, in shares of 1.
        start: One of `descent.STARTS`.
        rates: The learning rates of cross-entropy and of squared error.
        steps: int64 array (2, seeds), steps to the target; the budget where it was not reached.
        reached: bool array (2, seeds), whether it was.
    """

    margin: float
    start: str
    rates: tuple[float, float]
    steps: Steps
    reached: Reached

    @property
    def ratio(self) -> float:
        """Steps of squared error by steps of cross-entropy, geometric mean over the seeds."""
        return math.exp(math.fsum(self._logs()) / len(self._logs()))

    @property
    def p_value(self) -> float | None:
        """Of the paired t-test on the logarithm of that ratio; None below three seeds."""
        return paired_t(self._logs())

    @property
    def faster(self) -> Loss | None:
        """The loss that is faster beyond noise; None where neither is."""
        p_value = self.p_value
        if not self.reached.any() or p_value is None or p_value >= LEVEL:
            return None
        return CE if self.ratio > 1 else SIGMOID_MSE

    def _logs(self) -> list[float]:
        return [math.log(second / first) for first, second in self.steps.T]


@dataclasses.dataclass(frozen=True)
class Convergence:
    """What was measured on one task.

    Args:
        task: The task.
        best_accuracy: The best mean training accuracy that any training ends with, 0..1.
        budget: Steps of each training.
        trainings: All trainings of a seed.
        courses: One course per seed that is compared.
        equal: A duel for each target, start and rate, in this order.
        best: A duel for each target and start, each loss at the rate that suits it.
    """

    task: Task
    best_accuracy: float
    budget: int
    trainings: tuple[Training, ...]
    courses: tuple[Course, ...]
    equal: tuple[Duel, ...]
    best: tuple[Duel, ...]

    def column(self, loss: Loss, start: str, rate: float) -> int:
        """Returns the place of a training among `trainings`."""
        return self.trainings.index(Training(loss, start, rate))


def measure(
    task: Task,
    *,
    rates: Sequence[float],
    steps: int,
    batch_size: int,
    seeds: Sequence[int],
    margins: Sequence[float] = (0.05, 0.02),
    tick: Callable[[], None] = lambda: None,
) -> Convergence:
    """Trains from two starts, at every learning rate, under both losses, with every seed.

    Args:
        task: The task.
        rates: Learning rates, rising.
        steps: Steps of each training.
        batch_size: Examples in a batch.
        seeds: What starts and batches are drawn from; as many others choose the rates.
        margins: The targets: training accuracies so much below the best mean accuracy that any
            training ends with, in shares of 1.
        tick: Called after each seed.

    Returns:
        The measurements.
    """
    trainings = tuple(
        Training(loss, start, float(rate)) for loss in PAIR for start in STARTS for rate in rates
    )

    def course(seed: int) -> Course:
        found = descend(
            task, trainings, steps=steps, batch_size=batch_size, seed=seed, num_moments=60
        )
        tick()
        return found

    choosing = [course(CHOOSING + seed) for seed in seeds]
    courses = tuple(course(seed) for seed in seeds)
    best_accuracy = float(np.mean([one.accuracy[-1] for one in choosing], axis=0).max())
    equal: list[Duel] = []
    best: list[Duel] = []
    for margin in margins:
        chosen, _ = _table(choosing, best_accuracy - margin, steps)
        needed, reached = _table(courses, best_accuracy - margin, steps)
        for start in STARTS:
            columns = {
                loss: [trainings.index(Training(loss, start, float(rate))) for rate in rates]
                for loss in PAIR
            }
            pairs = list(zip(columns[CE], columns[SIGMOID_MSE], strict=True))
            pairs.append((_fastest(chosen, columns[CE]), _fastest(chosen, columns[SIGMOID_MSE])))
            duels = [
                Duel(
                    margin=margin,
                    start=start,
                    rates=(trainings[one].learning_rate, trainings[two].learning_rate),
                    steps=needed[:, [one, two]].T,
                    reached=reached[:, [one, two]].T,
                )
                for one, two in pairs
            ]
            equal += duels[:-1]
            best.append(duels[-1])
    return Convergence(task, best_accuracy, steps, trainings, courses, tuple(equal), tuple(best))


def steps_to(course: Course, target: float, budget: int) -> tuple[Steps, Reached]:
    """Finds from which step on each training's accuracy stays at the target or above.

    To touch the target once is not enough: at high rates the accuracy jumps.

    Args:
        course: The course; it is known at its moments only.
        target: Accuracy, 0..1.
        budget: What stands for "not reached".

    Returns:
        Steps (k,), at least 1, and whether the target was reached (k,).
    """
    kept = np.flip(np.logical_and.accumulate(np.flip(course.accuracy >= target, axis=0)), axis=0)
    reached: Reached = np.asarray(kept.any(axis=0))
    first = course.steps[np.argmax(kept, axis=0)]
    return np.where(reached, np.maximum(first, 1), budget).astype(np.int64), reached


def _table(courses: Sequence[Course], target: float, budget: int) -> tuple[Steps, Reached]:
    found = [steps_to(course, target, budget) for course in courses]
    return np.stack([one for one, _ in found]), np.stack([one for _, one in found])


def _fastest(steps: Steps, columns: Sequence[int]) -> int:
    """Returns the column with the fewest steps, by their geometric mean over the seeds.

    A median would choose a rate that is fast by luck on most seeds and never arrives on others.
    """
    return min(columns, key=lambda one: float(np.log(steps[:, one]).mean()))
