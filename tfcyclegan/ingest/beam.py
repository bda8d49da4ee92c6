"""Conversion on an Apache Beam runner: one element is one shard, written where it is converted.

Paths and geometry travel to the workers, and rows of the manifest and outcomes come back; pixels
are never shuffled. The key stays where the command was started. Import this module only where
--runner is set: Apache Beam is an optional dependency.
"""

import dataclasses
import os
import pathlib
import pickle
from collections.abc import Iterator, Sequence

from tfcyclegan import files
from tfcyclegan.data.manifest import Shard
from tfcyclegan.errors import ExitCode, UserError
from tfcyclegan.ingest import convert_volumes, publication
from tfcyclegan.ingest.account import card
from tfcyclegan.ingest.account.journal import Outcome
from tfcyclegan.ingest.convert_volumes import Inputs
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.publication import Done, Job
from tfcyclegan.ingest.settings import Settings
from tfcyclegan.ingest.workers import Workers
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault

try:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise UserError(
        "--runner needs Apache Beam, which is not installed. Install the extra `beam`, or leave"
        " --runner empty to convert with --workers on this machine.",
        ExitCode.USAGE,
    ) from error


@dataclasses.dataclass(frozen=True, repr=False)
class Piece:
    """A shard that is still to be written. A worker of a runner gets nothing else.

    Attributes:
        directory: Output directory, at the same place for every worker.
        name: File name of the shard.
        home: (split, sequence).
        tasks: Its volumes, in order; may be empty.
        inputs: The objects they lie in.
        settings: Of the records' content.
        constant: Features that all records share.
        limits: Arguments of `Workers`: the limits of time and memory for one object.
    """

    directory: str
    name: str
    home: tuple[str, str]
    tasks: list[Task]
    inputs: Inputs
    settings: Settings
    constant: dict
    limits: dict

    def __repr__(self) -> str:
        return "Piece(inputs not shown)"


@dataclasses.dataclass(frozen=True)
class Written:
    """What comes back of a piece: its row, and the outcomes of its volumes without pixels."""

    row: Shard
    outcomes: list[Outcome]


def writer(runner: str, options: Sequence[str], limits: dict) -> publication.Write:
    """Returns a `publication.Write` that converts on a runner.

    Args:
        runner: Name of an Apache Beam runner.
        options: Its options, with their dashes.
        limits: Of `Workers`: time and memory of one object.

    Raises:
        UserError: The runner is not known, or an option is no option.
    """
    arguments = [f"--runner={runner}", *options]
    if not all(option.startswith("--") for option in options):
        raise UserError(
            "--runner_options must start with --, as in --parallelism=8.", ExitCode.USAGE
        )
    try:
        apache_beam.runners.create_runner(runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise UserError(
            "--runner must be the name of an Apache Beam runner, such as FnApiRunner, FlinkRunner,"
            " SparkRunner or DataflowRunner.",
            ExitCode.USAGE,
        ) from error

    def write(job: Job, todo: dict[str, tuple[str, str]]) -> Iterator[Done]:
        pieces = _pieces(job, todo, limits)
        results = _run(arguments, pieces, job.directory)
        for piece in pieces:
            yield results[piece.name].row, piece.tasks, results[piece.name].outcomes

    return write


def _pieces(job: Job, todo: dict[str, tuple[str, str]], limits: dict) -> list[Piece]:
    members: dict[str, list[Task]] = {name: [] for name in todo}
    for task in job.planned.tasks:
        if task.shard in todo:
            members[task.shard].append(task)
    constant = card.provenance(job.settings, job.key.key_id)
    return [
        Piece(
            os.path.abspath(job.directory),
            name,
            todo[name],
            tasks,
            publication.inputs_of(job, tasks),
            job.settings,
            constant,
            limits,
        )
        for name, tasks in members.items()
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
        named_outcomes = pickle.loads(results.read_bytes())
    finally:
        results.unlink(missing_ok=True)
    for _, outcome in sorted(named_outcomes, key=lambda pair: pair[0]):
        if isinstance(outcome, UserError):
            raise outcome
        if isinstance(outcome, Fault):
            raise UserError(
                f"A worker of --runner failed: {outcome.error} at {outcome.location}. Nothing of"
                " the input is shown; please report this line.",
                ExitCode.FAILED,
            )
    return dict(named_outcomes)


def _leave(found: list, path: str) -> None:
    files.write(pathlib.Path(path), pickle.dumps(found))


def attempt(piece: Piece) -> tuple[str, Written | UserError | Fault]:
    """Converts and writes a piece. No exception leaves it, since a runner would log the text."""
    return piece.name, hygiene.isolated(_guarded, piece)


def _guarded(piece: Piece) -> Written | UserError:
    try:
        return _write(piece)
    except UserError as error:
        return UserError(str(error), error.exit_code)


def _write(piece: Piece) -> Written:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # A damaged file may end the process that decodes it, so that must not be the runner's own.
    with Workers(1, preload=("tfcyclegan.ingest.convert_volume",), **piece.limits) as workers:
        pairs = convert_volumes.convert_volumes(piece.tasks, piece.inputs, piece.settings, workers)
        directory = pathlib.Path(piece.directory)
        fields = card.whitelist(piece.settings)
        row, _, outcomes = publication.write_shard(
            directory, piece.name, piece.home, pairs, piece.constant, fields
        )
    return Written(row, outcomes)
