"""Counters and histograms, and the text in which Prometheus reads them.

Two names are TensorFlow Serving's, so that its dashboards go on working; the rest is ours.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LATENCY = tuple(round(0.0005 * 2**power, 4) for power in range(17))
"""Seconds, 0.5 ms to 33 s."""
SIZES = tuple(1 << power for power in range(13))

Labels = tuple[str, ...]


class Counter:
    """A number for each combination of labels, which only grows.

    Args:
        name: As Prometheus calls it.
        text: What it counts.
        labels: Names of the labels.
    """

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.values: defaultdict[Labels, float] = defaultdict(float)

    def add(self, *labels: str, by: float = 1) -> None:
        """Adds to the number with these labels."""
        self.values[labels] += by

    def lines(self) -> Iterable[str]:
        """Yields the metric's lines."""
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} counter"
        for labels, value in sorted(self.values.items()):
            yield f"{self.name}{_named(self.labels, labels)} {value:.10g}"


class Histogram:
    """How values with each combination of labels are distributed.

    Args:
        name: As Prometheus calls it.
        text: What it measures.
        bounds: Upper bounds of the buckets, ascending.
        labels: Names of the labels.
    """

    def __init__(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> None:
        self.name, self.text, self.bounds, self.labels = name, text, bounds, labels
        self.counts: dict[Labels, list[int]] = {}
        self.sums: defaultdict[Labels, float] = defaultdict(float)

    def add(self, value: float, *labels: str) -> None:
        """Counts one value with these labels."""
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self.bounds) + 1)
        counts[bisect_left(self.bounds, value)] += 1
        self.sums[labels] += value

    def lines(self) -> Iterable[str]:
        """Yields the metric's lines, the buckets cumulated."""
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} histogram"
        for labels, counts in sorted(self.counts.items()):
            total = 0
            for bound, count in zip((*self.bounds, "+Inf"), counts, strict=True):
                total += count
                named = _named((*self.labels, "le"), (*labels, str(bound)))
                yield f"{self.name}_bucket{named} {total}"
            named = _named(self.labels, labels)
            yield f"{self.name}_sum{named} {self.sums[labels]:.10g}"
            yield f"{self.name}_count{named} {total}"


class Metrics:
    """What the server counts."""

    def __init__(self) -> None:
        self.requests = Counter(
            ":tensorflow:serving:request_count",
            "Requests by model and status.",
            *("model_name", "status"),
        )
        self.latency = Histogram(
            "kerasdl_request_seconds",
            "Seconds from a request's arrival to its answer.",
            LATENCY,
            *("model_name", "api", "entrypoint"),
        )
        self.batches = Histogram(
            "kerasdl_batch_examples", "Examples in a call of a model.", SIZES, "model_name"
        )
        self.ran = Histogram(
            "kerasdl_batch_seconds", "Seconds of a call of a model.", LATENCY, "model_name"
        )
        self.waited = Histogram(
            "kerasdl_queue_seconds",
            "Seconds that the first request of a batch waited.",
            LATENCY,
            "model_name",
        )

    def text(self, gauges: Iterable[tuple[str, str, Iterable[tuple[str, float]]]]) -> str:
        """Returns everything in Prometheus's format.

        Args:
            gauges: (name, help, [(labels as "{a=\\"b\\"}" or "", value)]) of what is read now.
        """
        lines: list[str] = []
        for metric in (self.requests, self.latency, self.batches, self.ran, self.waited):
            lines += metric.lines()
        for name, text, values in gauges:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
            lines += [f"{name}{labels} {value:.10g}" for labels, value in values]
        return "\n".join(lines) + "\n"


def _named(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{n}="{escape(v)}"' for n, v in zip(names, values, strict=True)) + "}"


def escape(value: str) -> str:
    """Escapes a label's value."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
