"""What REST and gRPC have in common: from a target and inputs to outputs."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kerasdl.serving.batching import Batcher
from kerasdl.serving.limits import Gate
from kerasdl.serving.loading import Servable
from kerasdl.serving.metrics import Metrics
from kerasdl.serving.models import Models
from kerasdl.serving.options import Options
from kerasdl.serving.signatures import Array, Arrays, Signature


class Answer(NamedTuple):
    """What a model returned, and which version it was."""

    servable: Servable
    signature: Signature
    outputs: Arrays


class Server:
    """The parts that every request meets.

    Args:
        options: What the person who started it asked for.
        models: What is served.
        batcher: Where requests wait and run.
        gate: How many requests come in.
        metrics: What is counted.
    """

    def __init__(
        self, options: Options, models: Models, batcher: Batcher, gate: Gate, metrics: Metrics
    ) -> None:
        self.options = options
        self.models = models
        self.batcher = batcher
        self.gate = gate
        self.metrics = metrics
        self.draining = False
        """Whether the server was told to stop."""
        self.watching: Callable[[], bool] = lambda: True
        """Says whether new versions are still looked for."""

    def deadline(self) -> float:
        """Returns when a request that came now is given up, by `time.monotonic`."""
        return time.monotonic() + self.options.timeout

    def healthy(self) -> bool:
        """Says whether all threads do their work: none is dead, no worker stuck."""
        return self.watching() and self.batcher.healthy(4 * self.options.timeout)

    def ready(self) -> bool:
        """Says whether requests should be sent here."""
        return (
            self.models.loaded_once
            and not self.draining
            and self.healthy()
            and any(True for _ in self.models.served())
        )

    async def run(
        self,
        servable: Servable,
        signature: Signature,
        inputs: Mapping[str, Array],
        deadline: float,
    ) -> Answer:
        """Checks inputs against a signature and runs it.

        Raises:
            Failure: If they do not fit, time runs out, or the model refuses them.
        """
        checked, examples, pixels = signature.check(inputs, self.options.max_pixels)
        outputs = await self.batcher.run(servable, signature, checked, examples, pixels, deadline)
        return Answer(servable, signature, outputs)
