"""The published tracking constants of TransT."""

from types import SimpleNamespace

cfg = SimpleNamespace(
    TRACK=SimpleNamespace(
        PENALTY_K=0,  # no scale or aspect penalty
        # weight of the Hann window; raising it favours targets that moved little
        WINDOW_INFLUENCE=0.49,
        EXEMPLAR_SIZE=128,  # template crop in px, unless the network says otherwise
        INSTANCE_SIZE=256,  # search crop in px, unless the network says otherwise
    )
)
