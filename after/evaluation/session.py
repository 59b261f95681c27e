"""A whole evaluation: plan, listen to real recordings, play, score, gather."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from after.evaluation.centroids import load_bundled_centroids, load_centroids
from after.evaluation.figures import FRECHET, compare_distributions, count_confusions, summarise
from after.evaluation.likeness import TimbreJudge, build_judge
from after.evaluation.performance import PerformanceSettings
from after.evaluation.phrases import Phrase, build_phrase, read_phrase
from after.evaluation.plan import Task, choose_timbres, plan_given, plan_phrases, plan_recorded, with_references
from after.evaluation.real_recordings import RealRecordings, count_described, describe_recordings
from after.evaluation.report import Classifier, Outcome
from after.evaluation.transfer import Transfer, measure_transfer
from after.evaluation.trials import Scored, Scorer, read_tasks, render_tasks, score_all
from after.features.crepe import CrepeSize
from after.instrument import Instrument

_LOGGER = logging.getLogger(__name__)

PAIR_S = 6.0
"""How much of a phrase is played in the timbre of another instrument, at most."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Called with what is done and how many steps it has; the context gives a function to call after each."""


@contextmanager
def show_nothing(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Be a progress that is not shown."""
    yield lambda: None


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to evaluate.

    Attributes:
        instrument: file, None for the bundled one.
        num_steps: sampler steps, None for the instrument's own.
        recordings: folder of real recordings, one sub-folder per instrument; None without.
        names: timbres of sub-folders that are called otherwise.
        per_timbre: recordings that each timbre plays where no MIDI file is given.
        with_pairs: whether to play every instrument's phrases in every timbre.
        midi: files to play; without them the recordings' own, or a built-in phrase.
        timbres: to play in, all if empty.
        audio: recordings to score in place of the instrument.
        references: the same played for real, for each recording or render in order; none to look in `recordings`.
        centroids: file of timbre references, None for those of the recordings or the bundled ones.
        seed: of renders and bootstrap.
        max_s: how much of each piece counts, seconds.
        real_per_timbre: recordings of each instrument to learn timbres from.
        pitch_model: CREPE network.
        pair_pitch_model: for pairs.
    """

    instrument: Path | None = None
    num_steps: int | None = None
    recordings: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    per_timbre: int = 2
    with_pairs: bool = False
    midi: Sequence[Path] = ()
    timbres: Sequence[str] = ()
    audio: Sequence[Path] = ()
    references: Sequence[Path] = ()
    centroids: Path | None = None
    seed: int = 0
    max_s: float = 30.0
    real_per_timbre: int = 24
    pitch_model: CrepeSize = "full"
    pair_pitch_model: CrepeSize = "tiny"


def evaluate(
    request: Request,
    *,
    progress: Progress = show_nothing,
    on_scored: Callable[[int, int, Scored], None] = lambda _index, _total, _scored: None,
) -> Outcome:
    """Evaluate an instrument, or recordings.

    Args:
        request: what.
        progress: shows how far it is.
        on_scored: called with the index of each result, the number of all and the result, which still has its audio.

    Returns:
        The figures.

    Raises:
        AfterError: if a file or folder is missing, damaged or does not fit the others; the message says which.
    """
    real = RealRecordings.find(request.recordings, names=request.names) if request.recordings else None
    instrument = None if request.audio else _open_instrument(request)
    tasks = with_references(_plan(request, real, instrument), request.references)
    melodies = _plan_pairs(request, real, instrument) if request.with_pairs and real and instrument else {}
    judge = _listen(request, real, [*tasks, *(task for given in melodies.values() for task in given)], progress)
    scorer = Scorer(settings=PerformanceSettings(pitch_model=request.pitch_model), judge=judge)
    with progress("scoring", len(tasks)) as advance:

        def on_each(index: int, scored: Scored) -> None:
            on_scored(index, len(tasks), scored)
            advance()

        recordings = render_tasks(instrument, tasks, seed=request.seed) if instrument else read_tasks(tasks)
        results = score_all(scorer, recordings, on_scored=on_each)
    transfer = None
    if melodies and real and instrument:
        transfer = _transfer(request, real, instrument, melodies, judge, progress)
    return _gather(request, results, judge, transfer)


def _open_instrument(request: Request) -> Instrument:
    instrument = Instrument.load(request.instrument)
    if request.num_steps is not None:
        instrument.set(num_steps=request.num_steps)
    return instrument


def _plan(request: Request, real: RealRecordings | None, instrument: Instrument | None) -> list[Task]:
    phrases = [read_phrase(path, max_s=request.max_s) for path in request.midi]
    if instrument is None:
        return plan_given(request.audio, phrases, request.timbres, real=real)
    if real is not None and not phrases:
        timbres = choose_timbres(instrument.timbres, request.timbres, real)
        missing = [name for name in instrument.timbres if name not in timbres]
        if missing and not request.timbres:
            _LOGGER.warning("no recordings of %s: left out", ", ".join(missing))
        return plan_recorded(real, timbres, per_timbre=request.per_timbre, max_s=request.max_s)
    timbres = choose_timbres(instrument.timbres, request.timbres)
    return plan_phrases(phrases or [build_phrase()], timbres, real=real, max_s=request.max_s)


def _plan_pairs(request: Request, real: RealRecordings, instrument: Instrument) -> dict[str, list[Task]]:
    """Choose a phrase of each instrument that is a timbre too."""
    timbres = choose_timbres(instrument.timbres, request.timbres, real)
    max_s = min(PAIR_S, request.max_s)
    return {name: plan_recorded(real, [name], per_timbre=1, max_s=max_s) for name in timbres}


def _listen(request: Request, real: RealRecordings | None, tasks: Sequence[Task], progress: Progress) -> TimbreJudge:
    """Learn timbres from the recordings that are not played."""
    given = load_centroids(request.centroids) if request.centroids else None
    if real is None:
        return TimbreJudge(centroids=given or load_bundled_centroids())
    played = {task.reference_path for task in tasks if task.reference_path is not None}
    total = count_described(real, leave_out=played, per_instrument=request.real_per_timbre)
    with progress("listening to real recordings", total) as advance:
        described = describe_recordings(
            real,
            leave_out=played,
            per_instrument=request.real_per_timbre,
            max_s=request.max_s,
            on_progress=advance,
        )
    judge = build_judge(described, real, centroids=given)
    if judge.space is None:
        _LOGGER.warning("no timbre classifier: %s has too few recordings besides those played", real.folder)
    return judge if judge.centroids else replace(judge, centroids=load_bundled_centroids())


def _transfer(
    request: Request,
    real: RealRecordings,
    instrument: Instrument,
    melodies: Mapping[str, Sequence[Task]],
    judge: TimbreJudge,
    progress: Progress,
) -> Transfer:
    phrases: dict[str, list[Phrase]] = {name: [task.phrase for task in tasks] for name, tasks in melodies.items()}
    total = len(phrases) * sum(len(given) for given in phrases.values())
    with progress("playing pairs", total) as advance:
        return measure_transfer(
            instrument,
            phrases,
            {name: real.pitch_range(name) for name in phrases},
            judge,
            settings=PerformanceSettings(pitch_model=request.pair_pitch_model),
            seed=request.seed,
            on_progress=advance,
        )


def _gather(request: Request, results: Sequence[Scored], judge: TimbreJudge, transfer: Transfer | None) -> Outcome:
    trials = [scored.trial for scored in results]
    figures = summarise(trials, seed=request.seed)
    frechet = compare_distributions(results, judge, seed=request.seed)
    if frechet is not None:
        figures[FRECHET] = frechet
    classifier = None
    if judge.space is not None:
        classifier = Classifier(
            num_instruments=len(judge.is_right),
            num_recordings=sum(len(given) for given in judge.is_right.values()),
            cross_validated_accuracy=judge.cross_validated(seed=request.seed),
        )
    return Outcome(
        settings=_settings(request),
        trials=trials,
        figures=figures,
        classifier=classifier,
        confusion=count_confusions(trials),
        transfer=transfer,
        seed=request.seed,
    )


def _settings(request: Request) -> dict[str, object]:
    """Name what the figures depend on."""
    return {
        "instrument": "recordings" if request.audio else str(request.instrument or "bundled"),
        "recordings": str(request.recordings) if request.recordings else None,
        "num_steps": request.num_steps,
        "seed": request.seed,
        "pitch_model": request.pitch_model,
        "pair_pitch_model": request.pair_pitch_model if request.with_pairs else None,
        "max_seconds": request.max_s,
    }
