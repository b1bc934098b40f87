"""Random documents and random small expressions of the language over them, for comparing engines.

Not made, because jsonata-python is known to depart there from the language (its cases and the engine of
its authors say so):

- null on its way into a function or an order-by, which take it for undefined or stumble over it;
- `%` with a fraction or with 0, where it gives a whole number or Python's own error;
- `$round` to a precision that is no whole number: Python's own error;
- `$split` by an expression with groups, which it puts among the parts;
- an undefined separator or replacement: Python's own error;
- a predicate that fails, on nothing: it does not evaluate it;
- characters beyond ASCII, which it escapes when it makes text of an object; 120.0 in a document, which stays so;
- comparison functions of `$sort` that are not strictly true or false.

Not made either: the transform operator, which templates may not use (see `relay.templates.hints.transforms`), and
`/` right after `^( … )` or `[]`, where the language's own grammar begins a regular expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

KEYS = ("a", "b", "c", "items", "price")
names = st.sampled_from(KEYS)

numbers = st.one_of(st.integers(-20, 20), st.sampled_from([0.5, 1.25, -2.75, 19.99, 120, 1_000_000]))
texts = st.sampled_from(["", "a", "b c", "Ada", " ada ", "12", "1.5", "x-y-x", "2026-03-14T09:26:53Z"])
scalars = st.one_of(numbers, texts, st.booleans())


def _documents(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = leaves
    for _ in range(3):
        values = st.one_of(leaves, st.lists(values, max_size=3), st.dictionaries(names, values, max_size=3))
    return st.dictionaries(names, values, min_size=1, max_size=5)


documents = _documents(scalars)
documents_with_null = _documents(scalars | st.none())


def _literal(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)


literals = scalars.map(_literal)
patterns = st.sampled_from(["/a/", "/[a-z]+/", "/(\\d)(.)?/", "/^x|y$/", "/ADA/i"])
roots = st.sampled_from(["$", "$$", "$$.items", *KEYS])

ARITHMETIC = ("+", "-", "*", "/")
COMPARING = ("=", "!=", "<", "<=", ">", ">=", "in", "and", "or", "&")
OF_ONE = (
    "abs", "average", "boolean", "ceil", "count", "distinct", "exists", "floor", "keys", "length", "lowercase", "max",
    "merge", "min", "not", "number", "reverse", "round", "spread", "sqrt", "string", "sum", "trim", "type", "uppercase",
    "array", "email", "emailHash", "nameParts", "omitEmpty", "sha256", "isoTime",
)  # fmt: skip
OF_TWO = ["append", "join", "lookup", "pad", "power", "substring", "substringAfter", "substringBefore", "zip"]
OF_THREE = ["substring", "pad", "money"]
predicates = st.one_of(
    st.integers(-2, 2).map(str),
    names,
    st.builds("{} = {}".format, names, literals),
    st.builds("{} in [{}, {}]".format, names, texts.map(_literal), texts.map(_literal)),
    st.builds("$exists({})".format, names),
    st.builds('$type({}) = "{}"'.format, names, st.sampled_from(["string", "number", "object", "array"])),
)


def _calls(functions: Sequence[str], *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda name, *given: f"${name}({', '.join(given)})", st.sampled_from(functions), *arguments)


def _without_calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}.{}".format, roots, names),
        st.builds("{}.{}.{}".format, roots, names, names),
        st.builds("{}[{}]".format, roots, predicates),
        st.builds("{}.{}[{}].{}".format, roots, names, predicates, names),
        st.builds("({}.{}[])".format, roots, names),
        st.builds("{}.({})".format, roots, inner),
        st.builds("{}.{}".format, roots, _objects(inner)),
        st.builds("{}{{{}: {}}}".format, roots, names, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(ARITHMETIC), inner),
        st.builds("({} % {})".format, st.integers(-20, 20), st.integers(1, 9)),
        st.builds("({} {} {})".format, inner, st.sampled_from(COMPARING), inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({} ? {})".format, inner, inner),
        st.builds("[{}..{}]".format, st.integers(-2, 3), st.integers(-2, 6) | inner),
        st.builds("($x := {}; {})".format, inner, inner | st.sampled_from(["$x", "$x.a", "[$x]", "$x & $x"])),
        st.builds("-({})".format, inner),
        _objects(inner),
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
    )


def _with_calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lambdas = st.builds("function($v){{{}}}".format, inner | st.sampled_from(["$v", "$v.a", "$v.price", "$v + 1"]))
    words = texts.map(_literal)
    return st.one_of(
        _without_calls(inner),
        st.builds("({}^({}{}))".format, roots, st.sampled_from(["", ">", "<"]), names),
        _calls(OF_ONE, inner),
        _calls(OF_TWO, inner, inner),
        _calls(OF_THREE, inner, inner, inner),
        _calls(["contains", "match"], inner, patterns),
        _calls(["split"], inner, st.sampled_from(["/a/", "/[a-z]+/", "/[-.]/"])),
        _calls(["contains", "split", "substringBefore"], inner, words),
        _calls(["replace"], inner, patterns | st.sampled_from(['"a"', '"-"']), words),
        _calls(["map", "filter", "sift", "each", "single"], inner, lambdas),
        st.builds("$reduce({}, function($i, $j){{{}}})".format, inner, st.sampled_from(["$i & $j", "$i + $j", "$j"])),
        st.builds("$sort({}, function($l, $r){{$string($l) > $string($r)}})".format, inner),
        st.builds("$round({}, {})".format, inner, st.integers(-2, 3)),
        st.builds("({} ~> ${})".format, inner, st.sampled_from(OF_ONE)),
    )


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.lists(names, min_size=1, max_size=3, unique=True)
    return st.builds(_object, keys, st.tuples(inner, inner, inner))


def _object(keys: Sequence[str], inner: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in zip(keys, inner, strict=False)) + "}"


@st.composite
def _quiet(draw: st.DrawFn, strategy: Callable[[], st.SearchStrategy[str]]) -> str:
    """What the strategy gives; hypothesis writes the names of strategies out, and nested ones are long."""
    return draw(strategy())


def _nested(
    leaves: st.SearchStrategy[str], larger: Callable[[st.SearchStrategy[str]], st.SearchStrategy[str]]
) -> st.SearchStrategy[str]:
    """Expressions of up to three levels."""
    two = leaves | larger(leaves | larger(leaves))
    three = leaves | larger(_quiet(lambda: two))
    return _quiet(lambda: three)


expressions = _nested(literals | roots, _with_calls)
expressions_without_calls = _nested(literals | roots | st.just("null"), _without_calls)
