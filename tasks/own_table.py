"""A question about a person's own table: `python -m tasks tables --csv FILE --ask "..."`."""

import re
from pathlib import Path

import numpy as np

from tasks.task import OptionError
from tinyaug import no_grad
from tinyaug.data import tables
from tinyaug.programmer.tables import execute, to_sql, to_words

TOKENS = 24             # of the longest question


def options(add):
    add("--csv", type=Path, metavar="FILE", help="with --ask: a table of your own, column names in the first line")
    add("--ask", metavar="QUESTION", help="with --csv: a question in the words of the templates, such as 'what is the sum "
                                          "of price where price is greater than 5'")


def understand(text, names, words, kinds):
    """A typed question as a Question: names of columns become c1, c2, ..., numbers n1, n2, a text of the table w.

    kinds: {text that stands in the table: its column}
    raises: OptionError that says what is not understood
    """
    rest, numbers, said = f" {text.lower().strip(' ?.')} ", [], ""
    for name in sorted(names, key=len, reverse=True):
        rest = rest.replace(f" {name.lower()} ", f" c{names.index(name) + 1} ")
    for value in sorted(kinds, key=len, reverse=True):
        if value and f" {value.lower()} " in rest:
            rest, said = rest.replace(f" {value.lower()} ", " w "), value
            break
    found = []
    for word in rest.split():
        if re.fullmatch(r"-?\d+(\.\d+)?", word):
            numbers.append(float(word))
            word = f"n{len(numbers)}"
        if word not in words:
            known = [other for other in words if other[1:2] not in "0123456789_w" or len(other) > 2]
            raise OptionError(f"--ask: {word!r} is not understood; expected one of the columns {', '.join(names)}, "
                              f"a number, a text of the table, or: {', '.join(known)}")
        found.append(word)
    if len(numbers) > tables.NUMBERS or len(found) > TOKENS:
        raise OptionError(f"--ask: got {len(numbers)} numbers and {len(found)} words, expected at most {tables.NUMBERS} and "
                          f"{TOKENS}")
    if not any(word in found for word in ("count", "many", "number")) and not any(re.fullmatch(r"c\d", w) for w in found):
        raise OptionError(f"--ask: the question is about no column; expected one of {', '.join(names)}")
    return tables.Question(found, tuple([*numbers, 0.0, 0.0][:tables.NUMBERS]), said, ("", ""))


def command(task, options, weights):
    """--csv FILE --ask QUESTION: the answer, the program in words and in SQL, and whether SQL agrees."""
    from tasks.tables import condition, programs, query, right
    if options.data is not None and options.model is None:
        options.model = "wiki"
    if options.ask is None and options.csv is None:
        return None
    if options.ask is None or options.csv is None:
        raise OptionError("--csv and --ask: got one of the two, expected a table and a question about it")
    try:
        names, numbers, titles, texts = tables.read_csv(options.csv)
    except OSError as error:
        raise OptionError(f"--csv {options.csv}: cannot be read ({error.strerror})") from None
    except tables.CSVError as error:
        raise OptionError(f"--csv {error}") from None
    if not names:
        raise OptionError(f"--csv {options.csv}: got no column of numbers, expected at least one among {', '.join(titles)}")
    from tasks.runner import shipped
    wanted = options.model or ("one-column" if len(names) <= 1 else "five-columns")
    model, config, _ = shipped(task, wanted, weights)
    if len(names) > config["columns"]:
        raise OptionError(f"--csv {options.csv}: got {len(names)} columns of numbers, expected at most {config['columns']}, "
                          f"as {config['model']} has learned")
    kinds = {text: j for row in texts for j, text in enumerate(row)}
    question = understand(options.ask, names, tables.vocabulary(config["columns"]), kinds)
    filled = np.pad(numbers, ((0, 0), (0, config["columns"] - len(names))))
    own = [row[kinds[question.text]] if question.text else "" for row in texts]
    title = titles[kinds[question.text]] if question.text else " "           # a name that no column has
    with no_grad():
        program = programs(model, config, [(question, filled, own, None)])[0]
    if any(step.column >= len(names) for step in program):
        program = [step._replace(column=min(step.column, len(names) - 1)) for step in program]
    found = execute(program, filled.tolist(), question.numbers, [text == question.text for text in own])
    sql = to_sql(program, names, question.numbers, condition(question.text, title))
    shown = [filled[i, j] for i, j in found] if isinstance(found, list) else found
    print("answer: " + (", ".join(f"{x:g}" for x in shown) if isinstance(shown, list) else f"{shown:g}" if shown is not None
                        else "none, the program only selects rows"))
    for line in to_words(program, names, question.numbers, f"the text {question.text!r}"):
        print(f"  {line}")
    if sql is not None:
        said = query(sql, names, numbers, own, title)
        print(f"SQL: {sql}\n{'agrees' if right(shown, said if isinstance(shown, list) else said[0]) else 'differs'}")
    return 0
