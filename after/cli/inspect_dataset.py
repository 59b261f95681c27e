"""`after inspect_dataset`: what a data store holds."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("store_path", type=click.Path(path_type=Path), metavar="STORE")
@click.option("--problems", is_flag=True, help="List the skipped files and the warnings too.")
@click.option("--json", "as_json", is_flag=True, help="Give the whole manifest as JSON.")
def command(store_path: Path, problems: bool, as_json: bool) -> None:
    """Show what a data store holds: hours, splits, groups, notes, features, settings."""
    from after.data.inspection.description import describe_store
    from after.data.inspection.summary import summarize
    from after.data.prepare.report import describe_problems, warnings_of
    from after.data.store import Store

    with Store.open(store_path) as store:
        records = store.sources()
        manifest = store.manifest
        if manifest:
            # Counted afresh: a killed run leaves older numbers in the manifest.
            manifest["summary"] = summarize(store, records, manifest["sample_rate"])
            manifest["skipped"], manifest["warnings"] = store.skipped(), warnings_of(records)
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
