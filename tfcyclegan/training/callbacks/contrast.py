"""A warning of a wrong contrast, early enough to begin again.

T2 to FLAIR inverts fluid and nothing else. A CycleGAN of two sequences falls early into one of two
basins, and neither is right: "identity", where fluid keeps the brightness that it had, or
"inversion", where the whole head comes out with bright and dark exchanged, which the cycle undoes.
Training seldom leaves either. The signs of the correlation between source and translation tell them
apart: inside the head, where fluid decides, and at its rim, where skin and fat are bright in both
sequences.
"""

import dataclasses
import math
import sys

from tfcyclegan.data import batches
from tfcyclegan.data.head import REGIONS
from tfcyclegan.metrics.correlation import correlations
from tfcyclegan.models import translators
from tfcyclegan.training.callbacks.early_look import EarlyLook

MARGIN = 0.1
"""A correlation must be this far below both 0 and that of real pairs to be called inverted."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """How a run stood when it was judged.

    Args:
        basin: "identity", "inversion", or "" where neither is certain.
        step: Steps of the run so far.
        made: Correlation of source and translation by direction and region, `a_to_b_inside`.
    """

    basin: str
    step: int
    made: dict[str, float]


def basin_of(made: dict[str, float], real: dict[str, float]) -> str:
    """Returns "inversion", "identity" or "" from the correlations of one direction.

    Inverted is a rim whose correlation is clearly below both 0 and that of real pairs. Left as it
    was is an inside whose correlation is nearer to that of a copy, 1, than to that of real pairs,
    which is near 0 for T2 and FLAIR; without real pairs that cannot be told.
    """
    if made["rim"] < (min(0.0, real["rim"]) if math.isfinite(real["rim"]) else 0.0) - MARGIN:
        return "inversion"
    if made["inside"] > (1.0 + real["inside"]) / 2.0:
        return "identity"
    return ""


class ContrastWatch(EarlyLook):
    """Judges a run once, and warns of a wrong basin.

    Only models that learn without pairs fall into one; of others nothing is said. Pairs among the
    slices, where there are any, say how real images correlate.
    """

    def look(self, step):
        if self.model.data_kind == "unpaired" and self.model.generators:
            finding = self._finding(step)
            if finding.basin:
                print(f"warning: {sentence(finding)}", file=sys.stderr)

    def _finding(self, step: int) -> Finding:
        figures, basins = {}, []
        # Not the moving averages, which early in a run are still what it began with.
        for name, generator in self.model.generators.items():
            translator = translators.translator_of(generator)
            source = self._images[name[0]]
            of_made = correlations(source, batches.in_batches(translator, source))
            of_real = dict.fromkeys(REGIONS, math.nan)
            if self._pairs:
                of_real = correlations(source, self._images[name[-1]])
            basins.append(basin_of(of_made, of_real))
            figures |= {f"{name}_{region}": value for region, value in of_made.items()}
        return Finding(max(basins), step, figures)  # "inversion" before "identity" before ""


def sentence(found: Finding) -> str:
    """Returns what a person reads about a run in a wrong basin."""
    figures = ", ".join(f"{name} {value:.2f}" for name, value in found.made.items())
    return (
        f"after {found.step} steps the run is in the basin of {found.basin} ({figures}; correlation"
        " of source and translation), which runs seldom leave. Start again in another --workdir"
        " with another --seed, a larger --identity_weight or, unless it is so already,"
        " --initializer=normal_0.02."
    )
