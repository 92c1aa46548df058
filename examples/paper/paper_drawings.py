"""Figures from summaries of the tidy file: one function for each."""

import numpy as np
from matplotlib.figure import Figure
from paper_tables import summarise, with_main

COLOURS = {
    "LSQ-QAT": "#d55e00", "PACT-QAT": "#e69f00", "Mixed precision": "#cc79a7", "CF-PTQ": "#7f7f7f",
    "PTQ": "#bbbbbb", "CFQ": "#000000", "Faithful CFQ": "#0072b2",
    "Faithful CFQ, rounded start": "#56b4e9",
}  # fmt: skip
MARKERS = "osD^vP*Xhd"
LABELS = {
    "validity_drop": "VD", "abs_recourse_gap": "mean |CRG|", "accuracy": "accuracy",
    "decision_flips": "changed decisions", "recourse_gap": "mean CRG", "weighted_gap": "weighted CRG",
}  # fmt: skip

#: What a point of each study's figure is about: the column whose values are the rows of a panel.
ROWS = {
    "activations": "method", "activation_budget": "method", "ablation": "method",
    "backbones": "setting", "costs": "setting",
    "teachers": "setting", "constraints": "setting", "shifts": "people", "subgroups": "people",
}  # fmt: skip


def style(methods):
    """A colour and a marker for each method."""
    methods = list(dict.fromkeys(methods))
    others = iter(["#999933", "#882255", "#44aa99", "#332288", "#aa4499", "#661100", "#888888"] * 3)
    return {
        name: (COLOURS.get(name) or next(others), MARKERS[i % len(MARKERS)])
        for i, name in enumerate(methods)
    }


def new_figure(n_rows, n_columns, width, height, **options):
    """A figure with panels, and its axes as an array of two dimensions."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)


def legend(figure, axes, columns=3):
    """One legend below all panels."""
    known = {}
    for ax in axes.flat:
        known |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if known:
        figure.legend(
            known.values(),
            known,
            loc="outside upper center",
            ncols=columns,
            fontsize=8,
            frameon=False,
        )


def main_colour(method):
    """Blue for the faithful objective, black for the paper's, grey for 8 bits, red for the others."""
    if method == "PTQ-8":
        return "#aaaaaa"
    return "#0072b2" if "Faithful" in method else "#000000" if "CFQ" in method else "#d55e00"


def draw_main(summary):
    """All methods: mean |CRG| once everybody has the same validity drop, with accuracy lost."""
    part = summary[(summary.study == "main") & (summary.people == "everyone") & summary.calibrated]
    datasets, methods = part.dataset.unique(), list(part.method.unique())[::-1]
    figure, axes = new_figure(
        1, len(datasets), 1.5 + 1.9 * len(datasets), 0.9 + 0.24 * len(methods), sharey=True
    )
    for ax, dataset in zip(axes[0], datasets, strict=True):
        chosen = part[(part.dataset == dataset) & (part.measure == "abs_recourse_gap")]
        values = chosen.set_index("method").reindex(methods)
        colours = [main_colour(name) for name in methods]
        ax.hlines(range(len(methods)), values["mean"] - values["sd"], values["mean"] + values["sd"],
                  color=colours, lw=1.2)  # fmt: skip
        ax.scatter(values["mean"], range(len(methods)), color=colours, s=18, zorder=3)
        ax.set_title(dataset, fontsize=9)
        ax.set_xlim(left=0)
        ax.grid(axis="x", alpha=0.3)
        ax.grid(axis="y", alpha=0.12)
    axes[0][0].set_yticks(range(len(methods)), methods, fontsize=8)
    figure.supxlabel(
        "mean |CRG| after the same calibration to VD ≤ 0.02 (± sd over seeds)", fontsize=9
    )
    return figure


def draw_leniency(summary):
    """How each method fails, uncalibrated: advice that fails, and advice that was needless."""
    part = summary[(summary.study == "main") & (summary.people == "everyone") & ~summary.calibrated]
    datasets, looks = part.dataset.unique(), style(part.method)
    figure, axes = new_figure(1, len(datasets), 1 + 2.1 * len(datasets), 3.9, sharex=True)
    for ax, dataset in zip(axes[0], datasets, strict=True):
        values = part[part.dataset == dataset].pivot_table(
            index="method", columns="measure", values="mean"
        )
        for name, (colour, marker) in looks.items():
            if name in values.index:
                row = values.loc[name]
                ax.scatter(row["validity_drop"], row["weighted_gap"], color=colour, marker=marker,
                           s=28, label=name, alpha=0.85)  # fmt: skip
        ax.axhline(0, color="0.6", lw=0.8)
        ax.axvline(0, color="0.6", lw=0.8)
        ax.set_title(dataset, fontsize=9)
        ax.grid(alpha=0.2)
    axes[0][0].set_ylabel("weighted CRG\n(below 0: lenient)", fontsize=9)
    figure.supxlabel("validity drop as trained (faithful is where the lines cross)", fontsize=9)
    legend(figure, axes, 5)
    return figure


def draw_budgets(table):
    """Accuracy, VD, |CRG| and changed decisions over average bits."""
    part = summarise(with_main(table, "budgets"))
    part = part[part.setting == "default"]
    panels = (
        ("accuracy", False), ("validity_drop", False), ("abs_recourse_gap", False),
        ("abs_recourse_gap", True), ("decision_flips", True),
    )  # fmt: skip
    datasets = part.dataset.unique()
    looks = style(part.method)
    figure, axes = new_figure(
        len(panels), len(datasets), 1 + 2 * len(datasets), 1.2 + 1.7 * len(panels), sharex=True
    )
    for dataset, ax in zip(datasets, axes[0], strict=True):
        ax.set_title(dataset, fontsize=9)
    for row, (measure, calibrated) in zip(axes, panels, strict=True):
        for ax, dataset in zip(row, datasets, strict=True):
            chosen = part[
                (part.dataset == dataset)
                & (part.measure == measure)
                & (part.calibrated == calibrated)
            ]
            for name, (colour, marker) in looks.items():
                line = chosen[chosen.method == name].sort_values("bit_budget")
                x, mean, sd = np.log2(line.bit_budget), line["mean"], line["sd"].fillna(0)
                ax.plot(x, mean, color=colour, marker=marker, ms=3.5, lw=1.2, label=name)
                ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.12, lw=0)
            ax.set_xticks(np.log2([2, 3, 4, 8]), ["2", "3", "4", "8"])
            ax.grid(alpha=0.25)
            if measure != "accuracy":
                ax.set_ylim(bottom=0)
            ax.tick_params(labelsize=8)
        end = ",\ncalibrated" if calibrated else ",\nas trained"
        row[0].set_ylabel(LABELS[measure] + end, fontsize=8)
    figure.supxlabel("bit budget (average bits of a weight)", fontsize=9)
    legend(figure, axes, 4)
    return figure


def draw_rows(summary, study):
    """VD as trained and |CRG| after calibration, for each setting, method or group of people."""
    rows = ROWS[study]
    part = summary[(summary.study == study) & (summary.people != "held out")]
    part = part[part.people == "everyone"] if rows != "people" else part
    panels = (("validity_drop", False), ("abs_recourse_gap", False), ("abs_recourse_gap", True))
    names = ("VD, as trained", "mean |CRG|, as trained", "mean |CRG|, calibrated")
    datasets = part.dataset.unique()
    categories = {
        dataset: list(part[part.dataset == dataset][rows].unique())[::-1] for dataset in datasets
    }
    looks = style(part.method) if rows != "method" else {None: ("#0072b2", "o")}
    sizes = [len(categories[dataset]) + 0.5 for dataset in datasets]
    figure, axes = new_figure(
        len(datasets), len(panels), 9.5, 1.4 + sum(sizes) * (0.24 if rows == "method" else 0.4),
        gridspec_kw={"height_ratios": sizes},
    )  # fmt: skip
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(name, fontsize=9)
    for line, dataset in zip(axes, datasets, strict=True):
        for ax, (measure, calibrated) in zip(line, panels, strict=True):
            chosen = part[
                (part.dataset == dataset)
                & (part.measure == measure)
                & (part.calibrated == calibrated)
            ]
            for i, (name, (colour, marker)) in enumerate(looks.items()):
                points = chosen if name is None else chosen[chosen.method == name]
                points = points.set_index(rows).reindex(categories[dataset])
                y = np.arange(len(points)) + (0.5 - (i + 0.5) / len(looks)) * 0.7
                ax.errorbar(points["mean"], y, xerr=points["sd"].fillna(0), fmt=marker, ms=4,
                            color=colour, lw=1, label=name)  # fmt: skip
            ax.set_yticks(range(len(categories[dataset])), categories[dataset], fontsize=8)
            ax.set_ylim(-0.6, len(categories[dataset]) - 0.4)
            ax.tick_params(labelleft=ax is line[0], labelsize=8)
            ax.set_xlim(left=0)
            ax.grid(alpha=0.25)
        line[0].set_ylabel(dataset, fontsize=9)
    if rows != "method":
        legend(figure, axes, 5)
    return figure


def draw_runtime(summary):
    """Seconds of an epoch against K."""
    part = summary[(summary.study == "runtime") & (summary.measure == "epoch_seconds")]
    figure, axes = new_figure(1, 1, 5.5, 3.2)
    ax = axes[0][0]
    for (dataset, cells), marker in zip(part.groupby("dataset", sort=False), "os^", strict=False):
        values = cells.set_index("method")["mean"]
        steps = [(int(name[-1]), value) for name, value in values.items() if "K = " in name]
        if "CFQ" in values:
            steps.append((0, values["CFQ"]))
        steps = np.array(sorted(steps)).reshape(-1, 2)
        plain = values.get("Mixed precision", np.nan)
        ax.plot(steps[:, 0], steps[:, 1] / plain, marker=marker, label=f"CFQ + match, {dataset}")
    ax.axhline(1, color="0.5", lw=1, ls="--", label="no recourse loss")
    ax.set_xlabel("K, unrolled steps of the match term (0: none)")
    ax.set_ylabel("seconds of an epoch,\ntimes plain training's")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, frameon=False)
    return figure


def draw_robust(summary):
    """Advice for one, two or more models, tried on quantizations that it was not made for."""
    part = summary[(summary.study == "robust") & ~summary.calibrated]
    part = part[part.measure.str.endswith("_advice_fails")]
    datasets, methods = part.dataset.unique(), part.method.unique()
    figure, axes = new_figure(len(datasets), len(methods), 2 + 2.6 * len(methods), 1.2 + 2 * len(datasets),
                              sharey=True, sharex=True)  # fmt: skip
    for ax, method in zip(axes[0], methods, strict=True):
        ax.set_title(method, fontsize=9)
    for line, dataset in zip(axes, datasets, strict=True):
        for ax, method in zip(line, methods, strict=True):
            chosen = part[(part.dataset == dataset) & (part.method == method)]
            for measure, colour in zip(chosen.measure.unique(), ("#d55e00", "#56b4e9", "#0072b2"),
                                       strict=False):  # fmt: skip
                points = chosen[chosen.measure == measure]
                label = measure.removesuffix("_advice_fails").replace("_", " ")
                ax.plot(
                    points.people,
                    points["mean"],
                    "o",
                    color=colour,
                    label=f"advice for {label.replace('1 models', '1 model')}",
                )
            ax.tick_params(axis="x", rotation=30, labelsize=8)
            ax.grid(alpha=0.3)
        line[0].set_ylabel(f"{dataset}\nadvice that fails", fontsize=9)
    axes[0][0].set_ylim(bottom=0)  # of all: the axis is shared
    legend(figure, axes)
    return figure


def draw_theory(summary):
    """What is certified, and what no certificate could say more than."""
    part = summary[(summary.study == "theory") & ~summary.calibrated]
    datasets = part.dataset.unique()
    figure, axes = new_figure(1, len(datasets), 1.5 + 4 * len(datasets), 4.2, sharey=True)
    looks = {"at_most_certifiable": ("#bbbbbb", "s"), "certified": ("#0072b2", "o"),
             "paper_condition": ("#d55e00", "^")}  # fmt: skip
    words = {"at_most_certifiable": "not refuted by a search", "certified": "certified",
             "paper_condition": "by the paper's condition, margin > 2 eps"}  # fmt: skip
    for ax, dataset in zip(axes[0], datasets, strict=True):
        cells = part[(part.dataset == dataset) & part.people.str.startswith("radius")]
        rows = list(dict.fromkeys(zip(cells.method, cells.bit_budget, cells.people, strict=True)))[
            ::-1
        ]
        for measure, (colour, marker) in looks.items():
            values = cells[cells.measure == measure].set_index(["method", "bit_budget", "people"])[
                "mean"
            ]
            ax.plot(values.reindex(rows), range(len(rows)), marker, color=colour, ms=5,
                    label=words[measure], alpha=0.9)  # fmt: skip
        ax.set_yticks(range(len(rows)), [f"{m}, {b:g} bits, {p}" for m, b, p in rows], fontsize=6.5)
        ax.set_title(dataset, fontsize=9)
        ax.set_xlim(-0.03, 1.03)
        ax.grid(alpha=0.3)
    figure.supxlabel("share of the people with advice", fontsize=9)
    legend(figure, axes, 1 if len(datasets) == 1 else 3)
    return figure
