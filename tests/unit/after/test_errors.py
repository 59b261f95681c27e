import pytest

from after import errors

KINDS = [
    errors.ConfigError,
    errors.AudioError,
    errors.MidiError,
    errors.DataError,
    errors.CheckpointError,
    errors.ExportError,
    errors.InstrumentError,
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_an_after_error_and_a_value_error(kind: type[errors.AfterError]) -> None:
    assert issubclass(kind, errors.AfterError)
    assert issubclass(kind, ValueError)
    assert kind("message").exit_code == 2
    assert str(kind("message")) == "message"
