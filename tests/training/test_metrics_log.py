"""metrics.jsonl is strict JSON, and follows the checkpoint when a run continues."""

import json

from tfcyclegan.training.callbacks.metrics_log import MetricsLog


def strict(path) -> list[dict]:
    def refuse(constant):
        raise ValueError(constant)

    return [json.loads(text, parse_constant=refuse) for text in path.read_text().splitlines()]


def test_one_object_per_epoch_with_null_for_what_is_not_finite(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, finished=0)
    log.on_epoch_end(0, {"loss": 0.1, "seconds": 1.5})
    log.on_epoch_end(1, {"loss": float("nan"), "seconds": float("inf"), "val_ssim": 1})
    assert strict(path) == [
        {"epoch": 1, "loss": 0.1, "seconds": 1.5},
        {"epoch": 2, "loss": None, "seconds": None, "val_ssim": 1.0},
    ]


def test_a_run_that_continues_drops_rows_after_its_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = MetricsLog(path, finished=0)
    for epoch in range(3):
        first.on_epoch_end(epoch, {"loss": float(epoch)})
    MetricsLog(path, finished=1).on_epoch_end(1, {"loss": 7.0})
    assert strict(path) == [{"epoch": 1, "loss": 0.0}, {"epoch": 2, "loss": 7.0}]
