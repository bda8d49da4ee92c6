"""Studies in the form they came in: every volume of the source's sequence, one after another."""

import collections

from tfcyclegan import files as tfcyclegan_files
from tfcyclegan.config import TranslateConfig
from tfcyclegan.errors import ExitCode
from tfcyclegan.imaging.nifti.files import VolumeFile
from tfcyclegan.ingest import convert_volumes, output, publication
from tfcyclegan.ingest.account import summary
from tfcyclegan.ingest.account.journal import Outcome
from tfcyclegan.ingest.account.ledger import to_csv, to_jsonl
from tfcyclegan.ingest.convert_volume import Converted
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.progress import track
from tfcyclegan.ingest.publication import Job
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.translation import finished, real_images
from tfcyclegan.translation.dicom_series import write_series
from tfcyclegan.translation.finished import Account
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.nifti_volume import write_volume
from tfcyclegan.translation.page import Gallery
from tfcyclegan.translation.real_images import Reals
from tfcyclegan.translation.volume_report import Report


def translate(job: Job, model: Model, config: TranslateConfig, books: Account) -> int:
    """Translates what the plan holds and is not finished, and returns the exit code."""
    todo, warnings = [], collections.Counter()
    beside = real_images.beside(job, model) if config.report else {}
    for task in job.planned.tasks:
        if books.done(task.series.volume.key, _inputs(job, task, beside)):
            outcome = books.finished[task.series.volume.key][2]
            publication.note(job, [task], [outcome], warnings)
        else:
            todo.append(task)
    if len(todo) < len(job.planned.tasks):
        print(f"{len(job.planned.tasks) - len(todo)} series are finished already")
    stream = real_images.converted(job, todo, beside)
    for task in track(todo, len(todo), "translate"):
        # Passed on at once, so that nothing keeps a volume while the next one is decoded.
        report, outcome = _one(job, task, *next(stream), model, config)
        publication.note(job, [task], [outcome], warnings)
        if report:
            books.add(_inputs(job, task, beside), report, outcome)
            print(report.line(), flush=True)
    return _finish(job)


def _inputs(job: Job, task: Task, beside: dict[str, Task]) -> str:
    tasks = (task, beside.get(task.series.volume.key))
    indices = {f.object_index for member in tasks if member for f in member.series.volume.frames}
    return finished.inputs_of(job.scanned, indices)


def _finish(job: Job) -> int:
    """Writes the reports of the converter, and says what became of everything."""
    tfcyclegan_files.write(job.directory / output.SERIES, to_csv(job.ledger.series_rows()))
    tfcyclegan_files.write(job.directory / output.QUARANTINE, to_jsonl(job.ledger.quarantined()))
    tfcyclegan_files.write(job.directory / output.AUDIT, to_jsonl(job.ledger.audit()))
    print("\n".join(summary.of_account(job.ledger, "translated")))
    print(summary.of_labels(job.objects, job.ledger), end="")
    if not job.ledger.series()["converted"]:
        return ExitCode.NOTHING
    return ExitCode.QUARANTINED if job.ledger.quarantined() else ExitCode.DONE


def _one(
    job: Job,
    task: Task,
    done: Converted,
    reals: Reals | None,
    model: Model,
    config: TranslateConfig,
) -> tuple[Report | None, Outcome]:
    outcome = convert_volumes.outcome_of(done)
    if not done.records:
        return None, outcome
    item = job.objects[done.kept[0].object_index]
    write = write_volume if isinstance(item, VolumeFile) else write_series
    gallery = Gallery(len(done.kept), model.size, audit=config.audit, reals=reals)
    report = write(job, task, done, model, config, gallery)
    if isinstance(report, Fault):
        # What was read a moment ago cannot be read any more.
        refused = [(frame.object_index, report) for frame in done.kept]
        return None, Outcome(report.reason, [], outcome.refused + refused, outcome.warnings)
    if not report.left_out:
        return report, outcome
    abstained = [(done.kept[place].object_index, Fault("high_risk")) for place in report.marked]
    kept = [f.object_index for n, f in enumerate(done.kept) if n not in report.marked]
    reason = "" if kept else "high_risk"
    return report, Outcome(reason, kept, outcome.refused + abstained, outcome.warnings)
