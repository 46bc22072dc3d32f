"""The commands on images as users type them: columns, formats, names, exit codes, login."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry, ScriptedRegistry, serve_script

HEADER = ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]


@pytest.fixture
def script() -> Iterator[ScriptedRegistry]:
    """A registry that asks for credentials when told to."""
    with serve_script() as running:
        yield running


def lines(pod: Pod, *arguments: str) -> list[str]:
    return pod.run(*arguments).out.splitlines()


def test_pull_prints_the_id_alone_to_stdout(pod: Pod, busybox: str) -> None:
    result = pod.run("pull", busybox)
    assert len(result.out) == 64
    told = result.stderr.splitlines()
    assert told[:2] == [f"Trying to pull {busybox}...", "Getting image source signatures"]
    assert told[2].startswith("Copying blob sha256:")
    assert told[-2:] == [f"Copying config sha256:{result.out}", "Writing manifest to image destination"]
    assert pod.run("pull", "-q", busybox).stderr == ""


def test_bars_on_a_terminal(pod: Pod, busybox: str) -> None:
    terminal = pod.spawn("pull", busybox)
    terminal.expect("Copying blob [0-9a-f]{12} ")
    terminal.expect("done")
    terminal.expect("Writing manifest to image destination")
    terminal.expect("[0-9a-f]{64}")
    terminal.expect_exact("\r\n")
    terminal.close()


def test_pull_policies(box: Pod, busybox: str, registry: Registry) -> None:
    missing = f"{registry.address}/no/such:image"
    assert box.run("pull", "--policy", "missing", busybox).stderr == ""
    assert box.run("pull", "--policy=never", busybox).out
    assert box.run("pull", "--policy=newer", busybox).out
    assert box.run("pull", "--policy=never", missing, check=False).stderr == f"Error: {missing}: image not known\n"


def test_newer_gets_what_changed(pod: Pod, registry: Registry) -> None:
    reference = registry.push("changing", "latest", images.busybox())
    first = pod.run("pull", "-q", reference).out
    registry.push("changing", "latest", images.busybox(Cmd=["date"]))
    assert pod.run("pull", "-q", "--policy", "missing", reference).out == first
    second = pod.run("pull", "-q", "--policy", "newer", reference).out
    assert second != first
    assert pod.run("images", "--filter", "dangling=true", "--no-trunc", "-q").out == f"sha256:{first}"
    assert pod.run("image", "prune", "-f").out == first


def test_pull_all_tags(pod: Pod, registry: Registry) -> None:
    registry.push("many", "one", images.busybox(Cmd=["one"]))
    registry.push("many", "two", images.busybox(Cmd=["two"]))
    repository = f"{registry.address}/many"
    assert len(lines(pod, "pull", "--all-tags", "-q", repository)) == 2
    told = pod.run("pull", "-a", repository).stderr.splitlines()
    for tag in ("one", "two"):
        start = told.index(f"Trying to pull {repository}:{tag}...")
        assert told[start + 1] == "Getting image source signatures"
    assert told.count("Writing manifest to image destination") == 2
    assert sorted(lines(pod, "images", "--format", "{{.Tag}}")) == ["one", "two"]


def test_pull_several(pod: Pod, registry: Registry, busybox: str) -> None:
    other = registry.push("other", "latest", images.busybox(Cmd=["x"]))
    assert len(lines(pod, "pull", "-q", busybox, other)) == 2


def test_pull_goes_on_after_an_image_that_there_is_not(pod: Pod, registry: Registry, busybox: str) -> None:
    result = pod.run("pull", "-q", f"{registry.address}/none:1", busybox, f"{registry.address}/none:2", check=False)
    assert (result.code, len(result.stdout.splitlines())) == (125, 1)
    assert [line.count("manifest unknown") for line in result.stderr.splitlines()] == [1, 1]


def test_pull_warns_of_an_image_of_another_platform(pod: Pod, busybox: str) -> None:
    warned = pod.run("pull", "--platform", "linux/mips64", busybox).stderr
    assert f"(linux/{images.ARCHITECTURE}) does not match the expected platform (linux/mips64)" in warned
    assert "WARNING: " in pod.run("pull", "-q", "--platform", "linux/mips64", busybox).stderr
    assert "WARNING" not in pod.run("pull", "--platform", f"linux/{images.ARCHITECTURE}", busybox).stderr


def test_pull_of_another_platform(pod: Pod, busybox: str) -> None:
    result = pod.run("pull", "--platform", "linux/amd64", "--arch", "arm64", busybox, check=False)
    assert (result.code, result.stdout) == (125, "")
    assert "--platform" in result.stderr


def test_images(box: Pod, busybox: str) -> None:
    box.run("tag", busybox, "mine", "other.example/mine:v1")
    header, *rows = lines(box, "images")
    assert header.split() == HEADER
    assert [row.split()[:2] for row in rows] == [
        [busybox.removesuffix(":latest"), "latest"],
        ["localhost/mine", "latest"],
        ["other.example/mine", "v1"],
    ]
    assert len(lines(box, "images", "-q")) == 1
    assert [row.split()[0] for row in lines(box, "images", "-n", "mine")] == ["localhost/mine", "other.example/mine"]
    assert lines(box, "images", "-n", "--sort", "tag", "--format", "{{.Tag}}") == ["latest", "latest", "v1"]
    assert lines(box, "images", "--filter", "reference=mine:v*", "--format", "{{.Repository}}:{{.Tag}}") == [
        f"{busybox}",
        "localhost/mine:latest",
        "other.example/mine:v1",
    ]
    assert lines(box, "images", "no-such")[1:] == []


def test_images_formats(box: Pod) -> None:
    objects = json.loads(box.run("images", "--format", "json").stdout)
    assert objects[0]["Created"] == 1704164645
    assert objects[0]["CreatedAt"] == "2024-01-02T03:04:05Z"
    assert objects[0]["Id"].startswith(box.run("images", "--format", "{{.ID}}").out)
    header, row = lines(box, "images", "--format", "table {{.ID}} {{.Size}}")
    assert header.split() == ["IMAGE", "ID", "SIZE"]
    assert row.split()[0] == objects[0]["Id"][:12]
    assert box.run("images", "--format", "{{range .}}<{{.Tag}}>{{end}}").stdout == "<latest>\n"
    assert json.loads(box.run("images", "-q", "--format", "json").stdout) == objects
    assert box.run("images", "--format", "{{json .Labels}} {{.Labels}}").out == "null map[]"
    assert box.run("images", "--format", "{{.VirtualSize}}").out == str(objects[0]["VirtualSize"])
    wrong = box.run("images", "--format", "{{.Nonsense}}", check=False)
    assert wrong.code == 125
    assert "can't evaluate field Nonsense" in wrong.stderr


@pytest.mark.parametrize("filter", ["label", "bogus=1", "dangling=perhaps", "since=no-such", "until=perhaps"])
def test_bad_filters(box: Pod, filter: str) -> None:
    result = box.run("images", "--filter", filter, check=False)
    assert (result.code, result.stdout, result.stderr.count("Error: ")) == (125, "", 1)


def test_names_come_and_go(box: Pod, busybox: str) -> None:
    image = box.run("images", "-q", "--no-trunc").out
    box.run("tag", busybox, "one", "two")
    assert box.run("rmi", "one").out == "Untagged: localhost/one:latest"
    box.run("untag", busybox, "two")
    assert box.run("untag", busybox, "two", check=False).stderr == "Error: localhost/two:latest: tag not known\n"
    assert box.run("image", "exists", busybox, check=False).code == 0
    assert box.run("image", "exists", "two", check=False).code == 1
    box.run("untag", busybox)
    assert lines(box, "images", "-n")[0].split()[:2] == ["<none>", "<none>"]
    assert box.run("rmi", image[7:19]).out == f"Deleted: {image[7:]}"


def test_rmi_exit_codes(box: Pod, busybox: str) -> None:
    image = box.run("images", "-q").out
    box.run("tag", busybox, "second")
    result = box.run("rmi", image, check=False)
    assert result.code == 125
    assert "more than one tag" in result.stderr
    assert box.run("rmi", "no-such", check=False).code == 1
    assert box.run("rmi", "-i", "no-such").out == ""
    for text in ("0" * 64, f"sha256:{'0' * 64}"):
        codes = [box.run(*words, text, check=False).code for words in (["rmi", "-i"], ["rmi"], ["image", "exists"])]
        assert codes == [0, 1, 1]
    told = lines(box, "rmi", "-f", image)
    assert [line.split(":")[0] for line in told] == ["Untagged", "Untagged", "Deleted"]
    assert box.run("rmi", "-a").out == ""


@pytest.mark.parametrize("text", ["", "a b", "UPPER", "a:b:c"])
def test_what_is_no_name_is_not_just_missing(pod: Pod, text: str) -> None:
    for words in (["rmi"], ["rmi", "--force"], ["rmi", "--ignore"], ["image", "exists"], ["manifest", "exists"]):
        told = pod.run(*words, text, check=False)
        assert (told.code, told.stdout) == (125, "")
        assert told.stderr.startswith(f'Error: parsing reference "{text}": invalid reference format')


def test_rmi_of_an_image_in_use(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "true")
    result = box.run("rmi", busybox, check=False)
    assert result.code == 2
    assert "image is in use by a container" in result.stderr
    assert "Deleted: " in box.run("rmi", "-f", busybox).out
    assert box.run("ps", "-aq").out == ""


def test_prune_asks(box: Pod, busybox: str) -> None:
    assert "[y/N]" in box.run("image", "prune", "-a", input="n\n").stdout
    assert lines(box, "images", "-q")
    box.run("create", "--name", "c", busybox)
    assert box.run("image", "prune", "-af").out == ""
    box.run("rm", "c")
    assert "[y/N]" in box.run("image", "prune", "-a", input="y\n").stdout
    assert box.run("images", "-q").out == ""


def test_inspect_of_no_image(pod: Pod) -> None:
    told = pod.run("image", "inspect", check=False)
    assert (told.code, told.stderr.splitlines()[0]) == (125, "Error: no names or ids specified")


def test_history(box: Pod, busybox: str) -> None:
    header, row = lines(box, "history", busybox)
    assert header.split() == ["ID", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert "tests" in row
    step = json.loads(box.run("history", "--format", "json", busybox).stdout)[0]
    assert (step["CreatedBy"], step["created"]) == ("tests", "2024-01-02T03:04:05Z")
    assert step["size"] > 100_000
    assert box.run("history", "--human=false", "--format", "{{.Size}}", busybox).out == str(step["size"])
    assert box.run("history", "-q", "--no-trunc", busybox).out == step["id"]


def test_inspect(box: Pod, busybox: str) -> None:
    told = json.loads(box.run("image", "inspect", busybox).stdout)[0]
    assert told["RepoTags"] == [busybox]
    assert told["Config"]["Cmd"] == ["sh"]
    assert told["Os"] == "linux"
    assert told["RootFS"]["Type"] == "layers"
    assert os.path.isdir(told["GraphDriver"]["Data"]["UpperDir"])
    assert (
        box.run("image", "inspect", "--format", '{{.Id}} {{join .Config.Cmd ","}}', busybox).out == f"{told['Id']} sh"
    )
    result = box.run("image", "inspect", "no-such", busybox, check=False)
    assert result.code == 125
    assert result.stderr == "Error: inspecting object: no-such: image not known\n"
    assert len(json.loads(result.stdout)) == 1


@pytest.fixture
def plain(pod: Pod) -> str:
    """An image that says nothing of how to run it; its ID."""
    archive = os.path.join(pod.directory, "root.tar")
    with open(archive, "wb") as file:
        file.write(images.tar(images.entry("hello", b"world")))
    return pod.run("import", "-q", archive, "plain:1").out.removeprefix("sha256:")


@pytest.mark.parametrize("words", [("image", "inspect"), ("inspect", "--type", "image")])
def test_inspect_of_what_an_image_does_not_say(pod: Pod, plain: str, words: tuple[str, ...]) -> None:
    def told(template: str) -> str:
        return pod.run(*words, "--format", template, plain).out

    config = [f".Config.{name}" for name in ("Labels", "Volumes", "ExposedPorts", "Env", "Cmd", "Entrypoint")]
    assert told(" ".join(f"{{{{{one}}}}}" for one in config)) == "map[] map[] map[] [] [] []"
    assert told("<{{.Config.User}}{{.Config.WorkingDir}}{{.Config.StopSignal}}>{{.HealthCheck}}") == "<><nil>"
    assert told("{{.Config}}") == "{ map[] [] [] [] map[]  map[]  false}"
    assert told("{{json .Config}}{{with .Config.Labels}}labels{{end}}") == "{}"
    assert json.loads(pod.run(*words, plain).stdout)[0]["Config"] == {}
    assert "can't evaluate field Foo" in pod.run(*words, "--format", "{{.Config.Foo}}", plain, check=False).stderr


def test_what_an_image_was_made_of(pod: Pod, plain: str) -> None:
    one = pod.run("build", "-q", "-t", "one", "-", input="FROM plain:1\nLABEL a=b\n").out
    further = pod.run("build", "-q", "-t", "further", "-", input="FROM plain:1\nLABEL c=d\nLABEL e=f\n").out
    assert pod.run("image", "inspect", "--format", "{{.Parent}}", "one").out == plain
    # As with podman, what lies between would be its parent, and that is not kept.
    assert pod.run("image", "inspect", "--format", "{{.Parent}}", "further").out == ""
    assert pod.run("image", "inspect", "--format", "{{.Parent}}", "plain:1").out == ""
    listed = json.loads(pod.run("images", "--format", "json").stdout)
    assert {row["Id"]: row["ParentId"] for row in listed} == {one: plain, plain: "", further: ""}
    assert lines(pod, "history", "-q", "--no-trunc", "further") == [further, "<missing>", plain]


def test_import(pod: Pod, registry: Registry) -> None:
    archive = os.path.join(pod.directory, "root.tar")
    with open(archive, "wb") as file:
        file.write(images.tar(images.entry("hello", b"world")))
    result = pod.run("import", "-c", "CMD=/bin/sh", "-c", "ENV A=b", "-m", "said", archive, "mine:1")
    image = result.out
    assert image.startswith("sha256:")
    told = json.loads(pod.run("image", "inspect", "mine:1").stdout)[0]
    assert f"sha256:{told['Id']}" == image
    assert told["Config"] == {"Env": ["A=b"], "Cmd": ["/bin/sh", "-c", "/bin/sh"]}
    assert told["Comment"] == "said"
    with open(archive, "rb") as file:
        assert pod.run("import", "-q", "-", input=images.gzip(file.read())).stderr == ""
    missing = pod.run("import", "-q", f"http://{registry.address}/nothing", check=False)
    assert (missing.code, missing.stderr) == (
        125,
        f"Error: invalid response status 404 Not Found from http://{registry.address}/nothing\n",
    )
    refused = pod.run("import", "-q", "http://127.0.0.1:1/nothing", check=False)
    assert (refused.code, refused.stderr) == (
        125,
        "Error: downloading http://127.0.0.1:1/nothing: connection refused\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such.tar"], 'error opening "/no/such.tar": open /no/such.tar: no such file or directory'),
        (["-c", "FOO bar", "/dev/null"], 'invalid change "FOO bar" - invalid instruction FOO'),
        (["/etc/passwd"], ""),
        (["/dev/null", "UPPER"], "must be lowercase"),
    ],
)
def test_import_of_nonsense(pod: Pod, arguments: list[str], message: str) -> None:
    result = pod.run("import", *arguments, check=False)
    assert (result.code, result.stdout) == (125, "")
    assert message in result.stderr
    assert pod.run("images", "-q").out == ""


def test_login(pod: Pod, script: ScriptedRegistry) -> None:
    reference = script.add("private", "latest", images.busybox())
    script.credentials = ("user", "secret")
    assert pod.run("pull", reference, check=False).code == 125
    assert pod.run("login", "--get-login", script.address, check=False).stderr == (
        f"Error: not logged into {script.address}\n"
    )
    wrong = pod.run("login", "-u", "user", "-p", "wrong", script.address, check=False)
    assert wrong.code == 125
    assert "wrong" not in wrong.stderr.replace("wrong credentials", "")
    login = pod.run("login", "-u", "user", "--password-stdin", script.address, input="secret\n")
    assert login.out == "Login Succeeded!"
    file = os.path.join(pod.home, ".config/containers/auth.json")
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert pod.run("login", "--get-login", script.address).out == "user"
    assert "Already logged in" in pod.run("login", script.address).out
    pod.run("pull", "-q", reference)
    assert pod.run("logout", script.address).out == f"Removed login credentials for {script.address}"
    assert pod.run("logout", script.address, check=False).stderr == f"Error: not logged into {script.address}\n"
    pod.run("pull", "-q", "--creds", "user:secret", reference)


def test_login_says_where_it_writes(pod: Pod, script: ScriptedRegistry) -> None:
    script.credentials = ("user", "secret")
    words = ["login", "-u", "user", "-p", "secret", "--verbose", "--tls-verify=false"]
    told = pod.run(*words, script.address).stdout
    assert "Login Succeeded!" in told
    assert os.path.join(pod.home, ".config/containers/auth.json") in told
    empty = os.path.join(pod.home, "certificates")
    os.mkdir(empty)
    # A registry that speaks no TLS is none when certificates are asked for.
    refused = pod.run(*words[:-1], "--tls-verify=true", "--cert-dir", empty, script.address, check=False)
    assert refused.code == 125


def test_login_for_docker_and_with_a_secret(pod: Pod, script: ScriptedRegistry) -> None:
    script.credentials = ("user", "secret")
    file = os.path.join(pod.home, "config.json")
    words = ["--compat-auth-file", file, script.address]
    pod.run("secret", "create", "user", "-", input="secret")
    assert pod.run("login", "--secret", "user", *words).out == "Login Succeeded!"
    with open(file) as content:
        assert list(json.load(content)["auths"]) == [script.address]
    assert pod.run("login", "--get-login", *words).out == "user"
    for refused, message in (
        (["login", "--secret", "user", "-p", "x"], "--secret can not be used with --password options"),
        (["login", "--secret", "nobody"], 'no secret with name or id "nobody": no such secret'),
        (
            ["login", "--authfile", file, "-u", "a", "-p", "b"],
            "options for paths to the credential file and to the Docker",
        ),
    ):
        assert message in pod.run(*refused, *words, check=False).stderr
    namespaced = pod.run("login", "-u", "user", "-p", "secret", *words[:-1], f"{script.address}/ns", check=False)
    assert "cannot be recorded in Docker-compatible format with namespaced key" in namespaced.stderr
    pod.run("logout", *words)
    assert pod.run("logout", *words, check=False).stderr == f"Error: not logged into {script.address}\n"
    for key in (f"{script.address}/ns:1", "a b", f"{script.address}/NS"):
        assert pod.run("login", "-u", "a", "-p", "b", key, check=False).code == 125


def test_login_where_docker_keeps_its_files(pod: Pod, script: ScriptedRegistry) -> None:
    script.credentials = ("user", "secret")
    reference = script.add("private", "latest", images.busybox())
    directory = os.path.join(pod.home, "docker")
    environment = {"DOCKER_CONFIG": directory}
    told = pod.run("login", "-v", "-u", "user", "-p", "secret", script.address, env=environment)
    assert told.stdout == f"Used:  {directory}/config.json\nLogin Succeeded!\n"
    assert pod.run("pull", reference, check=False).code == 125
    pod.run("--config", directory, "pull", "-q", reference)
    pod.run("--config", directory, "logout", script.address)
    assert pod.run("login", "--get-login", script.address, env=environment, check=False).code == 125


def test_login_verifies_what_is_stored(pod: Pod, script: ScriptedRegistry) -> None:
    server = script.address
    script.credentials = ("user", "secret")
    refused = pod.run("login", "--verify", server, check=False)
    assert refused.code == 125
    assert refused.stderr == f"Error: not logged into {server}\nhint: pod login {server}\n"
    pod.run("login", "-u", "user", "-p", "secret", server)
    file = os.path.join(pod.home, ".config/containers/auth.json")
    with open(file) as content:
        before = content.read()
    told = pod.run("login", "--verify", server)
    assert told.stdout == f"Login Succeeded! {server} takes the stored credentials of user\n"
    assert pod.run("login", "--verify", f"{server}/name/space").code == 0
    script.credentials = ("user", "changed")
    refused = pod.run("login", "--verify", server, check=False, input="")
    assert (refused.code, refused.out) == (125, "")
    assert refused.stderr == (
        f'Error: logging into "{server}": invalid username/password\n'
        f"hint: what is stored is no longer valid: pod login {server}\n"
    )
    with open(file) as content:
        assert content.read() == before
    for other in (["-u", "user"], ["-p", "secret"], ["--password-stdin"], ["--secret", "s"], ["--get-login"]):
        refused = pod.run("login", "--verify", *other, server, check=False)
        assert refused.code == 125
        assert "--verify checks what is stored" in refused.stderr
    missing = pod.run("login", "--verify", "--authfile", f"{file}.no", server, check=False)
    assert missing.code == 125
    assert "no such file or directory" in missing.stderr
    pod.run("logout", server)


def test_credentials_without_a_password(pod: Pod, busybox: str) -> None:
    program = " ".join(pod.argv("pull", "--creds", "user", busybox))
    for told in (pod.execute(["sh", "-c", f"{program} {closed}"], check=False) for closed in ("", "<&-")):
        assert (told.code, told.stdout) == (125, "")
        assert told.stderr.startswith("Error: could not read password from terminal: ")
    terminal = pod.spawn("pull", "--creds", "user", busybox)
    terminal.expect("Password: ")
    terminal.sendeof()
    terminal.expect("Error: could not read password from terminal: ")
    terminal.close()


def test_login_with_prompts(pod: Pod, script: ScriptedRegistry) -> None:
    script.credentials = ("user", "secret")
    terminal = pod.spawn("login", script.address)
    terminal.expect_exact("Username: ")
    terminal.sendline("user")
    terminal.expect_exact("Password: ")
    terminal.sendline("secret")
    terminal.expect_exact("Login Succeeded!")
    terminal.close()


def test_auth_file_of_choice(pod: Pod, script: ScriptedRegistry) -> None:
    script.credentials = ("user", "secret")
    file = os.path.join(pod.home, "mine.json")
    pod.run("login", "-u", "user", "-p", "secret", "--authfile", file, script.address)
    with open(file) as content:
        assert list(json.load(content)["auths"]) == [script.address]
    environment = {"REGISTRY_AUTH_FILE": file}
    assert pod.run("login", "--get-login", script.address, env=environment).out == "user"
    assert pod.run("logout", "-a", env=environment).out == "Removed login credentials for all registries"
    assert pod.run("login", "--get-login", script.address, env=environment, check=False).code == 125


def test_info(box: Pod) -> None:
    told = json.loads(box.run("info", "--format", "json").stdout)
    assert told["store"]["graphRoot"] == box.root
    assert told["store"]["imageStore"]["number"] == 1
    assert told["host"]["security"]["rootless"] is box.rootless
    assert box.run("info", "--format", "{{.Store.GraphRoot}} {{.Host.Os}}").out == f"{box.root} linux"
    assert box.run("info").stdout.startswith("host:\n  arch: ")


def test_version(pod: Pod) -> None:
    assert pod.run("version").stdout.startswith("Client:       Pod Engine\nVersion:      ")
    assert pod.run("version", "--format", "{{.Client.Version}}").out == pod.run("--version").out.split()[-1]


def test_reading_writes_nothing(pod: Pod) -> None:
    for arguments in (["images"], ["info"], ["image", "exists", "x"], ["history", "x"], ["version"]):
        pod.run(*arguments, check=False)
    assert not os.path.exists(pod.root)
    assert not os.path.exists(pod.runroot)


def test_broken_pipe(box: Pod) -> None:
    program = " ".join(box.argv("info"))
    result = box.execute(["sh", "-c", f"{program} | true"])
    assert result.stderr == ""


def test_full_stdout(box: Pod) -> None:
    program = " ".join(box.argv("images"))
    result = box.execute(["sh", "-c", f"{program} >/dev/full"], check=False)
    assert (result.code, result.stderr) == (125, "Error: write to stdout: no space left on device\n")


def test_closed_streams(box: Pod) -> None:
    program = " ".join(box.argv("images"))
    assert box.execute(["sh", "-c", f"{program} <&- >&- 2>&-"]).stdout == ""
    assert box.execute(["sh", "-c", f"{program} 0>&-"]).stdout.startswith("REPOSITORY")
    assert box.run("images", "-q").out


def test_names_that_are_no_text(box: Pod) -> None:
    result = box.run("rmi", "a\udcff", check=False)
    assert (result.code, result.stderr) == (125, "Error: not valid UTF-8: 'a\\udcff'\n")


def test_output_is_utf8_in_any_locale(pod: Pod) -> None:
    for locale in ("C", "POSIX", "de_DE.ISO-8859-1"):
        assert pod.run("version", "--format", "{{`ä`}}", env={"LC_ALL": locale, "LANG": locale}).out == "ä"
