"""Every flag of every command, the rules between flags, and the configurations they become."""

import dataclasses

from tfcyclegan.config.command import Command, run
from tfcyclegan.config.domains import DomainsConfig
from tfcyclegan.config.evaluation import CompareConfig, EvaluateConfig
from tfcyclegan.config.experiments import (
    AblationConfig,
    BenchmarkConfig,
    DownstreamConfig,
    PhantomConfig,
)
from tfcyclegan.config.export import ExportConfig
from tfcyclegan.config.ingestion import IngestConfig, NiftiConfig, VerifyConfig
from tfcyclegan.config.train_flags import GROUPS
from tfcyclegan.config.training import TrainConfig
from tfcyclegan.config.translation import TranslateConfig

__all__ = [
    "COMMANDS",
    "AblationConfig",
    "BenchmarkConfig",
    "Command",
    "CompareConfig",
    "DomainsConfig",
    "DownstreamConfig",
    "EvaluateConfig",
    "ExportConfig",
    "IngestConfig",
    "NiftiConfig",
    "PhantomConfig",
    "TrainConfig",
    "TranslateConfig",
    "VerifyConfig",
    "flags_page",
    "run",
]

COMMANDS = {
    "tools/make_phantom.py": PhantomConfig,
    "tools/dicom_to_tfrecord.py": IngestConfig,
    "tools/nifti_to_tfrecord.py": NiftiConfig,
    "tools/verify_records.py": VerifyConfig,
    "tools/compare_domains.py": DomainsConfig,
    "python -m tfcyclegan.train": TrainConfig,
    "python -m tfcyclegan.evaluate": EvaluateConfig,
    "python -m tfcyclegan.compare": CompareConfig,
    "python -m tfcyclegan.export": ExportConfig,
    "python -m tfcyclegan.translate": TranslateConfig,
    "tools/benchmark.py": BenchmarkConfig,
    "tools/ablation.py": AblationConfig,
    "tools/downstream.py": DownstreamConfig,
}


def flags_page() -> str:
    """Returns docs/flags.md: every flag of every command, with default and meaning."""
    lines = ["# Flags", "", "Written by `make docs`; a test compares it with the program.", ""]
    lines += ["Every command also has:", "", *_table(Command), ""]
    for name, command in COMMANDS.items():
        lines += [f"## `{name}`", ""]
        groups = GROUPS if command is TrainConfig else {"": command}
        for title, group in groups.items():
            lines += [f"### {title}", "", group.__doc__ or "", ""] if title else []
            lines += [*_table(group), ""]
    return "\n".join(lines)


def _table(command: type[Command]) -> list[str]:
    """Returns the flags of a command, or of a group of them, as lines of Markdown."""
    lines = ["| flag | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(command):
        if field.name == "dry_run" and command is not Command:
            continue  # it stands once, at the top
        default = field.default
        text = ",".join(default) if isinstance(default, tuple) else str(default)
        choices = field.metadata["choices"]
        about = field.metadata["help"] + (f" One of: {', '.join(choices)}." if choices else "")
        lines.append(f"| `--{field.name}` | {f'`{text}`' if text else ''} | {about} |")
    return lines
