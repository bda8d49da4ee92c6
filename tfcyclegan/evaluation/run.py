"""An evaluation from its slices to the files of its directory."""

import json
import pathlib
import time

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcyclegan import files
from tfcyclegan.data import intensity, labels, manifest
from tfcyclegan.data.contact_sheet import grid
from tfcyclegan.data.manifest import Shard
from tfcyclegan.data.pairing import Pairs
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.evaluation import inputs, kernel_sums, metrics_json, plots
from tfcyclegan.evaluation.cases import NO_SOURCE, cases_of, of_samples
from tfcyclegan.evaluation.figures import self_consistency
from tfcyclegan.evaluation.figures.distribution import Distribution
from tfcyclegan.evaluation.figures.entries import null, strict_json, write_csv
from tfcyclegan.evaluation.gates import memorisation
from tfcyclegan.evaluation.inputs import Inputs
from tfcyclegan.evaluation.report import Volume, volumes_of
from tfcyclegan.evaluation.report import write as write_page
from tfcyclegan.evaluation.scoring import MODEL, Scored, generate, score, translate
from tfcyclegan.metrics.extractors import Extractor
from tfcyclegan.models.translators import Translator

SHOWN_PAIRS = 6


def made_directory(path: str) -> pathlib.Path:
    """Returns the output directory, made where it is missing.

    Raises:
        UserError: It cannot be made.
    """
    output = pathlib.Path(path)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {output} cannot be written: {error.strerror}. Choose another.",
            ExitCode.NOT_WRITABLE,
        ) from error
    return output


def evaluate(
    translators: dict[str, Translator],
    data: Inputs,
    extractor: Extractor,
    *,
    protocol: str = "default",
    with_inception_score: bool = False,
    cycled: bool = True,
    kind: str = "translator",
) -> tuple[dict, list[Scored]]:
    """Scores both directions of a model and every baseline.

    Args:
        translators: Translator of each direction, or sampler.
        data: What is scored.
        extractor: Features of the distances.
        protocol: "paper" adds the figures of `figures.paper`.
        with_inception_score: Add it; the extractor is the FID network.
        cycled: Whether the model was trained to come back.
        kind: Of the model. One without a source makes as many images as there are real ones, of
            random numbers ("sampler") or of the labels of pairs ("labels").

    Returns:
        The report, and per direction the images behind it.
    """
    scored = []
    for case in cases_of(data.slices["a"], data.slices["b"], data.pairs, data.sequences):
        if case.name not in translators:
            continue
        # The name of a direction ends with its target domain and begins with its source.
        distribution = Distribution(
            extractor,
            case.target,
            data.train.get(case.name[-1]),
            with_inception_score=with_inception_score,
        )
        owners = None
        if kind != "translator":
            case = of_samples(case)
            given, owners = sampled_from(kind, data.pairs, len(case.target))
            fake = generate(translators[case.name], case.name, given)
        else:
            fake = translate(translators[case.name], case.name, case.source.unit())
        scored.append(score(case, fake, distribution, owners, with_paper=protocol == "paper"))
    fakes = {result.case.name[0]: result.fake for result in scored}
    report = metrics_json.frame(scored, extractor, protocol) | inputs.describe(data)
    report["self_consistency"] = (
        self_consistency.section(data.slices, fakes, translators)
        if cycled
        else null(self_consistency.NO_CYCLE)
    )
    return report, scored


def facts_of_records(directory: pathlib.Path, shards: list[Shard]) -> dict:
    """Returns what the report says of the records that were looked at."""
    return {
        "dataset_hash": manifest.dataset_hash(shards),
        "split_hash": manifest.split_hash(shards),
        "window_percentiles": manifest.window_percentiles(directory),
    }


def sampled_from(kind: str, pairs: Pairs, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `count` images without a source are made of, and whose they are.

    A sample is nobody's: each counts as a patient of its own. What is painted of a label counts
    as of the patient whose brain it has.

    Raises:
        UserError: No pair has the masks that a label is made of.
    """
    if kind == "sampler":
        return np.arange(count), np.array([f"sample {n}".encode() for n in range(count)])
    kept, made = labels.of_pairs(pairs)
    if not len(kept):
        raise UserError(
            "A model of labels is scored on pairs with a lesion mask and a brain mask, and this"
            " split has none. Convert with masks, or choose another --split.",
            ExitCode.MISSING,
        )
    masks, rows = labels.drawn(made, np.arange(count))
    return labels.images(masks), kept.a.metadata["id/patient"][rows]


def remember(scored: list[Scored], data: Inputs, output: pathlib.Path) -> dict:
    """Returns the report's section on memorisation and draws the closest pairs."""
    if data.no_train:
        return null(data.no_train)
    section = {}
    for result in scored:
        train, real = data.train[result.case.name[-1]], result.case.target
        fake = intensity.unit_to_stored(result.fake[..., 0])
        section[result.case.name], pairs = memorisation.section(
            (fake, result.features[MODEL][1]),
            (real.images, real.metadata["id/patient"]),
            (train.images, train.metadata["id/patient"]),
            (result.features[MODEL], result.distribution.real, result.distribution.train),
        )
        name = f"closest_training_slices_{result.case.name}.png"
        plots.save(plots.closest_pairs(pairs, fake, train.images), output / name)
        section[result.case.name]["figure"] = name
    return section


def write(
    report: dict,
    scored: list[Scored],
    curves: Figure | None,
    output: pathlib.Path,
    started: float,
) -> None:
    """Writes CSVs, kernel sums, pictures and the page, and metrics.json last."""
    write_csv(output / "metrics_per_slice.csv", *metrics_json.slice_rows(scored))
    write_csv(output / "metrics_per_patient.csv", *metrics_json.patient_rows(scored))
    sums = {
        result.case.name: result.distribution.kernel_sums(result.features[MODEL])
        for result in scored
    }
    kernel_sums.write(
        output,
        {name: patient_sums for name, patient_sums in sums.items() if patient_sums is not None},
    )
    report["plots"] = plots.draw(scored, output)
    if curves is not None:
        plots.save(curves, output / "history.png")
        report["plots"].append("history.png")
    sheets = np.concatenate([sheet(result) for result in scored], axis=1)
    png = tf.io.encode_png(tf.cast(np.rint(sheets * 255), tf.uint8))
    files.write(output / "samples.png", png.numpy())
    report["wall_seconds"] = round(time.monotonic() - started, 1)
    # The page is made from what the file holds: numbers that are not finite are null in both.
    text = strict_json(report)
    pictures = {name: (output / name).read_bytes() for name in report["plots"]}
    write_page(output / "report.html", json.loads(text), viewed(scored), plots=pictures)
    # Last, because this file says that the evaluation has finished.
    files.write(output / "metrics.json", text)


def viewed(scored: list[Scored]) -> list[Volume]:
    """Returns the volumes of the report's viewer: source, synthetic and, of pairs, real."""
    volumes = []
    for result in scored:
        paired, source = result.case.paired, result.case.source
        if result.case.reason == NO_SOURCE:
            continue
        if paired is None:
            keys = ("id/patient", "id/series", "geom/slice_index")
            ids = [source.metadata[key] for key in keys]
            layers = {"source": source.unit(), "synthetic": result.fake}
        else:
            direction = paired.direction
            ids = [direction.patients, direction.volumes, direction.indices]
            layers = {
                "source": direction.source,
                "synthetic": result.images[MODEL],
                "real": direction.target,
            }
            if paired.lesion.any():
                layers["lesion"] = paired.lesion[..., np.newaxis].astype(np.float32)
        volumes += volumes_of(result.case.name, *ids, layers)
    return volumes


def sheet(one: Scored) -> np.ndarray:
    """Returns rows of source, synthetic, real and absolute error, evenly spaced over the slices.

    Without pairs there are the first two only, and of samples they alone.
    """
    if one.case.reason == NO_SOURCE:
        return grid((_spread(one.fake[::2]), _spread(one.fake[1::2])))
    if one.case.paired is None:
        return grid(tuple(_spread(images) for images in (one.case.source.unit(), one.fake)))
    direction, synthetic = one.case.paired.direction, one.images[MODEL]
    source, synthetic, real = (
        _spread(images) for images in (direction.source, synthetic, direction.target)
    )
    return grid((source, synthetic, real, np.abs(synthetic - real)))


def _spread(images: np.ndarray) -> np.ndarray:
    count = min(SHOWN_PAIRS, len(images))
    return images[np.linspace(0, len(images) - 1, count).round().astype(int)]
