"""Which addresses are public, in every notation that hides one that is not."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.storage.addresses import is_allowed, is_public, parsed

REFUSED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:0:0:1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254"),
    *("ff02::1", "ff0e::1", "100::1", "2001::1", "2001:2::1", "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1"),
    *("4000::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("::ffff:0.0.0.0", "::ffff:a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    *("2001:0:7f00:1::1", "2001:0:808:808:0:0:f5f5:f5f5"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
    *("198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15"),
    *("2606:4700::1111", "2001:4860:4860::8888", "2a00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]


def public(text: str) -> bool:
    address = parsed(text)
    assert address is not None
    return is_public(address)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_public(text: str) -> None:
    """Every private, local, reserved, documentation, multicast or tunnelled address is refused."""
    assert not public(text)


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public(text: str) -> None:
    """Addresses beside the refused ranges, and public ones inside IPv6 notations, are public."""
    assert public(text)


@given(st.ip_addresses(v=4))
def test_wrapping_changes_nothing(address: object) -> None:
    """An IPv4 address is judged alike by itself, mapped into IPv6 and behind NAT64."""
    assert public(f"::ffff:{address}") == public(f"64:ff9b::{address}") == public(str(address))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_local(address: object) -> None:
    """The written-out list is never laxer than the standard library's."""
    plain = ip_address(str(address))
    if is_public(plain):
        assert plain.is_global
        assert not any((plain.is_private, plain.is_multicast, plain.is_loopback, plain.is_link_local))


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.1.1.1.1", "[::1]"]
)
def test_what_is_no_address(text: str) -> None:
    """Only plain notations are addresses; the others go through the resolver and are judged by what it finds."""
    assert parsed(text) is None


def test_the_operators_networks() -> None:
    """An address is allowed in a network of its own version, also when written inside IPv6."""
    allow = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    for text, expected in [("10.1.2.3", True), ("10.2.0.1", False), ("::ffff:10.1.0.1", True), ("fd00::1", True)]:
        address = parsed(text)
        assert address is not None
        assert is_allowed(address, allow) is expected
