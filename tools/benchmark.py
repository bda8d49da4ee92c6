"""Measures one part of the system on this machine; with --json the last line is a JSON object.

python tools/benchmark.py --what=ingest --json
python tools/benchmark.py --what=step --precision=float32 --json
"""

import json

import benchmark_epoch
import benchmark_ingest
import benchmark_metrics
import benchmark_pipeline
import benchmark_step
import benchmark_study
import benchmark_translate

from tfcyclegan import config

PARTS = {
    "epoch": benchmark_epoch.measure,
    "ingest": benchmark_ingest.measure,
    "metrics": benchmark_metrics.measure,
    "pipeline": benchmark_pipeline.measure,
    "step": benchmark_step.measure,
    "study": benchmark_study.measure,
    "translate": benchmark_translate.measure,
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
