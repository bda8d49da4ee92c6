"""Flags of the commands that follow a training run: evaluate, compare, export."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag

EXTRACTORS = [
    "randconv_v1",
    "efficientnet_lite0_clean",
    "keras_inception_v3_clean",
    "fid_ttur",
    "fid_clean",
    "fid_pytorch",
]
"""Networks whose features the distances between distributions compare; see docs/metrics.md."""

EXTRACTOR_IS_KNOWN = (
    ["extractor"],
    lambda v: v["extractor"].partition(":")[0] in EXTRACTORS,
    f"--extractor is one of {', '.join(EXTRACTORS)}, and after a colon its weight file",
)


def extractor_flag(use: str):
    """Declares --extractor, NAME or NAME:FILE, of a command that uses it as `use` says."""
    return flag(
        "randconv_v1",
        f"Network whose features {use}; after a colon its weight file, as in fid_clean:FILE."
        f" Nothing is downloaded. One of: {', '.join(EXTRACTORS)}.",
    )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Command):
    """Flags of `python -m tfcyclegan.evaluate`."""

    RULES: ClassVar[tuple] = (
        (
            ["workdir", "model"],
            lambda v: bool(v["workdir"]) != bool(v["model"]),
            "give either --workdir or --model",
        ),
        EXTRACTOR_IS_KNOWN,
        (
            ["inception_score", "extractor"],
            lambda v: not v["inception_score"] or v["extractor"].startswith("fid_"),
            "--inception_score needs the classes of the FID network: an --extractor fid_...",
        ),
    )

    workdir: str = flag("", "Workdir of a training run.")
    checkpoint: str = flag(
        "latest",
        "Checkpoint of --workdir: the latest, or the best by validation.",
        choices=["latest", "best"],
    )
    model: str = flag("", "Exported SavedModel, the directory that holds saved_model.pb.")
    data_dir: str = flag("", "Directory with shards and manifest.jsonl.", required=True)
    split: str = flag("test", "Split to evaluate.", choices=["train", "val", "test"])
    output: str = flag("", "Directory for metrics.json, CSVs and pictures.", required=True)
    extractor: str = extractor_flag("the distances compare")
    protocol: str = flag(
        "default",
        "paper adds SSIM and PSNR as the paper's text defines them, 8 bits, 256 px, whole frame,"
        " and as other tables do, each image divided by its own maximum or mean.",
        choices=["default", "paper"],
    )
    inception_score: bool = flag(
        False,
        "Adds the Inception Score, for published tables only: it knows no real image and no"
        " anatomy. Needs an --extractor fid_....",
    )


@dataclasses.dataclass(frozen=True)
class CompareConfig(Command):
    """Flags of `python -m tfcyclegan.compare`."""

    FIRST: ClassVar[str] = "runs"
    MANY: ClassVar[bool] = True

    runs: tuple = flag((), "Directories that evaluate wrote; may stand first, without a flag.")
    output: str = flag("", "Directory for compare.md and compare.json; empty writes nothing.")
