"""What a workdir says of its run: flags.txt and run.json."""

import dataclasses
import json
import pathlib

from tfcyclegan import files
from tfcyclegan.config import TrainConfig
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.training.rundir.checkpoint_files import CheckpointFolder, Position

FLAGS_FILE = "flags.txt"
RUN_FILE = "run.json"
FOLDER = "checkpoints"
BEST_FOLDER = "best"
CHANGES = "config_changes"
KEPT_RECORDS = (CHANGES, "validation", "selection", "compared_by")
"""What of run.json outlives the start that wrote it."""
FREE_FLAGS = frozenset(
    {
        "dry_run",
        "data_dir",
        "workdir",
        "vgg",
        "strategy",
        "validate_every",
        "validation_pairs",
        "allow_config_change",
    }
)
"""Flags that may change when a run continues, because they leave its mathematics alone."""
ANOTHER_RUN = (
    *("--model", "--direction", "--pairs", "--pair_patients", "--pair_ssim_weight"),
    *("--nce_mode", "--nce_layers", "--nce_width", "--registration_filters"),
    "--registration_size",
)
"""Flags whose change makes another run, whatever is allowed: a checkpoint would hold other networks
or losses, or run.json would say of fewer pairs than the model was shown."""
RECORDS = ("dataset_hash", "split_hash", "pairs_hash")
"""What run.json says of the records, wherever they lie."""


def claim_workdir(config: TrainConfig, records: dict[str, str] | None = None) -> None:
    """Writes the flags of a new run, or checks that they are those of the run found there.

    Changes that --allow_config_change lets pass are recorded in run.json before they take effect.
    It does not let `ANOTHER_RUN` pass.

    Args:
        config: Flags of the run.
        records: Its `RECORDS`, which must be those of the run found there as well.

    Raises:
        UserError: A flag that changes the mathematics differs, or the records do, or the directory
            cannot be written.
    """
    path = pathlib.Path(config.workdir) / FLAGS_FILE
    changed = changes(config, records or {})
    is_other = any(change.split()[0] in ANOTHER_RUN for change in changed)
    if is_other or (changed and not config.allow_config_change):
        allow = "" if is_other else ", or --allow_config_change"
        raise UserError(
            f"--workdir {config.workdir} holds a run with other mathematics:"
            f" {'; '.join(changed)}. Use the same flags and records, or another --workdir{allow}.",
            ExitCode.MISMATCH,
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.remove_unfinished(path.parent.iterdir())
        if changed:
            _record_change(path.parent, changed)
        files.write(path, config.to_flagfile(), flag=None)
    except OSError as error:
        raise UserError(
            f"--workdir {config.workdir} cannot be written: {error.strerror}. Choose another.",
            ExitCode.NOT_WRITABLE,
        ) from error


def changes(config: TrainConfig, records: dict[str, str]) -> list[str]:
    """Returns how the run in --workdir differs from one with these flags and `RECORDS`."""
    path = pathlib.Path(config.workdir) / FLAGS_FILE
    if not path.is_file():
        return []
    differences = changed_flags(TrainConfig.of_run(path.read_text().splitlines()), config)
    known = recorded(path.parent)
    if any(known.get(name, value) != value for name, value in records.items()):
        differences.append(
            "--data_dir holds other records, other splits of them or other pairs than it did"
        )
    return differences


def recorded(workdir: pathlib.Path) -> dict:
    """Returns what run.json says; nothing where there is none."""
    path = workdir / RUN_FILE
    return json.loads(path.read_text()) if path.is_file() else {}


def record(workdir: pathlib.Path, name: str, value) -> None:
    """Makes run.json say that `name` is `value`."""
    described = {**recorded(workdir), name: value}
    files.write(workdir / RUN_FILE, json.dumps(described, indent=2) + "\n", flag=None)


def _record_change(workdir: pathlib.Path, changed: list[str]) -> None:
    newest = max(CheckpointFolder(workdir / FOLDER, 1).found(), default=Position())
    change = {"epoch": newest.epoch, "step": newest.step, "changed": changed}
    record(workdir, CHANGES, [*recorded(workdir).get(CHANGES, []), change])


def changed_flags(before: TrainConfig, now: TrainConfig) -> list[str]:
    """Returns the flags in which two configurations differ, but for `FREE_FLAGS`."""
    differences = []
    for field in dataclasses.fields(TrainConfig):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if field.name not in FREE_FLAGS and old != new:
            differences.append(f"--{field.name} was {old} and is {new}")
    return differences
