"""`kb alerts test`: whether alerts reach people, before one matters."""

import typer

from kb_platform.cli.output import Json, Name, console, show_json
from kb_platform.cli.session import knowledge_base
from kb_platform.knowledge.alerts import Alert, AlertKind
from kb_platform.knowledge.errors import ConfigError, StateError

alerts = typer.Typer(name="alerts", help="Telling people that something needs them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(alerts)



@alerts.command("test")
def send_test(name: Name, as_json: Json = False) -> None:
    """Send a test by every channel of `alerts` in defs.yaml. Exit code 1 if one of them fails, with the reason."""
    from kb_platform.alerting.channels import channels_of, lacking
    from kb_platform.alerting.telling import tell

    kb = knowledge_base(name)
    if kb.alerts is None:
        raise ConfigError("has no alerts", where=str(kb.folder / "defs.yaml"), expected="`alerts:` with webhook, email or command")
    channels = channels_of(kb.alerts)
    alert = Alert(AlertKind.TEST, name, ("test",), f"{name}: this is a test of its alerts. Nothing is wrong.")
    done = tell([alert], channels, ())
    troubles = [*lacking(kb.alerts), *done.troubles]
    if as_json:
        show_json({"knowledge_base": name, "sent": done.sent, "channels": [channel.name for channel in channels], "troubles": troubles})
        raise typer.Exit(1 if troubles else 0)
    console.print(f"{done.sent} of {len(channels)} told", highlight=False)
    if troubles:
        raise StateError("\n".join(troubles), where=name)
