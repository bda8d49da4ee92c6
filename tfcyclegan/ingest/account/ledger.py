"""The account of a conversion: every object and every series ends in exactly one place.

seen == converted + skipped[reason] + quarantined[reason], for objects and for series; a command
that cannot make that sum says so instead of finishing.
"""

import collections
import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Sequence

from tfcyclegan.data.records import PLANES, SEQUENCES
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest.mapping import SKIP
from tfcyclegan.ingest.plan import Series
from tfcyclegan.ingest.scan import Scanned
from tfcyclegan.privacy import guard, reasons
from tfcyclegan.privacy.hygiene import Fault

CONVERTED, SKIPPED, QUARANTINED = "converted", "skipped", "quarantined"
VOCABULARY = {CONVERTED, SKIPPED, QUARANTINED, "scan", "plan", "convert", "gap", "reformatted"}
VOCABULARY |= {*reasons.ALL, *SEQUENCES, *PLANES, SKIP}
"""Every word that a report may hold besides pseudonyms and code locations."""

COLUMNS = (
    "series_key",
    "n",
    "TE",
    "TR",
    "TI",
    "plane",
    "proposed",
    "confidence",
    "decision",
    "reason",
    "note",
    "user_class",
)
"""Of series.csv; TE, TR and TI are in ms, user_class is for the operator to fill in."""


def decision_of(reason: str) -> str:
    """Returns where a reason leads; no reason leads to conversion."""
    if not reason:
        return CONVERTED
    return QUARANTINED if reason in reasons.QUARANTINED else SKIPPED


# The outcome of an object of several frames is that of the lowest rank: converted is better than
# damaged, and damaged is reported rather than unwanted.
_RANK = {CONVERTED: 0, QUARANTINED: 1, SKIPPED: 2}


_NONE = Fault("")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What one station said about one object."""

    stage: str
    fault: Fault
    series: str

    @property
    def rank(self) -> tuple:
        """The lowest rank among an object's entries is its outcome."""
        return _RANK[decision_of(self.fault.reason)], self.fault.reason, self.series


class Ledger:
    """Collects outcomes and writes the reports.

    Args:
        scanned: Every object that was seen, in order.
    """

    def __init__(self, scanned: Sequence[Scanned]):
        self._scanned = scanned
        self._entries: list[list[Entry]] = [[] for _ in scanned]
        self._series: dict[str, tuple[Series, str]] = {}

    def note(self, object_index: int, stage: str, fault: Fault | None, series: str = "") -> None:
        """Records what a station made of a frame of an object; None means converted."""
        fault = fault or _NONE
        self._entries[object_index].append(Entry(stage, fault, series or fault.series))

    def note_series(self, series: Series, reason: str) -> None:
        """Records the outcome of a volume; an empty reason means converted."""
        self._series[series.volume.key] = (series, reason)

    def outcome(self, object_index: int) -> Entry:
        """Returns the entry that decides about an object.

        Raises:
            UserError: No station has said anything about it.
        """
        if not self._entries[object_index]:
            raise UserError(
                "The account does not add up: an input object has no outcome. This is a fault of"
                " the converter, please report it.",
                ExitCode.FAILED,
            )
        return min(self._entries[object_index], key=lambda entry: entry.rank)

    def objects(self) -> dict:
        """Returns the counts of objects by outcome and reason."""
        return _tally(self.outcome(i).fault.reason for i in range(len(self._scanned)))

    def scanned_objects(self) -> dict:
        """Returns the counts of objects where those to be converted have no outcome yet."""
        return _tally(self.reasons())

    def reasons(self) -> list[str]:
        """Returns what stands against each object so far; empty where nothing does."""
        return [
            min(entries, key=lambda entry: entry.rank).fault.reason if entries else ""
            for entries in self._entries
        ]

    def was_converted(self, series: Series) -> bool:
        """Tells whether a volume became records."""
        return self._series[series.volume.key][1] == ""

    def series(self) -> dict:
        """Returns the counts of series by outcome and reason."""
        return _tally(row["reason"] for row in self.series_rows())

    def quarantined(self) -> list[dict]:
        """Returns the rows of quarantine.jsonl: every damaged object, even if a part passed."""
        rows = set()
        for scanned, entries in zip(self._scanned, self._entries, strict=True):
            for entry in entries:
                fault = entry.fault
                if decision_of(fault.reason) == QUARANTINED:
                    place = (fault.error, fault.location)
                    rows.add((scanned.file_key, entry.series, fault.reason, *place))
        names = ("file_key", "series_key", "reason", "error", "location")
        return [dict(zip(names, row, strict=True)) for row in sorted(rows)]

    def audit(self) -> list[dict]:
        """Returns the rows of audit.jsonl: one for every object, without paths."""
        rows = []
        for index, scanned in enumerate(self._scanned):
            entry = self.outcome(index)
            rows.append(
                {
                    "file_key": scanned.file_key,
                    "sha256_keyed": scanned.content_key,
                    "bytes": scanned.bytes,
                    "stage": entry.stage,
                    "decision": decision_of(entry.fault.reason),
                    "reason": entry.fault.reason,
                    "series_key": entry.series,
                }
            )
        return sorted(rows, key=lambda row: tuple(str(value) for value in row.values()))

    def series_rows(self) -> list[dict]:
        """Returns the rows of series.csv: volumes, then refused objects by series and reason."""
        rows = [_series_row(*item) for _, item in sorted(self._series.items())]
        refused: collections.Counter = collections.Counter()
        for entries in self._entries:
            refused.update({(e.series, e.fault.reason) for e in entries if e.stage != "convert"})
        for (series, reason), count in sorted(refused.items()):
            # An object of an accepted volume has no reason here, and one of no series no row.
            if series and reason and series not in self._series:
                rows.append({**_blank(series, reason), "n": count})
        return sorted(rows, key=lambda row: (row["series_key"], row["reason"]))


def _series_row(series: Series, reason: str) -> dict:
    physics = series.volume.physics
    return {
        **_blank(series.volume.key, reason),
        "n": len(series.volume.frames),
        "TE": _number(physics.te_ms),
        "TR": _number(physics.tr_ms),
        "TI": _number(physics.ti_ms),
        "plane": series.plane,
        "proposed": series.proposed or series.sequence,
        "confidence": series.confidence,
        "note": "gap" if series.gap else "reformatted" if series.target else "",
    }


def _number(value: float) -> float | None:
    """Three significant digits, as in the records; an empty cell for NaN."""
    return float(f"{value:.3g}") if math.isfinite(value) else None


def _blank(key: str, reason: str) -> dict:
    row = dict.fromkeys(COLUMNS, "")
    return {**row, "series_key": key, "decision": decision_of(reason), "reason": reason}


def _tally(found: Iterable[str]) -> dict:
    counts = collections.Counter(found)
    by_decision = {SKIPPED: {}, QUARANTINED: {}}
    for reason, count in sorted(counts.items()):
        if reason:
            by_decision[decision_of(reason)][reason] = count
    return {"seen": sum(counts.values()), CONVERTED: counts[""], **by_decision}


def to_jsonl(rows: Iterable[dict]) -> str:
    """Returns guarded rows as JSON lines."""
    lines = []
    for row in rows:
        guard.check_row(row, VOCABULARY)
        lines.append(json.dumps(row, sort_keys=True) + "\n")
    return "".join(lines)


def to_csv(rows: Iterable[dict]) -> str:
    """Returns guarded rows of series.csv."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        guard.check_row(row, VOCABULARY)
        writer.writerow(row)
    return out.getvalue()
