"""`after inspect_dataset`: what a data store holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from after.cli.picture_option import check_png

if TYPE_CHECKING:
    from after.data.store import Store


@click.command()
@click.argument("store_path", type=click.Path(path_type=Path), metavar="STORE")
@click.option("--problems", is_flag=True, help="List the skipped files and the warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Give the whole manifest as JSON.")
@click.option("--sheet", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw it too: charts and examples.")
def command(store_path: Path, problems: bool, as_json: bool, sheet: Path | None) -> None:
    """Show what a data store holds: hours, splits, groups, notes, features, settings.

    The sheet is one picture: how long, how high and how loud the recordings are, the hours of each group, and six
    chunks with their notes and their pitch drawn over the sound.
    """
    from after.data.inspection.description import describe_store
    from after.data.inspection.summary import summarize
    from after.data.prepare.report import describe_problems, warnings_of
    from after.data.store import Store

    if sheet is not None:
        check_png(sheet, "--sheet")
    with Store.open(store_path) as store:
        records = store.sources()
        manifest = store.manifest
        if manifest:
            # Counted afresh: a killed run leaves older numbers in the manifest.
            manifest["summary"] = summarize(store, records, manifest["sample_rate"])
            manifest["skipped"], manifest["warnings"] = store.skipped(), warnings_of(records)
            if sheet is not None:
                _draw(sheet, store, manifest["summary"])
    if not manifest:
        raise click.ClickException(f"{store_path} is empty: run prepare_dataset again")
    if as_json:
        click.echo(json.dumps(manifest, indent=2))
        return
    click.echo("\n".join(describe_store(manifest)))
    found = describe_problems(manifest)
    if problems and found:
        click.echo("\n".join(found))
    elif found:
        click.echo("           list them with --problems")


def _draw(path: Path, store: "Store", summary: Mapping[str, Any]) -> None:
    """Draw the sheet and say so on stderr, which leaves stdout to the JSON."""
    from after.data.inspection.sheet import draw_sheet

    draw_sheet(path, store, summary)
    click.echo(f"drawn: {path}", err=True)
