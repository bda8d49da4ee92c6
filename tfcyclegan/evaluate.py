"""Scores a model on patients it was not trained on: `python -m tfcyclegan.evaluate`.

Everything stands beside copy-source, the scores of doing nothing: a model that does not beat it
has learnt nothing that these metrics can see.
"""

import csv
import json
import math
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import tfcyclegan
from tfcyclegan import data, manifest, metrics, scoring
from tfcyclegan.callbacks import grid
from tfcyclegan.checkpoints import load_run, recorded
from tfcyclegan.config import EvaluateConfig, run
from tfcyclegan.errors import UserError
from tfcyclegan.export import CARD
from tfcyclegan.extractors import frechet_name, make_extractor
from tfcyclegan.files import write_atomically
from tfcyclegan.pairing import Pairs, pair
from tfcyclegan.report import Volume, volumes_of
from tfcyclegan.report import write as write_page

SCHEMA_VERSION = 1
EXTRACTOR = "randconv_v1"
BOOTSTRAP_SEED = 0
SHOWN_PAIRS = 6
NOT_FOR_DIAGNOSIS = "Research only, not for diagnosis."


def main(config: EvaluateConfig) -> None:
    """Writes metrics.json, CSVs per patient and per slice, a picture sheet, and report.html."""
    translators, model = load_translators(config)
    shards = manifest.read(pathlib.Path(config.data_dir))
    slices = [
        data.load_slices(
            config.data_dir,
            shards,
            split=config.split,
            sequence=model[domain],
            image_size=model["image_size"],
        )
        for domain in ("domain_a", "domain_b")
    ]
    pairs = pair(*slices)
    if not len(pairs):
        raise UserError(
            f"Split {config.split} holds no {model['domain_a']} and {model['domain_b']} slice at"
            " the same place of the same study, so there is nothing to score. Choose another"
            " --split."
        )
    print(f"evaluate: {len(pairs)} pairs of split {config.split}")
    if config.dry_run:
        return
    output = pathlib.Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    report, volumes = evaluate(translators, pairs, output)
    report |= {
        "model": model,
        "split": config.split,
        "dataset_hash": manifest.dataset_hash(shards),
    }
    text = strict_json(report)
    write_atomically(output / "metrics.json", text)
    write_page(output / "report.html", json.loads(text), volumes)
    print(table(report))


def load_translators(config: EvaluateConfig) -> tuple[dict[str, scoring.Translator], dict]:
    """Returns the translator of each direction and a description of the model."""
    if config.workdir:
        model, training, epochs = load_run(config.workdir, config.checkpoint)
        description = {
            "domain_a": training.domain_a,
            "domain_b": training.domain_b,
            "image_size": training.image_size,
            "epochs": epochs,
            "checkpoint": config.checkpoint,
            # A split that was selected by is no test.
            "selection": recorded(pathlib.Path(config.workdir)).get("selection"),
        }
        return scoring.translators_of(model), description
    return load_saved_model(pathlib.Path(config.model))


def load_saved_model(directory: pathlib.Path) -> tuple[dict[str, scoring.Translator], dict]:
    """Returns the translators of an exported model and what its card says of it."""
    card = directory / CARD
    if not (directory / "saved_model.pb").is_file() or not card.is_file():
        raise UserError(
            "--model must be a version directory that python -m tfcyclegan.export wrote, with"
            f" saved_model.pb and {CARD}. Received: {directory}.",
            5,
        )
    described = json.loads(card.read_text())
    loaded = tf.saved_model.load(str(directory))

    def translator(name: str) -> scoring.Translator:
        return lambda images: loaded.signatures[name](image=images)["image"]

    description = {
        "domain_a": described["domain_a"],
        "domain_b": described["domain_b"],
        "image_size": described["trained_image_size"],
        "epochs": described["epochs"],
    }
    return {name: translator(name) for name in scoring.DIRECTIONS}, description


def evaluate(
    translators: dict[str, Callable], pairs: Pairs, output: pathlib.Path
) -> tuple[dict, list[Volume]]:
    """Scores both directions of the model and of copy-source, and writes CSVs and pictures.

    Args:
        translators: Translator of each direction.
        pairs: What is scored.
        output: Directory that gets the files.

    Returns:
        What metrics.json holds, and the volumes that the report shows.
    """
    extractor = make_extractor(EXTRACTOR)
    report = {
        "schema_version": SCHEMA_VERSION,
        "tfcyclegan_version": tfcyclegan.__version__,
        "notice": NOT_FOR_DIAGNOSIS,
        "n_pairs": len(pairs),
        "n_unpaired": {"a": pairs.unpaired_a, "b": pairs.unpaired_b},
        "n_patients": len(set(pairs.a.metadata["id/patient"])),
        "extractor": {"name": extractor.name, "sha256": extractor.sha256},
        "directions": {},
    }
    rows, sheets, volumes = [], [], []
    for direction in scoring.directions_of(pairs):
        fake = scoring.translate(translators[direction.name], direction.source)
        made = {"model": fake, "copy_source": direction.source}
        report["directions"][direction.name] = {
            name: summary(direction, images, extractor) for name, images in made.items()
        }
        for name, images in made.items():
            rows += slice_rows(direction, name, images)
        sheets.append(sheet(direction, fake))
        layers = {"source": direction.source, "synthetic": fake, "real": direction.target}
        ids = (direction.patients, direction.volumes, direction.indices)
        volumes += volumes_of(direction.name, *ids, layers)
    write_csv(output / "metrics_per_slice.csv", rows)
    write_csv(output / "metrics_per_patient.csv", patient_rows(rows))
    png = tf.io.encode_png(tf.cast(np.rint(np.concatenate(sheets, axis=1) * 255), tf.uint8))
    (output / "samples.png").write_bytes(png.numpy())
    return report, volumes


def summary(direction: scoring.Direction, images: np.ndarray, extractor) -> dict:
    """Returns value, interval and counts of each metric of one method in one direction."""
    scores = scoring.paired_scores(direction, images)
    per_patient = {
        "psnr_volume": scoring.volume_psnr_of_patients(direction, images),
        "ssim": metrics.patient_means(scores["ssim"], list(direction.patients)),
        "mae": metrics.patient_means(scores["mae"], list(direction.patients)),
    }
    result = {name: _interval(values) for name, values in per_patient.items()}
    slice_mean = metrics.psnr_slice_mean(scores["psnr"])
    result["psnr_slice_mean"] = {
        "value": slice_mean.mean,
        "n_slices": slice_mean.n_averaged,
        "n_identical": slice_mean.n_identical,
    }
    real = scoring.features(extractor, direction.target)
    result[frechet_name(extractor)] = {
        "value": scoring.distance(real, scoring.features(extractor, images)),
        "n_slices": len(images),
    }
    return result


def _interval(per_patient: dict) -> dict:
    values = list(per_patient.values())
    if len(values) < 2:
        value = values[0] if values else math.nan
        return {"value": value, "ci": None, "reason": "one patient", "n_patients": len(values)}
    interval = metrics.patient_bootstrap(values, seed=BOOTSTRAP_SEED)
    return {
        "value": interval.estimate,
        "ci": [interval.low, interval.high],
        "n_patients": interval.n_patients,
    }


def slice_rows(direction: scoring.Direction, method: str, images: np.ndarray) -> list[dict]:
    """Returns one CSV row per slice."""
    scores = scoring.paired_scores(direction, images)
    return [
        {
            "direction": direction.name,
            "method": method,
            "patient": direction.patients[i].decode(),
            "series": direction.volumes[i].decode(),
            "slice": int(direction.indices[i]),
            **{name: f"{values[i]:.6g}" for name, values in scores.items()},
        }
        for i in range(len(images))
    ]


def patient_rows(rows: list[dict]) -> list[dict]:
    """Returns the mean of the slice rows of each direction, method and patient."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["direction"], row["method"], row["patient"]), []).append(row)
    return [
        {
            **dict(zip(("direction", "method", "patient"), key, strict=True)),
            "n_slices": len(group),
            **{
                name: f"{np.mean([float(row[name]) for row in group]):.6g}"
                for name in ("psnr", "ssim", "mae")
            },
        }
        for key, group in groups.items()
    ]


def write_csv(path: pathlib.Path, rows: list[dict]) -> None:
    """Writes rows with equal keys."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def sheet(direction: scoring.Direction, fake: np.ndarray) -> np.ndarray:
    """Returns rows of source, synthetic, real and absolute error, evenly spaced over the slices."""
    shown = np.linspace(0, len(fake) - 1, min(SHOWN_PAIRS, len(fake))).round().astype(int)
    source, made, real = direction.source[shown], fake[shown], direction.target[shown]
    return grid((source, made, real, np.abs(made - real)))


def strict_json(report: dict) -> str:
    """Returns strict JSON; NaN and infinities become null."""

    def clean(value):
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(clean(report), indent=2, allow_nan=False) + "\n"


def table(report: dict) -> str:
    """Returns the report as a few lines for a terminal."""
    lines = [f"{report['n_pairs']} pairs of {report['n_patients']} patients. {NOT_FOR_DIAGNOSIS}"]
    for direction, methods in report["directions"].items():
        for method, scores in methods.items():
            values = "  ".join(f"{name} {score['value']:.4g}" for name, score in scores.items())
            lines.append(f"{direction}  {method:<11}  {values}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main, EvaluateConfig)
