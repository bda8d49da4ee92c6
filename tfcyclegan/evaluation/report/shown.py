"""Values of metrics.json as HTML: escaped, and each number with the place it was taken from.

A number stands in `<data value="exact" data-from="/json/pointer">rounded</data>`, so a program can
compare everything that the page shows with metrics.json.
"""

import html
import json
import re

from tfcyclegan.evaluation.report import names

MAX_ROWS = 60
"""Rows of a list in one table; the page also holds the whole of metrics.json."""


def text(value: object) -> str:
    """Returns any text escaped for HTML, in elements and in quoted attributes."""
    return html.escape(str(value))


def at(pointer: str, *keys: object) -> str:
    """Returns the JSON pointer (RFC 6901) of something further in."""
    return pointer + "".join("/" + str(k).replace("~", "~0").replace("/", "~1") for k in keys)


def scalar(value: object, pointer: str, decimals: int | None = None) -> str:
    """Returns a leaf of metrics.json as HTML; null as a dash that is read out as "none"."""
    if value is None:
        return '<span class="none" aria-label="none">–</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return (
            f'<data value="{json.dumps(value)}" data-from="{text(pointer)}">'
            f"{names.number(value, decimals)}</data>"
        )
    if is_hash(value):
        return f"<code>{text(value)}</code>"
    return text(value)


def is_hash(value: object) -> bool:
    """Whether it is a digest in hexadecimal."""
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{16,}", value))


def is_score(value: object) -> bool:
    """Whether it is a metric: a value, perhaps with an interval and counts."""
    return isinstance(value, dict) and "value" in value


def score(value: dict, pointer: str, decimals: int | None = None, mark: str = "") -> str:
    """Returns value, mark and interval of a metric, or the reason why one is missing."""
    parts = [f'<span class="value">{scalar(value["value"], at(pointer, "value"), decimals)}</span>']
    if mark:
        parts.append(f'<span class="mark">{text(mark)}</span>')
    if value.get("ci"):
        low, high = (scalar(v, at(pointer, "ci", i), decimals) for i, v in enumerate(value["ci"]))
        parts.append(f'<span class="ci">[{low}, {high}]</span>')
    if value.get("reason"):
        parts.append(f'<span class="note">{text(value["reason"])}</span>')
    return " ".join(parts)


def tree(value: object, pointer: str) -> str:
    """Returns any part of metrics.json as nested tables."""
    if not value and isinstance(value, (dict, list)):
        return scalar(None, pointer)
    if isinstance(value, list) and not any(isinstance(v, (dict, list)) for v in value):
        items = [scalar(v, at(pointer, i)) for i, v in enumerate(value[:MAX_ROWS])]
        return ", ".join(items) + (", …" if len(value) > MAX_ROWS else "")
    if not isinstance(value, (dict, list)):
        return scalar(value, pointer)
    rows = list(value.items() if isinstance(value, dict) else enumerate(value))
    if len(rows) > 1 and all(_is_flat(row) for _, row in rows):
        return _matrix(rows, pointer, keyed=isinstance(value, dict))
    body = "".join(
        f'<tr><th scope="row">{text(label(key))}</th><td>{_cell(row, at(pointer, key))}</td></tr>'
        for key, row in rows[:MAX_ROWS]
    )
    return f'<table class="facts"><tbody>{body}</tbody></table>' + _rest(rows)


def label(key: object) -> str:
    """Returns the label of a key in metrics.json."""
    metric = names.metric(str(key))
    return metric.label if metric.group != names.OTHER else names.words(names.field(str(key)))


def _is_flat(row: object) -> bool:
    return isinstance(row, dict) and not any(
        isinstance(v, (dict, list)) and not is_score(v) for v in row.values()
    )


def _matrix(rows: list, pointer: str, *, keyed: bool) -> str:
    columns = list(dict.fromkeys(column for _, row in rows for column in row))
    head = "".join(f'<th scope="col">{text(label(column))}</th>' for column in columns)
    lines = []
    for key, row in rows[:MAX_ROWS]:
        heading = f'<th scope="row">{text(label(key))}</th>' if keyed else ""
        cells = (_cell(row.get(column), at(pointer, key, column)) for column in columns)
        lines.append(f"<tr>{heading}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    corner = "<td></td>" if keyed else ""
    return (
        f'<div class="wide"><table><thead><tr>{corner}{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>" + _rest(rows)
    )


def _cell(value: object, pointer: str) -> str:
    if not is_score(value):
        return tree(value, pointer)
    others = {k: v for k, v in value.items() if k not in ("value", "ci", "reason")}
    return score(value, pointer) + fields(others, pointer)


def fields(values: dict, pointer: str) -> str:
    """Returns the further fields of a metric, small: counts, errors, parameters."""
    spans = [
        f"<span>{'' if k == 'reason' else text(names.field(k))} {tree(v, at(pointer, k))}</span>"
        for k, v in values.items()
        if v is not None
    ]
    return f'<div class="fields">{" ".join(spans)}</div>' if spans else ""


def _rest(rows: list) -> str:
    return "<p>The list goes on in metrics.json.</p>" if len(rows) > MAX_ROWS else ""
