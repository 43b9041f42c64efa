"""Training on a Ray cluster: `--ray auto|ADDRESS`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kerasdl.studies.places.child import train_on_ray
from kerasdl.studies.places.task import LOSSES, Outcome, Task

if TYPE_CHECKING:
    from kerasdl.studies.stacking import Group


class OnRay:
    """Trains groups as tasks on a Ray cluster, whose machines all see the run folder.

    Args:
        task: What they work at.
        address: Of the cluster; "auto" for the one that runs here, or else a new one of this
            machine.

    Raises:
        ConnectionError: If there is no such cluster.
    """

    def __init__(self, task: Task, address: str) -> None:
        import ray

        if not ray.is_initialized():
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
            try:
                ray.init(address=address, **options)
            except ConnectionError:
                if address != "auto":
                    raise
                ray.init(**options)
        self._ray, self._folder = ray, task.folder
        self._task = ray.put(task)
        # A task whose machine is lost is given to another.
        self._train = ray.remote(max_retries=LOSSES)(train_on_ray)
        self._asked: dict[Any, Group] = {}

    def train(self, groups: Sequence["Group"]) -> Iterator[tuple["Group", Outcome]]:
        """Trains groups and gives each when it is done.

        Raises:
            ChildProcessError: If a machine is lost again and again.
            FileNotFoundError: If another machine writes into a folder of its own.
        """
        self._asked = {self._train.remote(self._task, group): group for group in groups}
        while self._asked:
            (done,), _ = self._ray.wait(list(self._asked), num_returns=1)
            group = self._asked.pop(done)
            try:
                outcome = self._ray.get(done)
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except self._ray.exceptions.RayError as error:
                raise ChildProcessError(f"{group.name} was lost on Ray: {error}") from None
            for run in outcome.runs:
                path = self._folder / "models" / f"{run.model}-seed{run.seed}.keras"
                if not path.exists():
                    raise FileNotFoundError(
                        f"{path} was written on another machine: --out must be a folder that all "
                        "machines of the Ray cluster share"
                    )
            yield group, outcome

    def close(self) -> None:
        """Ends the tasks; the cluster goes on."""
        for one in self._asked:
            self._ray.cancel(one, force=True)
        self._asked = {}
