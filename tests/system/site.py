"""A web service with a port, a volume and a health check, and a pod of two, of one user, and what happens to them."""

from __future__ import annotations

import os
from collections import Counter

from tests.system import units
from tests.system.census import census
from tests.system.services import PROGRAM, Services, eventually

TRANSCRIPT = os.environ.get("POD_TEST_TRANSCRIPT", "")
_WEB = """[Unit]
Description=A web service
StartLimitIntervalSec=0

[Container]
Image=localhost/web:latest
ContainerName=web
Network=site.network
PublishPort={port}:80
Volume=data.volume:/data
Memory=48m
StopTimeout=5
AutoUpdate=local
Notify=healthy
HealthCmd=wget -q -O /dev/null http://127.0.0.1/starts
HealthInterval=20s
HealthTimeout=20s
HealthStartPeriod=60s
LogDriver=journald

[Service]
Restart=always
RestartSec=1
TimeoutStartSec=180

[Install]
WantedBy=default.target
"""
_FRONT = """[Container]
Image=localhost/web:latest
ContainerName=front
Pod=both.pod
Volume=papers.volume:/data
StopTimeout=5

[Service]
Restart=always
TimeoutStartSec=180
"""
_BACK = """[Container]
Image=localhost/busybox:latest
ContainerName=back
Pod=both.pod
StopTimeout=0
Exec=sleep 100000

[Service]
Restart=always
TimeoutStartSec=180
"""
_ALONE = {"site.network": "[Network]\nNetworkName=site\n", "data.volume": "[Volume]\nVolumeName=data\n"}
_WITH_POD = {
    "papers.volume": "[Volume]\nVolumeName=papers\n",
    "both.pod": "[Pod]\nPodName=both\nNetwork=site.network\nPublishPort={pods_port}:80\n\n"
    "[Service]\nTimeoutStartSec=180\n\n[Install]\nWantedBy=default.target\n",
    "front.container": _FRONT,
    "back.container": _BACK,
}
_POD = {"both-pod": "both-infra", "front": "front", "back": "back"}


class Site:
    """The services of one user, and what must be as it was whatever happens: data, and what there is besides."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.pods_port = services.port + 100
        self._units = {"web": "web"}
        self._tokens: list[str] = []
        self._usual: Counter[str] = Counter()

    def install(self, *, pod: bool = True) -> None:
        """Write the files and start what they make."""
        self.services.make_image("1")
        files = _ALONE | {"web.container": _WEB} | (_WITH_POD if pod else {})
        for name, text in files.items():
            self.services.write(
                name, text.replace("{port}", str(self.services.port)).replace("{pods_port}", str(self.pods_port))
            )
        if pod:
            self._units |= _POD
        self.services.shell("manager daemon-reload; manager start web" + (" both-pod" if pod else ""))
        self.check("the start")

    def settle(self) -> None:
        """Take what there is now as what there is to be after everything that happens."""
        # Twice, for a health check comes and goes.
        self._usual = census(self.services.machine) & census(self.services.machine)

    def save(self, what: str) -> None:
        """Write to the volumes what is to outlive what comes."""
        self._tokens.append(what.replace(" ", "-"))
        for name in {"web", "front"} & set(self._units):
            self.services.shell(f"pod exec {name} sh -c 'echo {self._tokens[-1]} >>/data/tokens; sync'")

    def check(self, what: str) -> None:
        """Wait until all is up, and see that data is there, that all tell the truth, and that nothing is left over."""
        services = self.services
        services.await_active(*self._units)
        services.await_answer(what)
        if "front" in self._units:
            services.await_answer(what, port=self.pods_port)
        if self._tokens:
            assert services.served("tokens") == self._tokens
            if "front" in self._units:
                assert services.served("tokens", port=self.pods_port) == self._tokens
                assert services.shell("pod exec back wget -q -O - http://127.0.0.1/tokens").split() == self._tokens
                assert services.shell("pod exec back wget -q -O - http://web/tokens").split() == self._tokens
        services.check_truth(self._units)
        if self._usual:
            units.eventually(self._more, [])

    def _more(self) -> list[str]:
        return sorted((census(self.services.machine) - self._usual).elements())

    def strike(self, what: str, unit: str, script: str) -> None:
        """Let something happen to a unit that systemd must start again."""
        self.save(what)
        before = self.services.property(unit, "InvocationID")
        self.services.shell(script)
        eventually(lambda: self.services.property(unit, "InvocationID") != before, f"a new start after {what}")
        self.check(what)
        self.show(what, (script, ""), self.ask(f"{self.services.manager} status --no-pager --lines=6 {unit}"))

    def crash(self, unit: str = "web") -> None:
        script = f"kill -9 $(pod inspect --format '{{{{.State.Pid}}}}' {unit})"
        self.strike(f"crash of {unit}", unit, script)

    def kill_monitor(self, unit: str = "web") -> None:
        script = f"kill -9 $({self.services.manager} show {unit} --property=MainPID --value)"
        self.strike(f"killed monitor of {unit}", unit, script)

    def fill_memory(self) -> None:
        self.strike("full memory", "web", "pod kill --signal USR1 web")

    def restart(self, unit: str, times: int) -> None:
        self.save(f"restarts of {unit}")
        for _ in range(times):
            self.services.shell(f"manager restart {unit}")
        self.check(f"restarts of {unit}")

    def update(self) -> None:
        self._auto_update("update", "2", "true", runs="2")

    def roll_back(self) -> None:
        self._auto_update("broken update", "3", "rolled back", runs="2", program="#!/bin/sh\nexit 3\n")

    def _auto_update(self, what: str, version: str, outcome: str, *, runs: str, program: str = PROGRAM) -> None:
        self.save(what)
        self.services.make_image(version, program=program)
        asked = self.ask("pod auto-update")
        assert asked[1].splitlines()[-1].split()[0] == "web.service"
        assert asked[1].endswith(outcome)
        version_now = self.ask("pod exec web cat /version")
        assert version_now[1] == runs
        self.check(what)
        self.show(what, asked, version_now, self.told(lines=20))

    def told(self, *, lines: int) -> tuple[str, str]:
        """Return what the journal tells of the web service, as `ask` does."""
        journal = "journalctl -u web" if self.services.user == "root" else "journalctl --user -u web"
        return self.ask(f"{journal} --no-pager --lines={lines}")

    def ask(self, command: str) -> tuple[str, str]:
        """Return a command and what it prints, for `show`."""
        return command, self.services.shell(command, check=False)

    def show(self, what: str, *asked: tuple[str, str]) -> None:
        """Append commands and what the user saw of them to the transcript, if one is asked for."""
        if TRANSCRIPT:
            with open(TRANSCRIPT, "a") as file:
                file.write(f"# {self.services.user}: {what}\n")
                file.writelines(f"$ {command}\n{said}\n\n" for command, said in asked)

    def remove(self) -> None:
        """Stop everything and take it away."""
        self.services.remove()
        self.services.shell("pod rmi --force web >/dev/null || true; pod image prune --force >/dev/null")
