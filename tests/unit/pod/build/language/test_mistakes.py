"""Each instruction wrong in turn: the place, what was expected, and what mends it."""

from __future__ import annotations

import pytest

from pod.build.language.errors import LanguageError
from pod.build.language.parser import parse

MISTAKES = [
    # The file
    ("", "1", "file with no instructions", "begins with FROM IMAGE"),
    ("# comment alone\n", "2", "file with no instructions", "begins with FROM IMAGE"),
    ("ARG a\n", "2", "no FROM", "begins with FROM IMAGE"),
    ("FROM a\nENV b=\0", "2:7", "a zero byte", ""),
    ("FROM a\n# \udce9\nLABEL a=b \\\n  b=\udce9", "4:5", "the byte 0xe9 is not valid UTF-8", "save the file as UTF-8"),
    ("FROM a\nRUN <<EOF\n# \udcff\nEOF", "3:3", "the byte 0xff is not valid UTF-8", "save the file as UTF-8"),
    ("RUN x\nFROM a", "1:1", "RUN before the first FROM", "ARG alone may stand before it"),
    ("FROM a\n  RUNN x", "2:3", 'unknown instruction "RUNN"', "did you mean RUN?"),
    ("FROM a\nRNU x", "2:1", 'unknown instruction "RNU"', "did you mean RUN?"),
    ("FROM a\ncoyp b c", "2:1", 'unknown instruction "coyp"', "did you mean COPY?"),
    ("FORM a", "1:1", 'unknown instruction "FORM"', "did you mean FROM?"),
    ("FROM a\nENV\u00a0b=c", "2:1", "unknown instruction", "perhaps a space"),
    ("FROM a\n]", "2:1", 'unknown instruction "]"', "known are ADD, ARG,"),
    # Directives
    ("# escape=x\nFROM a", "1:1", 'invalid escape character "x"', "either \\ or `"),
    ("# escape=`\n# ESCAPE = \\\nFROM a", "2:1", "only one escape parser directive can be used", ""),
    # FROM
    ("FROM", "1:5", "FROM requires either one or three arguments", "FROM IMAGE AS NAME"),
    ("FROM a b", "1:8", "FROM requires either one or three arguments", "FROM IMAGE AS NAME"),
    ("FROM a to b", "1:8", "FROM requires either one or three arguments", "FROM IMAGE AS NAME"),
    ("FROM a AS 1", "1:11", 'invalid name for build stage: "1"', "begins with a letter"),
    ("FROM a AS ${x", "1:11", 'missing "}" of a substitution', ""),
    ("FROM --plattform=x a", "1:6", "unknown flag: --plattform", "did you mean --platform?"),
    ("FROM --platform a", "1:6", "missing a value on flag: --platform", "write --platform=VALUE"),
    ("FROM ${a", "1:6", 'missing "}" of a substitution', ""),
    ("FROM --platform=${a a", "1:6", 'missing "}" of a substitution', ""),
    # RUN
    ("FROM a\nRUN", "2:4", "RUN requires a command", ""),
    ("FROM a\nRUN []", "2:7", "RUN requires a command", ""),
    ("FROM a\nRUN [1]", "2:5", "a command in JSON form has strings only", "quote every word"),
    ("FROM a\nRUN --network=hst x", "2:5", 'invalid --network "hst"', "did you mean host?"),
    ("FROM a\nRUN --network= x", "2:5", 'invalid --network ""', "known are default, none, host"),
    ("FROM a\nRUN --security=none x", "2:5", 'invalid --security "none"', "known are sandbox, insecure"),
    ("FROM a\nRUN --network=host --network=host x", "2:20", "duplicate flag specified: --network", ""),
    ("FROM a\nRUN --device= x", "2:5", "a device requires a name", "--device=vendor/class=name"),
    ("FROM a\nRUN --device=b,c x", "2:5", 'unexpected "c" in the device', "NAME,required"),
    ("FROM a\nRUN --device=b,required=perhaps x", "2:5", 'invalid boolean "perhaps"', ""),
    ("FROM a\nRUN x \\\n  <<E\nE ", "3:3", "unterminated heredoc: no line is E", "its name and nothing else"),
    ("FROM a\nRUN --mount=tipe=bind,target=/b x", "2:5", 'unexpected key "tipe"', "did you mean type?"),
    ("FROM a\nRUN --mount=type=bnd,target=/b x", "2:5", 'unsupported mount type "bnd"', "did you mean bind?"),
    ("FROM a\nRUN --mount=type=cache,target x", "2:5", 'the mount option "target" requires a value', "target=VALUE"),
    (
        "FROM a\nRUN --mount=type=bind,target=/b,id=c x",
        "2:5",
        'unexpected key "id" for mount type "bind"',
        "type=cache",
    ),
    ("FROM a\nRUN --mount=type=tmpfs,target=/b,size=x x", "2:5", "invalid size: 'x'", ""),
    ("FROM a\nRUN --mount=type=cache,target=/b,sharing=lockd x", "2:5", "unsupported sharing value", "locked?"),
    ("FROM a\nRUN --mount=type=cache,target=/b,mode=9 x", "2:5", 'invalid value "9" for mode', "in octal"),
    ("FROM a\nRUN --mount=type=cache,target=/b,uid=root x", "2:5", 'invalid value "root" for uid', ""),
    ("FROM a\nRUN --mount=type=bind,target=/b,rw=si x", "2:5", 'invalid value for readwrite: "si"', "true or false"),
    ("FROM a\nRUN --mount=type=secret x", "2:5", "a secret mount requires an id or a target", "id=NAME"),
    ("FROM a\nRUN --mount=type=secret,id=b,src=c x", "2:5", "either id or source", ""),
    ("FROM a\nRUN --mount='\"type=bind' x", "2:5", 'cannot read ""type=bind"', "key=value"),
    ("FROM a\nRUN --mount=type=bind,target=${x x", "2:5", 'missing "}" of a substitution', ""),
    # CMD, ENTRYPOINT, SHELL
    ("FROM a\nCMD --x y", "2:5", "unknown flag: --x", "`CMD -- --x`"),
    ('FROM a\nCMD ["x", null]', "2:5", "a command in JSON form has strings only", "quote every word"),
    ("FROM a\nENTRYPOINT --x y", "2:12", "unknown flag: --x", "takes no flags"),
    ("FROM a\nENTRYPOINT [[]]", "2:12", "a command in JSON form has strings only", "quote every word"),
    ("FROM a\nSHELL", "2:6", "SHELL requires the arguments to be in JSON form", '["/bin/sh", "-c"]'),
    ("FROM a\nSHELL /bin/sh -c", "2:7", "SHELL requires the arguments to be in JSON form", '["/bin/sh", "-c"]'),
    ("FROM a\nSHELL []", "2:9", "SHELL requires at least one argument", ""),
    # HEALTHCHECK
    ("FROM a\nHEALTHCHECK", "2:12", "HEALTHCHECK requires CMD and a command, or NONE", ""),
    ("FROM a\nHEALTHCHECK curl x", "2:13", 'unknown type "curl" in HEALTHCHECK', "HEALTHCHECK CMD command"),
    ("FROM a\nHEALTHCHECK CMD", "2:16", "missing command after HEALTHCHECK CMD", ""),
    ("FROM a\nHEALTHCHECK CMD []", "2:17", "missing command after HEALTHCHECK CMD", ""),
    ("FROM a\nHEALTHCHECK NONE x", "2:18", "HEALTHCHECK NONE takes no arguments", ""),
    ("FROM a\nHEALTHCHECK --interval=5 CMD x", "2:13", 'invalid duration "5" for --interval', "30s"),
    ("FROM a\nHEALTHCHECK --timeout=1us CMD x", "2:13", 'invalid duration "1us" for --timeout', "1ms"),
    ("FROM a\nHEALTHCHECK --start-period=-1s CMD x", "2:13", 'invalid duration "-1s" for --start-period', "30s"),
    ("FROM a\nHEALTHCHECK --retries=-1 CMD x", "2:13", 'invalid number "-1" for --retries', "write 3"),
    ("FROM a\nHEALTHCHECK --retris=1 CMD x", "2:13", "unknown flag: --retris", "did you mean --retries?"),
    # COPY, ADD
    ("FROM a\nCOPY", "2:5", "COPY requires at least two arguments", ""),
    ("FROM a\nCOPY b", "2:6", "only one was provided: destination could not be determined", "COPY SOURCE DESTINATION"),
    ('FROM a\nCOPY ["b"]', "2:6", "only one was provided: destination could not be determined", ""),
    ('FROM a\nCOPY ["b", 1]', "2:6", "paths in JSON form are strings only", "quote every path"),
    ("FROM a\nCOPY --fromm=b c d", "2:6", "unknown flag: --fromm", "did you mean --from?"),
    ("FROM a\nCOPY --chmod=rwx b c", "2:6", 'invalid mode "rwx" for --chmod', "u=rwX,go=rX"),
    ("FROM a\nCOPY --link=perhaps b c", "2:6", 'expecting boolean value for flag --link, not "perhaps"', "true or"),
    ("FROM a\nCOPY b <<E\nE", "2:8", "COPY cannot accept a heredoc as a destination", ""),
    ("FROM a\nCOPY << E /b\nE", "2:6", "a heredoc requires a name after <<", "write <<EOF"),
    ("FROM a\nCOPY <<E /b\n", "2:6", "unterminated heredoc: no line is E", ""),
    ('FROM a\nCOPY "b c', "2:6", "this quote is not closed", ""),
    ("FROM a\nADD --from=b c d", "2:5", "unknown flag: --from", "known are --chown"),
    ("FROM a\nADD b", "2:5", "ADD requires at least two arguments", "ADD SOURCE DESTINATION"),
    ("FROM a\nADD --checksum b c", "2:5", "missing a value on flag: --checksum", ""),
    ("FROM a\nADD --unpack=2 b c", "2:5", "expecting boolean value for flag --unpack", ""),
    # ENV, LABEL, ARG
    ("FROM a\nENV", "2:4", "ENV requires at least one argument", ""),
    ("FROM a\nENV b", "2:5", 'ENV requires a value for "b"', "ENV b=VALUE"),
    ("FROM a\nENV b=c d", "2:9", 'cannot find = in "d"', "double quotes"),
    ("FROM a\nENV =b", "2:5", "ENV names can not be blank", ""),
    ("FROM a\nENV b=c \\\n  d='e", "3:5", "this quote is not closed", "write \\ before it"),
    ("FROM a\nENV b=c # d", "2:9", 'cannot find = in "#"', "a comment has a line of its own"),
    ('FROM a\nENV b=c "d=e f"', "2:9", "this quote is not closed", ""),
    ("FROM a\nENV b=${c:-d e}", "2:12", 'missing "}" of a substitution', "within double quotes"),
    ("FROM a\nENV b it's", "2:9", "this quote is not closed", ""),
    ("FROM a\nENV b=${c:=d}", "2:7", "unsupported modifier (:=)", "known are :-"),
    ("FROM a\nENV b=x${}", "2:8", "bad substitution", "${name}"),
    ("FROM a\nLABEL", "2:6", "LABEL requires at least one argument", ""),
    ("FROM a\nLABEL b", "2:7", 'LABEL requires a value for "b"', "LABEL b=VALUE"),
    ("FROM a\nLABEL --x=y b=c", "2:7", "unknown flag: --x", "LABEL takes no flags"),
    ("FROM a\nARG", "2:4", "ARG requires at least one argument", ""),
    ("FROM a\nARG =b", "2:5", "ARG names can not be blank", ""),
    ('FROM a\nARG b="c', "2:7", "this quote is not closed", ""),
    # The others
    ("FROM a\nEXPOSE", "2:7", "EXPOSE requires at least one argument", ""),
    ("FROM a\nEXPOSE 80 http", "2:11", 'invalid port "http"', "53/udp"),
    ("FROM a\nEXPOSE 65536", "2:8", 'invalid port "65536"', "53/udp"),
    ("FROM a\nEXPOSE 90-80", "2:8", 'invalid port "90-80"', "53/udp"),
    ("FROM a\nEXPOSE 80/icmp", "2:8", 'invalid port "80/icmp"', "53/udp"),
    ("FROM a\nUSER", "2:5", "USER requires exactly one argument", ""),
    ("FROM a\nUSER ${b", "2:6", 'missing "}" of a substitution', ""),
    ("FROM a\nWORKDIR", "2:8", "WORKDIR requires exactly one argument", ""),
    ("FROM a\nWORKDIR --x /b", "2:9", "unknown flag: --x", "WORKDIR takes no flags"),
    ("FROM a\nVOLUME", "2:7", "VOLUME requires at least one argument", ""),
    ('FROM a\nVOLUME ["/b", ""]', "2:8", "VOLUME specified can not be an empty string", ""),
    ("FROM a\nVOLUME [1]", "2:8", "paths in JSON form are strings only", ""),
    ("FROM a\nSTOPSIGNAL", "2:11", "STOPSIGNAL requires exactly one argument", ""),
    ("FROM a\nSTOPSIGNAL SIGFOO", "2:12", "invalid signal: SIGFOO", "SIGKILL"),
    (f"FROM a\nSTOPSIGNAL {5000 * '9'}", "2:12", "invalid signal: 999", "SIGKILL"),
    ("FROM a\nMAINTAINER", "2:11", "MAINTAINER requires exactly one argument", ""),
    ("FROM a\nONBUILD", "2:8", "ONBUILD requires an instruction", ""),
    ("FROM a\nONBUILD FROM b", "2:9", "FROM isn't allowed as an ONBUILD trigger", "uses the image"),
    ("FROM a\nONBUILD onbuild RUN b", "2:9", "ONBUILD isn't allowed as an ONBUILD trigger", ""),
    ("FROM a\nONBUILD MAINTAINER b", "2:9", "MAINTAINER isn't allowed as an ONBUILD trigger", ""),
    ("FROM a\nONBUILD RUM b", "2:9", 'unknown instruction "RUM"', "did you mean RUN?"),
    ("FROM a\nONBUILD COPY b", "2:14", "COPY requires at least two arguments", ""),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), MISTAKES)
def test_mistake(text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text, "Dockerfile")
    told = str(caught.value)
    assert told.startswith(f"Dockerfile:{place}: ")
    assert message in told
    assert "\n" not in told
    assert hint in caught.value.hint
    assert caught.value.code == 125


def test_a_long_word_is_not_told_whole() -> None:
    with pytest.raises(LanguageError) as caught:
        parse("FROM a\n" + 10_000 * "x")
    assert len(str(caught.value)) < 400
