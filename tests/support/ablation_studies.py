"""Finished studies for tests, written by hand: what the commands would have left behind."""

import csv
import json

from tfcyclegan.config import TrainConfig
from tfcyclegan.experiments.ablation import study as ablation_study
from tfcyclegan.models.translators import DIRECTIONS

PATIENTS = {0: ("p", "q"), 1: ("r",)}
"""Who is tested in each of two folds."""


def variant(name: str, *flags: str):
    config = TrainConfig.parse("--data_dir=-", "--workdir=-", "--image_size=32", *flags)
    return ablation_study.Variant(name, flags, config)


def study(**changes):
    values = {
        "title": "a study",
        "data_dir": "records",
        "variants": (variant("plain"), variant("better")),
        "reference": "plain",
        "folds": 2,
        "seeds": (0, 1),
        "minutes": 0.0,
        "steps": 40,
        "epochs": 10,
        "phantom": True,
        "external": (),
    }
    return ablation_study.Study(**{**values, **changes})


def finish(run, figures: dict[str, dict[str, float]], copy: dict[str, dict[str, float]]) -> None:
    """Makes a run finished; figures by name and patient, of the model and of copy_source."""
    folder = run.evaluation("test")
    folder.mkdir(parents=True)
    run.note(flags=["--epochs=10", "--steps_per_epoch=4"], trained=True, minutes=3.0)
    names = sorted(figures)
    with (folder / "metrics_per_patient.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["direction", "method", "patient", "n_slices", *names])
        for method, of in (("model", figures), ("copy_source", copy)):
            for patient in PATIENTS[run.fold]:
                values = [of[name].get(patient, "") for name in names]
                writer.writerow(["a_to_b", method, patient, 3, *values])
    (folder / "metrics.json").write_text(
        json.dumps({"schema_version": 2, "directions": dict.fromkeys(DIRECTIONS, {})})
    )
