"""Commands in the documents parse, files they name exist, links lead somewhere."""

import ast
import pathlib
import re

import pytest
from places import ROOT
from printed_commands import code_blocks, commands

from tfcyclegan.config import COMMANDS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page):
    for name, words in commands(page):
        words = COMMANDS[name].named([name, *words])
        words = [word for word in words if word.startswith("--")]
        words = [re.sub(r"=configs/", f"={ROOT}/configs/", word) for word in words]
        COMMANDS[name].parse(*words)


def test_the_flags_of_the_kubernetes_manifest_parse():
    (manifest,) = [b for b in code_blocks(ROOT / "docs" / "distributed.md") if "kind: TFJob" in b]
    words = re.findall(r"^ +- (--\S+)", manifest, re.MULTILINE)
    words = [re.sub(r"=configs/", f"={ROOT}/configs/", word) for word in words]
    config = COMMANDS["python -m tfcyclegan.train"].parse(*words)
    (workers,) = re.findall(r"replicas: (\d+)", manifest)
    assert config.strategy == "multi_worker" and config.batch_size == int(workers)


def test_the_readme_shows_the_whole_road():
    shown = [name for name, _ in commands(ROOT / "README.md")]
    assert shown == [
        "tools/dicom_to_tfrecord.py",
        "tools/verify_records.py",
        "python -m tfcyclegan.train",
        "python -m tfcyclegan.evaluate",
        "python -m tfcyclegan.export",
        "python -m tfcyclegan.translate",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    for target in re.findall(r"`((?:tests|tools|configs|tfcyclegan|docs)/[\w/.]+\.\w+)`", text):
        assert (ROOT / target).exists(), target


def test_make_targets_of_the_documents_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"^make (?!PYTHON)([a-z-]+)", page.read_text(), re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"


def names_of(path: pathlib.Path) -> set[str]:
    """What a module defines at its top."""
    body = ast.parse(path.read_text()).body
    return {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def test_the_roads_of_the_architecture_go_through_functions_that_exist():
    page = (ROOT / "docs" / "architecture.md").read_text()
    roads = page.partition("## The four roads")[2].partition("## Private")[0]
    places = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+(?:\.[A-Z]\w+)?)`", roads)
    places = [place for place in places if not place.endswith((".csv", ".jsonl"))]
    assert len(places) > 50
    for place in places:
        *rooms, name = place.split(".")
        if name == "function":
            continue  # the heading's example
        assert name in names_of((ROOT / "tfcyclegan").joinpath(*rooms).with_suffix(".py")), place
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", page):
        assert f"def {name}(" in tests, name


def test_the_landing_page_has_every_page_once():
    text = (ROOT / "docs" / "README.md").read_text()
    linked = re.findall(r"\* \[[^\]]+\]\(([\w./-]+)\)", text)
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}
    assert sorted(linked) == sorted((pages | {"../README.md"}) - {"README.md"})
