"""What the tasks of adaptive computation time share: settings, network, loss in every form of pondering, scores."""

import numpy as np

from tinyaug import Tensor, ops
from tinyaug.halting import ACT, Fixed, PonderNet
from tinyaug.memory import MemoryAugmented, NTMMemory
from tinyaug.nn import LSTM, RNN, Linear
from tinyaug.nn.module import Module
from tinyaug.train.optimise import Adam

CHOICES = {"ponder": ("act", "none", "fixed", "pondernet")}
THINKING = {"ponder": "act", "time_penalty": 0.02, "epsilon": 0.01, "limit": 10, "halting_bias": 1.0, "prior": 0.2,
            "practice": 0, "newest": 0.0}
MEMORY = {"slots": 16, "width": 12}


class Ponderer(Module):
    """A pondering core and a linear layer that gives logits at `places` places.

    inputs (T, B, D), targets (T, B, P) with -1 where no answer is due
    """

    def __init__(self, core, places, classes, *, rng):
        self.core, self.places, self.classes = core, places, classes
        self.readout = Linear(core.output_size, places * classes, rng=rng)

    def forward(self, inputs, whole=False, limit=None):
        """A Thought at every input, and the last state. whole, limit: see Pondering.ponder"""
        state, thoughts = self.start(inputs), []
        for x in ops.unstack(inputs, axis=0):
            thought, state = self.core.ponder(x, state, whole, limit)
            thoughts.append(thought)
        return thoughts, state

    def start(self, inputs):
        """The state before the first of the inputs (T, B, D)."""
        return self.core.initial_state(inputs.shape[1])

    def logits(self, hidden):
        """(..., B, H) -> (..., B, P, classes)"""
        return ops.reshape(self.readout(hidden), (*hidden.shape[:-1], self.places, self.classes))

    def error(self, hidden, target):
        """Cross-entropy in nats, summed over the places where an answer is due: (..., B, H), (B, P) -> (..., B)."""
        logits = self.logits(hidden)
        target = ops.broadcast_to(target, logits.shape[:-1])
        each = ops.cross_entropy(logits, target, reduction="none")
        return ops.sum(each * (target >= 0).astype(each.dtype), axis=-1)

    def thought_error(self, thought, target):
        """The error (B,) at one input: that of the mean; for PonderNet, which halts at one step, the mean of the steps'."""
        if isinstance(self.core, PonderNet):
            return ops.sum(thought.weights * self.error(thought.outputs, target), axis=0)
        return self.error(thought.output, target)

    def practice_error(self, thought, target, due):
        """The error (B,) of the answers after every step, weighted by due (N,)."""
        return ops.sum(ops.reshape(due, (len(due), 1)) * self.error(thought.outputs, target), axis=0)

    def probabilities(self, thought):
        """(B, P, classes): how likely the network holds each class."""
        if isinstance(self.core, PonderNet):
            weights = ops.reshape(thought.weights, (*thought.weights.shape, 1, 1))
            return ops.sum(weights * ops.softmax(self.logits(thought.outputs)), axis=0)
        return ops.softmax(self.logits(thought.output))


def network(config, inputs, places, classes, rng):
    """The core by --model, in the form of pondering by --ponder, and its readout."""
    hidden, seen = config["hidden"], inputs + 1             # the core sees the mark of the first step, too
    if config["model"] == "ntm":
        memory = NTMMemory(slots=config["slots"], width=config["width"], rng=rng)
        controller = LSTM(seen + memory.read_size, hidden, rng=rng)
        core = MemoryAugmented(controller, memory, input_size=seen, output_size=hidden, rng=rng)
    else:
        remembering = {key: config[key] for key in ("forget_bias",) if key in config}      # where a recipe sets it
        core = {"rnn": RNN, "lstm": LSTM}[config["model"]](seen, hidden, rng=rng, **remembering)
    return Ponderer(pondering(config, core, rng), places, classes, rng=rng)


def pondering(config, core, rng):
    """A core in the form of pondering by --ponder."""
    if config["ponder"] == "act":
        return ACT(core, epsilon=config["epsilon"], limit=config["limit"], halting_bias=config["halting_bias"], rng=rng)
    if config["ponder"] == "pondernet":
        return PonderNet(core, limit=config["limit"], prior=config["prior"], rng=rng)
    return Fixed(core, 1 if config["ponder"] == "none" else config["limit"])


def check(config):
    """Settings that cannot be, of those that all these tasks have."""
    for key in ("limit", "hidden", "slots", "width"):
        if config.get(key, 1) < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("time_penalty", "growing", "practice"):
        if config[key] < 0:
            raise ValueError(f"{key}: got {config[key]}, expected at least 0")
    if not 0 <= config["newest"] <= 1:
        raise ValueError(f"newest: got {config['newest']}, expected 0 to 1")
    for key in ("epsilon", "prior"):
        if not 0 < config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0 and less than 1")
    for key in ("rate", "half_rate", "clip_norm"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")
    if config["ponder"] not in CHOICES["ponder"]:
        raise ValueError(f"ponder: got {config['ponder']!r}, expected one of {', '.join(CHOICES['ponder'])}")


def lesson(config, rng, i, first, last, due=None, bend=1):
    """The curriculum: how hard the i-th batch is to be, on levels from `first` to `last`, and the terms of its loss.

    A level opens when its time has come: `first` at the start, `last` at step `growing`, the others evenly between. Those
    that are open are drawn equally often, but for a share `newest` of the batches, which is of the level that has opened
    last. Each is practised for its first `practice` steps, and then free; so while hard levels are practised, easy ones
    cost already, and the halting unit learns to stop there. When `last` is free, only that is drawn.

    due:  level -> the step after which the answer is due in practice; None: after the limit
    bend: 1: levels open evenly; 2: the first ones fast and the last ones slowly, in proportion to the level
    returns: the level, and `terms`
    """
    span = max(1, last - first) ** bend
    opens = {level: config["growing"] * (level - first) ** bend // span for level in range(first, last + 1)}
    level = last
    if i < opens[last] or practises(config, i - opens[last]):
        ready = [level for level, step in opens.items() if step <= i]
        newest = config["newest"] and rng.random() < config["newest"]
        level = ready[-1] if newest else int(rng.choice(ready))
    return level, terms(config, i - opens[level], due and due(level))


def loss(model, inputs, targets, terms):
    """error + time_penalty * ponder cost: each a sum over the sequence, a mean over the batch (Graves 2016, section 2.1).

    terms: array [time_penalty], the paper's tau, PonderNet's beta; or, while it practises, [time_penalty, freedom, due_1,
           ..., due_N]: then the loss is (1 - freedom) sum_n due_n error(y^n) + freedom (error + time_penalty * ponder cost),
           after N steps at every input
    """
    practising = terms.shape[0] > 1
    taken = terms.shape[0] - 2 if practising else None
    thoughts, state = model(inputs, whole=True, limit=taken)            # whole, as it is recorded: whoever has halted

    def total(error, *more):
        each = [error(thought, target, *more) for thought, target in zip(thoughts, ops.unstack(targets, axis=0))]
        return ops.mean(sum(each[1:], each[0]))

    error, cost = total(model.thought_error), ops.mean(state.ponder_cost)
    value = error + ops.sum(terms[:1]) * cost
    if practising:
        freedom, error = ops.sum(terms[1:2]), total(model.practice_error, terms[2:])
        value = (1 - freedom) * error + freedom * value
    steps = ops.mean(ops.stack([thought.steps for thought in thoughts]))
    return value, {"error": error, "ponder_cost": cost, "steps": steps}


def practises(config, i):
    """Is a level that has been open for i steps practised? With ACT for `practice` steps; then it becomes free to halt, over
    a fifth as many."""
    return config["ponder"] == "act" and config["practice"] > 0 and i <= 1.2 * config["practice"]


def terms(config, i, due=None):
    """The last array of a batch, see `loss`: of a level that has been open for i steps.

    due: the step after which the answer is due in practice, the limit if None. Until the end of practice the halting unit
    matters only to the state that the next input goes on from.
    """
    if not practises(config, i):
        return np.array([config["time_penalty"]], np.float32)
    weights = np.arange(1, config["limit"] + 1) == (due or config["limit"])
    freedom = max(0.0, (i / config["practice"] - 1) * 5)
    return np.array([config["time_penalty"], freedom, *weights], np.float32)


def optimiser(config, model):
    return Adam(model, rate=config["rate"], clip_norm=config["clip_norm"])


def rate(config, i):
    """The learning rate of step i: full at first, half at `half_rate` steps, falling as 1 / i^2 in the end."""
    return config["rate"] / (1 + (i / config["half_rate"]) ** 2)


def answers(model, inputs, targets):
    """Run a batch. returns, on the host: which answers are wrong (T, B, P), which are due (T, B, P), steps (T, B)"""
    thoughts, _ = model(Tensor(inputs).to(model.parameters()[0].device))
    guess = np.stack([model.probabilities(thought).numpy().argmax(axis=-1) for thought in thoughts])
    due = targets >= 0
    return (guess != targets) & due, due, np.stack([thought.steps.numpy() for thought in thoughts])


def judged(measure, lengths, few, many):
    """validate and evaluate of a task whose sequences have several lengths: each counts the same.

    measure: model, config, rng, length, sequences -> a row; lengths: config -> all of them
    few, many: so many sequences of each length, at a validation and in the end
    """
    def over_lengths(model, config, rng, sequences):
        rows = [measure(model, config, rng, length, sequences) for length in lengths(config)]
        return rows, {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "length"}

    def validate(model, config, rng):
        _, found = over_lengths(model, config, rng, few)
        return found | {"done": found["error"] <= config["enough"]}

    def evaluate(model, config, rng):
        rows, metrics = over_lengths(model, config, rng, many)
        return {"metrics": metrics, "by_length": rows}

    return validate, evaluate


def correlation(x, y):
    """Pearson's, 0 where one of the two never changes."""
    x, y = np.ravel(x).astype(float), np.ravel(y).astype(float)
    return float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 1e-6 else 0.0


def bars(**values):
    """Each name=(value, bound): reached where the value is at most the bound; where at_least, no less."""
    return {name: {"value": value, "bound": bound,
                   "reached": bool(value >= bound if name.endswith("at_least") else value <= bound)}
            for name, (value, bound) in values.items()}


def thinking(model, inputs):
    """A trace: all that went on at every input of one sequence (T, 1, D), and the answer's probabilities."""
    inputs = Tensor(inputs).to(model.parameters()[0].device)
    record = {name: x.numpy() for name, x in model.core.trace(inputs, model.start(inputs)).items()}
    thoughts, _ = model(inputs)
    record["probabilities"] = np.stack([model.probabilities(thought).numpy() for thought in thoughts])
    record["step_probabilities"] = ops.softmax(model.logits(Tensor(record["outputs"]).to(inputs.device))).numpy()
    return record | {"input": inputs.numpy(), "epsilon": np.array(getattr(model.core, "epsilon", 0.0))}
