"""The scores of each direction: the model beside the baselines, as figures and as a table."""

import math

from tfcyclegan.evaluation.report import names
from tfcyclegan.evaluation.report.shown import at, fields, is_score, score, text, tree

MAX_FIGURES = 6
KNOW_TARGET = ("histogram_matched", "constant_brain", "blurred_target", "previous_slice")
"""Baselines that are made from the real slices: none of them can be the best translation."""
STRIP, MARGIN = 200, 8
"""Width of an interval's drawing and its free edge, in units of its viewBox."""


def directions(metrics: dict) -> str:
    """Returns a section for each direction of metrics.json."""
    sections = []
    interval = (metrics.get("params") or {}).get("interval")
    brackets = f'<p class="help">Lines and brackets: {text(interval)}.</p>' if interval else ""
    for name, content in metrics.get("directions", {}).items():
        pointer = at("", "directions", name)
        methods = {key: scores_of(value) for key, value in content.items()}
        methods = {key: scores for key, scores in methods.items() if scores}
        others = {key: value for key, value in content.items() if key not in methods}
        title = names.direction(name, metrics.get("model") or {})
        sections.append(
            f"<section><h2>{text(title)}</h2>{brackets}{figures(methods, pointer)}"
            + table(methods, pointer, metrics.get("methods") or {})
            + (tree(others, pointer) if others else "")
            + "</section>"
        )
    return "".join(sections)


def scores_of(value: object, *keys: str) -> dict[tuple[str, ...], dict]:
    """Returns the metrics of a method by their keys, however deep they lie."""
    if is_score(value):
        return {keys: value} if keys else {}
    scores = {}
    for key, inner in value.items() if isinstance(value, dict) else ():
        scores |= scores_of(inner, *keys, key)
    return scores


def figures(methods: dict, pointer: str) -> str:
    """Returns drawings of the first metrics with intervals: one line a method, one scale each."""
    with_interval = [keys for keys, s in methods.get("model", {}).items() if s.get("ci")]
    with_interval.sort(key=lambda keys: keys[-1] not in names.HEADLINES)
    drawings = (_figure(keys, methods, pointer) for keys in with_interval[:MAX_FIGURES])
    return f'<div class="figures">{"".join(drawings)}</div>'


def _figure(keys: tuple, methods: dict, pointer: str) -> str:
    name = names.metric(keys[-1])
    scores = {m: s[keys] for m, s in methods.items() if _numbers(s.get(keys))}
    ends = [number for s in scores.values() for number in _numbers(s)]
    low, high = min(ends), max(ends)

    def place(number: float) -> float:
        share = (number - low) / (high - low) if high > low else 0.5
        return MARGIN + share * (STRIP - 2 * MARGIN)

    rows = "".join(
        f'<tr class="{_class(method)}"><th scope="row">{text(_method(method))}</th>'
        f"<td>{_strip(s, place)}</td>"
        f"<td>{score(s, at(pointer, method, *keys), name.decimals)}</td></tr>"
        for method, s in scores.items()
    )
    return f"<table><caption>{text(name.label)}{_hint(name)}</caption><tbody>{rows}</tbody></table>"


def _strip(value: dict, place) -> str:
    middle = place(value["value"])
    low, high = (place(end) for end in value.get("ci") or [value["value"]] * 2)
    return (
        f'<svg viewBox="0 0 {STRIP} 16" aria-hidden="true">'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="8" y2="8"/>'
        f'<circle cx="{middle:.1f}" cy="8" r="4.5"/></svg>'
    )


def _numbers(value: dict | None) -> list[float]:
    if not value or not _is_number(value["value"]):
        return []
    return [value["value"], *(end for end in value.get("ci") or [] if _is_number(end))]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def table(methods: dict, pointer: str, about: dict) -> str:
    """Returns all metrics of one direction, a row each, a column for each method.

    `about` says by method what it is.
    """
    all_keys = list(dict.fromkeys(keys for scores in methods.values() for keys in scores))
    head = "".join(
        f'<th scope="col" class="{_class(m)}">{text(_method(m))}{_about(m, about)}</th>'
        for m in methods
    )
    body = ""
    for group in names.GROUPS:
        rows = [keys for keys in all_keys if names.metric(keys[-1]).group == group]
        if rows:
            span = f'colspan="{len(methods) + 1}"'
            present = [
                keys for keys in rows if any(_numbers(s.get(keys)) for s in methods.values())
            ]
            body += (
                f'<tbody><tr class="group"><th scope="rowgroup" {span}>{text(group)}</th></tr>'
                + "".join(_row(keys, methods, pointer) for keys in present)
                + _missing([keys for keys in rows if keys not in present], methods, span)
                + "</tbody>"
            )
    return (
        f'<div class="wide"><table class="scores"><thead><tr><th scope="col">Metric</th>{head}</tr>'
        f"</thead>{body}</table></div>"
    )


def _missing(rows: list[tuple], methods: dict, span: str) -> str:
    """Returns one row for each reason why metrics are null in all methods."""
    by_reason: dict[str, list[str]] = {}
    for keys in rows:
        reason = next(s[keys].get("reason") for s in methods.values() if keys in s)
        by_reason.setdefault(reason or "no value", []).append(names.metric(keys[-1]).label)
    return "".join(
        f'<tr><td class="missing" {span}>{text(reason)}: {text(", ".join(labels))}</td></tr>'
        for reason, labels in by_reason.items()
    )


def _row(keys: tuple, methods: dict, pointer: str) -> str:
    name, best = names.metric(keys[-1]), _best(keys, methods)
    extra = {m: _extra(s[keys]) for m, s in methods.items() if keys in s}
    first_method, common_fields = next(iter(extra)), {}
    for field, value in extra[first_method].items():
        if all(method_fields.get(field) == value for method_fields in extra.values()):
            common_fields[field] = value
    cells = ""
    for method, scores in methods.items():
        if keys not in scores:
            cells += f'<td class="{_class(method)}"></td>'
            continue
        own_fields = {
            k: v for k, v in extra[method].items() if k not in common_fields and k != "reason"
        }
        value = {k: v for k, v in scores[keys].items() if k not in common_fields}
        cell_pointer, mark = at(pointer, method, *keys), "better" if method == best else ""
        cells += (
            f'<td class="{_class(method)} {mark}">'
            f"{score(value, cell_pointer, name.decimals, mark)}"
            f"{fields(own_fields, cell_pointer)}</td>"
        )
    return (
        f'<tr><th scope="row">{text(name.label)}{_hint(name)}'
        f"{fields(common_fields, at(pointer, first_method, *keys))}</th>{cells}</tr>"
    )


def _extra(value: dict) -> dict:
    return {k: v for k, v in value.items() if k not in ("value", "ci", "jackknife")}


def _best(keys: tuple, methods: dict) -> str | None:
    """Returns the one method with the best value of those that do not know the target."""
    better = names.metric(keys[-1]).better
    values = {
        method: better * scores[keys]["value"]
        for method, scores in methods.items()
        if method not in KNOW_TARGET and _numbers(scores.get(keys))
    }
    leaders = [method for method, value in values.items() if value == max(values.values())]
    return leaders[0] if better and len(values) > 1 and len(leaders) == 1 else None


def _hint(name: names.Name) -> str:
    words = [name.unit] * bool(name.unit)
    words += {1: ["higher is better"], -1: ["lower is better"]}.get(name.better, [])
    return f' <span class="hint">{text(", ".join(words))}</span>' if words else ""


def _method(method: str) -> str:
    return names.METHODS.get(method) or names.words(method)


def _about(method: str, about: dict) -> str:
    return f' <span class="hint">{text(about[method])}</span>' if about.get(method) else ""


def _class(method: str) -> str:
    return "model" if method == "model" else "baseline"
