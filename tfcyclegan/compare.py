"""Puts finished evaluations side by side: `python -m tfcyclegan.compare EVAL EVAL ...`."""

import pathlib

from tfcyclegan import files
from tfcyclegan.config import CompareConfig, run
from tfcyclegan.errors import UserError
from tfcyclegan.evaluation import comparison
from tfcyclegan.evaluation.figures.entries import strict_json


def main(config: CompareConfig) -> None:
    """Prints the table of the runs; with --output also writes it, and compare.json."""
    if len(config.runs) < 2:
        raise UserError(
            f"compare takes two or more directories. Received: {len(config.runs)}. Write them after"
            " python -m tfcyclegan.compare, before any flag."
        )
    runs = comparison.load_all(config.runs)
    comparison.check(runs)
    if config.dry_run:
        return
    compared = comparison.compare(runs)
    text = comparison.table(compared)
    if config.output:
        output = pathlib.Path(config.output)
        output.mkdir(parents=True, exist_ok=True)
        files.write(output / "compare.md", text + "\n")
        files.write(output / "compare.json", strict_json(compared))
    print(text)


if __name__ == "__main__":
    run(main, CompareConfig)
