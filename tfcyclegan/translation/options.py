"""What of the flags decides what is written, besides how the source is read."""

import dataclasses

from tfcyclegan.config import TranslateConfig


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the same names."""

    identity: str
    audit: bool
    max_risk: float
    abstain: bool
    report: bool

    @classmethod
    def of(cls, config: TranslateConfig) -> "Options":
        """Returns the options of a command line."""
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})
