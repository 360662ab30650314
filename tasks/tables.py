"""Tables: answer questions about a table by a program of nine operations, from answers alone (Neelakantan et al. 2015).

The question is words, the table is numbers. The program that is written selects rows, then sums, counts or prints. It is
shown in words and as SQL, and sqlite3 runs the SQL on the same table.
"""

import re
import sqlite3
from pathlib import Path

import numpy as np

from tasks.task import OptionError, Task
from tinyaug import Tensor, no_grad, ops
from tinyaug.data import tables
from tinyaug.programmer.programmer import entropy
from tinyaug.programmer.tables import (
    OPERATIONS,
    STEPS,
    Table,
    TableProgrammer,
    execute,
    harden,
    log_likelihood,
    to_sql,
    to_words,
)
from tinyaug.train.optimise import Adam

TOKENS = 24             # of the longest question
TEXTS = 10              # different names in a column of text
TESTS = 400             # questions of a test
LONGER, LARGER = 4, 10  # tables of the test: so many times the rows, and the numbers

ONE = {"steps": 4500, "batch": 32, "validate_every": 250, "rate": 3e-3, "clip_norm": 1.0,
       "columns": 1, "rows": 30, "limit": 10,
       "samples": 32, "temperature": 0.1, "tolerance": 0.1, "entropy": 0.2, "easy_until": 300, "width": 24, "hidden": 32}
MODELS = {"one-column": ONE, "five-columns": ONE | {"steps": 6000, "columns": 5}}
BARS = {"one-column": 0.99, "five-columns": 0.95}
EASY = [template for template in tables.TEMPLATES if template[0] not in ("and", "or") and template[1] != "difference"]


def check(config):
    """Settings that cannot be."""
    for key in ("columns", "rows", "limit", "samples", "width", "hidden"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("rate", "clip_norm", "temperature", "tolerance"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")


def build(config, rng):
    model = TableProgrammer(words=len(tables.vocabulary(config["columns"])), width=config["width"], hidden=config["hidden"],
                            rng=rng)
    return model


def draw(rng, config, count, templates, rows, limit):
    """Questions about tables of their own: [(question, numbers (R, C), texts (R,), answer)]"""
    found = []
    for _ in range(count):
        numbers, texts = tables.draw_table(rng, rows, config["columns"], limit, TEXTS)
        question = tables.ask(rng, numbers, texts, templates[rng.integers(len(templates))])
        found.append((question, numbers, texts, tables.answer(question, numbers, texts)))
    return found


def arrays(config, questions):
    """Tokens, places of the numbers, and the four parts of a Table, for questions about tables of one size."""
    words = tables.vocabulary(config["columns"])
    tokens = np.zeros((len(questions), TOKENS), dtype=np.int64)
    for row, (question, *_) in zip(tokens, questions):
        row[TOKENS - len(question.words):] = [words[word] for word in question.words]
    places = tokens[:, None, :] == np.array([words["n1"], words["n2"]])[:, None]
    values = np.stack([numbers for _, numbers, _, _ in questions])
    limits = np.array([question.numbers for question, *_ in questions])[:, :, None, None]
    match = np.array([[text == question.text for text in texts] for question, _, texts, _ in questions])
    parts = (places, values, values[:, None] > limits, values[:, None] < limits, match)
    return tokens, *(part.astype(np.float32) for part in parts)


def batch(config, rng, i):
    """Questions with their answers, noise for the programs, and the weight of the entropy at this step."""
    templates = EASY if i <= config["easy_until"] else tables.TEMPLATES
    questions = draw(rng, config, config["batch"], templates, config["rows"], config["limit"])
    scalar, cells = np.zeros(len(questions)), np.zeros((len(questions), config["rows"], config["columns"]))
    is_scalar = np.array([not isinstance(answer, list) for *_, answer in questions], dtype=np.float32)
    for k, (*_, answer) in enumerate(questions):
        if isinstance(answer, list):
            for row, column in answer:
                cells[k, row, column] = 1
        else:
            scalar[k] = answer
    noise = rng.gumbel(size=(config["batch"], config["samples"], (STEPS - 1) * sum(sizes(config["columns"]))))
    bonus = config["entropy"] * max(0.0, 1 - i / (0.8 * config["steps"]))
    names = np.array([tables.vocabulary(config["columns"])[f"c{j + 1}"] for j in range(config["columns"])])
    constants = [np.array(value) for value in (bonus, config["temperature"], config["tolerance"])]
    return *arrays(config, questions), names, scalar, cells, is_scalar, noise, *constants


def sizes(columns):
    """How many operations, columns and numbers a step chooses from."""
    return len(OPERATIONS), columns, tables.NUMBERS


def loss(model, tokens, places, values, above, below, match, names, scalar, cells, is_scalar, noise, bonus, temperature,
         tolerance):
    """How unlikely the answers are, less a bonus for undecided programs."""
    scores = model(tokens, places, names)
    cuts = np.cumsum(sizes(names.shape[0]) * (STEPS - 1))[:-1]
    parts = ops.split(noise, list(cuts), axis=-1)
    likely = log_likelihood(scores, Table(values, above, below, match), scalar, cells, is_scalar,
                            [parts[i:i + 3] for i in range(0, len(parts), 3)], temperature=temperature, tolerance=tolerance)
    value, undecided = -ops.mean(likely), entropy(scores)
    return value - bonus * undecided, {"misfit": value, "entropy": undecided}


def optimiser(config, model):
    return Adam(model, rate=config["rate"], clip_norm=config["clip_norm"])


def rate(config, i):
    """Full over the first half, then falling to 0."""
    return config["rate"] * min(1.0, max(0.02, 2 * (1 - i / config["steps"])))


def programs(model, config, questions):
    """The hard program of each question."""
    tokens, places, *_ = arrays(config, questions)
    words, device = tables.vocabulary(config["columns"]), model.operation.weight.device
    names = np.array([words[f"c{j + 1}"] for j in range(config["columns"])])
    return harden(model(*(Tensor(x).to(device) for x in (tokens, places, names))))


def query(sql, names, numbers, texts):
    """What sqlite3 answers. names: of the columns of numbers (R, C); texts: (R,), in a column of its own, "name" """
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE data (" + ", ".join(f'"{name}" REAL' for name in names) + ', "name" TEXT)')
        base.executemany(f"INSERT INTO data VALUES ({', '.join('?' * (len(names) + 1))})",
                         [(*map(float, row), str(text)) for row, text in zip(numbers, texts)])
        return [row[0] for row in base.execute(sql).fetchall()]


def right(found, wanted):
    """Is an answer the wanted one? Scalars to 1e-9; cells all and no other."""
    if isinstance(wanted, list) or isinstance(found, list) or found is None:
        return found == wanted
    return bool(np.isclose(found, wanted, rtol=1e-9, atol=1e-9))


def measure(model, config, rng, templates, rows, limit, count):
    """Share of right answers, and of those, the share for which SQL says the same."""
    questions = draw(rng, config, count, templates, rows, limit)
    names = [f"c{j + 1}" for j in range(config["columns"])]
    answered = agreed = 0
    for program, (question, numbers, texts, wanted) in zip(programs(model, config, questions), questions):
        found = execute(program, numbers.tolist(), question.numbers, [text == question.text for text in texts])
        if right(found, wanted):
            answered += 1
            said = query(to_sql(program, names, question.numbers, condition(question.text)), names, numbers, texts)
            agreed += right([numbers[i, j] for i, j in found], said) if isinstance(found, list) else right(found, said[0])
    return {"exact": answered / count, "sql_agrees": agreed / max(answered, 1)}


def condition(text):
    """A condition in SQL for the rows with that text."""
    quoted = text.replace("'", "''")
    return f"\"name\" = '{quoted}'"


def validate(model, config, rng):
    found = measure(model, config, rng, tables.TEMPLATES, config["rows"], config["limit"], 200)
    return {"exact": found["exact"], "done": found["exact"] == 1.0}


def evaluate(model, config, rng):
    """Fresh questions and tables as in training, tables longer and numbers larger, and the text match alone."""
    matching = [template for template in tables.TEMPLATES if template[0] == "match"]
    result = []
    for name, templates, longer, larger in (("as trained", tables.TEMPLATES, 1, 1),
                                            ("longer, larger", tables.TEMPLATES, LONGER, LARGER),
                                            ("text match", matching, 1, 1)):
        rows = longer * config["rows"]
        result.append({"length": rows, "test": name, "questions": TESTS,
                       **measure(model, config, rng, templates, rows, larger * config["limit"], TESTS)})
    return {"metrics": {}, "by_length": result}


def targets(config, result):
    bound = BARS[config["model"]]
    trained, longer, text = result["by_length"]
    bars = {"exact": (trained["exact"], bound), "exact_longer_larger": (longer["exact"], bound),
            "exact_text_match": (text["exact"], 0.98), "sql_agrees": (longer["sql_agrees"], 0.99)}
    return {name: {"value": value, "bound": bound, "reached": bool(value >= bound)} for name, (value, bound) in bars.items()}


def trace(model, config, rng):
    """One question of the hardest kind: the distributions of each step, and the table."""
    question, numbers, texts, wanted = draw(rng, config, 1, [("and", "sum")], 12, config["limit"])[0]
    one = [(question, numbers, texts, wanted)]
    tokens, places, *_ = arrays(config, one)
    words, device = tables.vocabulary(config["columns"]), model.operation.weight.device
    names = np.array([words[f"c{j + 1}"] for j in range(config["columns"])])
    scores = model(*(Tensor(x).to(device) for x in (tokens, places, names)))
    program = harden(scores)[0]
    columns = [f"c{j + 1}" for j in range(config["columns"])]
    selected = [np.ones(len(numbers))]
    for step in range(STEPS):
        rows = execute([*program[:step + 1], program[0]._replace(operation="assign")], numbers.tolist(), question.numbers,
                       [text == question.text for text in texts])
        selected.append(np.isin(np.arange(len(numbers)), [i for i, _ in rows]).astype(float))
    return {"question": np.array(" ".join(question.words)), "limits": np.array(question.numbers), "values": numbers,
            "operations": np.array(OPERATIONS), "answer": np.array(float(wanted)), "rows": np.stack(selected),
            "program": np.array(to_words(program, columns, question.numbers)),
            "sql": np.array(to_sql(program, columns, question.numbers) or "no answer"),
            "operation": np.stack([ops.softmax(step.operation).numpy()[0] for step in scores]),
            "column": np.stack([ops.softmax(step.column).numpy()[0] for step in scores]),
            "pivot": np.stack([ops.softmax(step.pivot).numpy()[0] for step in scores])}


def figures(folder, trace, metrics):
    from viz import tables as draw_tables
    return draw_tables.all_figures(folder / "figures", trace, metrics)


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


def command(options, weights):
    """--csv FILE --ask QUESTION: the answer, the program in words and in SQL, and whether SQL agrees."""
    if options.ask is None and options.csv is None:
        return None
    if options.ask is None or options.csv is None:
        raise OptionError("--csv and --ask: got one of the two, expected a table and a question about it")
    try:
        names, numbers, _, texts = tables.read_csv(options.csv)
    except (tables.CSVError, OSError) as error:
        raise OptionError(f"--csv {error}") from None
    from tasks.runner import shipped
    model, config, _ = shipped(TASK, options.model, weights)
    if len(names) > config["columns"]:
        raise OptionError(f"--csv {options.csv}: got {len(names)} columns of numbers, expected at most {config['columns']}, "
                          f"as {config['model']} has learned")
    kinds = {text: j for row in texts for j, text in enumerate(row)}
    question = understand(options.ask, names, tables.vocabulary(config["columns"]), kinds)
    filled = np.pad(numbers, ((0, 0), (0, config["columns"] - len(names))))
    own = [row[kinds[question.text]] if question.text else "" for row in texts]
    with no_grad():
        program = programs(model, config, [(question, filled, own, None)])[0]
    if any(step.column >= len(names) for step in program):
        program = [step._replace(column=min(step.column, len(names) - 1)) for step in program]
    found = execute(program, filled.tolist(), question.numbers, [text == question.text for text in own])
    sql = to_sql(program, names, question.numbers, condition(question.text))
    shown = [filled[i, j] for i, j in found] if isinstance(found, list) else found
    print("answer: " + (", ".join(f"{x:g}" for x in shown) if isinstance(shown, list) else f"{shown:g}" if shown is not None
                        else "none, the program only selects rows"))
    for line in to_words(program, names, question.numbers, f"the text {question.text!r}"):
        print(f"  {line}")
    if sql is not None:
        said = query(sql, names, numbers, own)
        print(f"SQL: {sql}\n{'agrees' if right(shown, said if isinstance(shown, list) else said[0]) else 'differs'}")
    return 0


TASK = Task(
    name="tables", title="answer questions about a table by a program, from answers alone",
    paper="Neelakantan, Le, Sutskever 2015, Neural Programmer: Inducing Latent Programs with Gradient Descent",
    measures="share of right answers on new tables, on longer ones with larger numbers, and with text; agreement with SQL",
    minutes=3, models=MODELS, build=build, batch=batch, loss=loss, optimiser=optimiser, rate=rate, validate=validate,
    evaluate=evaluate, targets=targets, trace=trace, figures=figures, check=check, options=options, command=command,
)
