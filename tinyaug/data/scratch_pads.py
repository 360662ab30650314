"""Scratch pads: the little worlds that a program of the interpreter works on (Reed and de Freitas 2015, figure 3).

A pad shows four symbols, `observe()`, and takes one order at a time, `act((kind, row, value))`. Symbols and values are 0 to
9, or BLANK. What an order cannot do, such as going off an end, leaves the pad as it is.
"""

BLANK = 10
WRITE, POINT, SWAP = 0, 1, 2            # kinds of order
LEFT, RIGHT = 0, 1                      # values of POINT
FIRST, SECOND, CARRY, OUT = range(4)    # rows of the addition's pad
COUNTER = 2                             # pointer of the sort's pad, after the two that walk over the array
KINDS = {WRITE: "write", POINT: "point", SWAP: "swap"}


class AdditionPad:
    """Two numbers below each other, a row for carries, a row for the sum, and a pointer in each row.

    Column 0 holds the units, and LEFT leads to the next higher column.
    """

    rows = ("first", "second", "carry", "out")

    def __init__(self, first, second):
        width = max(len(str(first)), len(str(second))) + 2
        self.cells = [[int(digit) for digit in reversed(str(number))] for number in (first, second)] + [[], []]
        for row in self.cells:
            row += [BLANK] * (width - len(row))
        self.pointers = [0, 0, 0, 0]

    def observe(self):
        """What the four pointers point at."""
        return tuple(row[at] for row, at in zip(self.cells, self.pointers))

    def act(self, order):
        """Write a digit under a pointer, or move a pointer by a column."""
        kind, row, value = order
        if not 0 <= row < 4:
            return
        if kind == WRITE:
            self.cells[row][self.pointers[row]] = value
        elif kind == POINT:
            at = self.pointers[row] + (1 if value == LEFT else -1)
            self.pointers[row] = min(max(at, 0), len(self.cells[row]) - 1)

    def result(self):
        """The row of the sum, as a number."""
        digits = [digit for digit in reversed(self.cells[OUT]) if digit != BLANK]
        return int("".join(map(str, digits)) or "0")


class SortPad:
    """An array of digits with two pointers that walk over it, and a counter of passes.

    It shows what the two point at, whether the first is at the left end (1 or 0), and whether the counter has passed the
    right end. The counter is a pointer as well: the paper's third.
    """

    rows = ("first", "second", "counter")

    def __init__(self, array):
        self.array = list(array)
        self.pointers = [0, 0, 0]

    def observe(self):
        """(digit at the first, digit at the second, first is leftmost, all passes are done)"""
        at = [self.array[i] if i < len(self.array) else BLANK for i in self.pointers]
        return at[0], at[1], int(self.pointers[0] == 0), int(at[2] == BLANK)

    def act(self, order):
        """Move a pointer by one place, or exchange what the first two point at."""
        kind, row, value = order
        if kind == POINT and 0 <= row < 3:
            at = self.pointers[row] + (1 if value == RIGHT else -1)
            self.pointers[row] = min(max(at, 0), len(self.array))
        elif kind == SWAP and max(self.pointers[:2]) < len(self.array):
            one, two = self.pointers[:2]
            self.array[one], self.array[two] = self.array[two], self.array[one]

    def result(self):
        """The array as it is."""
        return list(self.array)
