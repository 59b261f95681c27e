"""What leaks between structure and timbre of a trained model, read by linear probes from held-out excerpts."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from after.conditioning.adversary import mean_pitch
from after.conditioning.probes import ProbeScore, pool_over_time, probe_groups, probe_value
from after.data.loading.excerpts import Batch
from after.errors import DataError
from after.model import Model

_MIN_PITCHED = 8


@torch.inference_mode()
def probe_model(
    model: Model, batches: Sequence[Batch], groups: Sequence[str]
) -> tuple[dict[str, ProbeScore], list[str]]:
    """Probe the structure for the instrument, and the timbre for instrument and pitch.

    Args:
        model: in evaluation mode.
        batches: held-out excerpts.
        groups: names of the instruments that `Batch.group` numbers.

    Returns:
        Scores by name, and what was left out of them, with the reason.
    """
    timbre = np.concatenate([model.timbre_encoder(batch.timbre_latents).numpy() for batch in batches])
    structure = np.concatenate(
        [pool_over_time((b.structure if model.code is None else model.code(b.structure)).numpy()) for b in batches]
    )
    group = [groups[int(number)] for batch in batches for number in batch.group]
    origin, source = ([int(n) for b in batches for n in getattr(b, name)] for name in ("origin", "source"))
    pitch = mean_pitch(torch.cat([batch.timbre_pitches for batch in batches])).double().numpy()

    def probe_pitch() -> ProbeScore:
        known = np.flatnonzero(pitch > 0)
        if len(known) <= _MIN_PITCHED:
            raise DataError(f"pitches are known of {len(known)} excerpts; a probe needs more than {_MIN_PITCHED}")
        return probe_value(timbre[known], pitch[known], sources=[source[index] for index in known])

    probes: dict[str, Callable[[], ProbeScore]] = {
        "instrument in structure": lambda: probe_groups(structure, group, sources=origin),
        "instrument in timbre": lambda: probe_groups(timbre, group, sources=source),
        "pitch in timbre": probe_pitch,
    }
    scores, gaps = {}, []
    for name, probe in probes.items():
        try:
            scores[name] = probe()
        except DataError as error:
            gaps.append(f"probe of {name}: {error}")
            continue
        if scores[name].left_out:
            gaps.append(f"probe of {name}: of {', '.join(scores[name].left_out)}, with too few recordings")
    return scores, gaps
