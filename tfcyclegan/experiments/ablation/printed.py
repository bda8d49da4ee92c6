"""The table of a study as a person reads it; docs/studies.md explains it."""

from tfcyclegan.evaluation.figures.baselines import BASELINES
from tfcyclegan.evaluation.metrics_json import figure
from tfcyclegan.experiments.ablation import distances
from tfcyclegan.experiments.ablation.table import COPY, FIGURES

VARIANTS = (
    *("variant", "runs", "steps", "minutes", "seconds a step", "parameters, generators of all"),
    "trained on",
)
INSTEAD = {"fluid_contrast_log_ratio": "ventricle_contrast_log_ratio"}
"""A figure that is left out of the printed table where the records allow a better one."""


def markdown(collected: dict) -> str:
    """Returns the table that a person reads; docs/studies.md explains it."""
    count = collected["runs"]
    lines = [
        f"# {collected['title']}",
        "",
        f"{count['done']} of {count['planned']} runs are done. Mean over patients [95 % interval"
        " over patients] ± standard deviation over seeds (the worst seed's size, as a share of"
        f" copy_source's). {collected['notice']}",
    ]
    lines += ["", collected["pictures"]] if collected["pictures"] else []
    for name, rules in collected["brain_masks"].items():
        if len(rules) > 1:
            kinds = "; ".join(f"{rule} in folds {folds}" for rule, folds in sorted(rules.items()))
            lines += ["", f"The brain of {name} is not of one kind, and means mix them: {kinds}."]
    lines += ["", _row(VARIANTS), _row(["---"] * len(VARIANTS))]
    for name, variant in collected["variants"].items():
        minutes = "-" if variant["minutes"] is None else f"{variant['minutes']:.1f}"
        pairs = "; ".join(variant["trained_on_pairs"]) or "-"
        cost = [_seconds(variant["seconds_per_step"]), _millions(variant["parameters"])]
        lines.append(
            _row(
                [name, str(variant["trained"]), str(variant["steps"] or "-"), minutes, *cost, pairs]
            )
        )
    for name, directions in collected["sets"].items():
        for direction, figures in directions.items():
            lines += ["", f"## {name}, {direction}", "", *_table(collected, figures)]
        for direction, figures in collected["distances"][name].items():
            lines += ["", f"## {name}, {direction}, distances", ""]
            lines += _distances(collected, figures)
    lines += ["", *(f"- failed: {run}: {text}" for run, text in collected["failed"].items())]
    return "\n".join(lines).rstrip()


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"


def _millions(parameters: dict | None) -> str:
    if parameters is None:
        return "-"
    return " of ".join(f"{parameters[key] / 1e6:.2f} M" for key in ("generators", "all"))


def _distances(collected: dict, figures: dict) -> list[str]:
    """Returns the lines of one direction: kernel distances by patients, and Fréchet distances."""
    heading = ["method", "kid_patient x 1000", f"less {collected['reference']}"]
    others = [name for name in figures if name != distances.KERNEL]
    lines = [_row([*heading, *others]), _row(["---"] * (len(heading) + len(others)))]
    for method in (COPY, *collected["variants"]):
        kernel = figures[distances.KERNEL][method]
        cells = [figure(_thousandfold(kernel)) + _spread(kernel, 1000)]
        cells.append(figure(_thousandfold(kernel["difference"])) if "difference" in kernel else "")
        for name in others:
            cells.append(figure(figures[name][method]) + _spread(figures[name][method]))
        lines.append(_row([method, *cells]))
    return lines


def _thousandfold(entry: dict) -> dict:
    if entry["value"] is None:
        return entry
    interval = [1000 * end for end in entry["ci"]] if entry["ci"] else None
    return {**entry, "value": 1000 * entry["value"], "ci": interval}


def _spread(entry: dict, times: float = 1) -> str:
    """Returns the deviation over seeds, where there are several."""
    return f" ± {times * entry['seed_sd']:.2g}" if entry.get("seed_sd") is not None else ""


def _table(collected: dict, figures: dict) -> list[str]:
    """Returns the lines of one direction: every figure, and its difference to the reference."""
    names = [name for name in FIGURES if _has(figures, name)]
    names = [name for name in names if INSTEAD.get(name) not in names]
    heading = ["method"]
    for name in names:
        heading += [FIGURES[name], f"less {collected['reference']}"]
    lines = [_row(heading), _row(["---"] * len(heading))]
    baselines = [m for m in BASELINES if any(_is(figures[name][m]) for name in names)]
    for method in (*(baselines or [COPY]), *collected["variants"]):
        cells = [method]
        for name in names:
            summary = figures[name][method]
            cells.append(figure(summary) + ("" if method in BASELINES else _beside(name, summary)))
            itself = method == collected["reference"]
            cells.append("" if itself else figure(summary["difference"]))
        lines.append(_row(cells))
    return lines


def _beside(name: str, of: dict) -> str:
    """Returns the spread over seeds, and for a log-ratio what is left of copy-source's."""
    spread = _spread(of)
    with_share = name.endswith("log_ratio") and of["of_copy_source"] is not None
    return spread + (f" ({of['of_copy_source']:.0%})" if with_share else "")


def _has(figures: dict, name: str) -> bool:
    return name in figures and any(map(_is, figures[name].values()))


def _is(entry: dict) -> bool:
    return entry["value"] is not None


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
