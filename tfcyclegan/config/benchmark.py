"""Flags of the command that measures."""

import dataclasses

from tfcyclegan.config.command import Command, flag


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(Command):
    """Flags of tools/benchmark.py."""

    what: str = flag(
        "ingest",
        "What is measured.",
        choices=["ingest", "step", "epoch", "pipeline", "metrics", "translate", "study"],
    )
    json: bool = flag(False, "End with one line that is a JSON object.")
    files: int = flag(
        1000, "ingest, study: DICOM files to make, and to convert or translate.", lower=10
    )
    matrix: int = flag(
        512,
        "ingest, study: rows and columns of a file; 64 for --files=100000.",
        lower=64,
        upper=512,
    )
    size: int = flag(
        256,
        "step, epoch, pipeline, metrics, translate, study: height and width in pixels.",
        lower=32,
        upper=1024,
    )
    filters: int = flag(
        64, "step, epoch, translate, study: filters of the networks' first layers.", lower=1
    )
    blocks: int = flag(9, "step, epoch, translate, study: residual blocks.", lower=1)
    batch_size: int = flag(1, "step, epoch, pipeline: examples in a batch.", lower=1)
    identity: float = flag(
        0.5, "step, epoch: weight of the identity loss; 0 leaves it out.", lower=0.0
    )
    precision: str = flag(
        "float32",
        "step, epoch: Keras precision policy.",
        choices=["float32", "mixed_bfloat16", "mixed_float16"],
    )
    steps: int = flag(
        5,
        "step, epoch, metrics, translate: how often each is timed, after the first of all.",
        lower=1,
    )
    epoch_steps: int = flag(
        1000, "epoch: steps of the epoch whose share beside the steps is told.", lower=1
    )
    dimension: int = flag(2048, "metrics: length of a feature.", lower=2)
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
