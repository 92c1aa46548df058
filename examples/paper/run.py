"""Run the grid of the paper: all methods, budgets and studies, into one tidy table.

    python examples/paper/run.py --out results/                 # everything: hours on two cores
    python examples/paper/run.py --out results/ --quick         # small data and networks: a minute or two
    python examples/paper/run.py --out results/ --studies main --datasets adult --seeds 0

A cell is a data set, a method, a bit budget, a seed and a setting. Each is fitted, measured as it is
and after the same calibration, and written to a small file of its own in ``results/cells/``. Call it
again after an interruption: what is finished is not done again, what failed is tried again. Then all
cells of this call are joined in ``results/results.csv.gz``, and drawn unless ``--no-figures`` is given.

Cells of one data set and seed share a teacher and its advice. Each process computes on one core. The
data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded.
"""

import argparse
import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before anything that computes is loaded
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import joblib
from paper_cell import run_cell
from paper_data import SOURCES
from paper_grid import STUDIES, make_cells
from paper_store import read_cell, tidy, write_tidy
from tqdm import tqdm


def run(cells, folder, jobs=1):
    """Run the cells that are not finished, each in one process.

    Parameters
    ----------
    cells : sequence of Cell
    folder : Path
    jobs : int, default=1
        Processes.

    Returns
    -------
    list of Cell
        Those that failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = [cell for cell in cells if (read_cell(folder, cell) or {}).get("status") != "done"]
    weights = [cost(cell) for cell in left]
    # In chunks of one: the bar moves, and an interruption loses only what is being computed.
    parallel = joblib.Parallel(
        n_jobs=jobs, batch_size=1, pre_dispatch="all", return_as="generator_unordered"
    )
    bar = tqdm(total=sum(weights), desc=f"{len(left)} cells", unit="row", unit_scale=True)
    with bar, joblib.parallel_config("loky", inner_max_num_threads=1):
        for weight in parallel(
            joblib.delayed(_run_weighted)(cell, folder, weight)
            for cell, weight in zip(left, weights, strict=True)
        ):
            bar.update(weight)
    return [cell for cell in cells if read_cell(folder, cell)["status"] != "done"]


def cost(cell):
    """About how long a cell takes, in rows: for the time that is left."""
    return SOURCES[cell.dataset].n_rows + 2000


def _run_weighted(cell, folder, weight):
    run_cell(cell, folder)
    return weight


def main(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Studies: " + " ".join(f"{s.name} ({s.about})" for s in STUDIES),
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--quick", action="store_true", help="small data and networks, few methods, one seed"
    )
    parser.add_argument("--studies", nargs="+", metavar="NAME")
    parser.add_argument("--datasets", nargs="+", metavar="NAME")
    parser.add_argument("--methods", nargs="+", metavar="NAME")
    parser.add_argument("--budgets", nargs="+", type=float, metavar="BITS")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED")
    parser.add_argument("--max-epochs", type=int, help="of teachers and students")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--list", action="store_true", help="print the cells and stop")
    parser.add_argument("--no-figures", action="store_true")
    options = parser.parse_args(arguments)
    try:
        cells = make_cells(
            options.studies, options.datasets, options.methods, options.budgets, options.seeds,
            is_quick=options.quick, max_epochs=options.max_epochs,
        )  # fmt: skip
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print(*(cell.key for cell in cells), f"{len(cells)} cells", sep="\n")
        return 0
    failed = run(cells, options.out, options.jobs)
    path = options.out / "results.csv.gz"
    table = tidy(options.out, cells)
    write_tidy(table, path)
    print(f"{len(cells) - len(failed)} cells, {len(table)} figures: {path}")
    for cell in failed:
        print(f"failed: {cell.key}: {read_cell(options.out, cell)['error']}", file=sys.stderr)
    if not options.no_figures and len(table):
        from figures import render

        print(*render(table, options.out), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
