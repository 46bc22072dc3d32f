"""RUN --mount=type=ssh: who asks the user's agent, and what a step may ask."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, run
from tests.integration.test_build_mounts import top_layer
from tests.integration.test_build_userns import mapped

LIST, ANSWER, SIGN, SIGNATURE, REMOVE_ALL, FAILURE = 11, 12, 13, 14, 19, 5
CLIENT = """\
import os, socket, stat, sys
where = os.environ["SSH_AUTH_SOCK"]
status = os.stat(where)
print(os.getuid(), status.st_uid, status.st_gid, oct(stat.S_IMODE(status.st_mode)))
agent = socket.socket(socket.AF_UNIX)
agent.connect(where)
for kind in (11, 19, 13, 17):
    agent.sendall(b"\\0\\0\\0\\1" + bytes([kind]))
    print(kind, agent.recv(100)[4])
other = socket.socket(socket.AF_UNIX)
other.connect(where)
other.sendall(b"\\xff\\xff\\xff\\xff")
print("end", other.recv(100))
"""


class Answering:
    """An agent that answers one user, as ssh-agent does but for root; `asked` is what came through."""

    def __init__(self, path: str, uid: int) -> None:
        self.path, self._uid = path, uid
        self.asked: list[int] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        os.chmod(path, 0o600)
        os.chown(path, uid, uid)
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
            last.sendall(b"\0\0\0\1\xff")
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while True:
            client, _ = self._server.accept()
            with client:
                who = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
                while request := client.recv(5, socket.MSG_WAITALL):
                    if request[4] == 0xFF:
                        return
                    self.asked.append(request[4])
                    answer = request[4] + 1 if who == self._uid else FAILURE
                    client.sendall(b"\0\0\0\1" + bytes([answer]))


@pytest.fixture
def agent(box: Pod) -> Iterator[Answering]:
    made = Answering(f"{box.directory}/agent", box.user.uid)
    yield made
    made.close()


@pytest.mark.parametrize("shifted", [False, True])
def test_a_step_may_ask_for_keys_and_signatures(
    box: Pod, debian_images: dict[str, str], agent: Answering, *, shifted: bool
) -> None:
    text = f"""\
FROM {debian_images["python"]}
RUN --mount=type=ssh --mount=target=/context python3 /context/client.py > /said
USER 5:6
RUN --mount=type=ssh,uid=5,gid=6,mode=0660,target=/there --mount=target=/context \\
    python3 /context/client.py > /tmp/said
"""
    flags = mapped(box) if shifted else ()
    build(box, text, "-t", "asked", "--ssh", f"default={agent.path}", *flags, files={"client.py": CLIENT})
    answers = [f"{LIST} {ANSWER}", f"{REMOVE_ALL} {FAILURE}", f"{SIGN} {SIGNATURE}", f"17 {FAILURE}", "end b''"]
    assert run(box, "--entrypoint", "cat", "asked", "/said").splitlines() == ["0 0 0 0o600", *answers]
    assert run(box, "--entrypoint", "cat", "asked", "/tmp/said").splitlines() == ["5 5 6 0o660", *answers]
    assert agent.asked == [LIST, SIGN] * 2
    assert top_layer(box, "asked") == ["tmp/said"]


def test_an_agent_that_has_gone_does_not_answer(box: Pod, debian_images: dict[str, str], agent: Answering) -> None:
    text = f"""\
FROM {debian_images["python"]}
RUN --mount=type=ssh python3 -c "import os, socket; s = socket.socket(socket.AF_UNIX); \\
    s.connect(os.environ['SSH_AUTH_SOCK']); assert s.recv(9) == b''"
"""
    gone = f"{box.directory}/gone"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(gone)
    os.chown(gone, box.user.uid, box.user.gid)
    build(box, text, "--ssh", f"default={gone}")
    assert not os.listdir(f"{box.root}/staging")
