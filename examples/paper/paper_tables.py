"""Tables from the tidy file: means and standard deviations over seeds, claims and targets."""

import pandas as pd

#: What tables show, in order: the name in the tidy file, its heading, and whether it is a share.
SHOWN = {
    "accuracy": "accuracy",
    "validity_drop": "VD",
    "recourse_gap": "mean CRG",
    "abs_recourse_gap": "mean |CRG|",
    "weighted_gap": "weighted CRG",
    "decision_flips": "changed",
    "newly_accepted": "newly accepted",
}
CELL = ["study", "dataset", "setting", "method", "bit_budget", "people", "calibrated"]
FAITHFUL = ("Faithful CFQ", "Faithful CFQ, rounded together")

#: Methods without a faithful or a paper's recourse loss: what the best one of is a baseline.
BASELINES = (
    "LSQ-QAT", "PACT-QAT", "Mixed precision", "PTQ", "Mixed PTQ", "CF-PTQ", "CF-PTQ + sensitivity",
    "R-Margin", "R-Consistency", "Prune + quantize", "Distil + quantize",
)  # fmt: skip
RIVALS = ("LSQ-QAT", "PACT-QAT", "Mixed precision")


def summarise(table):
    """Mean and standard deviation over seeds of each figure.

    Returns
    -------
    DataFrame
        One row for each cell but the seed and for each measure, with ``mean``, ``sd`` (NaN for
        one seed), ``seeds``, and ``n``, people on average.
    """
    grouped = table.groupby([*CELL, "measure"], sort=False)
    found = grouped.agg(
        mean=("value", "mean"), sd=("value", "std"), seeds=("seed", "nunique"), n=("n", "mean"),
        average_bits=("average_bits", "mean"),
    )  # fmt: skip
    return found.reset_index()


def with_main(table, study):
    """The cells of a study, with those of the main table that it builds on."""
    part = table[table.study == study]
    same = table[
        (table.study == "main")
        & table.method.isin(part.method.unique())
        & table.dataset.isin(part.dataset.unique())
        & (table.people == "everyone")
    ]
    return pd.concat([part, same])


def wide(summary, rows, digits=3):
    """A table to read: a row for each combination of `rows`, "mean ± sd" as it is and calibrated.

    Parameters
    ----------
    summary : DataFrame
        As of `summarise`, for one value of every column that is not in `rows`.
    rows : list of str
    digits : int, default=3

    Returns
    -------
    DataFrame
    """
    shown = summary[summary.measure.isin(SHOWN)]
    text = shown.assign(
        text=[show(mean, sd, digits) for mean, sd in zip(shown["mean"], shown["sd"], strict=True)],
        column=[
            f"{SHOWN[measure]}{', calibrated' if calibrated else ''}"
            for measure, calibrated in zip(shown.measure, shown.calibrated, strict=True)
        ],
    )
    order = [f"{name}{end}" for end in ("", ", calibrated") for name in SHOWN.values()]
    keys = list(dict.fromkeys(map(tuple, text[rows].to_numpy().tolist())))
    table = text.pivot_table(index=rows, columns="column", values="text", aggfunc="first")
    index = keys if len(rows) > 1 else [key[0] for key in keys]
    table = table.reindex(index)[[name for name in order if name in table]]
    counted = shown[shown.measure == "validity_drop"].groupby(rows)[["n", "seeds"]].max()
    table["people in need"] = counted["n"].reindex(table.index).round().astype("Int64")
    table["seeds"] = counted["seeds"].reindex(table.index)
    table.index.names = rows
    return table.reset_index().fillna("")


def show(mean, sd, digits=3):
    """A mean with its standard deviation, as text."""
    if pd.isna(mean):
        return "—"
    return f"{mean:.{digits}f}" + ("" if pd.isna(sd) else f" ± {sd:.{digits}f}")


def rst_table(table, title=""):
    """A DataFrame as a reStructuredText list-table."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", "   :class: paper", ""]
    for row in [table.columns, *table.astype(str).to_numpy()]:
        lines += [f"   {'*' if i == 0 else ' '} - {text}" for i, text in enumerate(row)]
    return "\n".join(lines).replace("|CRG|", "\\|CRG\\|") + "\n"


def paper_claim(table):
    """The paper's claim: CFQ against the baselines over the budgets, as it stands and at equal VD.

    Returns
    -------
    DataFrame
        A row for each data set and budget. A difference counts as one if it exceeds the sum of
        the two standard deviations over seeds.
    """
    cells = summarise(with_main(table, "budgets"))
    cells = cells[cells.setting == "default"]
    rows = []
    for (dataset, budget), part in cells.groupby(["dataset", "bit_budget"], sort=False):
        values = part.pivot_table(
            index="method", columns=["calibrated", "measure"], values=["mean", "sd"], dropna=False
        )
        rivals = [name for name in RIVALS if name in values.index]
        if "CFQ" not in values.index or not rivals:
            continue

        def verdict(calibrated, measure, values=values, rivals=rivals):
            mean, sd = values["mean"][calibrated][measure], values["sd"][calibrated][measure]
            best = mean[rivals].idxmin()
            gap, spread = mean["CFQ"] - mean[best], sd["CFQ"] + sd[best]
            word = "better" if gap < 0 else "worse"
            if pd.isna(spread):
                word += ", one seed"
            elif not abs(gap) > spread:
                word = "no difference"
            return f"{mean['CFQ']:.3f} / {mean[best]:.3f} ({best}): {word}"

        accuracy = values["mean"][False]["accuracy"]
        rows.append(
            {
                "dataset": dataset,
                "bits": budget,
                "accuracy, CFQ less best": f"{accuracy['CFQ'] - accuracy[rivals].max():+.3f}",
                "VD": verdict(False, "validity_drop"),
                "mean |CRG|": verdict(False, "abs_recourse_gap"),
                "changed": verdict(False, "decision_flips"),
                "mean |CRG|, calibrated": verdict(True, "abs_recourse_gap"),
                "changed, calibrated": verdict(True, "decision_flips"),
            }
        )
    return pd.DataFrame(rows).sort_values(["dataset", "bits"], ignore_index=True)


def targets(table):
    """At 4 bits, after the calibration: the best faithful model against what was aimed at.

    Returns
    -------
    DataFrame
        A row for each data set and faithful method.
    """
    asked = table.study.isin(["main", "rounding"]) & (table.people == "everyone")
    cells = summarise(table[asked])
    rows = []
    for dataset, part in cells[cells.calibrated].groupby("dataset", sort=False):
        mean = part.pivot_table(index="method", columns="measure", values="mean")
        gap = mean["abs_recourse_gap"]
        baselines = gap[[name for name in BASELINES if name in gap.index]]
        for name in FAITHFUL:
            if name not in mean.index or "CFQ" not in mean.index:
                continue
            lost = mean["reference_accuracy"][name] - mean["accuracy"][name]
            rows.append(
                {
                    "dataset": dataset,
                    "method": name,
                    "VD": f"{mean['validity_drop'][name]:.3f}",
                    "mean |CRG|": f"{gap[name]:.3f}",
                    "share of CFQ's (aim: 0.33)": f"{gap[name] / gap['CFQ']:.2f}",
                    "share of the best baseline's (aim: 0.5)": (
                        f"{gap[name] / baselines.min():.2f} ({baselines.idxmin()})"
                    ),
                    "accuracy lost (aim: 0.005)": f"{lost:+.4f}",
                    "changed (aim, Adult: 0.01)": f"{mean['decision_flips'][name]:.4f}",
                }
            )
    return pd.DataFrame(rows)
