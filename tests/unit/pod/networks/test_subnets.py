"""Ranges of addresses: which overlap, which are free, which address is whose."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.networks import subnets


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_ranges_as_the_standard_library_has_them(one: int, prefix: int, other: int, length: int) -> None:
    ours, theirs = subnets.Range(32, one, prefix), subnets.Range(32, other, length)
    library = ipaddress.IPv4Network((one, prefix), strict=False), ipaddress.IPv4Network((other, length), strict=False)
    assert str(ours) == str(library[0])
    assert ours.overlaps(theirs) == library[0].overlaps(library[1])
    assert ours.contains((32, other)) == (ipaddress.IPv4Address(other) in library[0])


def test_families_are_apart() -> None:
    assert not subnets.parse("::/0").overlaps(subnets.parse("0.0.0.0/0"))


@pytest.mark.parametrize(
    "text", ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "/8", "10.0.0.0/x", "a/8", "10.0.0.0/-1"]
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        subnets.parse(text)


def test_the_first_free_range() -> None:
    assert str(subnets.free([])) == "10.89.0.0/24"
    taken = [subnets.parse("10.89.0.0/24"), subnets.parse("10.89.1.128/25")]
    assert str(subnets.free(taken)) == "10.89.2.0/24"
    assert subnets.free([subnets.parse("10.0.0.0/8")]) is None


def test_candidates() -> None:
    whole = {"subnet": "10.1.0.0/29", "gateway": "10.1.0.1"}
    assert list(subnets.candidates(whole)) == [f"10.1.0.{last}" for last in range(2, 7)]
    limits = {"start_ip": "10.1.0.3", "end_ip": "10.1.0.4"}
    assert list(subnets.candidates({**whole, "lease_range": limits})) == ["10.1.0.3", "10.1.0.4"]
    assert next(iter(subnets.candidates({"subnet": "fd00::/64", "gateway": "fd00::1"}))) == "fd00::2"


def test_a_range_of_our_own() -> None:
    found = subnets.unique_local()
    assert found.prefix == 64
    assert str(found).startswith("fd")
    assert str(found) != str(subnets.unique_local())


def test_what_the_host_has_routes_to() -> None:
    for found in subnets.routed():
        assert found.prefix > 0
    assert "lo" in subnets.interfaces()
