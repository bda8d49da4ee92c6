"""Imports go down only: contracts, mathematics, pipelines and models, then the top floor."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tfcyclegan"

FLOORS = (
    ("errors", "files"),
    ("intensity", "config", "phantom", "progress", "metrics_log", "stop_request"),
    (
        "records",
        "cluster",
        "losses",
        "structure",
        "air",
        "convolution",
        "layers",
        "image_pool",
        "schedules",
        "gradients",
        "adam",
        "diagnostics",
        "guard",
        "metrics",
        "privacy",
    ),
    ("residual", "gradient_penalty"),
    ("manifest", "networks", "augment", "extractors", "strategies"),
    ("collectives", "checkpoint_files"),
    ("replica_state",),
    ("dicom", "models", "data"),
    ("pairing", "checkpoints", "nifti", "doctor", "provenance", "lesion_free"),
    ("scoring", "served", "validation_slices"),
    ("self_check", "exported"),
    ("callbacks", "inversion", "safeguards", "selection", "warmup", "report"),
    ("export", "basin"),
    ("validation", "evaluation"),
    ("ingest",),
    ("fitting", "translation"),
    ("train", "evaluate", "compare", "translate"),
)
"""Lowest floor first. A module imports from lower floors, or from its own package."""

FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: pathlib.Path) -> set[str]:
    """Rooms of tfcyclegan that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {
        name.split(".")[1]
        for name in names
        if name.startswith("tfcyclegan.") and name != "tfcyclegan.__version__"
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = room_of(path)
    if room == "__init__":
        assert imports_of(path) == set()
        return
    assert room in FLOOR, f"give tfcyclegan/{room} a floor in tests/test_layering.py"
    for imported in imports_of(path) - {room}:
        assert FLOOR[imported] < FLOOR[room], f"{room} must not import {imported}"


def test_only_the_dicom_package_imports_pydicom():
    for path in MODULES:
        if "pydicom" in path.read_text():
            assert room_of(path) == "dicom", path


def test_flags_are_read_in_one_file():
    readers = [path for path in MODULES if re.search(r"\bFLAGS\b", path.read_text())]
    assert readers == [PACKAGE / "config" / "command.py"]


def test_nothing_imports_tools():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "tools", path


def test_there_is_no_room_for_leftovers():
    assert not {room_of(path) for path in MODULES} & {"utils", "common", "helpers", "misc"}
