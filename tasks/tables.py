"""Tables: answer questions about a table by a program of nine operations, from answers alone (Neelakantan et al. 2015).

The question is words, the table is numbers. The program that is written selects rows, then sums, counts or prints. It is
shown in words and as SQL, and sqlite3 runs the SQL on the same table.
"""

import sqlite3

import numpy as np

from tasks import own_table, wiki
from tasks.task import OptionError, Task
from tinyaug import Tensor, ops
from tinyaug.data import tables
from tinyaug.programmer.answers import answer_mean, log_likelihood, paper_loss
from tinyaug.programmer.programmer import entropy
from tinyaug.programmer.tables import (
    OPERATIONS,
    STEPS,
    Table,
    TableProgrammer,
    answer_soft,
    execute,
    harden,
    quoted,
    to_sql,
    to_words,
)
from tinyaug.train.optimise import Adam

TOKENS = own_table.TOKENS
TEXTS = 10              # different names in a column of text
TESTS = 400             # questions of a test
LONGER, LARGER = 4, 10  # tables of the test: so many times the rows, and the numbers
OUTSIDE = 0.3           # where answers of programs are averaged: weight of -log the probability that choices are a program

# Tolerance, rate and entropy were chosen on seeds 101 to 103; docs/tables.md tells what else was tried.
ONE = {"steps": 4000, "batch": 32, "validate_every": 250, "rate": 1e-2, "clip_norm": 1.0,
       "gradient_noise": 0.0, "columns": 1, "rows": 30, "limit": 10,
       "tolerance": 0.001, "entropy": 0.0, "width": 24, "hidden": 32}
PAPER = ONE | {"steps": 10000, "validate_every": 1000, "rate": 3e-3, "entropy": 20.0}
MODELS = {"one-column": ONE, "five-columns": ONE | {"columns": 5}, "paper-loss": PAPER,
          "paper-steps": PAPER | {"entropy": 0.0}, "wiki": wiki.RECIPE}
AVERAGES = {"paper-loss": "programs", "paper-steps": "steps"}     # what the soft answers of these average


def check(config):
    """Settings that cannot be."""
    for key in ("columns", "rows", "limit", "width", "hidden"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("rate", "clip_norm", "tolerance"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")


def keeps(config):
    """Nothing: the words of a question are those of its templates."""
    return {}


def build(config, rng):
    if config["data"]:
        raise OptionError(f"--data {config['data']}: not with --model {config['model']}, which draws its tables; expected "
                          "--model wiki")
    model = TableProgrammer(words=len(tables.vocabulary(config["columns"])), width=config["width"], hidden=config["hidden"],
                            rng=rng)
    model.averages = AVERAGES.get(config["model"])
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
    questions = draw(rng, config, config["batch"], tables.TEMPLATES, config["rows"], config["limit"])
    scalar, cells = np.zeros(len(questions)), np.zeros((len(questions), config["rows"], config["columns"]))
    is_scalar = np.array([not isinstance(answer, list) for *_, answer in questions], dtype=np.float32)
    for k, (*_, answer) in enumerate(questions):
        if isinstance(answer, list):
            for row, column in answer:
                cells[k, row, column] = 1
        else:
            scalar[k] = answer
    passed = i / (0.6 * config["steps"])
    bonus = config["entropy"] * 0.002 ** passed * (passed < 1)
    names = np.array([tables.vocabulary(config["columns"])[f"c{j + 1}"] for j in range(config["columns"])])
    constants = [np.array(value) for value in (bonus, config["tolerance"])]
    return *arrays(config, questions), names, scalar, cells, is_scalar, *constants


def sizes(columns):
    """How many operations, columns and numbers a step chooses from."""
    return len(OPERATIONS), columns, tables.NUMBERS


def loss(model, *arrays):
    """The misfit of a batch, less a bonus for undecided programs."""
    return (wiki.loss if isinstance(model, wiki.WikiProgrammer) else _loss)(model, *arrays)


def soft_answer(model, scores, table):
    """Scalars and cells of the soft program: averaged step by step, or over programs (then with what `answer_mean` adds)."""
    return (answer_mean if model.averages == "programs" else answer_soft)(scores, table)


def _loss(model, tokens, places, values, above, below, match, names, scalar, cells, is_scalar, bonus, tolerance):
    """How unlikely the answers are, less a bonus for undecided programs."""
    scores = model(tokens, places, names)
    table = Table(values, above, below, match)
    undecided, outside = entropy(scores), 0.0
    if model.averages == "programs":            # of the mean over programs, undecided if many programs are likely
        *soft, undecided, outside = soft_answer(model, scores, table)
        each, undecided, outside = paper_loss(*soft, scalar, cells, is_scalar), ops.mean(undecided), ops.mean(outside)
    elif model.averages == "steps":
        each = paper_loss(*soft_answer(model, scores, table), scalar, cells, is_scalar)
    else:
        each = -log_likelihood(scores, table, scalar, cells, is_scalar, tolerance=tolerance)
    value = ops.mean(each)
    return value + OUTSIDE * outside - bonus * undecided, {"misfit": value, "entropy": undecided}


def optimiser(config, model):
    eta = config.get("gradient_noise")          # `wiki` has none
    return Adam(model, rate=config["rate"], clip_norm=config["clip_norm"], noise=eta or None,
                rng=np.random.default_rng(0) if eta else None)


def rate(config, i):
    """Full over the first half, then falling to 0."""
    return config["rate"] * min(1.0, max(0.02, 2 * (1 - i / config["steps"])))


def read(model, config, questions):
    """The scores of questions, and the tables that they are about."""
    tokens, places, *table = arrays(config, questions)
    words, device = tables.vocabulary(config["columns"]), model.operation.weight.device
    names = np.array([words[f"c{j + 1}"] for j in range(config["columns"])])
    tokens, places, names, *table = (Tensor(x).to(device) for x in (tokens, places, names, *table))
    return model(tokens, places, names), Table(*table)


def programs(model, config, questions):
    """The hard program of each question."""
    return harden(read(model, config, questions)[0])


def query(sql, names, numbers, texts, title="name"):
    """What sqlite3 answers. names: of the columns of numbers (R, C); texts: (R,), in a column with that title"""
    with sqlite3.connect(":memory:") as base:
        base.execute(f"CREATE TABLE data ({', '.join(f'{quoted(name)} REAL' for name in names)}, {quoted(title)} TEXT)")
        base.executemany(f"INSERT INTO data VALUES ({', '.join('?' * (len(names) + 1))})",
                         [(*map(float, row), str(text)) for row, text in zip(numbers, texts)])
        return [row[0] for row in base.execute(sql).fetchall()]


def right(found, wanted):
    """Is an answer the wanted one? Scalars to 1e-9; cells all and no other."""
    if isinstance(wanted, list) or isinstance(found, list) or found is None:
        return found == wanted
    return bool(np.isclose(found, wanted, rtol=1e-9, atol=1e-9))


def measure(model, config, rng, templates, rows, limit, count):
    """Share of right answers of the hard programs; of those, the share that SQL and the soft programs agree with.

    A soft answer agrees where it rounds to the hard one, all being whole; of cells, where each is printed by more than half.
    """
    questions = draw(rng, config, count, templates, rows, limit)
    names = [f"c{j + 1}" for j in range(config["columns"])]
    answered = agreed = alike = 0
    scores, table = read(model, config, questions)
    soft = zip(*(x.numpy() for x in soft_answer(model, scores, table)[:2]))
    for program, (question, numbers, texts, wanted), (scalar, cells) in zip(harden(scores), questions, soft):
        found = execute(program, numbers.tolist(), question.numbers, [text == question.text for text in texts])
        if right(found, wanted):
            answered += 1
            said = query(to_sql(program, names, question.numbers, condition(question.text)), names, numbers, texts)
            agreed += right([numbers[i, j] for i, j in found], said) if isinstance(found, list) else right(found, said[0])
            alike += np.argwhere(cells > 0.5).tolist() == [[*cell] for cell in found] if isinstance(found, list) else \
                round(float(scalar)) == found
    return {"exact": answered / count, "soft_agrees": alike / max(answered, 1), "sql_agrees": agreed / max(answered, 1)}


def condition(text, title="name"):
    """A condition in SQL for the rows with that text."""
    escaped = text.replace("'", "''")
    return f"{quoted(title)} = '{escaped}'"


def validate(model, config, rng):
    """On the longer tables: there a soft answer has to be surer to be as good as the hard one."""
    found = measure(model, config, rng, tables.TEMPLATES, LONGER * config["rows"], LARGER * config["limit"], TESTS)
    return found | {"done": min(found.values()) == 1.0}


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
    bound = 0.99 if config["columns"] == 1 else 0.95
    trained, longer, text = result["by_length"]
    bars = {"exact": (trained["exact"], bound), "exact_longer_larger": (longer["exact"], bound),
            "exact_text_match": (text["exact"], 0.98)}
    bars |= {name: (min(row[name] for row in result["by_length"]), 0.99) for name in ("soft_agrees", "sql_agrees")}
    return {name: {"value": value, "bound": bound, "reached": bool(value >= bound)} for name, (value, bound) in bars.items()}


def trace(model, config, rng):
    """One question of the hardest kind, about three to five rows: the distributions of each step, and the table."""
    drawn = draw(rng, config, 30, [("and", "sum")], 12, config["limit"])
    question, numbers, texts, wanted = max(drawn, key=lambda each: 3 <= tables.answer(
        each[0]._replace(template=("and", "count")), *each[1:3]) <= 5)
    scores, _ = read(model, config, [(question, numbers, texts, wanted)])
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


def of_model(hook):
    """A hook that hands over to that of `wiki` for the model of that name."""
    def hand_over(*arguments):
        config = next(argument for argument in arguments if isinstance(argument, dict))
        return (getattr(wiki, hook.__name__) if config["model"] == "wiki" else hook)(*arguments)
    return hand_over


TASK = Task(
    name="tables", title="answer questions about a table by a program, from answers alone",
    paper="Neelakantan, Le, Sutskever 2015, Neural Programmer: Inducing Latent Programs with Gradient Descent",
    measures="share of right answers on new tables, on longer ones with larger numbers, and with text; agreement with SQL",
    found=("100 % right in all three tests, one column and five (3 of 3 seeds); WikiTableQuestions 42 %, look-up 11 %",),
    minutes=1, models=MODELS, build=of_model(build), batch=of_model(batch), loss=loss, optimiser=optimiser, rate=rate,
    validate=of_model(validate), evaluate=of_model(evaluate), targets=of_model(targets), trace=of_model(trace),
    figures=figures, check=of_model(check), keeps=of_model(keeps), options=own_table.options,
    command=lambda options, weights: own_table.command(TASK, options, weights),
    data="with --model wiki: a release of WikiTableQuestions, a folder or an archive",
)
