"""Differentiable memory: the article's first section."""

from tinyaug.memory.addressing import content_weights, cosine_similarity, interpolate, sharpen, shift
from tinyaug.memory.augmented import AugmentedState, MemoryAugmented
from tinyaug.memory.ntm import NTMMemory, NTMState, erase_and_add

__all__ = ["AugmentedState", "MemoryAugmented", "NTMMemory", "NTMState", "content_weights", "cosine_similarity",
           "erase_and_add", "interpolate", "sharpen", "shift"]
