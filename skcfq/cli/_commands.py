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


@cli.command()
def audit(
    reference: Annotated[
        Path, typer.Option(help="The model that gave the advice: .skops, .onnx, or of skcfq.save.")
    ],
    deployed: Annotated[Path, typer.Option(help="The model that decides now; any of these forms.")],
    data: Annotated[
        Path, typer.Option(help="People: Parquet (a file or a folder, of any size) or CSV.")
    ],
    actions: Annotated[
        Path | None,
        typer.Option(
            help="What a person may change: JSON of ActionSet.to_json.",
            show_default="everything, within the range of the rows",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column of true labels.", show_default="none: no accuracy"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="The favourable class.", show_default="the last one"),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(help="A column that tells groups apart; may be given several times."),
    ] = None,
    fit_data: Annotated[
        Path | None,
        typer.Option(
            help="People whom ranges and cost scales are learned from, e.g. the training rows.",
            show_default="the first 20,000 of the data",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where to write an HTML report, one file.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    json_file: Annotated[
        Path | None, typer.Option(help="Where to write the record, AuditResult.from_json reads it.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help='Exit with 1 if this holds, e.g. "vd>0.02", "vd.high>3%", "abs_crg>0.1", "flips>1%", '
            '"accuracy<0.85"; may be given several times. What is undefined, fails.'
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Folder of finished parts: an audit of Parquet that broke off goes on."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A type that a .skops file may hold beside ours and scikit-learn's."),
    ] = None,
    people: Annotated[
        int,
        typer.Option(
            min=0, help="How many people, the worst off, report and record list; 0: none."
        ),
    ] = 200,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record, without people, instead of tables.")
    ] = False,
):
    """Ask what became of the advice that one model gave, now that another one decides.

    Each person whom the reference refuses gets its cheapest action to the target. The audit tells
    whom the deployed model refuses after it, what its own advice costs, and for which groups it broke.

    Exits with 0, with 1 if a limit of --fail-if is exceeded, and with 2 if files or options are wrong.
    Model files are read without running anything in them, so pickles are refused.
    """
    from ._audit import AuditOptions, run_audit
    from ._audit_printing import print_audit
    from ._printing import RichProgress

    options = AuditOptions(
        reference=reference, deployed=deployed, data=data, actions=actions, label=label,
        target=target, groups=tuple(groups or ()), fit_data=fit_data, trusted=tuple(trust or ()),
        report=report, json=json_file, checkpoint=checkpoint, fail_if=tuple(fail_if or ()),
        title=title, max_people=people,
    )  # fmt: skip
    try:
        with RichProgress() as progress:
            outcome = run_audit(options, progress)
    except (OSError, ValueError, TypeError, ImportError) as error:
        # Some errors begin with the command's name already.
        told = str(error).removeprefix("skcfq audit: ")
        typer.echo(told if told.startswith("skcfq audit") else f"skcfq audit: {told}", err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(outcome.result.to_json(people=False))
    else:
        print_audit(outcome, options)
    if outcome.verdict.passed is False:
        raise typer.Exit(1)
