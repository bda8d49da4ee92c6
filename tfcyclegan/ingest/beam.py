"""Conversion on an Apache Beam runner: one element is one shard, written where it is converted.

Paths and geometry travel to the workers, and rows of the manifest and outcomes come back; pixels
are never shuffled. The key stays where the command was started. Import this module only where
--runner is set: Apache Beam is an optional dependency.
"""

import collections
import dataclasses
import os
import pathlib
import pickle
from collections.abc import Iterator, Sequence

from tfcyclegan.errors import UserError
from tfcyclegan.ingest import card, conversion, output, shards
from tfcyclegan.ingest.conversion import Inputs, Job
from tfcyclegan.ingest.convert import Converted
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.manifest import Shard
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault

USAGE = 2

try:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise UserError(
        "--runner needs Apache Beam, which is not installed. Install the extra `beam`, or leave"
        " --runner empty to convert with --workers on this machine.",
        USAGE,
    ) from error


@dataclasses.dataclass(frozen=True, repr=False)
class Piece:
    """A shard before it is written; all that a worker of a runner gets to know.

    Attributes:
        directory: Output directory, at the same place for every worker.
        name: Of the shard.
        home: (split, sequence).
        tasks: Its volumes, in order; may be empty.
        inputs: The objects they lie in.
        min_foreground: Smallest share of foreground of a slice.
        constant: Features that all records share.
        limits: Of `Workers`: time and memory of one object.
    """

    directory: str
    name: str
    home: tuple[str, str]
    tasks: list[Task]
    inputs: Inputs
    min_foreground: float
    constant: dict
    limits: dict

    def __repr__(self) -> str:
        return "Piece(inputs not shown)"


@dataclasses.dataclass(frozen=True)
class Written:
    """What comes back of a piece: its row, and the outcomes of its volumes without pixels."""

    row: Shard
    outcomes: list[Converted]


def writer(runner: str, options: Sequence[str], limits: dict) -> conversion.Writer:
    """Returns a `conversion.Writer` that converts on a runner.

    Args:
        runner: Name of an Apache Beam runner.
        options: Its options, with their dashes.
        limits: Of `Workers`: time and memory of one object.

    Raises:
        UserError: The runner is not known, or an option is no option.
    """
    arguments = [f"--runner={runner}", *options]
    if not all(option.startswith("--") for option in options):
        raise UserError("--runner_options must start with --, as in --parallelism=8.", USAGE)
    try:
        apache_beam.runners.create_runner(runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(
            "--runner must be the name of an Apache Beam runner, such as FnApiRunner, FlinkRunner,"
            " SparkRunner or DataflowRunner.",
            USAGE,
        ) from error

    def write(job: Job, warnings: collections.Counter) -> Iterator[Shard]:
        pieces = _pieces(job, limits)
        found = _run(arguments, pieces, job.directory)
        for piece in pieces:
            written = found[piece.name]
            for task, outcome in zip(piece.tasks, written.outcomes, strict=True):
                warnings.update(outcome.warnings)
                conversion.note(job.ledger, task, outcome)
            yield written.row

    return write


def _pieces(job: Job, limits: dict) -> list[Piece]:
    """Returns the shards in the order in which a local conversion writes them."""
    members: dict[str, list[Task]] = collections.defaultdict(list)
    for task in job.planned.tasks:
        members[task.shard].append(task)
    constant = card.provenance(job.settings, job.key.key_id)
    names = [*members, *(name for name in job.planned.shards if name not in members)]
    return [
        Piece(
            os.path.abspath(job.directory),
            name,
            job.planned.shards[name],
            members.get(name, []),
            conversion.inputs_of(job, members.get(name, [])),
            job.settings.min_foreground,
            constant,
            limits,
        )
        for name in names
    ]


def _run(arguments: list[str], pieces: list[Piece], directory: pathlib.Path) -> dict[str, Written]:
    """Runs the pipeline and returns the pieces' results by name.

    A runner returns nothing to the program that starts it, so the last stage leaves the results,
    which are small, in a file of the output directory.

    Raises:
        UserError: What a piece ended with.
    """
    # The name is that of a temporary file, so that what an interrupt leaves is cleared away.
    results = pathlib.Path(directory, f".rows.tmp-{os.getpid()}").absolute()
    try:
        with apache_beam.Pipeline(options=PipelineOptions(arguments)) as pipeline:
            rows = pipeline | "Shards" >> apache_beam.Create(pieces)
            # Elements of Create may be fused into one bundle; this spreads them over workers.
            rows = (
                rows | "Spread" >> apache_beam.Reshuffle() | "Convert" >> apache_beam.Map(attempt)
            )
            rows = rows | "Collect" >> apache_beam.combiners.ToList()
            _ = rows | "Leave" >> apache_beam.Map(_leave, str(results))
        found = pickle.loads(results.read_bytes())
    finally:
        results.unlink(missing_ok=True)
    for _, outcome in sorted(found, key=lambda pair: pair[0]):
        if isinstance(outcome, UserError):
            raise outcome
        if isinstance(outcome, Fault):
            raise UserError(
                f"A worker of --runner failed: {outcome.error} at {outcome.location}. Nothing of"
                " the input is shown; please report this line.",
                1,
            )
    return dict(found)


def _leave(found: list, path: str) -> None:
    output.write(pathlib.Path(path), pickle.dumps(found))


def attempt(piece: Piece) -> tuple[str, Written | UserError | Fault]:
    """Converts and writes a piece; a runner would log the text of an exception, so none leaves."""
    return piece.name, hygiene.isolated(_guarded, piece)


def _guarded(piece: Piece) -> Written | UserError:
    try:
        return _write(piece)
    except UserError as error:
        return UserError(str(error), error.exit_code)


def _write(piece: Piece) -> Written:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    outcomes: list[Converted] = []
    # A decoder may end its process here as anywhere, and that must not be the runner's.
    with Workers(1, preload=("tfcyclegan.ingest.convert",), **piece.limits) as workers:
        stream = conversion.converted(piece.tasks, piece.inputs, piece.min_foreground, workers)
        records = conversion.complete(_kept(stream, outcomes), piece.constant)
        row = shards.write(pathlib.Path(piece.directory), piece.name, piece.home, records)
    return Written(row, outcomes)


def _kept(stream: Iterator[tuple[Task, Converted]], outcomes: list) -> Iterator[Converted]:
    """Passes results on and keeps what is to be told of them: all but the records' content."""
    for _, result in stream:
        outcomes.append(dataclasses.replace(result, records=[{} for _ in result.records]))
        yield result
