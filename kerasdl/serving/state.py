"""How the server is: alive, ready, and its gauges."""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from kerasdl.serving import answers_json
from kerasdl.serving.metrics import escape
from kerasdl.serving.models import AVAILABLE
from kerasdl.serving.prediction import Server

_ILL = "a thread is dead or stuck"


def health(server: Server) -> tuple[bool, bytes]:
    """Returns whether the process does its work, and the body that says so.

    It does not when a thread has died, or a worker has been in one call for four time-outs:
    then the process should be started anew.
    """
    good = server.healthy()
    return good, answers_json.dumps({"status": "alive" if good else _ILL})


def readiness(server: Server) -> tuple[bool, bytes]:
    """Returns whether requests should be sent here, and the body with the reason."""
    good = server.ready()
    if server.draining:
        status = "stopping"
    elif not server.models.loaded_once:
        status = "loading"
    elif not server.healthy():
        status = _ILL
    else:
        status = "ready" if good else "no model is served"
    unserved = server.models.unserved()
    return good, answers_json.dumps({"status": status, "models_not_served": unserved})


def metrics_text(server: Server) -> str:
    """Returns all metrics in Prometheus's format."""
    return server.metrics.text(_gauges(server))


def _gauges(server: Server) -> Iterator[tuple[str, str, list[tuple[str, float]]]]:
    gate = server.gate
    yield "kerasdl_requests_now", "Requests being worked on.", [("", gate.requests)]
    yield "kerasdl_requests_refused", "Requests refused for lack of room.", [("", gate.refused)]
    yield "kerasdl_body_bytes", "Bytes of bodies that are coming in.", [("", gate.bytes)]
    yield "kerasdl_queue_examples", "Examples that wait.", [("", server.batcher.waiting)]
    yield "kerasdl_ready", "Whether the server is ready.", [("", server.ready())]
    states = []
    for name, model in sorted(server.models.by_name.items()):
        for version in model.versions.values():
            labels = f'{{model_name="{escape(name)}",version="{version.number}"}}'
            states.append((labels, float(version.state == AVAILABLE)))
    yield "kerasdl_version_served", "Whether a version is served.", states
    yield "process_resident_memory_bytes", "Memory in use.", [("", resident_bytes())]


def resident_bytes() -> float:
    """Returns the memory of this process; where Linux's /proc is missing, its peak."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
