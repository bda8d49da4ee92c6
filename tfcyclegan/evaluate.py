"""Scores a model on patients it was not trained on: `python -m tfcyclegan.evaluate`.

Everything stands beside trivial baselines and, for distances, beside the floor of real against
real: a model that does not beat the first has learnt nothing that these metrics can see.
"""

import pathlib
import time

from tfcyclegan.config import EvaluateConfig, run
from tfcyclegan.data import manifest
from tfcyclegan.evaluation import cautions, inputs, metrics_json, validation_curves
from tfcyclegan.evaluation.gates import leakage
from tfcyclegan.evaluation.run import evaluate, facts_of_records, made_directory, remember, write
from tfcyclegan.evaluation.translators import load_translators
from tfcyclegan.metrics.extractors import make_extractor


def main(config: EvaluateConfig) -> None:
    """Writes metrics.json, CSVs per patient and per slice, pictures, and report.html."""
    started = time.monotonic()
    translators, model = load_translators(config.workdir, config.model, config.checkpoint)
    directory = pathlib.Path(config.data_dir)
    shards = inputs.dealt(manifest.read(directory), model)
    data = inputs.load(config.data_dir, shards, config.split, model)
    print(f"evaluate: {len(data.pairs)} pairs of split {config.split}")
    extractor = make_extractor(*config.extractor.split(":", 1))
    if config.dry_run:
        return
    gate = leakage.check(
        directory, [s for s in shards if s.sequence in (model["domain_a"], model["domain_b"])]
    )
    output = made_directory(config.output)
    report, scored = evaluate(
        translators,
        data,
        extractor,
        protocol=config.protocol,
        with_inception_score=config.inception_score,
        cycled=model["cycled"],
        kind=model.get("kind", "translator"),
    )
    report |= {"model": model, "split": config.split, **facts_of_records(directory, shards)}
    report |= {"leakage": gate, "memorisation": remember(scored, data, output)}
    report["warnings"] = cautions.of(report, scored, extractor)
    curves = validation_curves.figure(config.workdir, scored, extractor.name)
    write(report, scored, curves, output, started)
    print(metrics_json.table(report))


if __name__ == "__main__":
    run(main, EvaluateConfig)
