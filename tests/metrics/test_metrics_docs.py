"""The example of docs/metrics.md runs as it stands there."""

import doctest

from places import DOCS
from printed_commands import code_blocks


def test_the_library_example_says_what_happens():
    (example,) = [b for b in code_blocks(DOCS / "metrics.md") if ">>>" in b]
    code = doctest.DocTestParser().get_doctest(example, {}, "metrics.md", None, 0)
    assert len(code.examples) > 10
    assert doctest.DocTestRunner().run(code).failed == 0
