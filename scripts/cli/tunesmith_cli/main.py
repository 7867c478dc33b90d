"""tunesmith: upload a dataset and a better model comes out, in your own AWS account or on this machine."""

import signal
import sys

import httpx
import typer
from botocore.exceptions import BotoCoreError, ClientError

from tunesmith.contracts.errors import PlatformError
from tunesmith_cli import chat, checking, data, doctor, keys, local, models, preflight, quarantine, runs
from tunesmith_cli.console import fail
from tunesmith_cli.demo.command import demo

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start here: [bold]tunesmith local up --detach[/bold], then [bold]tunesmith data push FILE[/bold]",
)
app.add_typer(local.app, name="local")
data.app.command("check")(checking.check)
data.app.command("convert")(checking.convert)
data.app.command("preflight")(preflight.preflight)
data.app.command("quarantine")(quarantine.quarantine)
data.app.command("requeue")(quarantine.requeue)
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.command("what", help=models.what.__doc__)(models.what)
app.command("chat", help=chat.chat.__doc__)(chat.chat)
app.command("doctor", help=doctor.doctor.__doc__)(doctor.doctor)
app.command("demo", help=demo.__doc__)(demo)


def main() -> None:
    """The command's entry point: what may be expected to go wrong becomes one sentence and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # so that what was started is stopped
    try:
        app()
    except PlatformError as error:
        sys.exit(fail(str(error)).exit_code)
    except (ClientError, BotoCoreError) as error:
        sys.exit(fail(str(error), "tunesmith doctor checks credentials, region and permissions").exit_code)
    except httpx.HTTPError as error:
        sys.exit(fail(f"the API gives no answer: {error}", "tunesmith local status, or tunesmith doctor").exit_code)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(fail(str(error)).exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
