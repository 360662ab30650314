"""docs/performance.md from the JSON of a run: `python -m tests.bench --page`."""

from tests.bench import table

PAGE = """# Performance

This page is made by `python -m tests.bench --page` from the values that `python -m tests.bench` wrote; every number on it
was measured by it.{warning}

{machine}

A ratio is how many times faster tinyaug is than the peer that is named: above 1 we are faster, below 1 we are slower.
"Recorded" is the plain definition through `tinyaug.record`; nothing was written by hand for any of these models.

## Against the targets

A workload that was not measured in a setting has no row there, a case that was not has "-".

{targets}

## Where others are faster

{lost}

## How cost grows

A dense memory reads and writes every slot at every time step, so a step is linear in both; these are the constants.

{growth}

## What each pass gains

Why it is fast: the recorder leaves nothing but array calls, and its passes leave fewer of them. [recorder.md](recorder.md)
shows what each one does. Here each is left out once. Some gain only together with another, so the parts do not add up to
the whole; `columns` is for an LSTM by itself, and `recompute` for memory: it does nothing while a program is small. One
thread; all programs lie on the same memory, as a place of its own would make one faster than another by chance. Where a row
has as many calls as the first it is the same program, or nearly so: how far it is from 1.00 is the noise. (Several passes
end with `dead`, so it is not missed.)

{passes}

The tape puts off what many time steps give to one parameter: the products of a weight are multiplied in one, the gradients
of small parameters summed in one. Without that an eager step takes so much longer:

{tape}

## How it was measured

- Before anything is timed, every contender's gradients are compared with those of the first one: same weights, same
  data, float32, at most {tolerance:g} of each gradient's largest element apart. Who differs is not timed. pytorch-ntm
  alone is not compared: its equations are its own.
- What is timed is what was compared: whole steps with all gradients, and with RMSProp's update for the NTM.
  The chain of softmax is compared at length 4: a longer one has forgotten its input, and its gradient is 0.
- A block is {block} steps and {lasting:g} ms at least, so that caches hold the contender's own numbers. Blocks are
  interleaved, A B C A B C, up to {rounds} each (at least {fewest}); a ratio is the median over the rounds of the quotient
  within a round.
- Before, the garbage collector runs once and what the imports left is frozen. It waits while a block runs, for every
  contender, as it does in `timeit` and in tinyaug's training loop.
- Every case has a process of its own, pinned to as many processors as it has threads; the thread variables are set
  before NumPy is imported.
- Every library computes with the processor kernels that it chooses for itself. Variables that force others on it, such as
  OPENBLAS_CORETYPE, are taken out; where one was set, a part was measured once more under it, and stands under its name.
- PyTorch has its fair chance: the NTM vectorised with a head at a time, as in the public implementations, with the
  heads merged, and tuned by an expert; torch.compile, nn.LSTM, and for attention the faster of its two ways. The bars
  of the NTM stand beside the first two, so the second row is the stricter one.
{left_out}
## Everything that was measured

{details}
"""


def page(document):
    from tests.bench.measure import BLOCK, FEWEST, LASTING, ROUNDS, TOLERANCE  # here: it imports NumPy

    results = document["results"]
    settings = table.settings(results)
    machine = table.table(["", "measured on"], [[name, value] for name, value in document["machine"].items()])
    losses = table.lost(results)
    missing = [f"- Left out: {r['workload']}, {r['case']}: {r.get('missing') or r['error']}." for r in results
               if "missing" in r or "error" in r]
    return PAGE.format(
        warning=" It was a quick run of tiny sizes: its times mean nothing." if document["quick"] else "",
        machine=machine,
        targets="\n\n".join(f"### {words}\n\n{table.targets(measured)}" for words, measured in settings.items()),
        lost=table.table(table.LOST, losses) if losses else "Nowhere.",
        growth=table.growth(results), passes=table.passes(results), tape=table.techniques(results),
        tolerance=TOLERANCE, block=BLOCK, lasting=LASTING, rounds=ROUNDS, fewest=FEWEST,
        left_out="\n".join([*missing, ""]),
        details="\n\n".join(f"### {words}\n\n{table.details(measured)}" for words, measured in settings.items()))
