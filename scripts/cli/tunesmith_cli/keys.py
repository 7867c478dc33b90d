"""`tunesmith keys`: API keys. A key is shown once, when it is made; only its hash is kept."""

from typing import Annotated

import typer

from tunesmith.adapters import throttling
from tunesmith.adapters.keys import Keys
from tunesmith.contracts.keys import ApiKey, Scope
from tunesmith_cli import account
from tunesmith_cli.console import AsJson, out, print_json, say, table

app = typer.Typer(help="API keys: shown once, kept as hashes.", no_args_is_help=True)
Project = Annotated[str, typer.Option("--project", "-p", help="The project that the key speaks for.")]


def rows() -> Keys:
    account.target()
    return Keys(account.platform().tables["api_keys"])


@app.command()
def create(
    project: Project = "demo",
    name: Annotated[str, typer.Option(help="Who or what will use it.")] = "key",
    scope: Annotated[list[Scope], typer.Option(help="Repeat for several.")] = [Scope.INFERENCE, Scope.FEEDBACK],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: the only time it is seen.

    Example:

        tunesmith keys create --project support --name checkout-service --scope inference
    """
    throttling.admit(project, account.platform().other_projects_plan_id)
    secret, key = rows().create(project, name, list(scope))
    if as_json:
        print_json(key.model_dump(mode="json") | {"key": secret})
        return
    out.print(secret, markup=False)
    say(f"[dim]Key {key.key_id} of project {project}; keep it now, it is not shown again.[/dim]")


@app.command("list")
def list_keys(project: Project = "demo", as_json: AsJson = False) -> None:
    """List a project's keys, without the keys themselves."""
    found = rows().list(project)
    if as_json:
        print_json(found)
        return
    columns = ("id", "name", "scopes", "created", "revoked")
    out.print(table(f"keys of {project}", columns, (_line(key) for key in found)))


def _line(key: ApiKey) -> tuple[object, ...]:
    return (key.key_id, key.name, ", ".join(key.scopes), key.created_at, key.revoked_at)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")],
    project: Project = "demo",
    as_json: AsJson = False,
) -> None:
    """Refuse a key from now on (the API's authorizer may remember it for up to its cache time)."""
    revoked = rows().revoke(project, key_id)
    if as_json:
        print_json(revoked)
    else:
        say(f"Key {key_id} is revoked.")
