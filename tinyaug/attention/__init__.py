"""Attention: the article's second section. One pure function, `attend`, serves all of it."""

from tinyaug.attention.attend import attend, attention_weights, causal_mask, masked, padding_mask, positions
from tinyaug.attention.decode import beam_search, greedy, length_penalty
from tinyaug.attention.encoders import Bidirectional, Pyramid, unroll_masked
from tinyaug.attention.hard import Glance, attend_hard, others_mean, reinforce
from tinyaug.attention.multihead import MultiHead
from tinyaug.attention.pointer import Pointer, PointerState, SetEncoder
from tinyaug.attention.scores import Additive, Concat, General, Location, Score, cosine, dot, scaled_dot
from tinyaug.attention.seq2seq import Decoder, DecoderState, Seq2Seq, Source, sequence_loss
from tinyaug.attention.transformer import (
    DecoderLayer,
    Encoder,
    EncoderLayer,
    Positions,
    PositionWise,
    Transformer,
    TransformerState,
    sinusoids,
)
from tinyaug.attention.windows import LocalMonotonic, LocalPredictive

__all__ = ["Additive", "Bidirectional", "Concat", "Decoder", "DecoderLayer", "DecoderState", "Encoder", "EncoderLayer",
           "General", "Glance", "LocalMonotonic", "LocalPredictive", "Location", "MultiHead", "Pointer", "PointerState",
           "PositionWise", "Positions", "Pyramid", "Score", "Seq2Seq", "SetEncoder", "Source", "Transformer",
           "TransformerState", "attend", "attend_hard", "attention_weights", "beam_search", "causal_mask", "cosine", "dot",
           "greedy", "length_penalty", "masked", "others_mean", "padding_mask", "positions", "reinforce", "scaled_dot",
           "sequence_loss", "sinusoids", "unroll_masked"]
