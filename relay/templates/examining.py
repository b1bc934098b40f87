"""What the text of a template shows without being evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from relay.templates.patterns import Pattern, PatternRefused
from relay.templates.prelude import REFUSED
from relay.templates.tokens import tokens_of, unclosed_comment
from relay.templates.tree import Node, engine_module, token_start

_UNKNOWN_TO_FAST_ENGINE = frozenset({"clone"})
_BOUND_BY_THE_RELAY = frozenset({"event", "settings", "payload", ""})


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a template cannot be parsed; ``what`` quotes nothing but the template. ``end``: behind the token at fault."""

    jsonata_code: str
    what: str
    start: int
    end: int
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A name that a template uses without defining it, without ``$``."""

    name: str
    start: int


@lru_cache(maxsize=32)  # one template is looked at from many sides
def parsed(text: str) -> Node | SyntaxProblem | None:
    """The syntax tree, or the first syntax error; None when the reference engine's parser breaks."""
    module = engine_module()
    try:
        return module.Jsonata(text, Pattern).ast
    except module.jexception.JException as error:
        if error.error == "S0301" and error.current:  # Its tokenizer mixes the two up.
            what = f"Unsupported escape sequence: \\{error.current}"
            return SyntaxProblem("S0103", what, error.location - 1, error.location + 1)
        what = str(error).replace(" Object ", " function ")
        # The arguments of S0202 and S0203 are what was expected, and of S0202 what was found.
        found, expected = error.current, ""
        if error.error in ("S0202", "S0203"):
            found, expected = error.expected, str(error.current)
        return SyntaxProblem(error.error, what, token_start(text, error.location, found), error.location, expected)
    except PatternRefused as refused:
        start = text.find(f"/{refused.pattern}/")
        what = f"the regular expression cannot be used: {refused}"
        return SyntaxProblem("S0303", what, start, start + len(refused.pattern) + 2)
    except Exception:  # It escapes with whatever its tokenizer stumbled over.
        return _stumbled(text)


def undefined_functions(nodes: Sequence[Node]) -> Iterator[Use]:
    """Calls of `$functions` that neither template nor language defines."""
    known = known_functions() | set(bound_names(nodes))
    for node in nodes:
        called = node.procedure if node.type in ("function", "partial") else None
        called = node.rhs if node.type == "apply" else called
        if called is not None and called.type == "variable" and called.position and called.value not in known:
            yield Use(called.value, called.position - len(called.value) - 1)


def undefined_variables(nodes: Sequence[Node]) -> Iterator[Use]:
    """Variables that are never bound, without those that are called."""
    known = known_functions() | _BOUND_BY_THE_RELAY | set(bound_names(nodes)) | {"$"}
    called = {id(node.procedure) for node in nodes if node.type in ("function", "partial")}
    called |= {id(node.rhs) for node in nodes if node.type == "apply"}
    for node in nodes:
        if node.type == "variable" and node.position and id(node) not in called and node.value not in known:
            yield Use(node.value, node.position - len(node.value) - 1)


def bound_names(nodes: Sequence[Node]) -> Sequence[str]:
    """Names that the template gives a value, in the order of their first."""
    names: dict[str, None] = {}
    for node in nodes:
        if node.type == "bind":
            names[node.lhs.value] = None
        elif node.type == "lambda":
            names |= dict.fromkeys(argument.value for argument in node.arguments)
        elif node.type == "index":
            names[node.value] = None
        names |= dict.fromkeys(name for name in (node.focus, node.index) if isinstance(name, str))
    return list(names)


def known_functions() -> frozenset[str]:
    """Names of the language's functions that a template may use."""
    return frozenset(engine_module().Jsonata.static_frame.bindings) - REFUSED - _UNKNOWN_TO_FAST_ENGINE


def _stumbled(text: str) -> SyntaxProblem | None:
    opened = unclosed_comment(text)
    if opened is not None:
        return SyntaxProblem("S0106", "Comment has no closing tag", opened, opened + 2)
    for token in tokens_of(text):
        if token.written in ("!", "~"):
            return SyntaxProblem("S0204", f"Unknown operator: {token.written}", token.start, token.end)
    return None
