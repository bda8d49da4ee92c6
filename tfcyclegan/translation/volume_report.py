"""What is said of one translated volume."""

import dataclasses
import math

from tfcyclegan.config import TranslateConfig
from tfcyclegan.translation.passes import Review


@dataclasses.dataclass(frozen=True)
class Report:
    """A line of translation.jsonl.

    Attributes:
        series_key: Pseudonym of the source.
        files: Relative paths of what was written.
        slices: Number of slices written.
        flicker, source_flicker: Of passes.Flicker.
        risks: Of each slice from the lowest up; empty without audit.
        marked: Places of slices above --max_risk.
        left_out: Whether these were left out.
        lesions: Kept, all, and spots elsewhere, of lesion_fate.fate; empty without masks or audit.
    """

    series_key: str
    files: tuple[str, ...]
    slices: int
    flicker: float
    source_flicker: float
    risks: tuple[float, ...] = ()
    marked: tuple[int, ...] = ()
    left_out: bool = False
    lesions: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, key: str, files: tuple[str, ...], slices: int, review: Review, config: TranslateConfig
    ) -> "Report":
        """Returns the report of a volume whose slices `review` has seen."""
        return cls(
            series_key=key,
            files=files,
            slices=slices,
            flicker=round(review.flicker.synthetic, 6),
            source_flicker=round(review.flicker.source, 6),
            risks=tuple(round(risk, 4) for risk in review.risks) if config.audit else (),
            marked=tuple(review.marked),
            left_out=config.abstain and bool(review.marked),
        )

    def line(self) -> str:
        """Returns what is printed of the volume."""
        ratio = self.flicker / self.source_flicker if self.source_flicker else math.nan
        text = (
            f"{self.series_key[:8]}: {self.slices} slices, flicker {self.flicker:.4f}"
            f" ({ratio:.2f} of the source's)"
        )
        if self.risks:
            text += f", risk up to {max(self.risks):.3f}"
        if self.marked:
            text += f", {len(self.marked)} {'left out' if self.left_out else 'marked'}"
        if self.lesions:
            kept, total, elsewhere = self.lesions
            text += f", {kept} of {total} lesions kept, {elsewhere} spots elsewhere"
        return text
