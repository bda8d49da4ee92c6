"""What synthetic slices are worth to a segmenter; see docs/translation.md."""

import dataclasses
import json
import pathlib

import numpy as np

from tfcyclegan import export, files, train, translate
from tfcyclegan.config import (
    DownstreamConfig,
    ExportConfig,
    NiftiConfig,
    TrainConfig,
    TranslateConfig,
)
from tfcyclegan.data import manifest
from tfcyclegan.data.slices import Slices, load_slices
from tfcyclegan.errors import UserError
from tfcyclegan.experiments.downstream import cohort, scores, segmenter
from tfcyclegan.imaging.nifti import table
from tfcyclegan.imaging.phantom import studies
from tfcyclegan.ingest import run as ingest_run

REAL, SYNTHETIC = "real FLAIR of the few", "and synthetic FLAIR of the others"
COPIED, ALL_REAL = "and T2 of the others, as it is", "real FLAIR of all"
SYNTHETIC_SET = "synthetic"


def run(config: DownstreamConfig) -> None:
    """Makes the patients, the translator and the synthetic slices, and compares."""
    output = pathlib.Path(config.output).resolve()
    studies.refuse_used(output)
    training = translator_flags(output, config)
    if config.dry_run:
        return
    (output / "images").mkdir(parents=True)
    for name, found in cohort.write(output / "images", config).items():
        convert(found, output, name)
    translated(output, training)
    rows = training_rows(output, config.size)
    test = slices(output, cohort.TEST, "flair", config.size)
    model = segmenter.build(config.size, config.filters, config.segmenter_steps)
    found = {name: scored(model, name, row, test, config) for name, row in rows.items()}
    report = compared(found, {name: len(images) for name, (images, _) in rows.items()})
    report |= {"n_test_slices": len(test), "settings": dataclasses.asdict(config)}
    del report["settings"]["output"]
    files.write(output / "downstream.json", json.dumps(report, indent=1) + "\n")
    print(text(report))


def convert(path: pathlib.Path, output: pathlib.Path, name: str) -> None:
    """Converts the images of a table to records; one key for all, so that ids agree."""
    split = "test" if name == cohort.TEST else "train"
    flags = NiftiConfig.parse(
        f"--table={path}",
        f"--output={output / name}",
        f"--key_file={output / 'key'}",
        f"--splits={split}:1",
        "--object_timeout_s=600",  # simulated images are sound, and a machine may be busy
    )
    code = ingest_run.run(flags.conversion(), lambda conversion: table.read(path, conversion.plane))
    _check("tools/nifti_to_tfrecord.py", code)


def translator_flags(output: pathlib.Path, config: DownstreamConfig) -> TrainConfig:
    """Returns how the translator is trained: by its flagfile, on what is available."""
    return TrainConfig.parse(
        f"--flagfile={config.translator}",
        f"--data_dir={output / cohort.AVAILABLE}",
        f"--workdir={output / 'run'}",
        f"--image_size={config.size}",
    )


def translated(output: pathlib.Path, training: TrainConfig) -> None:
    """Trains a translator on what is available, and writes the synthetic records."""
    _check("python -m tfcyclegan.train", train.main(training))
    export.main(ExportConfig.parse(f"--workdir={output / 'run'}", f"--output={output / 'model'}"))
    flags = TranslateConfig.parse(
        "--dataset",
        f"--model={output / 'model'}",
        f"--input={output / cohort.AVAILABLE}",
        f"--output={output / SYNTHETIC_SET}",
    )
    _check("python -m tfcyclegan.translate", translate.main(flags))


def _check(command: str, code: int | None) -> None:
    if code:
        raise UserError(f"{command} ended with code {code}, see above.", code)


def slices(output: pathlib.Path, name: str, sequence: str, size: int) -> Slices:
    """Returns the slices of one of the directories of records, with lesion masks."""
    shards = manifest.read(output / name)
    split = "test" if name == cohort.TEST else "train"
    return load_slices(
        str(output / name),
        shards,
        split=split,
        sequence=sequence,
        image_size=size,
        masks=("lesion",),
    )


def training_rows(output: pathlib.Path, size: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns what each row of the table is trained on: images and masks."""
    few_slices = slices(output, cohort.AVAILABLE, "flair", size)
    patients = np.unique(few_slices.metadata["id/patient"])

    def with_others(name: str, sequence: str) -> tuple[np.ndarray, np.ndarray]:
        candidates = slices(output, name, sequence, size)
        others = candidates.take(
            np.flatnonzero(~np.isin(candidates.metadata["id/patient"], patients))
        )
        return (
            np.concatenate([few_slices.unit(), others.unit()]),
            np.concatenate([few_slices.masks["lesion"], others.masks["lesion"]]),
        )

    return {
        REAL: (few_slices.unit(), few_slices.masks["lesion"]),
        SYNTHETIC: with_others(SYNTHETIC_SET, "flair"),
        COPIED: with_others(cohort.AVAILABLE, "t2"),
        ALL_REAL: with_others(cohort.WITHHELD, "flair"),
    }


def scored(model, name: str, row: tuple, test: Slices, config: DownstreamConfig) -> list[dict]:
    """Returns the scores of each patient, for each seed."""
    images, masks = row
    per_seed = []
    for seed in range(config.seeds):
        segmenter.train(model, images, masks, steps=config.segmenter_steps, seed=seed)
        marked = segmenter.segment(model, test.unit())
        per_seed.append(
            scores.of_patients(test.masks["lesion"], marked, test.metadata["id/patient"])
        )
        dice = np.mean(list(per_seed[-1]["dice"].values()))
        print(f"{name}, seed {seed}: {len(images)} slices, Dice {dice:.3f}", flush=True)
    return per_seed


def compared(found: dict[str, list[dict]], n_slices: dict[str, int]) -> dict:
    """Returns the table: means over seeds, with intervals over patients, and differences to `REAL`.

    Args:
        found: Row to its scores, of `scored`.
        n_slices: Row to the number of slices that it was trained on.
    """
    table = {}
    for score in scores.SCORES:
        means = {name: scores.mean_of([run[score] for run in runs]) for name, runs in found.items()}
        for name, runs in found.items():
            entry = table.setdefault(name, {"n_training_slices": n_slices[name]})
            by_seed = [float(np.mean(list(run[score].values()))) for run in runs]
            entry[score] = scores.interval(means[name]) | {"by_seed": by_seed}
            if name != REAL:
                entry[f"{score}_difference"] = scores.difference(means[name], means[REAL])
    return {"rows": table}


def text(report: dict) -> str:
    """Returns the table as Markdown."""
    titles = ["trained on", "slices", *scores.SCORES, "dice, difference to the first row"]
    lines = [" | ".join(titles), "|".join(["---"] * len(titles))]
    for name, row in report["rows"].items():
        cells = [_shown(row[score]) for score in scores.SCORES]
        difference = _shown(row["dice_difference"]) if "dice_difference" in row else "-"
        lines.append(" | ".join([name, str(row["n_training_slices"]), *cells, difference]))
    return "\n".join(f"| {line} |" for line in lines)


def _shown(entry: dict) -> str:
    low, high = entry["ci"]
    return f"{entry['value']:.3f} ({low:.3f} to {high:.3f})"
