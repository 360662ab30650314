"""Networks that write and run programs: the article's fourth section."""

from tinyaug.programmer.interpreter import Call, Interpreter, Step
from tinyaug.programmer.programmer import Averaged, AveragedSteps, Controller, Programmer, Scores
from tinyaug.programmer.soft_ops import OPERATIONS, Choice, Instruction, execute, harden, live, run_soft, write

__all__ = ["OPERATIONS", "Averaged", "AveragedSteps", "Call", "Choice", "Controller", "Instruction", "Interpreter",
           "Programmer", "Scores", "Step", "execute", "harden", "live", "run_soft", "write"]
