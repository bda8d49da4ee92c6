"""report.html as text: every number from metrics.json, nothing from the network, no markup."""

import base64
import html.parser
import json
import math
import pathlib
import re
import zlib

import cv2
import numpy as np
import pytest
from places import ROOT
from report_pages import MARKUP, SIDE, SLICES, metrics, volumes, write

from tfcyclegan.evaluation import report
from tfcyclegan.evaluation.report import names, stacks
from tfcyclegan.evaluation.report import volumes as limits
from tfcyclegan.evaluation.report.volumes import MAX_PATIENTS, thin

VOID = {"meta", "link", "img", "input", "line", "circle", "br"}


class Page(html.parser.HTMLParser):
    """Elements with their attributes, and the text inside each, also without <data>, in order."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.open, self.handlers = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", "outside": "", **dict(attributes)}
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        if self.open and self.open[-1]["tag"] == tag:
            self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data
            if self.open[-1]["tag"] != "data":
                element["outside"] += data

    def all(self, tag: str, **attributes) -> list[dict]:
        return [
            e
            for e in self.elements
            if e["tag"] == tag and all(e.get(k) == v for k, v in attributes.items())
        ]

    def script(self, name: str):
        (element,) = self.all("script", id=name)
        return json.loads(element["text"])


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write(tmp_path_factory.mktemp("report") / "report.html").read_text()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def at(document, pointer: str):
    """RFC 6901."""
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def test_every_number_is_that_of_metrics_json(page):
    shown = page.all("data")
    assert len(shown) > 60
    for element in shown:
        assert float(element["value"]) == at(metrics(), element["data-from"])
        mantissa, _, exponent = element["text"].partition("e")
        digits = len(mantissa.partition(".")[2])
        step = 0.5 * 10.0 ** (int(exponent or 0) - digits)
        exact = float(element["value"])
        # Four significant digits drop trailing zeros and may stand before the decimal point.
        step = max(step, 0.5 * 10.0 ** (math.floor(math.log10(abs(exact) or 1)) - 3))
        assert float(element["text"]) == pytest.approx(exact, abs=step * 1.001)


def test_every_score_interval_and_count_is_shown(page):
    pointers = {element["data-from"] for element in page.all("data")}

    def leaves(value, pointer):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from leaves(inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                yield from leaves(inner, f"{pointer}/{i}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield pointer, value

    # A count that all methods share is shown once, at the first of them.
    counts = {p for p in pointers if re.search("/n_(patients|slices)$", p)}
    for pointer, _ in leaves(metrics(), ""):
        if re.search("^/directions/.*/n_(patients|slices)$", pointer):
            direction, _, metric, count = pointer.split("/")[2:6]
            assert any(
                re.match(f"/directions/{direction}/[^/]+/{metric}/{count}", c) for c in counts
            )
        else:
            assert pointer in pointers


def test_numbers_outside_of_data_elements_are_not_scores(page):
    (model,) = (e for e in page.all("section") if e["text"].startswith("T2 → FLAIR"))
    left = model["outside"]
    for name in ("T2 → FLAIR", "randconv_v1", MARKUP, MARKUP[1:]):
        left = left.replace(name, "")
    assert not re.search(r"\d", left), left


def test_the_page_holds_metrics_json(page):
    assert page.script("metrics") == metrics()


def test_the_better_is_marked_among_those_that_do_not_know_the_target(page):
    marked = [e["text"] for e in page.all("td") if "better" in (e.get("class") or "").split()]
    assert marked[0].startswith("16.68") and marked[1].startswith("0.6088")
    assert not any(value.startswith("30.5") for value in marked)


def test_metrics_that_nobody_has_stand_in_one_row_with_their_reason(page):
    rows = [e["text"] for e in page.all("td", **{"class": "missing"})]
    assert rows == ["no lesion masks: Dice of the thresholder, SSIM, lesion"] * 2


def test_nothing_is_loaded(page, text):
    for element in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert element["tag"] == "data" or (element.get(name) or "data:").startswith("data:")
    (policy,) = (e["content"] for e in page.all("meta") if e.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy and "http" not in policy
    style, script = page.all("style")[0]["text"], page.all("script")[-1]["text"]
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(|eval\(|innerHTML", script)


def test_markup_in_names_stays_text(page):
    assert page.handlers == []
    scripts = page.all("script")
    assert [s.get("type") for s in scripts if s.get("type") != "text/plain"] == [
        "application/json",
        "application/json",
        None,
    ]
    assert not page.all("img", src="x")
    assert len(page.all("title")) == 1 and MARKUP in page.all("title")[0]["text"]
    assert page.all("h1")[0]["text"] == MARKUP
    assert page.script("viewer-data")["volumes"][2]["name"] == MARKUP


def test_the_parts_of_the_page_are_packaged():
    root = pathlib.Path(report.__file__).parent
    listed = (ROOT / "setup.py").read_text()
    parts = [path.name for path in root.iterdir() if path.suffix in (".html", ".css", ".js")]
    assert len(parts) == 4 and all(f'"{name}"' in listed for name in parts)


def test_warnings_and_the_notice_come_before_images_and_scores(text):
    places = [
        text.index(part)
        for part in (
            "<h1>",
            "not for diagnosis",
            "Only two patients.",
            'id="viewer"',
            'class="scores"',
        )
    ]
    assert places == sorted(places)


def test_a_stack_holds_twelve_bits():
    stack = np.random.default_rng(0).uniform(0, 1, (3, 8, 9)).astype(np.float32)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(stacks.encode(stack))), np.uint8)
    high, low = planes.reshape(2, 3, 8, 9).astype(int)
    assert np.abs((high * 256 + low) / 4095 - stack).max() <= 0.5 / 4095 + 1e-7


def test_equal_stacks_are_stored_once(page):
    viewer = page.script("viewer-data")
    there, back, _ = viewer["volumes"]
    of = [{layer["kind"]: layer["stack"] for layer in v["layers"]} for v in (there, back)]
    assert of[0]["source"] == of[1]["real"] and of[0]["real"] == of[1]["source"]
    assert len(page.all("script", type="text/plain")) == 4
    assert [layer["heading"] for layer in back["layers"]] == [
        "Source FLAIR",
        "Synthetic T2",
        "Real T2",
    ]


def test_print_shows_the_middle_slice_of_each_volume(page):
    images = [e for e in page.all("img") if e["src"].startswith("data:image/png")]
    assert [e["alt"] for e in images][:4] == [
        "Source T2",
        "Synthetic FLAIR",
        "Real FLAIR",
        "Error: synthetic − real",
    ]
    data = base64.b64decode(images[2]["src"].partition(",")[2])
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    expected = volumes()[0].layers["real"][SLICES // 2]
    assert shown.shape == (SIDE, SIDE)
    assert np.abs(shown / 255 - expected).max() <= 0.5 / 255 + 1e-6


def test_the_error_map_is_blue_where_darker_and_orange_where_brighter():
    image = stacks.error_image(np.array([[0.0, 0.4, 0.8]]), np.array([[0.4, 0.4, 0.4]]))[0]
    assert image[0, 2] > image[0, 0] and image[2, 0] > image[2, 2]
    assert image[1].max() < 0.03


def test_large_evaluations_are_thinned_evenly_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 80 * 64 * 64)
    stack = np.zeros((40, 64, 64), np.float32)
    many = [report.Volume(f"p{i}", {"source": stack + i / 100}) for i in range(3 * MAX_PATIENTS)]
    kept = thin(many)
    assert [v.name for v in kept] == [f"p{3 * i + 1}" for i in range(MAX_PATIENTS)]
    assert sum(v.layers["source"].size for v in kept) <= 80 * 64 * 64
    rows = kept[0].rows
    assert len(rows) == 13 and set(np.diff(rows)) <= {3, 4}
    report.write(tmp_path / "r.html", {}, many)
    assert "78 of 720 slices, of 6 of 18 volumes" in (tmp_path / "r.html").read_text()


def test_marked_slices_survive_thinning(monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 1280 * 64)
    stack = np.zeros((3000, 8, 8), np.float32)
    (kept,) = thin([report.Volume("p", {"source": stack}, marks={7: "risk", 2999: "risk"})])
    assert len(kept) == 1280
    assert [kept.rows[i] for i in kept.marks] == [7, 2999]
    assert list(kept.rows) == sorted(set(kept.rows))


def test_volumes_are_made_of_slices_in_order():
    images = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1) / 10
    patients, series = (
        np.array([b"q", b"p", b"p", b"p", b"p"]),
        np.array([b"3", b"2", b"1", b"1", b"1"]),
    )
    made = report.volumes_of(
        "a_to_b", patients, series, np.array([0, 0, 2, 0, 1]), {"source": images}
    )
    assert [v.name for v in made] == ["p", "p (2)", "q"]
    assert made[0].layers["source"].ravel().tolist() == pytest.approx([0.3, 0.4, 0.2])


def test_a_translated_study_needs_no_scores(tmp_path):
    study = {"direction": "a_to_b", "flicker": {"source": 0.021, "synthetic": 0.024}}
    report.write(tmp_path / "r.html", study, volumes()[2:])
    page = Page((tmp_path / "r.html").read_text())
    assert page.all("h1")[0]["text"] == "Translated study"
    assert "0.021" in [e["text"] for e in page.all("data")]


def test_a_page_without_images_has_no_viewer(tmp_path):
    report.write(tmp_path / "r.html", metrics())
    page = Page((tmp_path / "r.html").read_text())
    assert "hidden" in page.all("section", id="viewer")[0]


@pytest.mark.parametrize(
    ("name", "label", "better", "group"),
    [
        ("psnr_volume", "PSNR of the volume", 1, "Paired with the real slice"),
        ("ssim_brain", "SSIM, brain", 1, "Paired with the real slice"),
        ("mae_lesion", "Mean absolute error, lesion", -1, "Lesions"),
        ("fd_randconv_v1", "Fréchet distance, randconv_v1", -1, "Distribution"),
        ("fd_floor", "Fréchet distance, floor", 0, "Distribution"),
        ("cycle_ssim_a", "Cycle: SSIM, a", 1, "Self-consistency"),
        ("some_new_figure", "Some new figure", 0, "Other"),
    ],
)
def test_names_become_labels(name, label, better, group):
    made = names.metric(name)
    assert (made.label, made.better, made.group) == (label, better, group)
