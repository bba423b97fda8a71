"""What a value plainly means where it is not of the documented type.

Only answers that do not decode as documented come here. Each field is read on its own: one that
makes no sense is None where it is optional, and costs its row where it is required.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct, field
from msgspec.inspect import BoolType, IntType, NoneType, StrType, StructType, Type, UnionType
from msgspec.json import Decoder

T = TypeVar("T")
StructT = TypeVar("StructT", bound=Struct)

MISSING: Final = Raw(b"")
# A page of 200 followers has 2,600 commas. Rows of an array with more than this are read all at
# once or not at all: one by one they could take forty times the memory of the answer.
MOST_COMMAS: Final = 100_000
_HIGHEST: Final = 2**63  # beyond it a float is no count
_LONGEST_NUMBER: Final = 64

_KINDS: Final = {"{": "object", "[": "array", '"': "str", "t": "bool", "f": "bool", "n": "null"}
_FLAGS: Final = {
    b"true": True,
    b"false": False,
    b'"true"': True,
    b'"false"': False,
    b"1": True,
    b"0": False,
    b'"1"': True,
    b'"0"': False,
    b"1.0": True,
    b"0.0": False,
}
# What is not UTF-8 is not an error of msgspec's own.
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError)
_str: Final = Decoder(str)
_int: Final = Decoder(int)
_raws: Final = Decoder(list[Raw])


class Mismatch(Exception):
    """A value that cannot be read as what it is documented to be.

    Attributes:
        what: What is wrong with it; never its content.
        path: Where it is, from the value that was read, as `.page.hasMore`.
    """

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.path = path

    def within(self, path: str) -> "Mismatch":
        """Return the same, seen from a value around it."""
        return Mismatch(self.what, path + self.path)


def kind_of(raw: bytes) -> str:
    """Return the JSON type of a value, in msgspec's words."""
    first = raw[:1].decode()
    return _KINDS.get(first) or ("float" if set(raw) & set(b".eE") else "int")


def expected(kind: str, raw: bytes) -> Mismatch:
    """Return the mismatch of a value that is there."""
    return Mismatch(f"Expected `{kind}`, got `{kind_of(raw)}`")


def lacks(name: str) -> Mismatch:
    """Return the mismatch of an object without a field."""
    return Mismatch(f"missing required field `{name}`")


def text(raw: bytes) -> str:
    """Read a text."""
    if raw[:1] != b'"':
        raise expected("str", raw)
    return _str.decode(raw)


def text_or_number(raw: bytes) -> str:
    """Read a text, or a number byte for byte as it stands."""
    if raw[:1] in b"-0123456789" and len(raw) <= _LONGEST_NUMBER:
        return raw.decode()
    return text(raw)


def count(raw: bytes) -> int:
    """Read a whole number, also one written as 1500.0 or as a text of digits."""
    if kind_of(raw) == "float" and len(raw) <= _LONGEST_NUMBER:
        number = float(raw)
        if number.is_integer() and abs(number) < _HIGHEST:
            return int(number)
    else:
        try:
            return _int.decode(raw[1:-1] if raw[:1] == b'"' else raw)
        except msgspec.DecodeError:
            pass
    raise expected("int", raw)


def flag(raw: bytes) -> bool:
    """Read yes or no."""
    found = _FLAGS.get(bytes(raw[:8]).lower())
    if found is None:
        raise expected("bool", raw)
    return found


class _Field(NamedTuple):
    name: str
    encoded: str
    read: Callable[[bytes], object]
    required: bool
    default: object
    """What an optional one is that is missing or makes no sense."""


class Reader(Generic[StructT]):
    """Reads one object as a Struct, field by field where it is not as documented."""

    def __init__(self, kind: type[StructT]) -> None:
        self._kind = kind
        self._strict = Decoder(kind)
        described = msgspec.inspect.type_info(kind)
        assert isinstance(described, StructType)
        self._fields = [
            _Field(f.name, f.encode_name, _reader(f.type, of.type), f.required, f.default)
            for f, of in zip(described.fields, msgspec.structs.fields(kind), strict=True)
        ]
        # Unknown fields are skipped, so that an object of a million of them takes no memory.
        self._loose = Decoder(
            msgspec.defstruct(
                "Fields",
                [(f.name, Raw, field(name=f.encoded, default=MISSING)) for f in self._fields],
            )
        )

    def __call__(self, raw: bytes) -> StructT:
        """Read it.

        Raises:
            Mismatch: A required field cannot be read.
        """
        try:
            return self._strict.decode(raw)
        except msgspec.ValidationError:
            return self.loosely(raw)

    def loosely(self, raw: bytes) -> StructT:
        """Read one that does not decode as documented.

        Raises:
            Mismatch: A required field cannot be read.
        """
        if kind_of(raw) != "object":
            raise expected("object", raw)
        raws = msgspec.structs.astuple(self._loose.decode(raw))
        return self._kind(
            **{f.name: _value(f, bytes(raw)) for f, raw in zip(self._fields, raws, strict=True)}
        )


def _value(of: _Field, raw: bytes) -> object:
    if of.required:
        if not raw:
            raise lacks(of.encoded)
        try:
            return of.read(raw)
        except Mismatch as error:
            raise error.within(f".{of.encoded}") from None
    try:
        return of.read(raw) if raw else of.default
    except Mismatch:
        return of.default


def _reader(described: Type, kind: Any) -> Callable[[bytes], object]:
    nullable = False
    if isinstance(described, UnionType):
        others = [one for one in described.types if not isinstance(one, NoneType)]
        nullable = len(others) < len(described.types)
        described = others[0] if len(others) == 1 else described
    match described:
        case StrType(min_length=least):
            # A number may stand where a text may be missing, not for a handle or a status.
            return text_or_number if nullable else _non_empty if least else text
        case IntType():
            return count
        case BoolType():
            return flag
        case StructType(cls=struct):
            return Reader(struct)
    return _as_documented(kind)


def _as_documented(kind: Any) -> Callable[[bytes], object]:
    decoder = Decoder(kind)

    def read(raw: bytes) -> object:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise Mismatch(str(error)) from None

    return read


def _non_empty(raw: bytes) -> str:
    value = text(raw)
    if not value:
        raise Mismatch("Expected `str` of length >= 1")
    return value


class RowsRead(NamedTuple, Generic[T]):
    """The rows of an array that can be read.

    Attributes:
        rows: Those, in order.
        invalid: How many others there are.
        problem: What is wrong with the first of the others.
    """

    rows: list[T]
    invalid: int
    problem: Mismatch | None


class Rows(Generic[T]):
    """Reads the rows of a page: what is a row is delivered, what is not is counted.

    Args:
        kind: Their type, as msgspec decodes it.
        loosely: Reads one that does not decode as documented; without it that one is invalid.
    """

    def __init__(self, kind: type[T], loosely: Callable[[bytes], T] | None = None) -> None:
        self._all = Decoder(list[kind])  # type: ignore[valid-type]
        self._row = Decoder(kind)
        self._loosely = loosely

    def read(self, raw: bytes) -> RowsRead[T]:
        """Read an array.

        Raises:
            Mismatch: It is none, or too large to be read row by row.
        """
        try:
            return RowsRead(self._all.decode(raw), 0, None)
        except _BROKEN:
            pass
        if kind_of(raw) != "array":
            raise expected("array", raw)
        if raw.count(b",") > MOST_COMMAS:
            raise Mismatch("too many values to be read one by one")
        rows: list[T] = []
        invalid, problem = 0, None
        for at, row in enumerate(_raws.decode(raw)):
            try:
                rows.append(self.one(row))
            except Mismatch as error:
                invalid += 1
                problem = problem or error.within(f"[{at}]")
        return RowsRead(rows, invalid, problem)

    def one(self, raw: bytes | Raw) -> T:
        """Read one row.

        Raises:
            Mismatch: It is none.
        """
        try:
            return self._row.decode(raw)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$")
        except _BROKEN:  # in a file; what came over the wire is repaired before
            raise Mismatch("damaged text") from None
        if self._loosely is not None:
            return self._loosely(bytes(raw))
        raise Mismatch(what, where.rstrip("`"))
