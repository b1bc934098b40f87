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


def exceeds_limit(jsonata_code: str) -> bool:
    return jsonata_code in _LIMITS


def meaning(jsonata_code: str) -> tuple[str, str]:
    """What happened and what to try. Both are empty for a code that has no text here."""
    if jsonata_code in _LIMITS:
        return _LIMITS[jsonata_code], "Simplify the template or raise the limit under [templates]."
    return _MEANINGS.get(jsonata_code, ("", ""))
