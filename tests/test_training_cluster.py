"""Who the workers are: every source, and every way in which it can be wrong."""

import json

import pytest

from kerasdl.training.cluster import Cluster, find_cluster
from kerasdl.training.slurm import expand_counts, expand_hosts

WORKERS = "a:1000,b:1000,c:1001"
SLURM = {
    "SLURM_JOB_ID": "41",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_JOB_NODELIST": "n[8-11]",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURMD_NODENAME": "n10",
}
KUBERNETES = {
    "JOB_COMPLETION_INDEX": "1",
    "HOSTNAME": "train-7-1",
    "KERASDL_SERVICE": "train",
    "KERASDL_WORKERS": "3",
}


def tf_config(cluster, task):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_the_options_name_the_workers():
    cluster = find_cluster("auto", WORKERS, 1, {})
    assert cluster == Cluster(("a:1000", "b:1000", "c:1001"), 1)
    assert not cluster.is_chief
    assert cluster.name(2) == "worker 2 (c:1001)"
    assert find_cluster("multiworker", "[::1]:80", 0, {}) == Cluster(("[::1]:80",), 0)


def test_alone_without_any_source_and_under_none_whatever_the_environment_says():
    assert find_cluster("auto", environ={}) is None
    assert find_cluster("auto", environ={"TF_CONFIG": " "}) is None
    assert find_cluster("auto", environ={"TF_CONFIG": '{"task": {}}'}) is None
    # A process may run under a scheduler for other reasons: these must be asked for.
    assert find_cluster("auto", environ={**SLURM, **KUBERNETES}) is None
    config = tf_config({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 0})
    assert find_cluster("none", environ=config) is None
    assert find_cluster("mirrored", environ=config) is None


def test_tf_config_with_and_without_a_chief():
    config = tf_config({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 1})
    assert find_cluster("auto", environ=config) == Cluster(("a:1", "b:1"), 1)
    assert find_cluster("multiworker", "a:1,b:1", 1, config).rank == 1
    both = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    second = find_cluster("auto", environ=tf_config(both, {"type": "worker", "index": 0}))
    assert second == Cluster(("c:1", "a:1", "b:1"), 1)
    chief = find_cluster("auto", environ=tf_config(both, {"type": "chief", "index": 0}))
    assert chief.is_chief


def test_slurm_reads_the_step_and_keeps_its_order_of_hosts():
    cluster = find_cluster("multiworker", environ=SLURM)
    assert cluster == Cluster(("n9:12041", "n9:12042", "n10:12041"), 2)
    assert find_cluster("multiworker", environ={**SLURM, "KERASDL_PORT": "700"}) == Cluster(
        ("n9:700", "n9:701", "n10:700"), 2
    )


def test_slurm_without_a_step_reads_the_job():
    job = {name: value for name, value in SLURM.items() if "STEP" not in name}
    job |= {"SLURM_NTASKS": "4", "SLURM_TASKS_PER_NODE": "1(x4)"}
    assert find_cluster("multiworker", environ=job).addresses == tuple(
        f"n{number}:12041" for number in (8, 9, 10, 11)
    )


def test_kubernetes_names_the_pods_of_the_service():
    addresses = ("train-7-0.train:12000", "train-7-1.train:12000", "train-7-2.train:12000")
    assert find_cluster("multiworker", environ=KUBERNETES) == Cluster(addresses, 1)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("n1", ["n1"]),
        ("n[1-2],m5,o[3-4,6]", ["n1", "n2", "m5", "o3", "o4", "o6"]),
        ("n[08-11]", ["n08", "n09", "n10", "n11"]),
        ("n[9-10]", ["n9", "n10"]),
        ("r[0-1]n[1-2]-ib.x", ["r0n1-ib.x", "r0n2-ib.x", "r1n1-ib.x", "r1n2-ib.x"]),
        ("[1-2]", ["1", "2"]),
    ],
)
def test_lists_of_hosts(text, hosts):
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize(
    "text",
    ["", ",", "n1,", "n[", "n[1-", "n[2-1]", "n[]", "n[1,,2]", "n]1[", "n[0-999999999]",
     "n[1-4000]m[1-4000]", "n 1", "n[a-b]", "n" * 50 + "!", "n[\u0661]"],
)  # fmt: skip
def test_what_is_no_list_of_hosts_is_refused_at_once(text):
    with pytest.raises(ValueError, match=r"^SLURM: expected [^\n]*Received"):
        expand_hosts(text)


def test_tasks_per_node():
    assert expand_counts("2(x3),1", "X") == [2, 2, 2, 1]
    for text in ("", "2,", "x", "1(x)", "1(x99999)", "-1", "2(3)"):
        with pytest.raises(ValueError, match=r"^X: expected counts"):
            expand_counts(text, "X")


@pytest.mark.parametrize(
    ("workers", "rank", "message"),
    [
        (WORKERS, None, "belong together"),
        (None, 0, "belong together"),
        (WORKERS, 3, "rank of 0 to 2. Received: 3"),
        (WORKERS, -1, "rank of 0 to 2. Received: -1"),
        ("a:1,a:1", 0, "each address once"),
        ("a:0,b:1", 0, "port of 1 to 65535. Received: 'a:0'"),
        ("a:65536", 0, "Received: 'a:65536'"),
        ("a:1,,b:1", 0, "Received: ''"),
        ("a", 0, "Received: 'a'"),
        ("a:x", 0, "Received: 'a:x'"),
        ("http://a:1", 0, "HOST:PORT"),
        ("-a:1", 0, "HOST:PORT"),
        ("a b:1", 0, "HOST:PORT"),
        ("a..b:1", 0, "HOST:PORT"),
        (f"{'a' * 64}:1", 0, "HOST:PORT"),
        ("a:\u0661", 0, "HOST:PORT"),
        ("", 0, "HOST:PORT"),
    ],
)
def test_wrong_options_are_one_clear_line(workers, rank, message):
    with pytest.raises(ValueError, match=message) as caught:
        find_cluster("multiworker", workers, rank, {})
    assert "\n" not in str(caught.value)


TWO = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "a JSON object"),
        ('{"cluster": [], "task": 0}', None),
        ('{"cluster": ["a:1"]}', '"cluster" must have "worker"'),
        (tf_config({**TWO, "ps": ["c:1"]}, {"type": "worker", "index": 0}), "parameter servers"),
        (tf_config(TWO, {"type": "worker", "index": 2}), '"task" must be'),
        (tf_config(TWO, {"type": "worker", "index": -1}), '"task" must be'),
        (tf_config(TWO, {"type": "worker", "index": True}), '"task" must be'),
        (tf_config(TWO, {"type": "worker", "index": "0"}), '"task" must be'),
        (tf_config(TWO, {"type": "ps", "index": 0}), '"task" must be'),
        (tf_config(TWO, {"type": ["worker"], "index": 0}), '"task" must be'),
        (tf_config(TWO, None), '"task" must be'),
        (tf_config({"worker": "a:1"}, {"type": "worker", "index": 0}), "lists of addresses"),
        (tf_config({"worker": [1]}, {"type": "worker", "index": 0}), "lists of addresses"),
        (tf_config({"worker": ["a"]}, {"type": "worker", "index": 0}), "TF_CONFIG: .*HOST:PORT"),
        (tf_config({"worker": ["a:1"] * 2}, {"type": "worker", "index": 0}), "address once"),
    ],
)
def test_a_wrong_tf_config_is_one_clear_line(text, message):
    environ = text if isinstance(text, dict) else {"TF_CONFIG": text}
    if message is None:
        assert find_cluster("auto", environ=environ) is None
        return
    with pytest.raises(ValueError, match=message) as caught:
        find_cluster("auto", environ=environ)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID must be a whole number"),
        ({"SLURM_PROCID": "3"}, "rank of 0 to 2"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, "to give 4 tasks on 2 hosts"),
        ({"SLURM_STEP_TASKS_PER_NODE": "3"}, "to give 3 tasks on 2 hosts"),
        ({"SLURM_STEP_NODELIST": "n[9-"}, "expected hosts"),
        ({"SLURM_STEP_NODELIST": "n9,n9", "SLURMD_NODENAME": "n9"}, "each address once"),
        ({"SLURM_STEP_NODELIST": "", "SLURM_JOB_NODELIST": ""}, "NODELIST is missing.*srun"),
        ({"SLURMD_NODENAME": "n9"}, "--distribution=block"),
        ({"SLURM_LOCALID": "1"}, "--distribution=block"),
        ({"KERASDL_PORT": "65535"}, "port of 1 to 65535. Received: 'n9:65536'"),
        ({"KERASDL_PORT": "http"}, "KERASDL_PORT must be a whole number"),
    ],
)
def test_a_wrong_slurm_environment_is_one_clear_line(changes, message):
    with pytest.raises(ValueError, match=message):
        find_cluster("multiworker", environ={**SLURM, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"JOB_COMPLETION_INDEX": "-1"}, "JOB_COMPLETION_INDEX must be a whole number"),
        ({"JOB_COMPLETION_INDEX": "3", "HOSTNAME": "train-3"}, "rank of 0 to 2"),
        ({"KERASDL_SERVICE": ""}, "KERASDL_SERVICE"),
        ({"KERASDL_SERVICE": "a b"}, "Kubernetes: expected HOST:PORT"),
        ({"KERASDL_WORKERS": ""}, "KERASDL_WORKERS"),
        ({"KERASDL_WORKERS": "two"}, "KERASDL_WORKERS must be"),
        ({"KERASDL_WORKERS": "999999999"}, "at most 4096"),
        ({"HOSTNAME": "train-7-x2v9"}, "completionMode: Indexed"),
    ],
)
def test_a_wrong_kubernetes_environment_is_one_clear_line(changes, message):
    with pytest.raises(ValueError, match=message):
        find_cluster("multiworker", environ={**KUBERNETES, **changes})


def test_sources_that_disagree_are_refused():
    config = tf_config(TWO, {"type": "worker", "index": 1})
    with pytest.raises(ValueError, match=r"disagree: rank 0 of a:1,b:1 and rank 1 of a:1,b:1"):
        find_cluster("auto", "a:1,b:1", 0, config)
    with pytest.raises(ValueError, match="--workers needs --strategy multiworker"):
        find_cluster("none", "a:1,b:1", 0, {})


def test_multiworker_without_workers_says_how_to_name_them():
    with pytest.raises(ValueError, match=r"--workers HOST:PORT.*TF_CONFIG.*srun.*Kubernetes"):
        find_cluster("multiworker", environ={})
