"""Which workers train together and which of them this process is: options, TF_CONFIG, schedulers.

Plain parsing of text that others write; nothing here opens a connection or
imports TensorFlow. docs/distributed.md explains each source.
"""

import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kerasdl.training.settings import StrategyName
from kerasdl.training.slurm import MAX_HOSTS, expand_counts, expand_hosts, short

PORT = 12000
"""The first port where a scheduler names the hosts but no ports; KERASDL_PORT sets another."""

_LABEL = r"\w(?:[\w-]{0,61}\w)?"
_ADDRESS = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]):([0-9]{{1,5}})", re.A | re.I)


class Cluster(NamedTuple):
    """The workers of one training, as `find_cluster` checks them.

    Args:
        addresses: "host:port" of every worker, the same list on all of them.
        rank: This process's place in `addresses`; rank 0 is the chief, who writes the files.
    """

    addresses: tuple[str, ...]
    rank: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def name(self, rank: int) -> str:
        """Returns a worker's name for messages, e.g. "worker 1 (host:12000)"."""
        return f"worker {rank} ({self.addresses[rank]})"


def find_cluster(
    strategy: StrategyName,
    workers: str | None = None,
    rank: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Cluster | None:
    """Returns the workers that this process belongs to, or None where it trains alone.

    `--workers` and TF_CONFIG are asked first; where both are given they must agree.
    SLURM and Kubernetes are asked for "multiworker" only: a process may run under
    them for other reasons.

    Args:
        strategy: The recipe's strategy.
        workers: The value of --workers, "host:port,host:port".
        rank: The value of --rank.
        environ: The environment's variables.

    Raises:
        ValueError: If a source is not what it should be, two disagree, or
            "multiworker" is asked for and no source names workers.
    """
    if (workers is None) != (rank is None):
        raise ValueError("--workers and --rank belong together; give both or neither")
    if strategy in ("none", "mirrored"):
        if workers is not None:
            raise ValueError(
                f"--workers needs --strategy multiworker or auto. Received: {strategy}"
            )
        return None
    given = None
    if workers is not None and rank is not None:
        given = _checked(workers.split(","), rank, "--workers")
    config = from_tf_config(environ.get("TF_CONFIG", ""))
    if given and config and given != config:
        raise ValueError(
            f"--workers and TF_CONFIG disagree: {_text(given)} and {_text(config)}; "
            "give one of them, or the same in both"
        )
    explicit = given or config
    if explicit or strategy == "auto":
        return explicit
    found = from_slurm(environ) or from_kubernetes(environ)
    if found is None:
        raise ValueError(
            "--strategy multiworker needs to know the workers: give --workers HOST:PORT,... and "
            "--rank N, set TF_CONFIG, or start it with srun or as an indexed Kubernetes job"
        )
    return found


def from_tf_config(text: str) -> Cluster | None:
    """Reads TF_CONFIG, TensorFlow's own variable; None where it names no cluster.

    Args:
        text: JSON, {"cluster": {"worker": [...]}, "task": {"type": "worker", "index": 0}}.
            A "chief" there comes before the workers.

    Raises:
        ValueError: If it is not that.
    """
    if not text.strip():
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"TF_CONFIG is not JSON ({error}). Received: {short(text)}") from None
    if not isinstance(config, dict):
        raise ValueError(f"TF_CONFIG must be a JSON object. Received: {short(text)}")
    cluster, task = config.get("cluster"), config.get("task")
    if not cluster:
        return None
    if not isinstance(cluster, dict) or not set(cluster) <= {"chief", "worker"}:
        raise ValueError(
            'TF_CONFIG: "cluster" must have "worker" and at most "chief" besides: parameter '
            f"servers and evaluators have no place here. Received: {short(cluster)}"
        )
    chief, worker = cluster.get("chief", []), cluster.get("worker", [])
    for addresses in (chief, worker):
        if not isinstance(addresses, list) or not all(isinstance(one, str) for one in addresses):
            raise ValueError(
                f"TF_CONFIG: expected lists of addresses. Received: {short(addresses)}"
            )
    kind = task.get("type") if isinstance(task, dict) else None
    index = task.get("index") if isinstance(task, dict) else None
    if kind not in [*cluster] or type(index) is not int or not 0 <= index < len(cluster[kind]):
        raise ValueError(
            'TF_CONFIG: "task" must be the "type" and "index" of an address of "cluster". '
            f"Received: {short(task)}"
        )
    rank = index + (len(chief) if kind == "worker" else 0)
    return _checked([*chief, *worker], rank, "TF_CONFIG")


def from_slurm(environ: Mapping[str, str]) -> Cluster | None:
    """Reads what SLURM's srun tells each task; None outside SLURM.

    TensorFlow's SlurmClusterResolver is not used: it sorts the hosts as text, so
    that n10 stands before n9 and a task takes another's address; it knows no
    brackets within a name (rack[0-1]n[1-4]); and it runs nvidia-smi to hand out
    GPUs, which SLURM has done.

    Args:
        environ: Uses SLURM_PROCID and SLURM_STEP_NUM_TASKS, _NODELIST and
            _TASKS_PER_NODE (of the step, else of the job); checks against
            SLURM_LOCALID and SLURMD_NODENAME. The ports of a host count up from
            KERASDL_PORT, else from one that SLURM_JOB_ID decides, so that two
            jobs on a host do not meet.

    Raises:
        ValueError: If a variable is missing or not what it should be, or the
            tasks are not laid out block by block.
    """
    if "SLURM_PROCID" not in environ:
        return None

    def variable(*names: str) -> tuple[str, str]:
        for name in names:
            if environ.get(name):
                return name, environ[name]
        raise ValueError(f"SLURM: {names[0]} is missing; start each worker with srun")

    rank = _integer(*variable("SLURM_PROCID"))
    total = _integer(*variable("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"))
    hosts = expand_hosts(variable("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST")[1])
    name, text = variable("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE")
    tasks = expand_counts(text, name)
    if len(tasks) != len(hosts) or sum(tasks) != total:
        raise ValueError(
            f"SLURM: expected {name} to give {total} tasks on {len(hosts)} hosts. Received: {text}"
        )
    job = environ.get("SLURM_JOB_ID", "")
    first = _port(environ) or PORT + (int(job[-9:]) % 20000 if re.fullmatch("[0-9]+", job) else 0)
    places = [(host, local) for host, n in zip(hosts, tasks, strict=True) for local in range(n)]
    cluster = _checked([f"{host}:{first + local}" for host, local in places], rank, "SLURM")
    here = (environ.get("SLURMD_NODENAME", places[rank][0]), environ.get("SLURM_LOCALID"))
    if here[0] != places[rank][0] or here[1] not in (None, str(places[rank][1])):
        raise ValueError(
            f"SLURM: task {rank} runs on {here[0]} as local task {here[1]}, expected "
            f"{places[rank][0]} and {places[rank][1]}; start with srun --distribution=block"
        )
    return cluster


def from_kubernetes(environ: Mapping[str, str]) -> Cluster | None:
    """Reads what an indexed Kubernetes job tells each pod; None where there is none.

    The pods of such a job are called JOB-0, JOB-1, ...; a headless service gives
    them the names JOB-0.SERVICE, ...

    Args:
        environ: Uses JOB_COMPLETION_INDEX and HOSTNAME, which Kubernetes sets, and
            KERASDL_SERVICE, KERASDL_WORKERS (their number) and perhaps
            KERASDL_PORT, which the manifest sets.

    Raises:
        ValueError: If a variable is missing or not what it should be.
    """
    if "JOB_COMPLETION_INDEX" not in environ:
        return None
    rank = _integer("JOB_COMPLETION_INDEX", environ["JOB_COMPLETION_INDEX"])
    service = environ.get("KERASDL_SERVICE", "")
    if not service or not environ.get("KERASDL_WORKERS"):
        raise ValueError(
            "Kubernetes: set KERASDL_SERVICE to the name of the job's headless service and "
            "KERASDL_WORKERS to its number of pods"
        )
    number = _integer("KERASDL_WORKERS", environ["KERASDL_WORKERS"])
    if number > MAX_HOSTS:
        raise ValueError(f"expected at most {MAX_HOSTS} workers. Received: {number}")
    pod = environ.get("HOSTNAME") or socket.gethostname()
    job, separator, index = pod.partition(".")[0].rpartition("-")
    if not separator or index != str(rank):
        raise ValueError(
            f"Kubernetes: the pod of index {rank} must be called JOB-{rank}, as in a job with "
            f"completionMode: Indexed. Received: HOSTNAME {pod!r}"
        )
    port = _port(environ) or PORT
    addresses = [f"{job}-{one}.{service}:{port}" for one in range(number)]
    return _checked(addresses, rank, "Kubernetes")


def _checked(addresses: Sequence[str], rank: int, source: str) -> Cluster:
    """Raises ValueError if an address is wrong or there twice, or the rank is not one of theirs."""
    stripped = [address.strip() for address in addresses]
    for address in stripped:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 1 <= int(match[1]) <= 65535:
            raise ValueError(
                f"{source}: expected HOST:PORT with a port of 1 to 65535. Received: {address!r}"
            )
    if len(set(stripped)) != len(stripped):
        raise ValueError(
            f"{source}: expected each address once. Received: {short(','.join(stripped))}"
        )
    if not 0 <= rank < len(stripped):
        raise ValueError(f"{source}: expected a rank of 0 to {len(stripped) - 1}. Received: {rank}")
    return Cluster(tuple(stripped), rank)


def _port(environ: Mapping[str, str]) -> int | None:
    text = environ.get("KERASDL_PORT", "")
    return _integer("KERASDL_PORT", text) if text else None


def _integer(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{name} must be a whole number. Received: {short(text)}")
    return int(text)


def _text(cluster: Cluster) -> str:
    return f"rank {cluster.rank} of {','.join(cluster.addresses)}"
