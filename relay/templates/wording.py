"""What the language's error codes mean and what to try, without data of the event in it."""

from __future__ import annotations

_LIMITS = {
    "D1011": "the template recurses too deep",
    "D1012": "the template takes too long",
    "D2014": "a range is too long",
    "D2015": "a sequence is too long",
    "U1001": "the template recurses too deep or takes too long",
    "U1002": "the template is nested too deep",
}

_SYNTAX = {
    "S0101": ("a text has no end", "Close it with a quote."),
    "S0103": ("", 'After \\ stand one of " \\ / b f n r t u; write \\\\ for a backslash.'),
    "S0105": ("a name in backquotes has no end", "Close it with `."),
    "S0106": ("this comment has no end", "Close it with */."),
    "S0201": ("", "Look for a missing operator, comma or bracket before it."),
    "S0202": ("", "Write what is expected before it, or an operator."),
    "S0203": ("", "Write it at the end."),
    "S0204": ("", "Delete it, or write it in a text."),
    "S0207": ("the template ends in the middle of an expression", "Write what is missing at the end."),
    "S0208": ("a parameter of a function must be a $name", "Write function($x) { … }."),
    "S0211": ("", "Write a value before it, or delete it."),
    "S0212": ("", "Write $name := value."),
    "S0213": ("", "Put a name that is a number in backquotes, or leave out the dot."),
    "S0214": ("", "Write a $name behind it."),
    "S0303": ("", "Write the pattern another way: without look-around and references to groups."),
    "S0302": ("a regular expression has no end", "Close it with /."),
}

_MEANINGS = {
    "D1001": ("a number is out of range", "Look for a division by zero or a very large power."),
    "D1002": ("minus stands before something that is not a number", "Convert it with $number."),
    "D1004": ("a regular expression matches the empty text", "Let it match at least one character."),
    "D1009": ("two keys of one object are the same", "Give each key its own name."),
    "D3010": ("$replace looks for the empty text", "Give it a text or a pattern to look for."),
    "D3030": ("$number got something that is no number", "Test it with $exists or a pattern first."),
    "D3050": ("$reduce needs a function of two arguments", "Write function($sum, $item) { … }."),
    "D3060": ("$sqrt got a negative number", "Test its sign first."),
    "D3061": ("$power gives a number that is too large", "Use smaller numbers."),
    "D3070": ("$sort cannot compare these values", "Give it a comparison function."),
    "D3110": ("$toMillis got something that is no ISO 8601 time", "$isoTime takes more forms."),
    "D3137": ("the template's own $error was raised", "See the condition around it."),
    "D3138": ("$single found more than one value", "Narrow its condition."),
    "D3139": ("$single found no value", "Widen its condition."),
    "D3141": ("the template's own $assert failed", "See its condition."),
    "T0410": ("an argument of a function has the wrong type", "Look up the function's signature."),
    "T0411": ("the context value of a function has the wrong type", "Pass the argument in the parentheses."),
    "T0412": ("an argument must be an array of one type", "Look at what the path before it gives."),
    "T1003": ("a key of an object is not text", "Convert it with $string."),
    "T1005": ("a name is called that is no function", "Functions begin with $."),
    "T1006": ("something is called that is no function", "Check the function's name."),
    "T2001": ("the left side of an arithmetic operator is not a number", "Convert it with $number."),
    "T2002": ("the right side of an arithmetic operator is not a number", "Convert it with $number."),
    "T2003": ("the left side of .. is not a whole number", "Convert it with $number."),
    "T2004": ("the right side of .. is not a whole number", "Convert it with $number."),
    "T2006": ("the right side of ~> is not a function", "Put the name of a function there."),
    "T2007": ("an order-by compares text with numbers", "Convert all to one type."),
    "T2008": ("an order-by compares what is neither text nor number", "Name a field of text or numbers."),
    "T2009": ("a comparison is between different types", "Convert both sides to one type."),
    "T2010": ("a comparison is between what is neither text nor number", "Test the value with $exists or $type."),
}


def syntax_meaning(jsonata_code: str, told: str) -> tuple[str, str]:
    """What is wrong and what to try, from what the reference engine told."""
    what, remedy = _SYNTAX.get(jsonata_code, ("", ""))
    if jsonata_code == "S0201":
        what = f"{told.removeprefix('Syntax error: ')} is not expected here"
    elif jsonata_code == "S0211":
        symbol = told.removeprefix("The symbol ").removesuffix(" cannot be used as a unary operator")
        what = f"a value is missing before {symbol}"
    return what or told[:1].lower() + told[1:], remedy or "See the language's reference for this code."


def failure_code(jsonata_code: str) -> str:
    """The relay's code for a failed rendering."""
    if jsonata_code == "D1012":
        return "template_timeout"
    return "template_limit" if exceeds_limit(jsonata_code) else "template_failed"


def exceeds_limit(jsonata_code: str) -> bool:
    return jsonata_code in _LIMITS


def meaning(jsonata_code: str) -> tuple[str, str]:
    """What happened and what to try. Both are empty for a code that has no text here."""
    if jsonata_code in _LIMITS:
        return _LIMITS[jsonata_code], "Simplify the template or raise the limit under [templates]."
    return _MEANINGS.get(jsonata_code, ("", ""))
