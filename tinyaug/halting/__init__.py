"""Time to think, as long as it takes: the article's third section."""

from tinyaug.halting.act import ACT, halting_weights
from tinyaug.halting.fixed import Fixed
from tinyaug.halting.looking import Looking, LookingState
from tinyaug.halting.ponder_net import PonderNet, divergence, halting_log_probabilities
from tinyaug.halting.pondering import Pondering, PonderState, Thought

__all__ = ["ACT", "Fixed", "Looking", "LookingState", "PonderNet", "PonderState", "Pondering", "Thought", "divergence",
           "halting_log_probabilities", "halting_weights"]
