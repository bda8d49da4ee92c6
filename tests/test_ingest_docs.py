"""docs/ingestion.md names what the program has, no more and no less."""

import pathlib
import re

from tfcyclegan.ingest import conversion, output
from tfcyclegan.privacy import guard, reasons

PAGE = (pathlib.Path(__file__).resolve().parent.parent / "docs" / "ingestion.md").read_text()


def rows(title: str) -> dict[str, str]:
    table = PAGE.partition(f"| {title} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))


def test_every_reason_is_explained_as_in_the_program():
    assert rows("skipped") == reasons.SKIPPED
    assert rows("quarantined") == reasons.QUARANTINED


def test_exit_codes_are_those_of_the_program():
    from tfcyclegan.ingest import containment, pipeline

    text = PAGE.partition("## Exit codes")[2].partition("##")[0]
    listed = {int(code) for code in re.findall(r"(?:^|; |;\n)(\d+) ", text, re.MULTILINE)}
    program = {pipeline.DONE, containment.INTERNAL, pipeline.USAGE, pipeline.NOTHING}
    program |= {pipeline.WITH_QUARANTINE, pipeline.MISSING, containment.INTERRUPTED}
    program |= {conversion.TOO_MANY}
    program |= {output.NOT_WRITABLE, output.MISMATCH, guard.REFUSED}
    assert listed == program
