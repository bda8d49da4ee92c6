"""The law of imports: a room imports from lower lines or from itself, and inside alike."""

import ast
import pathlib
import re

import pytest
from places import ROOT

from tfcyclegan.config.train_flags import NetworkFlags

PACKAGE = ROOT / "tfcyclegan"
MODULES = sorted(PACKAGE.rglob("*.py"))
TOOLS = sorted((ROOT / "tools").glob("*.py"))

LAW = """
errors
files
config data
privacy metrics
imaging models
ingest training
evaluation
translation
train evaluate compare export translate
experiments
tools
"""
"""Lowest line first."""

MODELS = NetworkFlags.__dataclass_fields__["model"].metadata["choices"]
"""A translation model is a file or a folder of models/ that is called as its value of --model."""

INSIDE = {
    "imaging": """
        frames geometry source
        volumes sequences resampling reformat
        dicom nifti
        phantom
    """,
    "models": f"""
        losses networks step translators
        translation_model serving
        from_flags
        one_way
        {" ".join(MODELS)}
        build
    """,
    "training": """
        distribution stop_request
        rundir validation
        callbacks
        setup fit
    """,
    "evaluation": """
        report gates directions kernel_sums
        brain
        cases
        figures
        scoring inputs
        translators metrics_json plots validation_curves
        cautions comparison
        run
    """,
}
"""The same for what a room holds; rooms within a line do not import each other."""


def floors_of(law: str) -> dict[str, int]:
    lines = [line.split() for line in law.splitlines() if line.strip()]
    return {name: height for height, names in enumerate(lines) for name in names}


def tree_of(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(tree: ast.Module) -> list[tuple[str, str]]:
    """Modules that a file imports from, with the name that it takes of each, or ""."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def place_of(path: pathlib.Path) -> list[str]:
    """Where a file lies: its room, and what it is in the room."""
    if path.parent.name == "tools":
        return ["tools"]
    return [part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts]


def upward(path: pathlib.Path, tree: ast.Module) -> list[str]:
    """Imports of a file that the law does not allow, in words."""
    me = place_of(path)
    floors, wrong = floors_of(LAW), []
    for module, name in imports_of(tree):
        parts = f"{module}.{name}".split(".")
        if parts[0] != "tfcyclegan" or parts[1:] in ([""], ["__version__"]):
            continue
        room = parts[1]
        if room != me[0] and floors[room] >= floors.get(me[0], -1):
            wrong.append(f"{me[0]} must not import {room}")
        if room == me[0] and room in INSIDE:
            inner = floors_of(INSIDE[room])
            if me[1] != "__init__" and parts[2] != me[1] and inner[parts[2]] >= inner[me[1]]:
                wrong.append(f"{room}/{me[1]} must not import {room}/{parts[2]}")
    return wrong


def private(tree: ast.Module) -> list[str]:
    """Names with a leading underscore that a file takes from another of the package."""
    return [
        name
        for module, name in imports_of(tree)
        if module.split(".")[0] == "tfcyclegan" and re.match("_[^_]", name)
    ]


@pytest.mark.parametrize("path", MODULES + TOOLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_and_take_no_private_name(path):
    tree = ast.parse(path.read_text())
    assert upward(path, tree) == [] and private(tree) == []


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("data/slices.py", "from tfcyclegan.models import build", "data must not import models"),
        ("files.py", "import tfcyclegan.data.records", "files must not import data"),
        ("metrics/ssim.py", "from tfcyclegan import privacy", "metrics must not import privacy"),
        (
            "imaging/source/walk.py",
            "from tfcyclegan.imaging.dicom import headers",
            "imaging/source must not import imaging/dicom",
        ),
        (
            "training/rundir/workdir.py",
            "from tfcyclegan.training.callbacks import order",
            "training/rundir must not import training/callbacks",
        ),
    ],
)
def test_the_law_is_broken_by_an_import_upwards(file, line, said):
    assert upward(PACKAGE / file, ast.parse(line)) == [said]
    assert upward(PACKAGE / file, ast.parse("from tfcyclegan.errors import UserError")) == []


def test_the_law_is_broken_by_a_private_name():
    line = "from tfcyclegan.data.slices import _read_shard, Slices"
    assert private(ast.parse(line)) == ["_read_shard"]


def test_no_two_files_import_each_other():
    """Python would allow it at some orders of imports, and not at others."""
    trees = {".".join(["tfcyclegan", *place_of(path)]): tree_of(path) for path in MODULES}
    trees = {name.removesuffix(".__init__"): tree for name, tree in trees.items()}
    edges = {}
    for me, tree in trees.items():
        wanted = {n for module, name in imports_of(tree) for n in (f"{module}.{name}", module)}
        # A room that offers what its files hold is not imported by them for that.
        edges[me] = {n for n in wanted & trees.keys() if not f"{me}.".startswith(f"{n}.")}
    while free := {name for name, wanted in edges.items() if not wanted & edges.keys()}:
        edges = {name: wanted for name, wanted in edges.items() if name not in free}
    assert edges == {}


def test_only_the_dicom_room_the_phantom_and_a_yardstick_import_pydicom():
    allowed = ("imaging/dicom/", "imaging/phantom/", "experiments/benchmark/")
    for path in MODULES:
        if any(module.split(".")[0] == "pydicom" for module, _ in imports_of(tree_of(path))):
            assert "/".join(place_of(path)).startswith(allowed)


OWN_WORDS = re.compile(
    "(generator_(ab|ba)|discriminator_[ab]|average_(ab|ba)|pool_[ab])(?![a-z])|CycleGAN"
)
"""Of models/cyclegan."""


def words_of(tree: ast.Module) -> set[str]:
    """Names in a file's code, and its strings but for docstrings."""
    documents = set()
    for node in ast.walk(tree):
        for one in getattr(node, "body", []) if isinstance(getattr(node, "body", []), list) else []:
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                documents.add(one.value)
    found = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            found.add(getattr(node, field, None))
        if isinstance(node, ast.Constant) and node not in documents:
            found.add(node.value)
    return {word for word in found if isinstance(word, str)}


def words_of_cyclegan(path: pathlib.Path, tree: ast.Module) -> list[str]:
    """What only models/cyclegan may say."""
    room, *inside = place_of(path)
    if room == "models" and inside[0] in MODELS:
        return []
    allowed = {"cyclegan", "CycleGAN"} if place_of(path) == ["models", "build"] else set()
    return [word for word in words_of(tree) - allowed if OWN_WORDS.search(word)]


@pytest.mark.parametrize("path", MODULES + TOOLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_of_a_model_is_outside_its_folder(path):
    assert words_of_cyclegan(path, tree_of(path)) == []


def test_the_law_is_broken_by_a_word_of_a_model():
    path = PACKAGE / "training" / "callbacks" / "run_state.py"
    for line in ("self.model.pool_a.seen", "name = 'CycleGAN of T2'", "def f(generator_ab): pass"):
        assert len(words_of_cyclegan(path, ast.parse(line))) == 1
    assert words_of_cyclegan(path, ast.parse('"""A CycleGAN."""')) == []
    assert words_of_cyclegan(PACKAGE / "models" / MODELS[-1], ast.parse("self.pool_a")) == []


def test_flags_are_read_in_one_file():
    readers = [path for path in MODULES if re.search(r"\bFLAGS\b", path.read_text())]
    assert readers == [PACKAGE / "config" / "command.py"]


def test_nothing_imports_tools():
    for path in MODULES:
        assert not {module.split(".")[0] for module, _ in imports_of(tree_of(path))} & {"tools"}


def test_the_package_holds_its_rooms_and_five_commands():
    """Nor is there a room for leftovers."""
    held = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert held == {"__init__", *floors_of(LAW)} - {"tools"}


PRIVATE = re.compile(r"__internal__|_maybe_symbolic_build|_all_reduce_sum_gradients|_momentums")


def test_private_interfaces_of_keras_and_tensorflow_are_in_one_room():
    for path in MODULES:
        if PRIVATE.search(path.read_text()):
            assert path.parent == PACKAGE / "models" / "step", path


def test_tensorflow_still_has_no_public_word_for_merge_calls():
    """When this fails, `step.replicas.update_if` can do without `tf.__internal__`."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    public = [*dir(tf.distribute), *dir(strategy), *dir(strategy.extended)]
    assert not [name for name in public if "merge_call" in name and not name.startswith("_")]


def test_the_versions_that_were_tested_are_the_upper_bounds():
    """The next minor version may have changed what is overridden."""
    setup, tested = ((ROOT / name).read_text() for name in ("setup.py", "constraints.txt"))
    for name in ("keras", "tensorflow"):
        (version,) = re.findall(rf"(?m)^{name}==(\d+\.\d+)", tested)
        major, minor = map(int, version.split("."))
        bounds = re.findall(rf'"{name}(?:\[[a-z-]+\])?>=[\d.]+,<([\d.]+)"', setup)
        assert bounds and set(bounds) == {f"{major}.{minor + 1}"}


def test_the_table_of_rooms_is_the_law():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"(?m)^\| (\d+) \| `([\w /]+)` \|", page)
    lines = [line for line in LAW.splitlines() if line]
    for number, names in rows:
        assert set(names.strip("/").split()) <= set(lines[int(number) - 1].split())
    shown = {name for _, names in rows for name in names.strip("/").split()}
    assert shown == {name for line in lines for name in line.split()}
