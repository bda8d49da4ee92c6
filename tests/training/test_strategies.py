"""Where training runs: what a CPU can do."""

import tensorflow as tf

from tfcyclegan.training.distribution.cluster import Cluster
from tfcyclegan.training.distribution.strategies import emulates_bfloat16, resolver_of


def test_bfloat16_is_emulated_where_the_cpu_lists_no_instruction_for_it(tmp_path, monkeypatch):
    # A runner with a GPU would answer for the GPU.
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    features = {
        "flags\t\t: fpu sse4_2 avx2 f16c fma\n": True,
        "flags\t\t: avx2 avx512f avx512_bf16\n": False,
        "flags\t\t: avx2 amx_bf16 amx_tile\n": False,
        "Features\t: fp asimd i8mm bf16\n": False,
    }
    path = tmp_path / "cpuinfo"
    for text, emulated in features.items():
        path.write_text(text)
        assert emulates_bfloat16(path) is emulated
    assert emulates_bfloat16(tmp_path / "not there") is False


def test_a_worker_is_given_all_gpus_that_its_process_sees(monkeypatch):
    seen = {"GPU": ["GPU:0", "GPU:1"], "CPU": ["CPU:0"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", seen.__getitem__)
    resolver = resolver_of(Cluster(("a:1", "b:2"), 1))
    # What MultiWorkerMirroredStrategy asks a resolver that is not TensorFlow's own.
    assert resolver.num_accelerators().get("GPU", 0) == 2
    assert (resolver.task_type, resolver.task_id, resolver.rpc_layer) == ("worker", 1, "grpc")
    assert resolver.cluster_spec().as_dict() == {"worker": ["a:1", "b:2"]}
