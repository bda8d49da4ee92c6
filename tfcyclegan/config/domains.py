"""Flags of the command that compares two domains before anything is trained on them."""

import dataclasses
from typing import ClassVar

from tfcyclegan.config.command import Command, flag

DOMAINS_DIFFER = (
    ["domain_a", "domain_b"],
    lambda v: v["domain_a"] != v["domain_b"],
    "--domain_a and --domain_b must differ",
)


@dataclasses.dataclass(frozen=True)
class DomainsConfig(Command):
    """Flags of tools/compare_domains.py."""

    FIRST: ClassVar[str] = "data_dir"
    RULES: ClassVar[tuple] = (DOMAINS_DIFFER,)

    data_dir: str = flag("", "Directory with shards and manifest.jsonl.", required=True)
    domain_a: str = flag("t2", "Sequence that is domain a.")
    domain_b: str = flag("flair", "Sequence that is domain b.")
    split: str = flag("train", "Split to compare.", choices=["train", "val", "test"])
    image_size: int = flag(
        256, "Height and width that slices are compared at, in pixels.", lower=32, upper=1024
    )
