"""Dates as people write them, with what they are in ISO 8601; and numbers with their English names.

Both know where each symbol of the answer comes from: a digit of the year from that digit, the rest of a date from the month
or the day as written, the name of a digit from the digit. Hyphens, leading zeros, "hundred" and "thousand" come from no
place of their own. A tenth of all dates and of all numbers is held out: drawn for testing only, in every format.
"""

from datetime import date, timedelta

from tinyaug.data.symbols import Alphabet, Pair

__all__ = ["SOURCES", "TARGETS", "dates", "numerals", "words_of", "held_out"]

MONTHS = ("january february march april may june july august september october november december").split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
FIRST, COUNT = date(1000, 1, 1), 3_287_182          # to 31 December 9999, so that no digit can be guessed
FORMATS = ("{d} {month} {y}", "{month} {d}, {y}", "{dth} of {month} {y}", "{weekday}, {d} {mon} {y}", "{mon} {dth}, {y}",
           "{y} {month} {d}", "{weekday} {month} {dth} {y}", "{d}.{m}.{y}", "{d} {mon} {y}", "{dd}.{mm}.{y}", "{y}/{m}/{d}",
           "the {dth} of {mon}, {y}")

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

SOURCES = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz ,./")
TARGETS = Alphabet([*"0123456789-", *ONES, *TENS, "hundred", "thousand"])


def held_out(n):
    """Is this number, or the n-th day, for testing only? A tenth is, without a pattern in its digits."""
    return (n * 2654435761 >> 9) % 10 == 0          # Knuth's multiplicative hash


def dates(rng, n, testing=False):
    """n Pairs such as ("3rd of may 1987", "1987-05-03")."""
    return [_dated(FIRST + timedelta(days=day), FORMATS[rng.integers(len(FORMATS))])
            for day in _drawn(rng, n, COUNT, testing)]


def numerals(rng, n, testing=False):
    """n Pairs such as ("4017", "four thousand seventeen"); numbers of 1 to 6 digits, each as often.

    There are too few numbers of one or two digits to hold some of them out: for testing 3 to 6.
    """
    found = []
    for digits in rng.integers(3 if testing else 1, 7, n):
        least = 10 ** (int(digits) - 1) if digits > 1 else 0
        draw = _drawn if digits > 2 else _any
        found += draw(rng, 1, 10 ** int(digits) - least, testing, least)
    return [Pair(str(number), *_numeral(number)) for number in found]


def words_of(number):
    """The English name of 0 .. 999,999 as a list of words."""
    return _numeral(number)[0]


def _drawn(rng, n, count, testing, least=0):
    """n numbers of least .. least + count - 1 of which none, or every one, is held out."""
    found = []
    while len(found) < n:
        value = least + int(rng.integers(count))
        if held_out(value) == testing:
            found.append(value)
    return found


def _any(rng, n, count, testing, least):
    return [least + int(value) for value in rng.integers(count, size=n)]


def _dated(day, form):
    """A date as a Pair with its places."""
    suffix = "th" if 10 <= day.day <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    month = MONTHS[day.month - 1]
    fields = {"d": str(day.day), "dd": f"{day.day:02}", "dth": f"{day.day}{suffix}", "m": str(day.month),
              "mm": f"{day.month:02}", "month": month, "mon": month[:3], "y": str(day.year), "weekday": DAYS[day.weekday()]}
    text, spans = "", {}
    for part in form.replace("{", "}").split("}"):                      # text, field, text, ...
        if part in fields:
            spans[part[0]] = set(range(len(text), len(text) + len(fields[part])))
        text += fields.get(part, part)
    answer = day.isoformat()
    places = [{i} for i in sorted(spans["y"])]
    for field, start in (("m", 5), ("d", 8)):
        places += [None] + [None if answer[start] == "0" else spans[field], spans[field]]
    return Pair(text, answer, places)


def _numeral(number):
    """The words, and for each the digits that it comes from: "fifteen" has two."""
    text = str(number)
    if number == 0:
        return ["zero"], [{0}]
    words, places = [], []
    for end, name in ((len(text) - 3, "thousand"), (len(text), None)):
        group = text[max(0, end - 3):max(0, end)]
        spoken, where = _group(group, max(0, end - 3))
        words, places = words + spoken, places + where
        if spoken and name:
            words, places = [*words, name], [*places, None]
    return words, places


def _group(text, start):
    """Up to three digits."""
    hundreds, tens, ones = (int(digit) for digit in text.rjust(3, "0"))
    at = start + len(text)                                              # one behind the ones
    words, places = [], []
    if hundreds:
        words, places = [ONES[hundreds], "hundred"], [{at - 3}, None]
    if tens >= 2:
        words, places = [*words, TENS[tens - 2]], [*places, {at - 2}]
    if tens == 1:
        words, places = [*words, ONES[10 + ones]], [*places, {at - 2, at - 1}]
    elif ones:
        words, places = [*words, ONES[ones]], [*places, {at - 1}]
    return words, places
