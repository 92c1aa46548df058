"""What can be asked for on the command line. Everything heavy is imported when it is asked for."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__

cli = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    help="Quantized classifiers that keep the recourse they promised.",
)  # fmt: skip


class DatasetName(enum.StrEnum):
    """Data sets of the demo."""

    synthetic = "synthetic"
    adult = "adult"
    german = "german"
    compas = "compas"


def _print_version(wanted):
    if wanted:
        typer.echo(f"skcfq {__version__}")
        raise typer.Exit


@cli.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
):
    """Quantized classifiers that keep the recourse they promised."""


@cli.command()
def demo(
    dataset: Annotated[
        DatasetName,
        typer.Option(help="Data to train on; synthetic needs no files and no network."),
    ] = DatasetName.synthetic,
    bit_budget: Annotated[
        float, typer.Option(min=2.0, help="Largest average number of bits per weight.")
    ] = 4.0,
    activation_bits: Annotated[
        int | None,
        typer.Option(min=2, max=8, help="Bits of the hidden activations.", show_default="float"),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most passes over the training rows, for each of the three networks.",
            show_default="those of the estimators",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")] = 0,
    output: Annotated[Path, typer.Option(help="Where the CFQ model is saved, by joblib.")] = Path(
        "skcfq-demo.joblib"
    ),
    data_home: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data files, also where a download goes.",
            show_default="$SKCFQ_DATA, else the user's cache folder",
        ),
    ] = None,
    people: Annotated[
        int, typer.Option(min=0, max=100, help="How many people's recourse to show.")
    ] = 3,
    realistic: Annotated[
        bool,
        typer.Option(
            "--realistic",
            help="Advise only what a person could do: whole steps, education that only rises. "
            "Without it, the actions of the source paper.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of tables.")
    ] = False,
):
    """Train, audit and save a quantized classifier that keeps its recourse.

    Trains one network in full precision and two quantized ones from it: plain quantization-aware
    training (QAT), and counterfactual-faithful quantization (CFQ). Then asks, on test rows, what
    became of the advice that the full-precision network gave to the people it refused.

    Bytes in the table are those of packed parameters: each weight at the width of its layer,
    biases, steps and clips in 4 bytes. The saved file is larger: it also holds the full-precision
    model, the preprocessing and the actions.
    """
    from ._demo import DemoOptions, run_demo
    from ._printing import RichProgress, print_result

    options = DemoOptions(
        dataset=dataset.value, bit_budget=bit_budget, activation_bits=activation_bits,
        epochs=epochs, seed=seed, output=output, data_home=data_home, people=people,
        realistic=realistic,
    )  # fmt: skip
    try:
        with RichProgress() as progress:
            result = run_demo(options, progress)
    except (OSError, ValueError) as error:
        typer.echo(f"skcfq demo: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(result.to_json())
    else:
        print_result(result)
