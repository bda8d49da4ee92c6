"""The page: template, style and script beside this file, filled with what was measured and seen.

The page loads nothing: its content security policy allows no network at all, and one script, by its
hash, so that markup in a name could not run even if it were not escaped.
"""

import base64
import hashlib
import json
import pathlib
import string
from collections.abc import Mapping, Sequence

import numpy as np

from tfcyclegan import files
from tfcyclegan.evaluation.report import names, stacks, tables
from tfcyclegan.evaluation.report.shown import at, is_hash, scalar, text, tree
from tfcyclegan.evaluation.report.volumes import Volume, digest, thin

HERE = pathlib.Path(__file__).parent
NOTICE = "Research only, not for diagnosis."
KNOWN_ELSEWHERE = ("directions", "warnings", "notice", "methods", "plots")
ORDER = ("source", "synthetic", "real", "error", "risk")
FIRST_FACTS = ("model", "split", "n_patients", "n_pairs", "n_slices")


def write(
    path: pathlib.Path,
    metrics: dict,
    volumes: Sequence[Volume] = (),
    *,
    plots: Mapping[str, bytes] | None = None,
    title: str = "",
) -> None:
    """Writes the page, to a file beside it that is then renamed.

    Args:
        path: The file, usually report.html.
        metrics: What metrics.json holds, strict: null where a number is missing. Every number that
            the page shows about the model is taken from here. "warnings" and "notice" go on top,
            scores of "directions" into tables, the rest as it is.
        volumes: What the viewer offers; too many are thinned, and the page says so.
        plots: PNG or SVG by caption.
        title: Heading; evaluation or translated study where empty.
    """
    volumes = [volume for volume in volumes if len(volume)]
    kept = thin(volumes)
    pool: dict[str, int] = {}
    encoded: list[str] = []
    model = metrics.get("model") or {}
    viewer_volumes = [_described(volume, model, pool, encoded) for volume in kept]
    template, style, pixels, viewer_script = (
        (HERE / name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "pixels.js", "viewer.js")
    )
    script = pixels + viewer_script
    title = title or ("Evaluation" if metrics.get("directions") else "Translated study")
    colours = {"error": stacks.error_colours(), "risk": stacks.risk_colours()}
    viewer = {
        "volumes": viewer_volumes,
        "levels": stacks.LEVELS,
        "errorRange": stacks.ERROR_RANGE,
        "colours": {k: np.rint(v * 255).astype(int).ravel().tolist() for k, v in colours.items()},
    }
    page = string.Template(template).substitute(
        title=text(title),
        policy="default-src 'none'; img-src data:;"
        f" style-src {_hash(style)}; script-src {_hash(script)}",
        style=style,
        script=script,
        notice=text(metrics.get("notice") or NOTICE),
        warnings=_warnings(metrics.get("warnings") or [], model),
        facts=_facts(metrics),
        has_viewer="" if kept else "hidden",
        thinned=text(_thinned(volumes, kept)),
        middle=_middle_slices(kept, model),
        scores=tables.directions(metrics),
        plots="".join(_plot(caption, image) for caption, image in (plots or {}).items()),
        sections=_sections(metrics),
        viewer=json_in_script(viewer),
        metrics=json_in_script(metrics),
        stacks="".join(_stack(number, stack) for number, stack in enumerate(encoded)),
    )
    files.write(pathlib.Path(path), page)


def _stack(number: int, encoded: str) -> str:
    return f'<script type="text/plain" id="stack-{number}">{encoded}</script>\n'


def json_in_script(value: object) -> str:
    """Returns JSON that cannot end or change the script element it stands in."""
    json_text = json.dumps(value, allow_nan=False)
    return json_text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _described(volume: Volume, model: dict, pool: dict, encoded: list) -> dict:
    """Returns a volume for the viewer; its stacks go into `encoded`, each content once."""
    layers = []
    for label, stack in volume.layers.items():
        key = digest(stack)
        if key not in pool:
            pool[key] = len(encoded)
            encoded.append(stacks.encode(stack))
        heading = names.layer(label, volume.direction, model)
        layers.append({"kind": label, "heading": heading, "stack": pool[key]})
    size = next(iter(volume.layers.values())).shape[1:]
    return {
        "name": names.volume(volume.name),
        "direction": names.direction(volume.direction, model),
        "slices": len(volume),
        "height": size[0],
        "width": size[1],
        "rows": [row + 1 for row in volume.rows],
        "marks": {str(row): why for row, why in volume.marks.items()},
        "layers": layers,
    }


def _warnings(warnings: list, model: dict) -> str:
    if not warnings:
        return ""
    for name in names.DIRECTIONS:
        label = names.direction(name, model)
        warnings = [
            w.replace(f"{name}:", f"{label}:") if isinstance(w, str) else w for w in warnings
        ]
    items = "".join(f"<li>{tree(w, at('', 'warnings', i))}</li>" for i, w in enumerate(warnings))
    return f'<section class="warnings"><h2>Warnings</h2><ul>{items}</ul></section>'


def _facts(metrics: dict) -> str:
    """Returns what was looked at, in one line: model, split, counts."""
    facts = {key: (metrics[key], at("", key)) for key in FIRST_FACTS if key in metrics}
    if isinstance(metrics.get("model"), dict):
        del facts["model"]
        keys = [k for k in metrics["model"] if not k.startswith("domain_")]
        facts |= {key: (metrics["model"][key], at("", "model", key)) for key in keys}
    return "".join(
        f"<div><dt>{text(names.words(names.field(key)))}</dt><dd>{scalar(v, p)}</dd></div>"
        for key, (v, p) in facts.items()
        if not isinstance(v, (dict, list)) and not is_hash(v)
    )


def _sections(metrics: dict) -> str:
    """Returns a section for each further part that holds metrics, and one for all that is left."""
    rest = {key: value for key, value in metrics.items() if key not in KNOWN_ELSEWHERE}
    with_scores = {key: rest.pop(key) for key in list(rest) if tables.scores_of(rest[key])}
    sections = [(names.words(key), tree(value, at("", key))) for key, value in with_scores.items()]
    sections.append(("How this was made", tree(rest, "")))
    return "".join(
        f'<section class="about"><h2>{text(title)}</h2>{content}</section>'
        for title, content in sections
    )


def _thinned(volumes: Sequence[Volume], kept: list[Volume]) -> str:
    n_all, n_shown = sum(map(len, volumes)), sum(map(len, kept))
    if n_all == n_shown:
        return f"All {n_shown} slices of {len(kept)} volumes are in this page."
    return (
        f"This page holds {n_shown} of {n_all} slices, of {len(kept)} of {len(volumes)} volumes,"
        " evenly spaced; the scores are of all."
    )


def _middle_slices(volumes: list[Volume], model: dict) -> str:
    """Returns each volume's middle slice as pictures, for print and for readers without script."""
    rows = []
    for volume in volumes:
        row = len(volume) // 2
        images = {label: stack[row] for label, stack in volume.layers.items() if label != "lesion"}
        if "risk" in images:
            levels = np.rint(np.clip(images["risk"], 0, 1) * 255).astype(int)
            images["risk"] = stacks.risk_colours()[levels]
        if {"synthetic", "real"} <= images.keys() and "error" not in images:
            images["error"] = stacks.error_image(images["synthetic"], images["real"])
        images = {k: images[k] for k in sorted(images, key=_place)}
        pictures = "".join(
            _picture(names.layer(label, volume.direction, model), stacks.png(image))
            for label, image in images.items()
        )
        heading = f"{names.direction(volume.direction, model)} {names.volume(volume.name)}".strip()
        rows.append(f'<div class="middle"><h3>{text(heading)}</h3>{pictures}</div>')
    return "".join(rows)


def _place(label: str) -> int:
    return ORDER.index(label) if label in ORDER else len(ORDER)


def _picture(caption: str, image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    source = f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
    return (
        f'<figure><img src="{source}" alt="{text(caption)}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def _plot(caption: str, image: bytes) -> str:
    return f'<div class="plot">{_picture(caption, image)}</div>'
