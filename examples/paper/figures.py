"""Tables and figures of the paper's grid, from the tidy file alone.

python examples/paper/figures.py results/results.csv.gz --out rendered/
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from paper_drawings import (
    ROWS,
    draw_budgets,
    draw_leniency,
    draw_main,
    draw_robust,
    draw_rows,
    draw_runtime,
    draw_theory,
)  # fmt: skip
from paper_store import read_tidy
from paper_tables import FAITHFUL, paper_claim, rst_table, summarise, targets, wide, with_main

#: Columns that only the CSV files have: a page is not as wide.
TOO_WIDE = [
    f"{name}{end}"
    for name in ("weighted CRG", "newly accepted", "mean CRG")
    for end in ("", ", calibrated")
    if (name, end) != ("mean CRG", "")
]


def render(table, folder):
    """Write all tables and figures that the table has cells for.

    Parameters
    ----------
    table : DataFrame
        The tidy file.
    folder : Path
        Gets ``tables`` (CSV and reStructuredText) and ``figures`` (SVG).

    Returns
    -------
    list of Path
        What was written.
    """
    summary = summarise(table)
    studies = set(table.study)
    tables, figures = {}, {}
    if "main" in studies:
        main = summary[(summary.study == "main") & (summary.people == "everyone")]
        for dataset, part in main.groupby("dataset", sort=False):
            tables[f"main_{dataset}"] = wide(part, ["method"])
        realistic = summary[(summary.study == "main") & (summary.people == "realistic actions")]
        tables["realistic"] = wide(realistic, ["dataset", "method"])
        tables["targets"] = targets(table)
        figures |= {"main": draw_main(summary), "leniency": draw_leniency(summary)}
    if {"main", "budgets"} <= studies:
        part = summarise(with_main(table, "budgets"))
        part = part[part.setting == "default"].sort_values(["dataset", "bit_budget"], kind="stable")
        tables["budgets"] = wide(part, ["dataset", "bit_budget", "method"])
        tables["claim"] = paper_claim(table)
        figures["budgets"] = draw_budgets(table)
    if "rounding" in studies:
        asked = summary.study.isin(["main", "rounding"]) & summary.method.isin(FAITHFUL)
        part = summary[asked & (summary.people == "everyone")]
        tables["rounding"] = wide(part.sort_values("dataset", kind="stable"), ["dataset", "method"])
    for study in [study for study in ROWS if study in studies]:
        part = summary[(summary.study == study) & (summary.people != "held out")]
        tables[study] = wide(part, list(dict.fromkeys(["dataset", ROWS[study], "method"])))
        figures[study] = draw_rows(summary, study)
    for study, draw in (
        ("runtime", draw_runtime),
        ("robust", draw_robust),
        ("theory", draw_theory),
    ):
        if study in studies:
            part = summary[(summary.study == study) & (summary.people != "held out")]
            keys = ["dataset", "method", "bit_budget", "people", "calibrated"]
            tables[study] = part.pivot_table(
                index=keys, columns="measure", values="mean", sort=False
            ).round(4).reset_index()  # fmt: skip
            figures[study] = draw(summary)
    written = []
    for kind in ("tables", "figures"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        written.append(folder / "tables" / f"{name}.csv")
        content.to_csv(written[-1], index=False)
        written.append(folder / "tables" / f"{name}.rst")
        written[-1].write_text(rst_table(content.drop(columns=TOO_WIDE, errors="ignore")))
    for name, figure in figures.items():
        written.append(folder / "figures" / f"{name}.svg")
        figure.savefig(written[-1], metadata={"Date": None})
    return written


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path, help="results.csv.gz, as run.py writes it")
    parser.add_argument("--out", type=Path, required=True, help="folder of tables and figures")
    options = parser.parse_args(arguments)
    print(*render(read_tidy(options.table), options.out), sep="\n")


if __name__ == "__main__":
    main()
