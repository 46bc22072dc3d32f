"""Where the data of secrets is: in files of ours, in files that GnuPG encrypts, or with commands of the user's.

Sources: podman-secret-create(1), "--driver", "--driver-opts"; containers-common, pkg/secrets.
"""

from __future__ import annotations

import os

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from pod.secret_rows import Secret

DRIVERS = ("file", "pass", "shell")
_SHELL_COMMANDS = ("list", "lookup", "store", "delete")


def directory(config: Config) -> str:
    """Return where the driver `file` keeps the data, one file a secret, named by its ID."""
    return f"{config.graphroot}/secrets"


def shown_options(config: Config, secret: Secret) -> dict[str, str]:
    """Return the options of a secret as they are told: with the place of its data, which moves with the store."""
    return {"path": directory(config), **secret.options} if secret.driver == "file" else secret.options


def check(config: Config, driver: str, options: dict[str, str]) -> dict[str, str]:
    """Return the options of a new secret with the defaults. Raises PodError for what its driver cannot do."""
    if driver == "file":
        return options
    if driver == "shell":
        missing = [name for name in _SHELL_COMMANDS if not options.get(name)]
        if missing:
            raise PodError(f"missing config: {missing[0]}", hint="--driver-opts needs list, lookup, store and delete")
        return options
    if driver == "pass":
        root = options.get("root") or f"{config.home}/.password-store"
        key = options.get("key") or _gpg_id(root)
        if not key:
            raise PodError(
                "missing config: key", hint=f"--driver-opts key=ID, or pass init ID, which writes {root}/.gpg-id"
            )
        return {"root": root, "key": key, **options}
    raise PodError("invalid driver", hint="known are " + ", ".join(DRIVERS))


def read(config: Config, secret: Secret) -> bytes:
    """Return the data of a secret."""
    if secret.driver == "file":
        try:
            with open(f"{directory(config)}/{secret.id}", "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise PodError(f"secret {secret.name}: no secret data with ID") from None
    if secret.driver == "shell":
        return _run(["/bin/sh", "-c", secret.options["lookup"]], secret.id)
    return _run(_gpg(secret, "--decrypt", _encrypted(secret)), secret.id)


def store(secret: Secret, data: bytes) -> None:
    """Give the data to a driver that is not ours; the driver `file` does it in the transaction of the row."""
    if secret.driver == "shell":
        _run(["/bin/sh", "-c", secret.options["store"]], secret.id, data)
    elif secret.driver == "pass":
        os.makedirs(secret.options["root"], 0o700, exist_ok=True)
        words = ["--yes", "--encrypt", "-r", secret.options["key"], "-o", _encrypted(secret)]
        _run(_gpg(secret, *words), secret.id, data)


def delete(config: Config, secret: Secret) -> None:
    """Delete the data of a secret."""
    if secret.driver == "shell":
        _run(["/bin/sh", "-c", secret.options["delete"]], secret.id)
        return
    try:
        os.unlink(f"{directory(config)}/{secret.id}" if secret.driver == "file" else _encrypted(secret))
    except FileNotFoundError:
        pass


def write_file(engine: Engine, path: str, data: bytes) -> None:
    """Write data that only we may read, on disk before it is seen at `path`; a crash leaves nothing there."""
    with engine.store.staging() as staging:
        temporary = f"{staging.path}/secret"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
        os.rmdir(staging.path)  # rather than to leave it to the collector


def _gpg_id(root: str) -> str:
    try:
        with open(f"{root}/.gpg-id", encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _encrypted(secret: Secret) -> str:
    return f"{secret.options['root']}/{secret.id}.gpg"


def _gpg(secret: Secret, *words: str) -> list[str]:
    home = secret.options.get("gpghomedir")
    return ["gpg", "--batch", "--quiet", *(["--homedir", home] if home else []), *words]


def _run(command: list[str], secret_id: str, data: bytes = b"") -> bytes:
    import subprocess

    environment = {**os.environ, "SECRET_ID": secret_id}
    try:
        done = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    except FileNotFoundError as error:
        raise PodError(f"{command[0]} is not installed", hint="apt install gnupg") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PodError(f"secret driver: {command[-1]}: exit status {done.returncode}{': ' + said[-1] if said else ''}")
    return done.stdout
