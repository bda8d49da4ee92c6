"""What TF_CONFIG may say, and waiting for the processes it names."""

import concurrent.futures
import contextlib
import json
import socket

import pytest
from worker_processes import free_ports, has_ipv6, tf_config

from tfcyclegan.errors import UserError
from tfcyclegan.models.step.replicas import on_workers
from tfcyclegan.training.distribution.cluster import Cluster, read_cluster, wait_for_workers
from tfcyclegan.training.distribution.strategies import is_chief, make_strategy

WORKERS = {"worker": ["a:1", "b:2"]}


def described(cluster, kind="worker", index=0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    "text, reason",
    [
        (None, "it is not set"),
        ("", "it is not set"),
        ("{'cluster': 1}", "it is not JSON"),
        ("[]", 'it has no "cluster"'),
        (json.dumps({"cluster": WORKERS}), 'it has no "task"'),
        (described(WORKERS, index=2), "its task is worker 2, and its cluster has 2 of worker"),
        (described(WORKERS, index=-1), "its task is worker -1"),
        (described(WORKERS, kind="chief"), "its task is chief 0, and its cluster has 2 of worker"),
        (described({}), "its task is worker 0, and its cluster has none"),
        (described({"worker": ["a:1"], "ps": ["c:3"]}), 'has the job "ps"'),
        (described({"worker": {"0": "a:1"}}), "does not give each job a list of addresses"),
        (described({"chief": ["a:1", "b:1"]}, kind="chief"), "more than one chief"),
        (described({"worker": ["a"]}), 'its address "a" is not host:port'),
        (described({"worker": ["a:0"]}), 'its address "a:0" is not host:port'),
        (described({"worker": ["a:65536"]}), 'its address "a:65536" is not host:port'),
        (described({"worker": ["a..b:1"]}), 'its address "a..b:1" is not host:port'),
        (described({"worker": ["a" * 64 + ":1"]}), "is not host:port"),
        (described({"worker": [None]}), 'its address "None" is not host:port'),
        (described({"worker": ["fd00::1:2222"]}), "or [host]:port for IPv6"),
        (described({"worker": ["[fd00::1]"]}), "or [host]:port for IPv6"),
        (described({"worker": ["a:1", "a:1"]}), "names one address for two processes"),
        (described({"worker": ["a:1"], "ps": []}, kind="ps"), "its task is ps 0"),
    ],
)
def test_what_is_wrong_with_tf_config_is_said_in_one_sentence(text, reason):
    with pytest.raises(UserError) as caught:
        read_cluster(text)
    message = str(caught.value)
    assert reason in message and "--strategy=multi_worker" in message and "\n" not in message
    assert caught.value.exit_code == 2


def test_the_chief_comes_first_wherever_it_stands():
    cluster = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    assert read_cluster(described(cluster, "chief")) == Cluster(("a:1", "b:2", "c:3"), 0)
    assert read_cluster(described(cluster, "worker", 1)).index == 2
    assert read_cluster(described(WORKERS, index="1")) == Cluster(("a:1", "b:2"), 1)


def test_what_schedulers_write_beside_it_changes_nothing():
    cluster = {"chief": [], "worker": ["[fd00::1]:1", "b-0.svc:65535"], "ps": [], "evaluator": []}
    task = {"type": "worker", "index": "1", "trial": "7", "cloud": "x"}
    further = {"environment": "cloud", "rpc_layer": "grpc", "job": '{"scale_tier": "CUSTOM"}'}
    made = read_cluster(json.dumps({"cluster": cluster, "task": task, **further}))
    assert made == Cluster(("[fd00::1]:1", "b-0.svc:65535"), 1)
    assert made.host_and_port(0) == ("fd00::1", 1) and made.host_and_port(1) == ("b-0.svc", 65535)


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    "hosts",
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        pytest.param(("[::1]", "[::1]", "[::1]"), marks=IPV6),
        pytest.param(("[::1]", "localhost", "127.0.0.1"), marks=IPV6),
    ],
)
def test_workers_find_each_other_although_the_last_to_see_all_must_reach_a_server(hosts):
    ports = free_ports(3)
    addresses = tuple(f"{host}:{port}" for host, port in zip(hosts, ports, strict=True))

    def join(index: int) -> socket.socket:
        wait_for_workers(Cluster(addresses, index), 60)
        # As TensorFlow does then.
        family = socket.AF_INET6 if "[::1]" in hosts else socket.AF_INET
        return socket.create_server(
            ("", ports[index]), family=family, dualstack_ipv6="[::1]" in hosts
        )

    with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        for server in pool.map(join, (2, 0, 1)):
            stack.enter_context(server)


def test_a_missing_worker_is_named_in_time(monkeypatch):
    ports = free_ports(2)
    monkeypatch.setenv("TF_CONFIG", tf_config(ports, 0))
    message = f"Process 1 of TF_CONFIG, 127.0.0.1:{ports[1]}, did not answer process 0 within 0.5 s"
    with pytest.raises(UserError, match=message) as caught:
        make_strategy("multi_worker", 0.5)
    assert caught.value.exit_code == 10


def test_a_host_whose_name_is_unknown_is_a_missing_worker():
    cluster = Cluster((f"127.0.0.1:{free_ports(1)[0]}", "no-such-host.invalid:1"), 0)
    with pytest.raises(UserError, match="no-such-host.invalid:1, did not answer .*[Nn]ame"):
        wait_for_workers(cluster, 0.5)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} .*: Address already in use"):
            wait_for_workers(Cluster((f"127.0.0.1:{port}", "127.0.0.1:1"), 0), 0.5)


def test_auto_takes_the_workers_of_tf_config(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "not JSON")
    with pytest.raises(UserError, match="it is not JSON"):
        make_strategy("auto")
    assert make_strategy("single").num_replicas_in_sync == 1


@pytest.mark.parametrize("kind", ["auto", "multi_worker"])
@pytest.mark.parametrize("job", ["chief", "worker"])
def test_one_process_alone_mirrors_over_its_devices_and_waits_for_nobody(monkeypatch, kind, job):
    monkeypatch.setenv("TF_CONFIG", described({job: ["no-such-host.invalid:1"]}, job))
    strategy = make_strategy(kind, cluster_timeout_s=0)
    assert strategy.num_replicas_in_sync == 2  # the logical devices of tests/conftest.py
    assert not on_workers(strategy) and is_chief(strategy)
