"""`tunesmith data`: datasets; one module per family of commands."""

import typer

from tunesmith_cli.data import comparing, showing, uploading, versions
from tunesmith_cli.data.uploading import push, put_recipe, upload, wait_for_acceptance
from tunesmith_cli.labels import commands as labels

__all__ = ["app", "push", "put_recipe", "upload", "uploading", "wait_for_acceptance"]

app = typer.Typer(help="Datasets: check files, upload them, read what became of them.", no_args_is_help=True)
app.command("push")(uploading.push)
app.command("versions")(versions.versions)
app.command("show")(showing.show)
app.command("diff")(comparing.diff)
app.command("label", help=labels.label.__doc__)(labels.label)
app.add_typer(labels.review_app, name="review")
