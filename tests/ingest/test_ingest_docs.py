"""docs/ingestion.md names what the program has, no more and no less."""

import re

from places import ROOT

from tfcyclegan.errors import ExitCode
from tfcyclegan.privacy import reasons

PAGE = (ROOT / "docs" / "ingestion.md").read_text()


def rows(title: str) -> dict[str, str]:
    table = PAGE.partition(f"| {title} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))


def test_every_reason_is_explained_as_in_the_program():
    assert rows("skipped") == reasons.SKIPPED
    assert rows("quarantined") == reasons.QUARANTINED


def test_exit_codes_are_those_of_the_program():
    text = PAGE.partition("## Exit codes")[2].partition("##")[0]
    listed = {int(code) for code in re.findall(r"(?:^|; |;\n)(\d+) ", text, re.MULTILINE)}
    of_others = {ExitCode.LOST_WORKER, ExitCode.OUT_OF_TIME, ExitCode.TERMINATED}
    assert listed == set(ExitCode) - of_others


def test_the_page_of_all_commands_has_every_exit_code():
    page = (ROOT / "docs" / "commands.md").read_text()
    listed = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    assert list(map(int, listed)) == sorted(ExitCode)
