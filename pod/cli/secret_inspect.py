"""`pod secret inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.engine import Engine
    from pod.secret_rows import Secret


def main(
    secrets: Annotated[list[str], Argument(metavar="SECRET [SECRET...]", help="Names or IDs")],
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format inspect output using Go template")
    ] = "",
    pretty: Annotated[bool, Option("--pretty", help="Print inspect output in human-readable format")] = False,
    showsecret: Annotated[bool, Option("--showsecret", help="Display the secret")] = False,
) -> int:
    """Inspect a secret."""
    from pod import secret_rows
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError

    engine = open_engine(write=False)
    found, errors = [], []
    for name in secrets:
        try:
            found.append(describe(engine, secret_rows.find(engine.connection, name), show=showsecret))
        except PodError as error:
            errors.append(PodError(f"inspecting secret: {error}"))
    if pretty:
        output.write("".join(map(_pretty, found)))
    else:
        output.print_inspected(found, format)
    return output.print_errors(errors)


def describe(engine: Engine, secret: Secret, *, show: bool) -> dict[str, Any]:
    """Return what is told of a secret; its data only if that is asked for."""
    from pod import secret_drivers
    from pod.containers.inspect.document import moment

    described: dict[str, Any] = {
        "ID": secret.id,
        "CreatedAt": moment(secret.created),
        "UpdatedAt": moment(secret.created),
        "Spec": {
            "Name": secret.name,
            "Driver": {"Name": secret.driver, "Options": secret_drivers.shown_options(engine.config, secret)},
            "Labels": secret.labels,
        },
    }
    if show:
        described["SecretData"] = secret_drivers.read(engine.config, secret).decode(errors="replace")
    return described


def _pretty(described: dict[str, Any]) -> str:
    spec = described["Spec"]
    lines = [("ID", described["ID"]), ("Name", spec["Name"])]
    text = "".join(f"{name + ':':<19}{value}\n" for name, value in lines)
    if spec["Labels"]:
        text += "Labels:\n" + "".join(
            f" - {key}{'=' if value else ''}{value}\n" for key, value in spec["Labels"].items()
        )
    lines = [
        ("Driver", spec["Driver"]["Name"]),
        ("Created at", described["CreatedAt"]),
        ("Updated at", described["UpdatedAt"]),
    ]
    if "SecretData" in described:
        lines.append(("Secret", described["SecretData"]))
    return text + "".join(f"{name + ':':<19}{value}\n" for name, value in lines)
