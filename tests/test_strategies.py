"""Where training runs: what a CPU can do."""

import tensorflow as tf

from tfcyclegan.strategies import emulates_bfloat16


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
