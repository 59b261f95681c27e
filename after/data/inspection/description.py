"""A store in sentences: for the end of a preparation and for `after inspect_dataset`."""

from collections.abc import Iterator, Mapping
from typing import Any

from after.data.inspection.advice import advise
from after.data.inspection.histograms import from_json, note_name, percentile, used_bins

_PERCENTS = (5, 50, 95)
_LONGEST_VALUE = 24


def describe_store(manifest: Mapping[str, Any]) -> list[str]:
    """Describe a store from its manifest, in lines; manifests of older programs say less."""
    summary = manifest["summary"]
    sample_rate, chunk_samples = manifest["sample_rate"], manifest["chunk_samples"]
    lines = [
        f"{sample_rate} Hz mono, chunks of {chunk_samples} samples ({chunk_samples / sample_rate:.3f} s)",
        *(_describe_size(split, size) for split, size in summary["splits"].items()),
        *(
            _describe_size(title, summary["kinds"][kind]) + ", train"
            for title, kind in (("copies", "copy"), ("silence", "silence"))
            if summary.get("kinds", {}).get(kind, {}).get("files")
        ),
        _describe_notes(summary),
        *_describe_sound(summary.get("histograms", {})),
        *_describe_features(summary),
    ]
    if summary["clipped_samples"]:
        lines.append(f"clipped    {summary['clipped_samples']} samples")
    lines.append(_describe_problems(manifest))
    lines += _describe_groups(summary["groups"])
    lines += [f"advice     {text}" for text in advise(manifest)]
    return [printable(line) for line in lines]


def printable(text: str) -> str:
    """Make a file name that is not UTF-8, or holds control characters, fit for a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def voiced_share(histograms: Mapping[str, Mapping[str, int]]) -> float | None:
    """Give the share of the frames that have a pitch, or None where nobody listened for it."""
    voicing = from_json(histograms.get("voicing", {}))
    total = sum(voicing.values())
    return voicing.get(1, 0) / total if total else None


def _describe_size(title: str, size: Mapping[str, float]) -> str:
    return f"{title:<11}{size['hours']:9.3f} h {size['files']:7d} files {size['chunks']:8d} chunks"


def _describe_notes(summary: Mapping[str, Any]) -> str:
    """Describe the notes of MIDI files: how many, and the range they cover."""
    pitches = used_bins(summary["pitch_histogram"])
    if not pitches:
        return "notes      none"
    low, high = (f"{note_name(pitch)} ({pitch})" for pitch in (min(pitches), max(pitches)))
    number, files = summary["notes"], summary["files_with_notes"]
    return f"notes      {number} in {files} files, {low} to {high}; {_pitch_range(pitches)}"


def _describe_sound(histograms: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Describe what was heard in the audio: transcribed notes, pitch and loudness."""
    transcribed = from_json(histograms.get("transcribed_pitch", {}))
    if any(transcribed.values()):
        yield f"heard      {sum(transcribed.values())} transcribed notes; {_pitch_range(transcribed)}"
    share = voiced_share(histograms)
    if share is not None:
        pitches = from_json(histograms.get("pitch", {}))
        yield f"pitch      {share:.0%} of the frames voiced" + (f"; {_pitch_range(pitches)}" if pitches else "")
    loudness = from_json(histograms.get("loudness_db", {}))
    if any(loudness.values()):
        levels = ", ".join(f"{percentile(loudness, percent)}" for percent in _PERCENTS)
        yield f"loudness   {_percents()}: {levels} dB"


def _describe_features(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say which features are there for how many files, and with which settings."""
    for feature in summary.get("features", []):
        files = feature["files"]
        total = {kind: size["files"] for kind, size in summary["kinds"].items()}
        parts = [
            f"{files[kind]} of {total[kind]} {title}"
            for kind, title in (("recording", "recordings"), ("copy", "copies"), ("silence", "silences"))
            if total[kind]
        ]
        settings = ", ".join(f"{name} {_shorten(value)}" for name, value in sorted(feature["settings"].items()))
        yield f"feature    {feature['name']}: {', '.join(parts)}" + (f"; {settings}" if settings else "")


def _describe_problems(manifest: Mapping[str, Any]) -> str:
    """Count the refused files and the warnings."""
    skipped, warnings = len(manifest.get("skipped", [])), len(manifest.get("warnings", []))
    return f"problems   {skipped} skipped files, {warnings} warnings" if skipped or warnings else "problems   none"


def _describe_groups(groups: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    """Give every group's minutes."""
    yield f"groups     {len(groups)}"
    width = max((len(group) for group in groups), default=0)
    for group, splits in groups.items():
        minutes = {split: 60 * size["hours"] for split, size in splits.items()}
        yield f"  {group:<{width}} {minutes['train']:8.1f} min train {minutes['validation']:7.1f} min validation"


def _pitch_range(pitches: Mapping[int, int]) -> str:
    """Name the pitches at the percentiles."""
    return f"{_percents()}: " + ", ".join(note_name(percentile(pitches, percent)) for percent in _PERCENTS)


def _percents() -> str:
    return " / ".join(str(percent) for percent in _PERCENTS) + " %"


def _shorten(value: object) -> str:
    """Give a setting's value, cut where it is long (a hash, a list)."""
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
