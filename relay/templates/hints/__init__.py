"""Hints for the mistakes people make, each list in the order in which they are tried."""

from __future__ import annotations

from relay.templates.hints.arguments import wrong_argument
from relay.templates.hints.assignments import lost_comparisons
from relay.templates.hints.callees import no_function
from relay.templates.hints.calls import called_names, unknown_functions
from relay.templates.hints.contract import Failing, Fault, Finder, Hint, RuntimeHint, SyntaxHint
from relay.templates.hints.object_keys import wrong_key
from relay.templates.hints.odd_characters import odd_character
from relay.templates.hints.operands import incomparable, wrong_operand
from relay.templates.hints.operators import assigned_key, foreign_operator, line_comment
from relay.templates.hints.quotes_in_names import quote_at_fault, quote_in_name
from relay.templates.hints.separators import missing_separator, stray_separator, trailing_separator
from relay.templates.hints.transforms import transforms
from relay.templates.hints.unclosed import unclosed_bracket, unclosed_pattern, unclosed_text
from relay.templates.hints.variables import misspelt_variables

__all__ = ["FINDERS", "RUNTIME_HINTS", "SYNTAX_HINTS", "Failing", "Fault", "Hint", "odd_character", "quote_in_name"]

SYNTAX_HINTS: tuple[SyntaxHint, ...] = (
    line_comment,
    unclosed_pattern,
    unclosed_text,
    foreign_operator,
    assigned_key,
    trailing_separator,
    unclosed_bracket,
    stray_separator,
    quote_at_fault,
    missing_separator,
)

FINDERS: tuple[Finder, ...] = (unknown_functions, called_names, misspelt_variables, lost_comparisons, transforms)
"""What can be parsed, and would fail or do nothing on every event."""

RUNTIME_HINTS: tuple[RuntimeHint, ...] = (wrong_operand, incomparable, wrong_key, no_function, wrong_argument)
