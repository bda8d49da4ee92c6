"""Measures one part of the system on this machine; with --json the last line is a JSON object.

python tools/benchmark.py --what=ingest --json
python tools/benchmark.py --what=step --precision=float32 --json
"""

import json

from tfcyclegan import config
from tfcyclegan.experiments.benchmark import (
    epoch,
    ingest,
    metrics,
    pipeline,
    step,
    study,
    translate,
)

PARTS = {
    "epoch": epoch.measure,
    "ingest": ingest.measure,
    "metrics": metrics.measure,
    "pipeline": pipeline.measure,
    "step": step.measure,
    "study": study.measure,
    "translate": translate.measure,
}
"""Values of --what to functions from the flags to the figures, a dictionary of names to numbers."""


def main(settings: config.BenchmarkConfig) -> None:
    if settings.dry_run:
        return
    figures = {"what": settings.what, **PARTS[settings.what](settings)}
    for name, value in figures.items():
        print(f"{name}: {value}")
    if settings.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    config.run(main, config.BenchmarkConfig)
