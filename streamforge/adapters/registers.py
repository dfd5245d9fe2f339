"""Where a point stands in a Modbus device: every way in which people write a register address.

| form          | meaning                                                          |
|---------------|------------------------------------------------------------------|
| 40001, 400001 | holding register, counted from 1 (30001 input, 10001 discrete input, 00001 coil) |
| HR0 IR0 CO0 DI0 | the same tables counted from 0, as they go over the wire; HR0x1F in hexadecimal |
| fc=3,addr=0   | function code and address as they go over the wire               |
| ...:8         | a range of eight registers (strings, arrays)                     |
| ....3, .hi .lo | one bit, the high or the low byte of a register                 |

A plain number such as 100 is refused: it means three different registers to three different manuals.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

ADDRESSES = 65536
BITS_PER_REGISTER = 16


class Table(IntEnum):
    """The four tables of a Modbus device; the number is the function code that reads it."""

    COIL = 1
    DISCRETE_INPUT = 2
    HOLDING_REGISTER = 3
    INPUT_REGISTER = 4

    @property
    def is_bits(self) -> bool:
        """One bit an address, not one register."""
        return self <= Table.DISCRETE_INPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place in a table: `start` counted from 0; `count` 0 = not written; `part` "hi" or "lo" byte of the register."""

    table: Table
    start: int
    count: int = 0
    bit: int | None = None
    part: str = ""


_SHORT = {"HR": Table.HOLDING_REGISTER, "IR": Table.INPUT_REGISTER, "CO": Table.COIL, "DI": Table.DISCRETE_INPUT}
_LEADING = {
    "0": Table.COIL, "1": Table.DISCRETE_INPUT, "3": Table.INPUT_REGISTER, "4": Table.HOLDING_REGISTER,
}  # fmt: skip
_NUMBER = r"0x[0-9a-f]+|[0-9]+"
_ADDRESS = re.compile(
    rf"(?:(?P<short>HR|IR|CO|DI)\s*(?P<from0>{_NUMBER})"
    rf"|fc\s*=\s*(?P<fc>[0-9]+)\s*,\s*addr\s*=\s*(?P<addr>{_NUMBER})"
    rf"|(?P<classic>{_NUMBER}))"
    r"(?::(?P<count>[0-9]+))?(?:\.(?P<part>[0-9]{1,2}|hi|lo))?",
    re.IGNORECASE,
)


class UnknownForm(ValueError):  # noqa: N818 - says what a text is not
    """A text that has none of the forms of an address."""


def parse_address(text: str) -> Address:
    """The place that `text` names. Raises ValueError that says what to write instead."""
    found = _ADDRESS.fullmatch(text.strip())
    if not found:
        msg = f"address {text!r} is not understood: write 40001, HR0, HR0x1F, HR100:8, 40010.3, HR7.hi or fc=3,addr=0"
        raise UnknownForm(msg)
    table, start = _place(found, text)
    count = int(found["count"]) if found["count"] else 0
    if found["count"] and not count:
        msg = f"address {text!r}: a range has at least one register"
        raise ValueError(msg)
    if start + max(count, 1) > ADDRESSES:
        msg = f"address {text!r} lies past the end of the table: the last address is {ADDRESSES - 1} counted from 0"
        raise ValueError(msg)
    bit, part = _part(found["part"], table, text)
    return Address(table=table, start=start, count=count, bit=bit, part=part)


def _place(found: re.Match[str], text: str) -> tuple[Table, int]:
    if found["short"]:
        return _SHORT[found["short"].upper()], _integer(found["from0"])
    if found["fc"]:
        code = int(found["fc"])
        if code not in set(Table):
            msg = (
                f"address {text!r}: function code {code} is not one that reads: 1 coils, 2 discrete inputs, "
                "3 holding registers, 4 input registers"
            )
            raise ValueError(msg)
        return Table(code), _integer(found["addr"])
    return _classic(found["classic"], text)


def _integer(text: str) -> int:
    return int(text, 16) if text.lower().startswith("0x") else int(text)


def _classic(digits: str, text: str) -> tuple[Table, int]:
    """Five or six digits, the first names the table, the rest counts from 1."""
    if digits.lower().startswith("0x"):
        msg = f"address {text!r} does not say which table: write HR{digits} (holding) or IR{digits} (input register)"
        raise ValueError(msg)
    if len(digits) not in {5, 6} or digits[0] not in _LEADING:
        number = int(digits)
        other = f" or {400001 + number} (counted from 1)" if number < ADDRESSES else ""
        msg = f"address {text!r} is ambiguous: write HR{number} (counted from 0){other} for a holding register"
        raise ValueError(msg)
    number = int(digits[1:])
    if number == 0:
        msg = f"address {text!r}: this form counts from 1, so the first is {digits[:-1]}1"
        raise ValueError(msg)
    return _LEADING[digits[0]], number - 1


def _part(part: str | None, table: Table, text: str) -> tuple[int | None, str]:
    if not part:
        return None, ""
    if table.is_bits:
        msg = f"address {text!r}: coils and discrete inputs are single bits and have no parts"
        raise ValueError(msg)
    if part.lower() in {"hi", "lo"}:
        return None, part.lower()
    if int(part) >= BITS_PER_REGISTER:
        msg = f"address {text!r}: a register has bits 0 (least significant) to 15"
        raise ValueError(msg)
    return int(part), ""
