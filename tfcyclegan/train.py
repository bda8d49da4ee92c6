"""Trains a translation model on converted records: `python -m tfcyclegan.train --flagfile=...`."""

import dataclasses
import pathlib
import sys

from tfcyclegan.config import TrainConfig, run
from tfcyclegan.data import manifest
from tfcyclegan.data.training_slices import TrainingSlices
from tfcyclegan.data.validation_slices import ValidationSlices
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.models.build import build_model
from tfcyclegan.training import fit
from tfcyclegan.training.distribution.collectives import check_agreement
from tfcyclegan.training.distribution.strategies import (
    check_batch_size,
    explained_loss,
    is_chief,
    make_strategy,
)
from tfcyclegan.training.setup import (
    check_features,
    facts,
    load_domains,
    open_workdir,
    set_up_numerics,
    validation_split,
)

NO_LABELS = (
    "--model=tumorgan is validated on label images, and no pair of split {} that was chosen has a"
    " lesion mask and a brain mask. Convert with masks, or choose more --validation_pairs."
)


@explained_loss()
def main(config: TrainConfig) -> None:
    """Trains, or continues, the run that the flags describe."""
    shards = manifest.read(pathlib.Path(config.data_dir))
    shards = manifest.deal(shards, *config.folds)
    strategy = make_strategy(config.strategy)
    check_batch_size(strategy, config.batch_size, config.accumulate_steps)
    check_agreement(strategy, facts(config, shards))
    set_up_numerics(config)
    split = validation_split(config, shards)
    validated = ValidationSlices.choose(
        *load_domains(config, shards, split), config.validation_pairs
    )
    trained = TrainingSlices.choose(
        *load_domains(config, shards, "train", config.drop_lesions),
        pairs=config.pairs,
        patients=config.pair_patients,
        seed=config.seed,
        move=config.moves_pairs,
        labels_within=config.match_slice_position if config.paints_labels else None,
    )
    if config.paints_labels and not len(validated.label_images(1)):
        raise UserError(NO_LABELS.format(split), ExitCode.MISSING)
    check_agreement(strategy, {"the pairs of --data_dir": trained.pairs_hash})
    slices = max(len(trained.a), len(trained.b))
    steps = config.steps_per_epoch or -(-slices // config.batch_size)
    print(
        f"train: {len(trained.a)} {config.domain_a} and {len(trained.b)} {config.domain_b} slices,"
        f" {trained}, {steps} steps per epoch, {strategy.num_replicas_in_sync} replica(s);"
        f" validation: {validated} of split {split}"
    )
    for caution in trained.cautions():
        print(f"warning: {caution}", file=sys.stderr)
    if config.dry_run:
        return
    # Without pairs a step is one update, in which the rate's schedule counts.
    made = config if trained.pairs else dataclasses.replace(config, pair_updates=1)
    with strategy.scope():
        model = build_model(made, steps)
    check_features(config, model)
    if is_chief(strategy):
        open_workdir(config, shards, trained, model, sys.argv[1:])
    fit.fit(config, model, trained, validated, steps)


if __name__ == "__main__":
    run(main, TrainConfig)
