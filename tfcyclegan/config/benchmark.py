"""Flags of the command that measures."""

import dataclasses

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Command):
    """Flags of tools/benchmark.py."""

    what: str = flag(
        "ingest", "What is measured.", choices=["ingest", "step", "pipeline", "translate"]
    )
    json: bool = flag(False, "End with one line that is a JSON object.")
    files: int = flag(1000, "ingest: DICOM files to make and to convert.", lower=10)
    matrix: int = flag(
        512, "ingest: rows and columns of a file; 64 for --files=100000.", lower=64, upper=512
    )
    size: int = flag(
        256, "step, pipeline, translate: height and width in pixels.", lower=32, upper=1024
    )
    filters: int = flag(64, "step, translate: filters of the networks' first layers.", lower=1)
    blocks: int = flag(9, "step, translate: residual blocks.", lower=1)
    batch_size: int = flag(1, "step, pipeline: examples in a batch.", lower=1)
    identity: float = flag(0.5, "step: weight of the identity loss; 0 leaves it out.", lower=0.0)
    precision: str = flag(
        "float32",
        "step: Keras precision policy.",
        choices=["float32", "mixed_bfloat16", "mixed_float16"],
    )
    steps: int = flag(
        5, "step, translate: steps or calls that are timed, after the first.", lower=1
    )
    reference: str = flag(
        "",
        "step: command that times the same step elsewhere, measured right before and after: it is"
        " given --filters, --size, --blocks, --identity, --precision and --steps, and its last"
        " line is a JSON object with seconds_min and peak_rss_mb.",
    )
    torch_python: str = flag(
        "",
        "translate: a Python that has PyTorch, whose eager mode runs the same network in turn.",
    )
