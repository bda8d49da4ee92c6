"""One self-contained page to look at: slices, maps, tables and plots, without a network.

`write` makes it for an evaluation and for a translated study alike.
"""

from tfcyclegan.evaluation.report.page import write
from tfcyclegan.evaluation.report.volumes import Volume, volumes_of

__all__ = ["Volume", "volumes_of", "write"]
