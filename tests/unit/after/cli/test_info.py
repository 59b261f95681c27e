from click.testing import CliRunner

import after
from after.cli.info import command


def test_info_names_version_instrument_and_devices() -> None:
    result = CliRunner().invoke(command)
    assert result.exit_code == 0, result.output
    assert after.__version__ in result.output
    assert "torch" in result.output
    assert "instrument" in result.output
    assert "cpu (" in result.output
