"""`after evaluate_model`: how near a trained model comes to recordings that were held out, and what leaks."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from after.conditioning.probes import ProbeScore
    from after.evaluation.bootstrap import Interval
    from after.evaluation.model_transfer import TransferMatrices
    from after.evaluation.model_trials import ModelReport, ModelTrials


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--store", required=True, type=click.Path(file_okay=False, path_type=Path), help="What RUN was trained on."
)
@click.option("--codec", type=click.Path(path_type=Path), help="Codec of the latents.  [the bundled one]")
@click.option(
    "--items", type=click.IntRange(2), default=64, show_default=True, help="Held-out excerpts of four seconds."
)
@click.option(
    "--references",
    type=click.IntRange(2),
    default=24,
    show_default=True,
    help="Excerpts to learn each instrument by.",
)
@click.option("--steps", default="4", show_default=True, metavar="N,N...", help="Numbers of sampler steps to compare.")
@click.option("--guidance-structure", type=float, default=1.0, show_default=True, help="Strength.")
@click.option("--guidance-timbre", type=float, default=1.0, show_default=True, help="Strength.")
@click.option(
    "--pairs", default="", metavar="GROUP,GROUP...", help="Also play each one's melodies in each one's timbre."
)
@click.option("--per-pair", type=click.IntRange(1), default=4, show_default=True, help="Excerpts per pair.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Also write all figures.")
def command(run: Path, store: Path, codec: Path | None, json_path: Path | None, **options: Any) -> None:
    """Measure RUN, a run folder of `after train` or a checkpoint of it, on the recordings its store holds out.

    Each held-out excerpt is generated from its own structure, in the timbre of another excerpt of the same instrument,
    and compared with its own latents, both decoded: log-mel distance, share of the voiced frames with the same pitch
    (CREPE, 50 cents), loudness error, and whether a classifier of recordings names the right instrument. Linear probes
    tell what structure says of the instrument, and timbre of the pitch. Brackets hold 95 % intervals, for which whole
    recordings are drawn again. What cannot be measured, such as the instrument where there is only one, is named.

    A store whose held-out recordings trained RUN is refused.

    \b
    after evaluate_model runs/model --store store --steps 1,2,4,8
    after evaluate_model runs/model --store store --pairs flute,violin_solo,trumpet
    """  # noqa: D301 - click reads the backspace as "do not wrap"
    from after.codec.load import BUNDLED_CODEC
    from after.data.store import Store
    from after.evaluation.held_out import check_held_out
    from after.evaluation.model_transfer import check_names, measure_matrices
    from after.evaluation.model_trials import ModelTrial
    from after.files import check_writable
    from after.trained import load_trained

    if json_path is not None:
        check_writable(json_path)
    trials = _trials(options)
    names = tuple(dict.fromkeys(name for name in options["pairs"].split(",") if name))
    trained = load_trained(run, codec or BUNDLED_CODEC)
    with Store.open(store) as opened, _progress_bar() as progress:
        notes = check_held_out(run, opened, trained.latents_name)
        for note in notes:
            click.echo(f"note: {note}", err=True)
        trial = ModelTrial(trained, opened, trials)
        if names:
            check_names(trial, names)
        report = trial.run(progress("steps"))
        matrices = measure_matrices(trial, names, options["per_pair"], progress("pairs")) if names else None
    for line in _lines(report) + (_matrix_lines(matrices) if matrices else []):
        click.echo(line)
    if json_path is not None:
        whole = {"iterations": trained.iterations, "trials": trials, "notes": notes, "report": report}
        _write(json_path, {**whole, "transfer": matrices})


def _trials(options: dict[str, Any]) -> "ModelTrials":
    from after.evaluation.model_trials import ModelTrials

    return ModelTrials(
        num_items=options["items"],
        per_group=options["references"],
        num_steps=_numbers(options["steps"]),
        guidance_structure=options["guidance_structure"],
        guidance_timbre=options["guidance_timbre"],
    )


def _write(path: Path, figures: dict[str, object]) -> None:
    """Write all figures as JSON; one that is not known is null."""
    from after.evaluation.report import as_json
    from after.files import written_atomically

    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(as_json(figures), indent=1, allow_nan=False), encoding="utf-8")


def _numbers(text: str) -> tuple[int, ...]:
    """Read `1,2,4`."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 1,2,4", param_hint="--steps")
    return numbers


def _lines(report: "ModelReport") -> list[str]:
    """Say what was measured."""
    lines = [f"excerpts of {report.num_recordings} held-out recordings"]
    lines.append(
        f"{'steps':>5}  {'log-mel':<24}{'same pitch':<24}{'loudness error, dB':<24}{'instrument':<24}".rstrip()
    )
    for row in report.rows:
        figures = (row.log_mel, row.same_pitch, row.loudness_db, row.timbre)
        lines.append(f"{row.num_steps:5d}  " + "".join(f"{_show(figure):<24}" for figure in figures).rstrip())
    lines.append(f"the recordings' own latents: instrument {_show(report.timbre_of_recordings)}")
    lines += [f"probe: {name} {_show_probe(score)}" for name, score in report.probes.items()]
    return lines + [f"left out: {what}" for what in report.left_out]


def _matrix_lines(matrices: "TransferMatrices") -> list[str]:
    """Draw both matrices: whose melody in rows, whose timbre in columns."""
    width = max(map(len, matrices.names))
    lines = []
    for title, values, across in (
        ("same pitch", matrices.pitch, matrices.across_pitch),
        ("instrument", matrices.timbre, matrices.across_timbre),
    ):
        lines.append(f"{title}, melody of the row in the timbre of the column; across instruments {_show(across)}")
        lines.append(" " * width + "".join(f"{name[:11]:>12}" for name in matrices.names))
        for name, row in zip(matrices.names, values, strict=True):
            lines.append(f"{name:<{width}}" + "".join(f"{_number(value, '.2f'):>12}" for value in row))
    return lines


def _show(figure: "Interval") -> str:
    """Give a figure with its interval, where it has one."""
    shown = _number(figure.value, ".3f")
    return shown if math.isnan(figure.low) else f"{shown} [{figure.low:.3f} {figure.high:.3f}]"


def _show_probe(score: "ProbeScore") -> str:
    return f"{score.score:.3f} [{score.low:.3f} {score.high:.3f}], chance {score.chance:.3f}"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


@contextmanager
def _progress_bar() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Show how far each part is, on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:

        def part(name: str) -> Callable[[int, int], None]:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield part
