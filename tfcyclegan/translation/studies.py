"""Studies in the form they came in: every volume of the source's sequence, one after another."""

import collections
import contextlib
from collections.abc import Callable

from tfcyclegan.dicom import derived, resampling
from tfcyclegan.dicom import origin as origins
from tfcyclegan.dicom.frames import Frame
from tfcyclegan.dicom.items import uid_of
from tfcyclegan.dicom.source import InputObject
from tfcyclegan.ingest import conversion, output, summary, volumes
from tfcyclegan.ingest.conversion import Job
from tfcyclegan.ingest.convert import Converted
from tfcyclegan.ingest.grids import placement_of
from tfcyclegan.ingest.journal import Outcome
from tfcyclegan.ingest.ledger import to_csv, to_jsonl
from tfcyclegan.ingest.plan import Task
from tfcyclegan.ingest.progress import track
from tfcyclegan.nifti.files import VolumeFile
from tfcyclegan.privacy import hygiene
from tfcyclegan.privacy.hygiene import Fault
from tfcyclegan.translation import account, passes, real, series
from tfcyclegan.translation.account import Account
from tfcyclegan.translation.gallery import Gallery
from tfcyclegan.translation.model import Model
from tfcyclegan.translation.options import Options
from tfcyclegan.translation.passes import Made
from tfcyclegan.translation.real import Reals
from tfcyclegan.translation.report import Report
from tfcyclegan.translation.series import SeriesWriter
from tfcyclegan.translation.volume import VolumeWriter, stem_of

DONE, NOTHING, WITH_QUARANTINE = 0, 3, 4
_DICOM, _NIFTI, _PAGES = "dicom", "nifti", "report"
"""Directories of the output that hold nothing else, so that they can be sent off as they are."""
SYNTHETIC, RISK = "synthetic", "risk"
_FIRST_SERIES = {SYNTHETIC: 1000, RISK: 2000}
"""Added to the source's SeriesNumber, so that all are told apart and keep their order."""

Add = Callable[[int, Frame, Made, str], None]
"""Writes a slice: its place, what it was made from, what was made, and a comment."""


def translate(job: Job, model: Model, options: Options, books: Account) -> int:
    """Translates what the plan holds and is not finished, and returns the exit code."""
    todo, warnings = [], collections.Counter()
    beside = real.beside(job, model) if options.report else {}
    for task in job.planned.tasks:
        if books.done(task.series.volume.key, _inputs(job, task, beside)):
            outcome = books.finished[task.series.volume.key][2]
            conversion.note(job, [task], [outcome], warnings)
        else:
            todo.append(task)
    if len(todo) < len(job.planned.tasks):
        print(f"{len(job.planned.tasks) - len(todo)} series are finished already")
    stream = real.converted(job, todo, beside)
    for task in track(todo, len(todo), "translate"):
        # Passed on at once, so that nothing keeps a volume while the next one is decoded.
        report, outcome = _one(job, task, *next(stream), model, options)
        conversion.note(job, [task], [outcome], warnings)
        if report:
            books.add(_inputs(job, task, beside), report, outcome)
            print(report.line(), flush=True)
    return _finish(job)


def _inputs(job: Job, task: Task, beside: dict[str, Task]) -> str:
    shown = (task, beside.get(task.series.volume.key))
    indices = {f.object_index for one in shown if one for f in one.series.volume.frames}
    return account.inputs_of(job.scanned, indices)


def _finish(job: Job) -> int:
    """Writes the reports of the converter, and says what became of everything."""
    output.write(job.directory / output.SERIES, to_csv(job.ledger.series_rows()))
    output.write(job.directory / output.QUARANTINE, to_jsonl(job.ledger.quarantined()))
    output.write(job.directory / output.AUDIT, to_jsonl(job.ledger.audit()))
    print("\n".join(summary.of_account(job.ledger, "translated")))
    print(summary.of_labels(job.objects, job.ledger), end="")
    if not job.ledger.series()["converted"]:
        return NOTHING
    return WITH_QUARANTINE if job.ledger.quarantined() else DONE


def _one(
    job: Job, task: Task, done: Converted, reals: Reals | None, model: Model, options: Options
) -> tuple[Report | None, Outcome]:
    outcome = volumes.outcome_of(done)
    if not done.records:
        return None, outcome
    item = job.objects[done.kept[0].object_index]
    write = _write_volume if isinstance(item, VolumeFile) else _write_series
    gallery = Gallery(len(done.kept), model.size, audit=options.audit, reals=reals)
    written = write(job, task, done, model, options, gallery)
    if isinstance(written, Fault):
        # What was read a moment ago cannot be read any more.
        refused = [(frame.object_index, written) for frame in done.kept]
        return None, Outcome(written.reason, [], outcome.refused + refused, outcome.warnings)
    if not written.left_out:
        return written, outcome
    gone = [(done.kept[place].object_index, Fault("high_risk")) for place in written.marked]
    kept = [f.object_index for n, f in enumerate(done.kept) if n not in written.marked]
    reason = "" if kept else "high_risk"
    return written, Outcome(reason, kept, outcome.refused + gone, outcome.warnings)


def _pass(
    job: Job,
    task: Task,
    done: Converted,
    model: Model,
    options: Options,
    gallery: Gallery,
    files: list[str],
    add: Add,
) -> Report:
    """Runs a volume through the network and hands slices to a writer as they come."""
    key, written = task.series.volume.key, 0
    review = passes.Review(options.max_risk)
    images = (record["image/data"] for record in done.records)
    made_all = passes.run(images, model, audit=options.audit)
    for place, (frame, made) in enumerate(zip(done.kept, made_all, strict=True)):
        comment = ""
        if review.add(made):
            comment = f"Risk {made.risk:.3f} is above the limit of {options.max_risk:g}"
        gallery.add(place, made, comment)
        if comment and options.abstain:
            continue
        add(place, frame, made, comment)
        written += 1
    files = files if written else []
    if options.report:
        files = [*files, f"{_PAGES}/{key}.html"]
    told = Report.of(key, tuple(files), written, review, options)
    if options.report:
        gallery.write(job.directory / files[-1], model, told)
    return told


def _titles(model: Model) -> dict[str, str]:
    made = f"SYNTHETIC {model.target.upper()} from {model.source.upper()}"
    return {SYNTHETIC: f"{made} - {derived.WARNING}", RISK: f"RISK of {made} - {derived.WARNING}"}


def _kinds(options: Options) -> tuple[str, ...]:
    return (SYNTHETIC, RISK) if options.audit else (SYNTHETIC,)


def _pixels(kind: str, made: Made):
    return made.synthetic if kind == SYNTHETIC else made.risk_map


def _write_series(
    job: Job, task: Task, done: Converted, model: Model, options: Options, gallery: Gallery
) -> Report | Fault:
    first = done.kept[0]
    origin = hygiene.isolated(_read, origins.origin_of, job.objects[first.object_index])
    if isinstance(origin, Fault):
        return origin
    sources = _sources(job, done.kept, origin, options)
    if isinstance(sources, Fault):
        return sources
    derivation = (
        f"CycleGAN {model.digest[:8]}: {model.target.upper()} synthesised from"
        f" {model.source.upper()}, slice by slice on a resampled grid and resampled back."
        " Lesions can be lost or invented."
    )
    numbers = series.numbers_of(done.kept)
    titles, writers, files = _titles(model), {}, []
    for kind in _kinds(options):
        name = job.key.of(
            f"{kind}_series", f"{task.series.volume.key}|{model.digest}|{model.target}".encode()
        )
        files.append(f"{_DICOM}/{first.study}/{name}")
        header = derived.series_header(
            sources[0][0],
            origin,
            uid_of(name),
            number=_FIRST_SERIES[kind] + origin.series_number,
            description=titles[kind],
            derivation=derivation,
        )
        writers[kind] = SeriesWriter(job.directory / files[-1], name, header, job.key)

    def add(place: int, frame: Frame, made: Made, comment: str) -> None:
        for kind, writer in writers.items():
            image = resampling.back(_pixels(kind, made), placement_of(frame), task.grid)
            writer.add(
                place,
                frame,
                image,
                number=numbers[place],
                source=sources[place][1:],
                comment=comment,
            )

    with contextlib.ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(writer)
        return _pass(job, task, done, model, options, gallery, files, add)


def _read(reader: Callable, item: InputObject):
    """Reads a header once more; the first pass has found it sound."""
    return reader(item.read())


def _sources(
    job: Job, frames: list[Frame], origin: origins.Origin, options: Options
) -> list | Fault:
    """Returns identity, SOP class and instance of each frame's file."""
    if options.identity == "replaced":
        return [origins.pseudonymous(frame, origin.sop_class) for frame in frames]
    found: dict[int, tuple] = {}
    for index in {frame.object_index for frame in frames}:
        identity = hygiene.isolated(_read, origins.identity_of, job.objects[index])
        if isinstance(identity, Fault):
            return identity
        found[index] = identity
    return [found[frame.object_index] for frame in frames]


def _write_volume(
    job: Job, task: Task, done: Converted, model: Model, options: Options, gallery: Gallery
) -> Report | Fault:
    item = job.objects[done.kept[0].object_index]
    stem = stem_of(item, task.series.volume.key, options.identity)
    titles, writers, files = _titles(model), {}, []
    for kind in _kinds(options):
        end = model.target if kind == SYNTHETIC else f"{model.target}_risk"
        files.append(f"{_NIFTI}/{stem}_synthetic_{end}.nii.gz")
        path = job.directory / files[-1]
        writers[kind] = hygiene.isolated(VolumeWriter, path, item, titles[kind])
        if isinstance(writers[kind], Fault):
            return writers[kind]

    def add(place: int, frame: Frame, made: Made, comment: str) -> None:
        for kind, writer in writers.items():
            image = resampling.back(_pixels(kind, made), placement_of(frame), task.grid)
            writer.add(frame, image)

    with contextlib.ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(writer)
        return _pass(job, task, done, model, options, gallery, files, add)
