"""What the command prints: the plan, the result, and what to do about either."""

import collections
import re
from collections.abc import Sequence

from tfcyclegan.data.manifest import Shard
from tfcyclegan.imaging.source.walk import InputObject
from tfcyclegan.ingest.account.ledger import QUARANTINED, SKIPPED, Ledger, decision_of
from tfcyclegan.ingest.plan import Plan
from tfcyclegan.ingest.settings import Settings


def of_plan(planned: Plan, ledger: Ledger) -> str:
    """Returns the table of --dry_run."""
    lines = ["series    slices     te     tr     ti  plane     proposed  split  reason"]
    splits = {task.series.volume.key: task.split for task in planned.tasks}
    for item in planned.series:
        physics, key = item.volume.physics, item.volume.key
        lines.append(
            f"{key[:8]}  {len(item.volume.frames):6d} {physics.te_ms:6.4g} {physics.tr_ms:6.4g}"
            f" {physics.ti_ms:6.4g}  {item.plane:8s}  {item.sequence:8s}  {splits.get(key, '-'):5s}"
            f"  {item.reason}"
        )
    objects = ledger.scanned_objects()
    lines.append(f"objects: {objects['seen']} seen{_reasons(objects)}")
    lines.append(f"would write {len(planned.shards)} shard(s) from {len(planned.tasks)} series")
    return "\n".join(lines) + "\n"


def of_result(ledger: Ledger, shards: Sequence[Shard], settings: Settings) -> str:
    """Returns the account of a conversion, and a warning for each split that stayed empty."""
    lines = of_account(ledger)
    for split, share in settings.splits:
        members = [shard for shard in shards if shard.split == split]
        patients = {patient for shard in members for patient in shard.patients}
        slices: collections.Counter = collections.Counter()
        for shard in members:
            slices[shard.sequence] += shard.records
        listed = ", ".join(f"{count} {name}" for name, count in sorted(slices.items()))
        lines.append(f"{split}: {len(patients)} patient(s), slices: {listed or 'none'}")
        if share > 0 and not patients and shards:
            lines.append(
                f"warning: split {split} got no patient. Give it a larger share in --splits, or"
                " convert more patients; with few patients another --key_file draws anew."
            )
    return "\n".join(lines) + "\n"


def of_account(ledger: Ledger, verb: str = "converted") -> list[str]:
    """Returns what became of the objects and of the series, a line each."""
    return [
        f"{name}: {counts['seen']} seen, {counts['converted']} {verb}{_reasons(counts)}"
        for name, counts in (("objects", ledger.objects()), ("series", ledger.series()))
    ]


def of_labels(objects: Sequence[InputObject], ledger: Ledger) -> str:
    """Returns a line for each labelled object that was not converted, in the order of rows."""
    lines = [
        (int(re.search("[0-9]+", item.label).group()), item.label, reason)
        for item, reason in zip(objects, ledger.reasons(), strict=True)
        if item.label and reason
    ]
    return "".join(f"{label}: {decision_of(why)}, {why}\n" for _, label, why in sorted(lines))


def _reasons(counts: dict) -> str:
    text = ""
    for decision in (SKIPPED, QUARANTINED):
        if counts[decision]:
            listed = ", ".join(f"{reason} {n}" for reason, n in counts[decision].items())
            text += f"; {decision}: {listed}"
    return text
