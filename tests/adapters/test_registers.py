"""Addresses as people write them."""

import pytest

from streamforge.adapters.registers import Address, Table, parse_address

HOLDING, INPUT, COIL, DISCRETE = Table.HOLDING_REGISTER, Table.INPUT_REGISTER, Table.COIL, Table.DISCRETE_INPUT


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("40001", Address(table=HOLDING, start=0)),
        ("49999", Address(table=HOLDING, start=9998)),
        ("400001", Address(table=HOLDING, start=0)),
        ("465536", Address(table=HOLDING, start=65535)),
        ("30010", Address(table=INPUT, start=9)),
        ("10001", Address(table=DISCRETE, start=0)),
        ("00001", Address(table=COIL, start=0)),
        ("000017", Address(table=COIL, start=16)),
        ("HR0", Address(table=HOLDING, start=0)),
        ("ir65535", Address(table=INPUT, start=65535)),
        ("CO12", Address(table=COIL, start=12)),
        ("DI3", Address(table=DISCRETE, start=3)),
        ("HR0x1F", Address(table=HOLDING, start=31)),
        ("HR007", Address(table=HOLDING, start=7)),
        ("40010.3", Address(table=HOLDING, start=9, bit=3)),
        ("HR9.15", Address(table=HOLDING, start=9, bit=15)),
        ("HR7.hi", Address(table=HOLDING, start=7, part="hi")),
        ("40008.LO", Address(table=HOLDING, start=7, part="lo")),
        ("HR100:8", Address(table=HOLDING, start=100, count=8)),
        ("40101:8.lo", Address(table=HOLDING, start=100, count=8, part="lo")),
        ("fc=3,addr=0", Address(table=HOLDING, start=0)),
        ("fc=4, addr=0x10", Address(table=INPUT, start=16)),
        ("fc=3,addr=9.3", Address(table=HOLDING, start=9, bit=3)),
        ("  HR1 ", Address(table=HOLDING, start=1)),
    ],
)
def test_every_form_names_one_place(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", r"ambiguous: write HR0 \(counted from 0\) or 400001"),
        ("100", "ambiguous: write HR100"),
        ("50001", "ambiguous: write HR50001"),
        ("1234567", "ambiguous"),
        ("0x1F", "write HR0x1F"),
        ("40000", "the first is 40001"),
        ("465537", "past the end"),
        ("HR65536", "past the end"),
        ("HR65530:8", "past the end"),
        ("HR9.16", "bits 0"),
        ("CO1.1", "no parts"),
        ("HR1:0", "at least one register"),
        ("fc=6,addr=1", "function code 6 is not one that reads"),
        ("XR1", "not understood"),
        ("", "not understood"),
        ("HR-1", "not understood"),
        ("HR1.3:2", "not understood"),
    ],
)
def test_what_is_wrong_or_ambiguous_is_refused_with_a_hint(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_address(text)
